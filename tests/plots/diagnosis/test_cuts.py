"""The figure of ways to cut: what is drawn are the numbers, with their intervals."""

import numpy as np
import pytest
import xarray as xr

from loadpath import plots

METHODS = ["ours", "block influence", "random"]


def comparison(harm, reach=0.01, shares=(0.15, 0.25, 0.5), models=("mlp", "gpt")):
    harm = np.asarray(harm, dtype=float)
    dims = ("model", "share", "method")
    ends = (("", 0.0), ("_low", -reach), ("_high", reach))
    return xr.Dataset(
        {f"harm{end}": (dims, harm + by) for end, by in ends},
        coords={"model": list(models), "share": list(shares), "method": METHODS},
        attrs={"units": "nats"},
    )


def some(seed=0):
    return np.exp(np.random.default_rng(seed).normal(-3, 1, (2, 3, 3)))


def test_each_model_has_a_panel_with_the_harm_of_each_method_and_its_interval():
    harm = some()
    harm[0, 1, 2] = np.nan  # not measured
    figure = plots.figure_cuts(comparison(harm))
    assert [ax.get_title() for ax in figure.axes] == ["mlp", "gpt"]
    for ax, of_model in zip(figure.axes, harm, strict=True):
        assert [bars.get_label() for bars in ax.containers] == METHODS
        for bars, wanted in zip(ax.containers, of_model.T, strict=True):
            known = np.isfinite(wanted)
            np.testing.assert_allclose(bars[0].get_ydata(), wanted[known])
            lengths = [np.ptp(line[:, 1]) for line in bars[2][0].get_segments()]
            np.testing.assert_allclose(lengths, 0.02)
            # Side by side, each nearer to its own share than to any other.
            near = np.abs(bars[0].get_xdata()[:, None] - [15, 25, 50]).argmin(1)
            assert list(near) == list(np.flatnonzero(known))
        low, high = ax.get_ylim()
        assert low < np.nanmin(of_model) - 0.01 and high > np.nanmax(of_model) + 0.01
    assert "nats" in figure.axes[0].get_ylabel()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == METHODS


def test_no_two_methods_look_alike_and_models_without_numbers_have_no_panel():
    from loadpath.plots.diagnosis.cuts import LOOKS

    assert len(set(LOOKS)) == len(LOOKS) >= 12
    harm = some()
    harm[0] = np.nan
    figure = plots.figure_cuts(comparison(harm))
    assert [ax.get_title() for ax in figure.axes] == ["gpt"]


def test_harms_below_zero_and_one_share_alone_are_shown():
    ds = comparison(-some()[:, :1], shares=(0.25,))
    for ax, model in zip(plots.figure_cuts(ds).axes, ds["model"].values, strict=True):
        assert ax.get_ylim()[0] < float(ds["harm_low"].sel(model=model).min())
        assert ax.get_xlim()[0] < 25 < ax.get_xlim()[1]


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda ds: ds.drop_vars("harm_low"), "ds .*harm_low"),
        (lambda ds: ds.assign(harm=ds["harm"] + 1), "each 'harm' between its 'harm_low' and"),
        (lambda ds: ds * np.nan, "ds must hold finite numbers of 'harm', got none"),
        (lambda ds: ds.isel(share=0), "ds .*share"),
    ],
)
def test_what_is_no_comparison_is_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        plots.figure_cuts(change(comparison(some())))
