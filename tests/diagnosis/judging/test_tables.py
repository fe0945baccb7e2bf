"""The table of the layers: candidates on top, what each takes to run beside what it is worth."""

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import loadpath as lp
from loadpath.diagnosis.judging import table_lines
from tests.diagnosis.judging.test_ranking import dataset, numbered


def measured():
    """Four blocks, of which 2 and 1 do no harm that shows, and their costs."""
    skipped = numbered([0.5, 0.01, 0.0, 0.2], 0.015, [0.1, 0.004, 0.001, 0.03], 0.01)
    profile = dataset(["input", *skipped["layer"].values])
    profile["parameters"] = ("layer", [np.nan, 4000.0, 2000.0, 1000.0, 2000.0])
    profile["milliseconds"] = ("layer", [np.nan, 0.25, 0.5, 1.0, 2.0])
    return profile, skipped


def test_candidates_are_on_top_and_the_others_stand_by_their_harm():
    profile, skipped = measured()
    table = lp.diagnosis.layer_table(profile, skipped)
    assert table.index.tolist() == ["encoder.2", "encoder.1", "encoder.3", "encoder.0"]
    assert table["try_without"].tolist() == [True, True, False, False]
    assert table["parameters"].tolist() == [1000, 2000, 2000, 4000]
    np.testing.assert_allclose(table["loss_change"], [0.0, 0.01, 0.2, 0.5])
    np.testing.assert_allclose(table["accuracy_change_low"], [-0.011, -0.014, -0.04, -0.11])
    wide = lp.diagnosis.layer_table(profile, skipped, tolerated=0.3)
    assert wide["try_without"].tolist() == [True, True, True, False]


def test_layers_that_were_left_in_are_last_and_without_skipping_there_is_no_harm():
    profile, skipped = measured()
    for name in ("loss_change", "loss_change_low", "loss_change_high"):
        skipped[name].loc["encoder.2"] = np.nan
    assert lp.diagnosis.layer_table(profile, skipped).index.tolist()[-1] == "encoder.2"
    alone = lp.diagnosis.layer_table(profile)
    assert alone.index.tolist() == profile["layer"].values.tolist()
    assert alone.columns.tolist() == ["parameters", "milliseconds"]


def test_the_lines_have_the_numbers_with_their_intervals():
    lines = table_lines(lp.diagnosis.layer_table(*measured()))
    assert [" ".join(line.split()) for line in lines] == [
        "layer parameters ms change of loss accuracy, points",
        "encoder.2 * 1,000 1 0 (-0.015 to 0.015) -0.1 (-1.1 to 0.9)",
        "encoder.1 * 2,000 0.5 0.01 (-0.005 to 0.025) -0.4 (-1.4 to 0.6)",
        "encoder.3 2,000 2 0.2 (0.185 to 0.215) -3 (-4 to -2)",
        "encoder.0 4,000 0.25 0.5 (0.485 to 0.515) -10 (-11 to -9)",
        "* try without",
    ]


def test_what_a_layer_adds_to_the_next_token_is_in_the_table():
    profile, skipped = measured()
    for end, by in (("", 0.0), ("_low", -0.1), ("_high", 0.1)):
        profile[f"next_token_gain{end}"] = ("layer", np.array([np.nan, 1.0, 2.0, 3.0, 4.0]) + by)
    table = lp.diagnosis.layer_table(profile, skipped)
    assert table["next_token_gain"].tolist() == [3, 2, 4, 1]
    assert "3 (2.9 to 3.1)" in table_lines(table)[1]


def test_without_a_loss_the_output_is_in_the_table():
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    ds = lp.diagnose(model, [x], layers="?", measures=["costs"])
    skipped = lp.diagnosis.skip_layers(model, [x], layers="?")
    table = lp.diagnosis.layer_table(ds, skipped)
    assert not table["try_without"].any()
    assert table["output_change"].is_monotonic_increasing
    assert "change of output" in table_lines(table)[0]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (
            lambda: (measured()[0], measured()[1].isel(layer=[0, 1, 1])),
            "skipped must name each layer once, and it has 'encoder.1' more than once",
        ),
        (
            lambda: (measured()[0], measured()[1].drop_vars("loss_change_low")),
            "skipped must have a variable 'loss_change_low' over layer, and has none",
        ),
        (lambda: ({},), "profile must be an xarray.Dataset, got {}"),
        (lambda: (xr.Dataset(),), "profile must have a coordinate 'layer', and has none"),
        (
            lambda: (dataset(["x"]), measured()[1]),
            "profile and skipped must have layers in common, and they have none",
        ),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        lp.diagnosis.layer_table(*arguments())
    assert "\n" not in str(error.value)
