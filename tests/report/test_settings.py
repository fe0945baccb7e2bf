"""What was run is told with the values at work, and without what did nothing."""

from dataclasses import fields

import xarray as xr

from loadpath.cli.options import DiagnoseOptions, GeodesicOptions, TrainOptions
from loadpath.report.settings import MAIN, NOT_WITH, ONLY_WITH, settings

HISTORY = xr.Dataset(
    attrs={
        "weight_decay": 0.3,
        "loss": "mse",
        "parameters": '{"threads": 2, "batch_size": 64, "data": {"n_train": 1437, "size": 8}}',
    }
)


def test_what_was_left_open_has_the_value_that_it_had():
    config = {"data": "teacher", "weight_decay": None, "threads": None, "n_train": None}
    main, more = map(dict, settings(config, HISTORY))
    assert main == {"data": "teacher", "loss": "mse", "weight_decay": "0.3", "n_train": "1437"}
    assert more == {"threads": "2"}


def test_what_was_given_is_not_replaced_and_the_first_to_know_is_believed():
    other = xr.Dataset(attrs={"weight_decay": 0.1, "gamma0": 0.01, "loss": "mse"})
    config = {"weight_decay": 0.5, "gamma0": None}
    main, more = map(dict, settings(config, None, HISTORY, other))
    assert (main["weight_decay"], more["gamma0"]) == ("0.5", "0.01")
    main, _ = settings({"weight_decay": None}, HISTORY, other)
    assert dict(main)["weight_decay"] == "0.3"


def test_what_did_nothing_is_left_out():
    config = {
        **{"data": "digits", "dims": [30, 3, 30], "teacher": "fully-connected"},
        **{"targets": "labels", "max_seconds": None, "layer_steps": "equidistant"},
        **{"irregularity": 0.9, "config_version": 1},
    }
    told = dict([*settings(config).main, *settings(config).more])
    assert told == {"data": "digits", "targets": "labels", "layer_steps": "equidistant"}
    told = settings(config | {"data": "teacher", "layer_steps": "irregular"})
    assert {"dims", "teacher", "irregularity"} <= dict([*told.main, *told.more]).keys()
    assert "targets" not in dict([*told.main, *told.more])
    told = settings(config | {"data": "mine.csv", "targets": "onehot"})
    assert dict([*told.main, *told.more])["targets"] == "onehot"


def test_most_is_folded_and_something_is_not():
    options = TrainOptions(data="digits").settings()
    main, more = settings(options, HISTORY)
    assert 4 <= len(main) <= 9 < len(more)
    main, more = settings({f"a{i}": i for i in range(20)})
    assert (len(main), len(more)) == (8, 12)
    assert settings({}) == ([], [])


def test_names_are_those_of_options():
    known = {
        f.name for each in (TrainOptions, GeodesicOptions, DiagnoseOptions) for f in fields(each)
    }
    beside = ONLY_WITH | NOT_WITH
    assert beside.keys() <= known and {other for other, _ in beside.values()} <= known
    of_chains = {"n_blocks", "friction_right", "friction_left", "noise", "dynamics"}
    assert set(MAIN) - known - of_chains == {"loss", "n_samples", "samples"}


def test_parameters_that_a_hand_has_changed_are_not_read():
    broken = xr.Dataset(attrs={"parameters": "{not json", "weight_decay": 0.2})
    assert dict(settings({"weight_decay": None}, broken).main) == {"weight_decay": "0.2"}
