"""The figure of a monitor: what is drawn is what the history holds, and alarms where they were."""

import re

import matplotlib as mpl
import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.figure import Figure
from torch import nn

from loadpath import diagnosis, plots

RED = "#D55E00"
STEPS = [0, 1, 4, 9]
LAYERS = ["input", "blocks.0", "blocks.1"]


def watched():
    """A history with numbers by hand: blocks.1 collapses at step 4, and blocks.0 after it."""
    looks = np.arange(4.0)[:, None]
    spread = np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.6], [0.9, 0.7, 0.0], [0.9, np.nan, np.nan]])
    collapse = np.full((4, 3), "", dtype=object)
    collapse[2, 2], collapse[3, 1] = "constant", "not finite"
    words = np.array(["", "", "step 4: layer 'blocks.1' is flat.", ""], dtype=object)
    words[3] = "step 9: the loss is nan.\nstep 9: layer 'blocks.0' puts out NaN."
    return xr.Dataset(
        {
            "spread": (("look", "layer"), spread),
            "load": (("look", "layer"), 1 + looks * [np.nan, 1, -2]),
            "stable_rank": (("look", "layer"), 100.0**looks * [1, 2, 3]),
            "growth": (("look", "layer"), np.full((4, 3), np.nan)),
            "loss": ("look", [np.nan, 2.0, 1.0, np.nan]),
            "collapse": (("look", "layer"), collapse),
            "alarm": ("look", words),
        },
        coords={"layer": np.array(LAYERS, dtype=object), "step": ("look", STEPS)},
        attrs={"kind": "trace_ratio"},
    )


def panel(figure, title):
    (ax,) = [ax for ax in figure.axes if ax.get_title(loc="left") == title]
    return ax


def lines(ax):
    """Lines of measures, and not the marks of alarms."""
    return [line for line in ax.get_lines() if line.get_ls() == "-" and line.get_marker() != "x"]


def test_each_measure_has_a_panel_with_a_line_for_each_layer():
    ds = watched()
    figure = plots.monitor(ds)
    assert isinstance(figure, Figure)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    # Of growth nothing is known; the last of the axes is the key.
    assert titles == ["loss", "load, nats", "stable rank", "spread of features", ""]
    for title, name in (("load, nats", "load"), ("spread of features", "spread")):
        drawn = lines(panel(figure, title))
        assert len(drawn) == 3
        for line, layer in zip(drawn, LAYERS, strict=True):
            values = ds[name].sel(layer=layer).values
            known = np.isfinite(values)
            np.testing.assert_array_equal(line.get_xdata(), np.array(STEPS)[known])
            np.testing.assert_array_equal(line.get_ydata(), values[known])
    (loss,) = lines(panel(figure, "loss"))
    assert loss.get_ydata().tolist() == [2.0, 1.0]
    assert panel(figure, "stable rank").get_yscale() == "log"
    assert panel(figure, "spread of features").get_ylim() == pytest.approx((-0.03, 1.05))


def test_layers_have_one_colour_in_all_panels_and_a_key_with_their_names():
    figure = plots.monitor(watched())
    by_panel = [
        [line.get_color() for line in lines(panel(figure, title))]
        for title in ("load, nats", "stable rank", "spread of features")
    ]
    assert by_panel[0] == by_panel[1] == by_panel[2] and len(set(by_panel[0])) == 3
    light = [sum(mpl.colors.to_rgb(colour)) for colour in by_panel[0]]
    assert light == sorted(light)
    key = figure.axes[-1]
    figure.draw_without_rendering()
    assert [text.get_text() for text in key.get_yticklabels()] == ["input", "0", "1"]
    assert key.get_ylabel() == "layer (blocks.*)"
    top, bottom = (key.transData.transform((0, at))[1] for at in (0, 2))
    assert top > bottom  # in the order in which one reads


def test_alarms_are_marked_at_their_steps_and_layers_and_written_above():
    figure = plots.monitor(watched())
    for title in ("loss", "load, nats", "spread of features"):
        told = [line for line in panel(figure, title).get_lines() if line.get_ls() == "--"]
        assert [line.get_xdata()[0] for line in told] == [4, 9]
        assert {line.get_color() for line in told} == {RED}
    crosses = [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in panel(figure, "spread of features").get_lines()
        if line.get_marker() == "x"
    ]
    # blocks.1 has a number at step 4; blocks.0 has none at 9, and is marked where it had one.
    assert sorted(crosses) == [(4, 0.0), (4, 0.7)]
    written = figure.get_suptitle().split("\n")
    assert written[0] == "step 4: layer 'blocks.1' is flat." and len(written) == 3


def test_many_alarms_are_counted_and_none_is_said():
    ds = watched()
    ds["alarm"] = ("look", np.array(["step 0: a.\nstep 0: b."] * 4, dtype=object))
    assert plots.monitor(ds).get_suptitle().split("\n")[-1] == "and 5 more alarms"
    quiet = watched().drop_vars(["alarm", "collapse"])  # as histories were before
    figure = plots.monitor(quiet)
    assert figure.get_suptitle() == "4 looks, steps 0 to 9: no alarm"
    assert all(line.get_color() != RED for ax in figure.axes for line in ax.get_lines())
    assert plots.monitor(quiet.isel(look=[0])).get_suptitle() == "1 look, step 0: no alarm"


def test_measures_can_be_chosen_in_any_order():
    figure = plots.monitor(watched(), measures=("spread", "growth"))
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["spread of features", "log growth", ""]
    only = plots.monitor(watched(), measures=["loss"])
    assert len(only.axes) == 1  # without layers there is no key


def test_what_a_monitor_has_seen_is_drawn_as_it_is():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    probe = torch.randn(40, 6), torch.arange(40) % 4
    with diagnosis.Monitor(net, probe, last_step=22) as monitor:
        for step in range(22):
            if step == 11:
                nn.init.zeros_(net[2].weight)
            if step < 11:
                monitor.step(1.0)
                continue
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", diagnosis.CollapseWarning)
                monitor.step(1.0)
    figure, history = monitor.plot(), monitor.history()
    ranks = panel(figure, "participation ratio")
    for line, layer in zip(lines(ranks), history["layer"].values, strict=True):
        values = history["participation_ratio"].sel(layer=layer).values
        np.testing.assert_array_equal(line.get_ydata(), values[np.isfinite(values)])
    assert figure.get_suptitle().startswith("step 12: layer '2' puts out the same")
    assert [ax.get_title(loc="left") for ax in monitor.plot(measures=["load"]).axes][:1] == [
        "load, nats"
    ]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda ds: ds["spread"], "history must be an xarray.Dataset"),
        (lambda ds: ds.drop_vars("step"), "history lacks the variables ['step']."),
        (lambda ds: ds.drop_vars("layer"), "history lacks the variables ['layer']."),
        (lambda ds: ds.isel(look=[0, 2, 1]), "history must have steps that do not go back"),
        (lambda ds: ds.isel(look=[]), "history must hold numbers of the variable 'step', got none"),
        (
            lambda ds: ds[["growth"]].assign_coords(step=ds["step"]),
            "history must have numbers of one of loss, log_separation, load",
        ),
        (
            lambda ds: ds.assign(loss=ds["spread"]),
            "history must have the variable 'loss' over (look), got it over (look, layer)",
        ),
        (
            lambda ds: ds.assign(alarm=ds["loss"]),
            "history must hold words of 'alarm', got float64.",
        ),
        (
            lambda ds: ds.assign_coords(layer=["a", "b", "a"]),
            "history must have each label along 'layer' once.",
        ),
    ],
)
def test_what_is_no_history_is_refused_in_a_sentence(change, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        plots.monitor(change(watched()))


@pytest.mark.parametrize(
    "measures, words",
    [
        (["speed"], "measures must be one of loss, log_separation, load"),
        ("spread", "measures must be"),
        ([], "measures must hold at least 1 names of measures, got 0."),
        (["relative_step"], "history lacks the variables ['relative_step']."),
    ],
)
def test_wrong_measures_are_refused_in_a_sentence(measures, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        plots.monitor(watched(), measures=measures)
