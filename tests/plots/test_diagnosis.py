"""Figures over the layers of any model: what is drawn is what the Datasets hold."""

import numpy as np
import pytest
import torch
import xarray as xr

import loadpath as lp
from loadpath import plots
from loadpath.plots.diagnosis import short_names
from tests.diagnosis.profile.test_profile import Residual, batches, classes, net


@pytest.fixture(scope="module")
def measured():
    x, y = classes(300, 12)
    model = net()
    loader = batches(x, y)
    ds = lp.diagnose(model, loader, layers=Residual)
    return ds, lp.diagnosis.skip_layers(model, loader, layers=Residual)


def drawn(ax, label):
    """Values of the line or marks of this label."""
    for line in ax.get_lines():
        if line.get_label() == label:
            return line.get_ydata()
    for container in ax.containers:
        if container.get_label() == label:
            return container.lines[0].get_ydata()
    raise AssertionError(f"nothing is called {label!r}")


@pytest.mark.parametrize(
    "draw, name, label",
    [
        (plots.layer_steps_taken, "relative_step", "relative step"),
        (plots.layer_dimensions, "participation_ratio", "participation ratio"),
        (plots.layer_energies, "cost_of_identity", "cost of identity"),
        (plots.layer_alignment, "cka_first", "CKA with the first layer"),
        (plots.layer_probes, "probe_ridge", "ridge probe"),
        (plots.layer_collapse, "nc1", "NC1, within classes"),
    ],
)
def test_figures_show_the_numbers_that_are_known(measured, draw, name, label):
    values = measured[0][name].values
    np.testing.assert_array_equal(drawn(draw(measured[0]), label), values[np.isfinite(values)])


@pytest.mark.parametrize("kind, sign", [("fuzziness", 1), ("inverse", -1)])
def test_the_load_curve_falls_as_classes_separate(measured, kind, sign):
    ax = plots.layer_load_curve(measured[0], kind=kind)
    D = sign * measured[0]["log_separation"].sel(kind=kind).values
    np.testing.assert_array_equal(drawn(ax, f"log separation ({kind})"), D)
    np.testing.assert_allclose(drawn(ax, "equal loads"), D[[0, -1]])


def test_layers_of_fewer_directions_between_classes_are_no_part_of_the_curve(measured):
    ds = measured[0].copy(deep=True)
    ds["between_rank"].values[0] = 1
    D = ds["log_separation"].sel(kind="fuzziness").values
    shown = drawn(plots.layer_load_curve(ds), "log separation (fuzziness)")
    np.testing.assert_array_equal(shown, D[1:])
    shown = drawn(plots.layer_load_curve(ds, kind="trace_ratio"), "log separation (trace_ratio)")
    assert len(shown) == 4


def test_what_layers_add_to_the_next_token_is_drawn_with_the_line_of_nothing(measured):
    ds = measured[0]
    gain = ds["relative_step"] - 0.2
    ds = ds.assign(
        {f"next_token_gain{end}": ds[f"relative_step{end}"] - 0.2 for end in ("", "_low", "_high")}
    )
    ax = plots.layer_next_token(ds)
    shown = drawn(ax, "taken off by the layer")
    np.testing.assert_array_equal(shown, gain.values[np.isfinite(gain.values)])
    assert ax.get_ylabel() == "cross-entropy of the next token, nats"
    with pytest.raises(ValueError, match="next_token_gain"):
        plots.layer_next_token(measured[0])


def test_skipping_is_drawn_by_itself_and_against_movement(measured):
    ds, skipped = measured
    change = skipped["loss_change"].values
    np.testing.assert_array_equal(drawn(plots.layers_skipped(skipped), "one layer skipped"), change)
    ax = plots.movement_and_harm(ds, skipped)
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2"]
    only = skipped.drop_vars([name for name in skipped if name.startswith("loss")])
    assert plots.layers_skipped(only).get_ylabel() == "change of the output"
    accuracy = plots.layers_skipped(skipped, change="accuracy_change")
    np.testing.assert_allclose(
        drawn(accuracy, "one layer skipped"), 100 * skipped["accuracy_change"].values
    )
    assert accuracy.get_ylabel() == "change in accuracy, points of 100"
    with pytest.raises(ValueError, match="change must be"):
        plots.layers_skipped(skipped, change="harm")


def test_layers_that_were_left_in_take_no_place(measured):
    _, skipped = measured
    left_in = skipped.copy(deep=True)
    left_in["loss_change"][0] = np.nan
    labels = [text.get_text() for text in plots.layers_skipped(left_in).get_xticklabels()]
    assert labels == ["1", "2"]
    left_in["loss_change"][:] = np.nan  # and where none was skipped there is a figure all the same
    assert len(plots.layers_skipped(left_in).get_xticklabels()) == skipped.sizes["layer"]


@pytest.mark.parametrize(
    "names, short, pattern",
    [
        (
            ["input", "encoder.layer.0", "encoder.layer.1"],
            ["input", "0", "1"],
            "encoder.layer.*",
        ),
        (["h.0.mlp", "h.1.mlp"], ["0", "1"], "h.*.mlp"),
        (["layer1.0", "layer1.1", "layer2.0"], ["layer1.0", "layer1.1", "layer2.0"], ""),
        (["0", "1"], ["0", "1"], ""),
        (["input", "net"], ["input", "net"], ""),
        (["a", "a.b"], ["a", "a.b"], ""),
    ],
)
def test_names_lose_what_all_share(names, short, pattern):
    assert short_names(names) == (short, pattern)


def test_many_layers_have_names_that_can_be_read():
    names = [f"model.blocks.{l}" for l in range(60)]
    ds = xr.Dataset({"x": ("layer", np.arange(60.0))}, coords={"layer": names})
    for end in ("_low", "_high"):
        ds[f"x{end}"] = ds["x"]
    ax = plots.layers_skipped(
        ds.rename(x="output_change", x_low="output_change_low", x_high="output_change_high")
    )
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels[:2] == ["0", "4"] and len(labels) <= 16


def test_a_dataset_without_the_numbers_is_one_sentence(measured):
    with pytest.raises(ValueError, match=r"ds lacks the variables \['nc1', 'nc2_angle'\]"):
        plots.layer_collapse(measured[0].drop_vars(["nc1", "nc2_angle"]))


def test_pictures_are_the_same_for_the_same_numbers(measured):
    torch.manual_seed(1)
    first, second = (plots.svg(plots.layer_dimensions(measured[0])) for _ in range(2))
    assert first == second and first.startswith("<?xml")
