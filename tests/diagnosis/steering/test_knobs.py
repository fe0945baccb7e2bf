"""Knobs: ranges and places, the Dropout of any model, and what is refused."""

import pytest
import torch
from torch import nn

from loadpath.diagnosis import Knob
from loadpath.diagnosis.steering.knobs import as_knobs, dropout_knob


def held(value=0.2):
    box = {"value": value}
    return box, lambda: box["value"], lambda v: box.update(value=v)


@pytest.mark.parametrize(
    "options, place, value",
    [
        ({}, 0.25, 25.75),
        ({"spacing": "log"}, 0.5, 10.0),
        ({"more_is_noisier": False}, 0.25, 75.25),
        ({"more_is_noisier": False, "spacing": "log"}, 0.0, 100.0),
        ({"spacing": "log"}, 1.0, 100.0),
    ],
)
def test_places_and_values_are_two_names_of_one_thing(options, place, value):
    _, get, set_ = held()
    knob = Knob(get, set_, 1.0, 100.0, **options)
    assert knob.value_at(place) == pytest.approx(value)
    assert knob.place(value) == pytest.approx(place)


def test_values_beyond_a_limit_have_the_place_of_the_limit():
    _, get, set_ = held()
    knob = Knob(get, set_, 0.0, 0.5)
    assert knob.place(0.9) == 1.0 and knob.place(-3.0) == 0.0


def test_one_knob_sets_all_dropout_modules_of_a_model():
    model = nn.Sequential(nn.Dropout(0.1), nn.Sequential(nn.Dropout2d(0.3), nn.AlphaDropout(0.2)))
    knob = dropout_knob(model)
    assert knob.get() == pytest.approx(0.2)
    knob.set(0.4)
    assert [m.p for m in model.modules() if hasattr(m, "p")] == [0.4] * 3


def test_a_model_without_dropout_is_refused_with_what_to_do():
    with pytest.raises(
        ValueError, match=r"must have Dropout modules .*Linear has none; pass knobs="
    ):
        as_knobs(None, nn.Linear(2, 2))


def test_triples_and_lists_become_knobs():
    _, get, set_ = held()
    (alone,) = as_knobs((get, set_, (0.0, 1.0)), None)
    assert (alone.low, alone.high, alone.name) == (0.0, 1.0, "knob")
    both = as_knobs([(get, set_, (0.0, 1.0)), Knob(get, set_, 0.0, 2.0, "noise")], None)
    assert [knob.name for knob in both] == ["knob 1", "noise"]


@pytest.mark.parametrize(
    "knobs, words",
    [
        ([], "knobs must be a Knob"),
        (0.1, "knobs must be a Knob"),
        ([0.1], r"knobs must be Knobs or triples .*got 0.1 at place 0"),
        ([(lambda: 0.1, lambda v: None, (0.0, 1.0, 2.0))], "knobs must be Knobs or triples"),
        ((lambda: float("nan"), lambda v: None, (0.0, 1.0)), "finite value each, got nan"),
        ((lambda: 0.1, lambda v: None, (1.0, 0.0)), "high must be finite and above 1"),
        ((lambda: 0.1, "set", (0.0, 1.0)), "set must be a function"),
    ],
)
def test_what_is_no_knob_is_refused(knobs, words):
    with pytest.raises(ValueError, match=words):
        as_knobs(knobs, torch.nn.Linear(2, 2))


def test_two_knobs_of_one_name_are_refused():
    _, get, set_ = held()
    knob = Knob(get, set_, 0.0, 1.0, "noise")
    with pytest.raises(ValueError, match="different names, got noise, noise"):
        as_knobs([knob, knob], None)
