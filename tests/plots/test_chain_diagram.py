"""The picture of a phase diagram shows the numbers of its Dataset, and the boundaries."""

import numpy as np
import pytest

from loadpath import plots, spring_block
from loadpath.plots.spring_block import curve_of


@pytest.fixture(scope="module")
def diagram():
    return spring_block.chain_phase_diagram(
        friction=[0.01, 0.1, 1.2], noise=[0.001, 0.005, 0.02, 0.1], n_replicas=20, n_steps=3000
    )


def line(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def test_the_diagram_shows_concavity_in_its_cells_and_the_boundaries(diagram):
    ax = plots.chain_phase_diagram(diagram)
    mesh = ax.collections[0]
    np.testing.assert_array_equal(mesh.get_array(), diagram["concavity"])
    # As far down as up, so that its middle is white where nothing is bent.
    assert mesh.norm.vmin == -mesh.norm.vmax
    x, y = mesh.get_coordinates()[0, :, 0], mesh.get_coordinates()[:, 0, 1]
    for edges, values in ((x, diagram["noise"]), (y, diagram["friction"])):
        assert (edges[:-1] < values).all() and (values < edges[1:]).all()
        np.testing.assert_allclose(edges[1:-1], np.sqrt(values.values[1:] * values.values[:-1]))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    unpinning = line(ax, "unpinning noise")
    np.testing.assert_allclose(unpinning.get_xdata(), diagram["unpinning_noise"])
    np.testing.assert_allclose(unpinning.get_ydata(), diagram["friction"])
    for label, name in (
        ("no noise: none move above", "moves_none"),
        ("no noise: all move below", "moves_all"),
    ):
        np.testing.assert_allclose(line(ax, label).get_ydata(), float(diagram[name]))
    straight = np.abs(diagram["concavity"]) <= 3 * diagram["concavity_error"]
    dots = line(ax, "straight within 3 s.e.").get_xydata()
    assert len(dots) == int(straight.sum())


def test_the_line_of_no_concavity_runs_between_cells_that_are_clear_of_their_errors():
    ds = spring_block.chain_phase_diagram(
        friction=[0.1, 0.2, 0.3], noise=[1.0, 4.0, 5.0, 7.0], n_replicas=1, n_steps=1
    )
    ds["concavity"][:] = [[0.3, 0.001, -0.1, 0.002], [0.2, 0.1, 0.3, 0.4], [-0.1, 0.3, -0.3, -0.4]]
    ds["concavity_error"][:] = 0.002
    drawn = line(plots.chain_phase_diagram(ds), "concavity 0, measured")
    np.testing.assert_allclose(drawn.get_xdata(), [4.0, np.nan, 4.5])
    np.testing.assert_array_equal(drawn.get_ydata(), [0.1, 0.2, 0.3])


def test_small_curves_are_those_of_their_cells(diagram):
    ax = plots.chain_phase_diagram(diagram)
    small = [one for one in ax.lines if one.get_transform() is ax.transAxes]
    assert len(small) == 2 * diagram["concavity"].size  # each with its chord
    chord, curve = (one.get_ydata() for one in small[:2])
    share = (curve - chord[1]) / (chord[0] - chord[1])
    np.testing.assert_allclose(share, curve_of(diagram["load"].values[0, 0]), atol=1e-12)


def test_a_langevin_diagram_has_no_unpinning_noise(diagram):
    ax = plots.chain_phase_diagram(diagram.assign_attrs(dynamics="langevin"))
    assert "unpinning noise" not in [one.get_label() for one in ax.lines]


@pytest.mark.parametrize(
    "friction, noise", [([0.0, 0.1], [0.0, 0.1]), ([0.1], [0.0]), ([0.2], [1])]
)
def test_grids_with_0_or_a_single_value_are_drawn(friction, noise):
    ds = spring_block.chain_phase_diagram(friction=friction, noise=noise, n_replicas=2, n_steps=10)
    ax = plots.chain_phase_diagram(ds)
    assert ax.get_xscale() == ("linear" if noise[0] == 0 else "log")
    assert plots.png(ax).startswith(b"\x89PNG")


def test_a_missing_variable_is_named_in_one_sentence(diagram):
    with pytest.raises(ValueError, match=r"^ds lacks the variables \['concavity'\]"):
        plots.chain_phase_diagram(diagram.drop_vars("concavity"))
