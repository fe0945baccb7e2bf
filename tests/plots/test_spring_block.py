"""Pictures of the chain show the numbers of their Dataset, and its film the positions."""

import io

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex
from PIL import Image

from loadpath import plots, spring_block
from loadpath.plots import animation
from loadpath.plots.spring_block import curve_of

CHAIN = spring_block.Chain(n_blocks=4, friction_right=0.1, friction_left=0.2)
OPTIONS = dict(n_steps=2000, n_replicas=12, record_every=100, threads=1)


@pytest.fixture(scope="module")
def shaken():
    pull = spring_block.steady(1.0, over=1000, n_steps=2000)
    ds = spring_block.simulate(CHAIN, noise=0.02, pull=pull, **OPTIONS)
    ds["rest_load"] = "spring", spring_block.rest_state(CHAIN)
    ds["mean_load"] = "spring", spring_block.mean_state(CHAIN)
    return ds.assign_attrs(label="shaken")


@pytest.fixture(scope="module")
def diagram():
    return spring_block.chain_phase_diagram(
        friction=[0.01, 0.1, 1.2], noise=[0.001, 0.005, 0.02, 0.1], n_replicas=20, n_steps=3000
    )


def line(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


# --- load curves and trajectories ---


def test_a_load_curve_falls_from_1_to_0_by_the_share_of_each_load():
    np.testing.assert_allclose(curve_of(np.array([1.0, 2.0, 5.0])), [1, 7 / 8, 5 / 8, 0])


def test_the_mean_curve_is_drawn_with_its_spread_and_the_exact_ones(shaken):
    ax = plots.chain_load_curves(shaken)
    loads = shaken["load"].isel(time=-1)
    x = np.concatenate([[0], np.cumsum(loads.mean("replica"))])
    np.testing.assert_allclose(line(ax, "mean of 12 chains").get_ydata(), 1 - x, atol=1e-12)
    (band,) = ax.collections
    one = np.concatenate([np.zeros((12, 1)), loads.values.cumsum(1)], axis=1)
    height = band.get_paths()[0].get_extents().height
    sides = (1 - one.mean(0)) + np.array([[-1], [1]]) * one.std(0)
    assert height == pytest.approx(np.ptp(sides))
    for name, label in (
        ("rest_load", "at rest, exact"),
        ("mean_load", "shaken long enough, exact"),
    ):
        exact = 1 - np.cumsum([0, *shaken[name].values])
        np.testing.assert_allclose(line(ax, label).get_ydata(), exact, atol=1e-12)
    np.testing.assert_allclose(line(ax, "equal loads").get_xydata(), [[0, 1], [5, 0]])


def test_several_chains_are_told_apart_by_their_labels(shaken):
    still = spring_block.simulate(CHAIN, **{**OPTIONS, "n_replicas": 1}).assign_attrs(label="still")
    ax = plots.chain_load_curves([still, shaken])
    curves = [line(ax, label) for label in ("still", "shaken")]
    assert len({curve.get_color() for curve in curves}) == 2
    x = np.cumsum([0, *still["load"][0, -1].values])
    np.testing.assert_allclose(curves[0].get_ydata(), 1 - x, atol=1e-12)
    assert not any("exact" in str(line.get_label()) for line in ax.lines)


def test_trajectories_are_mean_positions_and_the_pulled_end(shaken):
    ax = plots.chain_trajectories(shaken)
    mean = shaken["position"].mean("replica")
    for drawn, block in zip(ax.lines, mean.transpose("block", "time").values, strict=False):
        np.testing.assert_allclose(drawn.get_ydata(), block)
        np.testing.assert_array_equal(drawn.get_xdata(), shaken["time"])
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), shaken["wall"], atol=1e-12)
    assert [text.get_text() for text in ax.texts] == ["1", "2", "3", "4", "pulled end"]


def test_labels_of_blocks_that_end_together_do_not_lie_on_each_other():
    still = spring_block.Chain(n_blocks=6, friction_right=2.0, friction_left=2.0)
    ax = plots.chain_trajectories(spring_block.simulate(still, n_steps=100))
    heights = np.sort([text.xy[1] for text in ax.texts])
    assert np.diff(heights).min() > 0.04


# --- the phase diagram ---


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


# --- a fit ---


def test_a_fit_is_drawn_with_its_curves_and_its_region():
    loads = [[0.05, 0.1, 0.35, 0.5], [0.25, 0.25, 0.26, 0.24]]
    ds = xr.Dataset(
        {
            "load": (("level", "spring"), loads),
            "load_error": (("level", "spring"), np.full((2, 4), 0.01)),
            "fitted_load": (("level", "spring"), np.array(loads) + 0.002),
            "noise": ("level", [0.01, 0.03]),
            "value": ("parameter", [1.0, 0.1, 0.12, 0.01, 0.03]),
            "low": ("parameter", [1.0, 0.09, 0.1, 0.008, 0.02]),
            "high": ("parameter", [1.0, 0.11, 0.14, 0.012, np.inf]),
        },
        coords={
            "level": [0, 1],
            "spring": [1, 2, 3, 4],
            "parameter": ["stiffness", "friction_right", "friction_left", "noise 0", "noise 1"],
        },
        attrs={"errors": "given"},
    )
    right, left = np.linspace(0.05, 0.2, 9), np.linspace(0.08, 0.3, 8)
    rise = ((right[:, None] - 0.1) / 0.02) ** 2 + ((left - 0.12) / 0.02) ** 2
    region = xr.Dataset(
        {
            "rise": (("friction_right", "friction_left"), rise),
            "inside": (("friction_right", "friction_left"), rise <= 5.99),
        },
        coords={"friction_right": right, "friction_left": left},
        attrs={"limit": 5.99, "level": 0.95},
    )
    figure = plots.figure_chain_fit(ds, region)
    curves, frictions = figure.axes
    for container, load in zip(curves.containers, loads, strict=True):
        np.testing.assert_allclose(container.lines[0].get_ydata(), load)
    for noise, load in zip(("0.01", r"$\geq$ 0.02"), loads, strict=True):
        np.testing.assert_allclose(line(curves, noise).get_ydata(), np.array(load) + 0.002)
    outline = np.vstack([path.vertices for path in frictions.collections[-1].get_paths()])
    # The circle about the best point where the rise is the limit, on a grid of some 0.03.
    radius = np.hypot(outline[:, 0] - 0.1, outline[:, 1] - 0.12) / 0.02
    np.testing.assert_allclose(radius, np.sqrt(5.99), rtol=0.1)
    assert frictions.get_xlabel().startswith("friction to the right")
    assert frictions.get_title("left") == "best, and region of 95 % confidence"
    older = region.assign_attrs(confidence=0.9)
    del older.attrs["level"]  # as version 0.1.0 wrote it
    title = plots.figure_chain_fit(ds, older).axes[1].get_title("left")
    assert title == "best, and region of 90 % confidence"
    with pytest.raises(ValueError, match=r"lacks the variables \['rise'\]"):
        plots.figure_chain_fit(ds, region.drop_vars("rise"))


# --- films ---


def test_a_film_is_the_first_replica_and_the_mean_at_the_end(shaken):
    film = plots.Film.of(shaken, label="a", verdict="lazy")
    np.testing.assert_array_equal(film.time, shaken["time"])
    np.testing.assert_allclose(film.position[:, 1:-1], shaken["position"][0], atol=1e-12)
    np.testing.assert_allclose(film.position[:, -1], shaken["wall"], atol=1e-12)
    assert (film.position[:, 0] == 0).all() and film.shaken
    mean = shaken["position"].isel(time=-1).mean("replica")
    np.testing.assert_allclose(film.mean[1:-1], mean, atol=1e-12)


def test_a_long_film_keeps_its_first_and_last_instant(shaken, monkeypatch):
    monkeypatch.setattr(animation, "FRAMES", 8)
    film = plots.Film.of(shaken, label="a", verdict="lazy")
    np.testing.assert_allclose(film.time, [0, 3, 6, 9, 12, 15, 18, 20])
    assert (film.at(0.0), film.at(0.43), film.at(1.0)) == (0, 3, 7)


def test_lengths_are_in_units_of_the_pull():
    chain = spring_block.Chain(n_blocks=2, target=5.0)
    film = plots.Film.of(spring_block.simulate(chain, n_steps=50), label="a", verdict="lazy")
    assert film.position[-1, -1] == 1.0 and film.mean[-1] == 1.0 and not film.shaken


def test_unmoved_blocks_are_drawn_side_by_side():
    film = plots.Film.of(
        spring_block.simulate(CHAIN, n_steps=1, record_every=1), label="a", verdict="lazy"
    )
    left = film.drawn()[0, 1:-1]
    # Springs and blocks of 0.8 / 2 / 5 each.
    assert film.block == pytest.approx(0.08)
    np.testing.assert_allclose(left, [0.08, 0.24, 0.40, 0.56])


def test_a_spring_is_drawn_from_end_to_end():
    x, y = animation._zigzag(np.array([0.0, 2.0]), np.array([1.0, 5.0]))
    first, second = np.split(x, 2)
    assert (first[0], first[-2]) == (0, 1) and (second[0], second[-2]) == (2, 5)
    assert np.isnan([first[-1], second[-1]]).all() and (np.diff(first[:-1]) > 0).all()
    assert np.ptp(y[:-1][np.isfinite(y[:-1])]) > 0.2


def test_a_gif_moves_its_blocks_to_where_they_end(shaken, monkeypatch):
    monkeypatch.setattr(animation, "GIF_FRAMES", 3)
    film = plots.Film.of(shaken, label="a chain", verdict="active")
    with Image.open(io.BytesIO(plots.chain_gif([film, film], progress=False))) as gif:
        assert gif.format == "GIF" and gif.n_frames == 3
        assert gif.size == (round(8.4 * 80), round((0.35 + 2 * 1.45) * 80))
        frames = []
        for i in range(3):
            gif.seek(i)
            frames.append(np.asarray(gif.convert("RGB")).astype(int))
    colour = np.array([255 * c for c in mpl.colors.to_rgb(plots.animation.block_colours(4)[3])])
    # The last block's own colour is found further right from frame to frame.
    ends = [np.flatnonzero((abs(frame - colour).sum(-1) < 30).any(0)).max() for frame in frames]
    assert ends[0] < ends[1] < ends[2]


def test_a_page_gets_the_same_film_as_plain_numbers(shaken):
    film = plots.Film.of(shaken, label="a", verdict="lazy")
    scene = plots.scene_data([film])
    (chain,) = scene["chains"]
    np.testing.assert_allclose(chain["position"], film.position, atol=5e-5)
    np.testing.assert_allclose(chain["mean"], film.mean, atol=5e-5)
    np.testing.assert_allclose(chain["time"], film.time)
    assert chain["colours"][0] == to_hex(plots.animation.block_colours(4)[0])
    assert (chain["label"], chain["verdict"], chain["block"]) == ("a", "lazy", film.block)


@pytest.mark.parametrize("draw", [plots.chain_load_curves, plots.chain_trajectories])
def test_a_missing_variable_is_named_in_one_sentence(draw, shaken):
    with pytest.raises(ValueError, match=r"^ds lacks the variables \['load'\]"):
        draw(shaken.drop_vars("load"))
    with pytest.raises(ValueError, match=r"^ds lacks the variables \['concavity', "):
        plots.chain_phase_diagram(shaken)
