"""Recipes, the noises that change them, and the four panels of the paper."""

import dataclasses
import math

import pytest

from loadpath.spring_block.networks import (
    PANELS,
    BatchSize,
    DataNoise,
    Dropout,
    LearningRate,
    Recipe,
)


def test_the_default_is_the_training_of_the_paper():
    recipe = Recipe()
    assert (recipe.epochs, recipe.rate, recipe.batch_size) == (100, 1e-3, None)
    assert (recipe.dropout, recipe.data_noise, recipe.noise_scale) == (0, 0, "raw")
    assert (recipe.stop_below, recipe.stop_change) == (1e-4, 1e-10)
    assert (recipe.weight_decay, recipe.rate_drops) == (0, 0)


@pytest.mark.parametrize(
    "noise, changed",
    [
        (DataNoise(0.3), {"data_noise": 0.3}),
        (LearningRate(0.05), {"rate": 0.05}),
        (Dropout(0.1), {"dropout": 0.1}),
        (BatchSize(20), {"batch_size": 20}),
    ],
)
def test_a_noise_changes_one_field_and_leaves_the_rest(noise, changed):
    calm = Recipe(epochs=7, rate=0.01, batch_size=50, dropout=0.2, data_noise=0.1, stop_below=0.5)
    shaken = calm.under(noise)
    assert dataclasses.asdict(shaken) == {**dataclasses.asdict(calm), **changed}
    with pytest.raises(dataclasses.FrozenInstanceError):
        noise.level = 1


def test_noises_add_up():
    recipe = Recipe().under(Dropout(0.1)).under(BatchSize(64))
    assert (recipe.dropout, recipe.batch_size) == (0.1, 64)


@pytest.mark.parametrize(
    "panel, count, first, last, epochs",
    [
        ("data noise", 9, {"data_noise": 0.0}, {"data_noise": 0.8}, 100),
        ("learning rate", 12, {"rate": 1e-4}, {"rate": 0.5}, 200),
        ("dropout", 16, {"dropout": 0.0}, {"dropout": 0.3}, 100),
        ("batch size", 10, {"batch_size": 2560}, {"batch_size": 5}, 100),
    ],
)
def test_panels_run_from_calm_to_noisy_as_in_the_paper(panel, count, first, last, epochs):
    levels = [PANELS[panel].recipe.under(noise) for noise in PANELS[panel].noises]
    assert len(levels) == count
    for recipe, expected in ((levels[0], first), (levels[-1], last)):
        assert dataclasses.asdict(recipe) == {
            **dataclasses.asdict(Recipe(epochs=epochs)),
            **{name: pytest.approx(value) for name, value in expected.items()},
        }
    (name,) = first
    values = [getattr(recipe, name) for recipe in levels]
    assert values == sorted(set(values), reverse=name == "batch_size")
    assert PANELS[panel].slopes == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0"),
        ({"rate": 0.0}, "rate must be finite and above 0, got 0.0"),
        ({"rate": math.inf}, "rate must be finite and above 0, got inf"),
        ({"rate": math.nan}, "rate must be finite and above 0, got nan"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, not 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number of at least 1, not 2.5"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"data_noise": 1.1}, r"data_noise must lie in \[0, 1\], got 1.1"),
        ({"data_noise": -0.1}, r"data_noise must lie in \[0, 1\], got -0.1"),
        ({"noise_scale": "pixels"}, "noise_scale must be one of raw, demeaned, got 'pixels'"),
        ({"weight_decay": -1e-3}, "weight_decay must be finite and at least 0, got -0.001"),
        ({"rate_drops": -1}, "rate_drops must be a whole number of at least 0, not -1"),
        ({"stop_below": -1.0}, "stop_below must be finite and at least 0, got -1.0"),
        ({"stop_change": math.inf}, "stop_change must be finite and at least 0, got inf"),
    ],
)
def test_bad_input_is_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        Recipe(**options)
    assert "\n" not in str(error.value)


def test_a_noise_out_of_its_range_is_refused_where_it_is_applied():
    with pytest.raises(ValueError, match="dropout must lie"):
        Recipe().under(Dropout(1.5))


def test_the_rate_drops_after_equal_parts_of_the_epochs():
    recipe = Recipe(epochs=600, rate=1e-3, rate_drops=2)
    rates = [recipe.rate_at(epoch) for epoch in range(600)]
    assert rates == [1e-3] * 200 + [1e-4] * 200 + [1e-5] * 200
    assert {Recipe(epochs=5).rate_at(epoch) for epoch in range(5)} == {1e-3}
