"""What a figure shows can be read back from it, number for number."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from loadpath import plots
from loadpath.plots.contents import plain
from loadpath.report import certificate
from loadpath.report.chain import LOAD_CURVE, TRAJECTORIES
from loadpath.report.diagnosis import _CURVES, _SKIPPED
from loadpath.report.figures import _OF_HISTORY, _OF_PROFILE, _OF_SOLVING
from tests.plots.test_plots import synthetic_profile
from tests.plots.test_style import FIGURES, draw

ON_PAGES = {
    each.draw.__name__
    for each in (*_OF_PROFILE, *_OF_HISTORY, *_OF_SOLVING, *certificate.FIGURES, TRAJECTORIES,
                 LOAD_CURVE, _SKIPPED, *(figure for _, figure in _CURVES))
}  # fmt: skip
"""The figures of pages."""


@pytest.mark.parametrize(
    "label, said",
    [
        (r"kinetic energy, $(2/\tilde{L})\,T$", "kinetic energy, (2/L\N{COMBINING TILDE}) T"),
        (r"$\|W - W^\mathrm{stationary}\| \,/\, \|W\|$", "‖W - W^stationary‖ / ‖W‖"),
        (r"block_1.\$x\$", "block_1.$x$"),
        (r"layer step $\rho_\ell$", "layer step ρ_ℓ"),
        ("plain", "plain"),
    ],
)
def test_labels_lose_the_marks_of_formulas(label, said):
    assert plain(label) == said


def test_curves_bars_levels_and_stretches_are_read_back():
    ax = Figure().subplots()
    ax.errorbar([0, 1], [2.0, 3.0], yerr=[[0.5, 0], [0.25, 0]], label="with bars")
    ax.plot([0, 1, 2], [5, np.nan, 7], label="line")
    ax.plot([0], [0], label="_nolegend_")
    ax.axhline(4, label="level")
    ax.axhline(9)  # without a label it is a guide for the eye
    ax.axvline(1, label="a place")
    ax.axvspan(0, 0.5, label="stretch")
    ax.stairs([1, 2], [0, 1, 3], baseline=None, label="steps")
    (panel,) = plots.panels_of(ax)
    bars, line, steps = panel.series
    assert (bars.label, line.label, steps.label) == ("with bars", "line", "steps")
    np.testing.assert_array_equal(bars.low, [1.5, np.nan])
    np.testing.assert_array_equal(bars.high, [2.25, np.nan])
    assert line.x.tolist() == [0, 2] and line.y.tolist() == [5, 7]
    assert steps.x.tolist() == [0, 1] and steps.y.tolist() == [1, 2]
    assert panel.levels == (("level", 4.0),) and panel.spans == (("stretch", 0.0, 0.5),)


def test_bars_of_colours_are_no_panels_and_maps_have_their_values():
    figure = Figure()
    ax = figure.subplots()
    figure.colorbar(ax.imshow([[1.0, 2.0]]), ax=ax, label="colour")
    ax.set_xticks([0, 1], ["low", "high"])
    (panel,) = plots.panels_of(figure)
    (shown,) = panel.maps
    assert (shown.label, shown.x, shown.y) == ("colour", ("low", "high"), ("0",))
    np.testing.assert_array_equal(shown.values, [[1.0, 2.0]])
    assert plots.panels_of(Figure()) == []


@pytest.mark.parametrize("name", FIGURES)
def test_something_can_be_read_from_every_figure(name):
    assert len(ON_PAGES) >= 22
    panels = plots.panels_of(draw(name))
    assert panels
    for panel in panels:
        labels = [series.label for series in panel.series] + [m.label for m in panel.maps]
        assert all(labels) and "$" not in "".join(labels) and "\\" not in "".join(labels)
        assert not any(label.startswith("_") for label in labels)
        if name in ON_PAGES:  # where they head the columns of a table
            assert not any(label.startswith("line ") for label in labels)


def test_modes_are_named_from_the_leading_one_on():
    (panel,) = plots.panels_of(plots.representation_spectrum(synthetic_profile(), n_modes=4))
    assert [series.label for series in panel.series] == [f"mode {i}" for i in range(1, 5)]
