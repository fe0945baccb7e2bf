"""Sentences about a diagnosis: each says what the intervals allow, and no more."""

import numpy as np
import pytest
import xarray as xr

from loadpath.diagnosis.profile import summary

LAYERS = ["input", "block.0", "block.1", "block.2"]


def profile(**columns):
    """A diagnosis with these columns, each of (value, reach) a layer; reach None: no interval."""
    ds = xr.Dataset(coords={"layer": np.array(LAYERS, dtype=object)})
    ds.attrs = {"n_samples": 1200, "layers_selection": "block.*"}
    ds["width"] = ("layer", [16] * 4)
    for name, cells in columns.items():
        values = np.array([np.nan if cell is None else cell[0] for cell in cells])
        reach = np.array([np.nan if cell is None or cell[1] is None else cell[1] for cell in cells])
        status = ["not enough samples" if cell is None else "estimated" for cell in cells]
        dims = "layer"
        for suffix, data in (("", values), ("_low", values - reach), ("_high", values + reach)):
            ds[name + suffix] = (dims, data)
        ds[f"{name}_status"] = (dims, np.array(status, dtype=object))
    return ds


def with_loads(cells, concavity):
    """Loads of all three conventions alike, and concavities (value, reach) by convention."""
    ds = profile(load=[None, *cells])
    kinds = np.array(["fuzziness", "trace_ratio", "inverse"], dtype=object)
    ds = ds.assign(
        {
            name: ds[name].expand_dims(kind=kinds) if name.startswith("load") else ds[name]
            for name in ds
        }
    )
    value, reach = np.array([concavity[kind] for kind in kinds]).T
    for suffix, data in (("", value), ("_low", value - reach), ("_high", value + reach)):
        ds[f"concavity{suffix}"] = ("kind", data)
    return ds


STRAIGHT = {"fuzziness": (0.0, 0.1), "trace_ratio": (0.01, 0.1), "inverse": (0.02, 0.1)}


def sentences(ds):
    return " ".join(summary(ds))


def test_a_layer_is_first_only_where_its_interval_lies_apart():
    said = sentences(with_loads([(2.0, 0.1), (0.5, 0.1), (0.4, 0.1)], STRAIGHT))
    assert (
        "The step to layer 0 does the most to separate the classes: it takes 2 (1.9 to 2.1) off "
        "the log separation (fuzziness), and all layers together 2.9." in said
    )
    assert "cannot be told apart" not in said
    said = sentences(with_loads([(0.6, 0.1), (0.5, 0.1), (0.1, 0.05)], STRAIGHT))
    assert "together 1.2. Layer 1 cannot be told apart from it." in said
    assert "Layer 2 cannot" not in said and "Layer N stands for block.N." in said


def test_layers_that_mix_the_classes_and_those_that_may_do_either_are_named():
    said = sentences(with_loads([(2.0, 0.1), (-0.5, 0.1), (0.05, 0.1)], STRAIGHT))
    assert "The step to layer 1 mixes the classes again" in said
    assert "It cannot be told whether the step to layer 2 separates or mixes them." in said
    said = sentences(with_loads([(-0.2, 0.1), (-0.5, 0.1), (2.0, 0.1)], STRAIGHT))
    assert "The steps to layers 0 and 1 mix the classes again: their loads are" in said
    assert "and all layers together 1.3, less than that one, because others mix the" in said
    said = sentences(with_loads([(0.05, 0.1), (-0.05, 0.1), (2.0, 0.1)], STRAIGHT))
    assert "whether the steps to layers 0 and 1 separate or mix them." in said
    said = sentences(with_loads([(-2.0, 0.1), (0.5, 0.1), (0.4, 0.1)], STRAIGHT))
    assert "From first to last the classes do not come apart" in said


@pytest.mark.parametrize(
    "value, words",
    [
        (0.3, "is concave (lazy: the deep layers do more), concavity 0.3 (0.2 to 0.4)"),
        (-0.3, "is convex (active: the shallow layers do more), concavity -0.3 (-0.4 to -0.2)"),
        (0.05, "cannot be told from a straight line (equal loads), concavity 0.05 (-0.05 to 0.15)"),
    ],
)
def test_the_shape_of_the_curve_is_said_with_what_other_conventions_say(value, words):
    concavity = {kind: (value, 0.1) for kind in STRAIGHT}
    loads = [(1.0, 0.1), (1.0, 0.1), (1.0, 0.1)]
    said = sentences(with_loads(loads, concavity))
    assert f"The load curve {words} by fuzziness." in said
    said = sentences(with_loads(loads, concavity | {"inverse": (-2 * value + 0.3, 0.01)}))
    assert "by fuzziness; it is not so by inverse." in said


def test_steps_and_dimensions_name_all_that_may_be_least():
    ds = profile(
        relative_step=[None, (0.5, 0.01), (0.2, 0.05), (0.22, 0.05)],
        log_growth=[None, (0.1, None), (0.2, None), (0.3, None)],
        participation_ratio=[(1.0, 0.1), (5.0, 0.1), (3.0, 0.3), (3.5, 0.1)],
    )
    said = sentences(ds)
    assert "moved most by the step to layer 0 (relative step 0.5 (0.49 to 0.51))." in said
    assert (
        "moved least by the step to layer 1 (relative step 0.2 (0.15 to 0.25)); the step to layer "
        "2 may move it least as well." in said
    )
    assert "grows by a factor of 1.82 in all, which is a log growth of 0.6." in said
    # The input is no representation of the model's making.
    assert (
        "The narrowest representation is that of layer 1, with a participation ratio of 3 (2.7 to "
        "3.3) in 16 dimensions." in said
    )


def test_what_is_not_known_is_said():
    ds = profile(relative_step=[None] * 4, log_growth=[None] * 4, participation_ratio=[None] * 4)
    ds["effective_rank_status"] = ("layer", np.array(["constant features"] * 4, dtype=object))
    said = sentences(ds)
    assert "No two neighbouring layers have one shape" in said
    assert "There are not enough samples for relative step (4 of 4), log growth" in said
    assert "Features are constant, so there is no effective rank (4 of 4)." in said


def test_a_result_of_0_1_0_is_read_by_its_old_names():
    """Until 0.1.0 the log growth was called effective_depth, which is the leakage of a net."""
    ds = profile(
        relative_step=[None, (0.5, 0.01), (0.2, 0.05), (0.4, 0.05)],
        effective_depth=[None, (0.1, 0.01), (0.2, 0.01), (0.3, 0.01)],
    )
    said = sentences(ds)
    assert "grows by a factor of 1.82 in all, which is a log growth of 0.6." in said
    assert "effective" not in said


def test_the_accuracy_stands_beside_what_the_largest_class_gives():
    ds = profile(relative_step=[None] * 4, log_growth=[None] * 4)
    ds["accuracy"] = xr.DataArray(0.9, attrs={"baseline": 0.25})
    assert (
        "The model names the right class of 90.0% of the samples; always naming the largest class "
        "would be right on 25.0%." in sentences(ds)
    )
    ds["accuracy"] = xr.DataArray(0.9)  # of a result of 0.1.0
    assert "right class of 90.0% of the samples." in sentences(ds)
