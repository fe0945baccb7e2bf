"""Networks beside the chain: curves, frictions and noise drawn are those of the Dataset."""

import numpy as np
import pytest
import xarray as xr

from loadpath import plots
from loadpath.plots.miniatures import MEANINGS
from loadpath.plots.phase_diagram import HEIGHT

SPRINGS = 4


def beside():
    """Two slopes, three levels, the last cell not counted; some parameters open on a side."""
    rng = np.random.default_rng(0)
    load = rng.dirichlet([5.0] * SPRINGS, (2, 3))
    load[1, 2] = np.nan
    curve = 1 - np.pad(np.cumsum(load, -1), ((0, 0), (0, 0), (1, 0)))
    fitted = np.stack([load, np.roll(load, 1, axis=-1)])
    grid = ("slope", "noise")
    out = {
        "curve": ((*grid, "layer"), curve),
        "curve_error": ((*grid, "layer"), np.full(curve.shape, 0.03)),
        "fitted_load": (("model", *grid, "spring"), fitted),
        "counted": (grid, np.isfinite(load[..., 0])),
    }
    ends = {"": 1.0, "_low": 0.5, "_high": 3.0}
    for end, factor in ends.items():
        for name in ("friction_right", "friction_left"):
            out[name + end] = ("slope", factor * np.array([0.1, 0.2]))
            out[f"row_{name}{end}"] = ("slope", factor * np.array([0.1, np.nan]))
        out[f"chain_noise{end}"] = ("noise", factor * np.array([0.01, 0.02, 0.04]))
        out[f"row_chain_noise{end}"] = (grid, factor * np.full((2, 3), 0.03))
    ds = xr.Dataset(
        out,
        coords={"slope": [0.0, 1.0], "noise": [0.0, 0.1, 0.3], "model": ["other", "chain"]},
        attrs={"panel": "dropout"},
    )
    ds["friction_right_low"][1] = 0.0
    ds["chain_noise_high"][2] = np.inf
    return ds


def test_each_cell_has_both_curves_and_one_that_does_not_count_a_cross():
    ds = beside()
    ax = plots.curves_beside_chain(ds)
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [(2, 1)]
    chains = [line for line in ax.lines if line.get_label() == "chain"]
    assert len(chains) == len(ax.containers) == 5
    load = ds.fitted_load.sel(model="chain").values
    for chain, bars, (i, j) in zip(chains, ax.containers, np.ndindex(2, 3), strict=False):
        up = (chain.get_ydata() - i) / HEIGHT + 0.5
        np.testing.assert_allclose(up, 1 - np.r_[0, np.cumsum(load[i, j])], atol=1e-12)
        points, _, (lines,) = bars
        up = (points.get_ydata() - i) / HEIGHT + 0.5
        np.testing.assert_allclose(up, ds.curve.values[i, j], atol=1e-12)
        low, high = lines.get_segments()[1][:, 1]
        assert high - low == pytest.approx(2 * HEIGHT * 0.03)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        *("chain", "not counted", "networks"),
        *MEANINGS.values(),
    ]
    assert ax.get_xlabel() == "dropout rate"


def test_intervals_and_open_ends_are_drawn():
    ax = plots.frictions_of_slopes(beside())
    drawn = {
        c.get_label(): c[2][0].get_segments() for c in ax.containers if "to the" in c.get_label()
    }
    for side, expected in (("left", [[0.05, 0.3], [0.1, 0.6]]), ("right", [[0.05, 0.3]])):
        ends = [segment[:, 1] for segment in drawn[f"to the {side}"]]
        np.testing.assert_allclose(ends, expected)
    bounds = [line for line in ax.lines if line.get_marker() == "v" and len(line.get_ydata())]
    assert [list(line.get_ydata()) for line in bounds] == [[pytest.approx(0.6)]]
    ax = plots.noise_of_levels(beside())
    (bound,) = [line for line in ax.lines if line.get_marker() == "^"]
    assert list(bound.get_xdata()) == [2] and list(bound.get_ydata()) == [pytest.approx(0.02)]
    grey = [line for line in ax.lines if line.get_label() == "each slope alone"]
    np.testing.assert_allclose([line.get_ydata() for line in grey], 0.03)


def test_one_page_holds_all_three():
    figure = plots.figure_beside_chain(beside())
    labels = [ax.get_xlabel() for ax in figure.axes]
    assert labels == ["dropout rate", "slope below 0", "dropout rate"]
    assert plots.png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "draw, missing",
    [
        (plots.curves_beside_chain, "curve_error"),
        (plots.frictions_of_slopes, "friction_left"),
        (plots.noise_of_levels, "chain_noise"),
    ],
)
def test_what_is_missing_is_named(draw, missing):
    with pytest.raises(ValueError, match=missing):
        draw(beside().drop_vars(missing))
