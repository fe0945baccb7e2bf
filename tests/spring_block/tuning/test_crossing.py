"""Crossings of curves with a known zero: how often intervals hold it, and what verdicts say."""

import numpy as np
import pytest

from loadpath.spring_block.tuning.crossing import find_crossing, pooled_errors
from loadpath.spring_block.tuning.design import first_places, next_place

SEED = 20
CURVES = {
    "straight": lambda x, zero: 0.25 * (zero - x),
    "bent": lambda x, zero: 0.3 * (np.exp(-3 * x) - np.exp(-3 * zero)),
    "steep at the zero": lambda x, zero: -0.12 * np.tanh(8 * (x - zero)),
}


def tuned(curve, deviation, rng, *, n_levels=8, seeds=3, shared=0.0):
    """Levels in turn, as `tune` has them, of a curve that is known; `shared` errs with samples."""
    common = shared * rng.standard_normal(5)
    places, values = [], []

    def add(place):
        places.append(place)
        values.append(curve(place) + deviation * rng.standard_normal(seeds))

    for place in first_places(n_levels):
        add(place)
    while True:
        errors, dof = pooled_errors(np.array(values))
        means = np.mean(values, axis=1) + common.mean()
        left = None if not shared else means + (common.mean() - common)[:, None] / 4
        found = find_crossing(np.array(places), means, errors, dof=dof, replicates=left)
        place = None if len(places) == n_levels else next_place(found, np.array(places), errors)
        if place is None:
            return found, places
        add(place)


def coverage(name, deviation, draws, shared=0.0):
    rng = np.random.default_rng(SEED)
    held = []
    for _ in range(draws):
        zero = rng.uniform(0.15, 0.8)
        found, _ = tuned(lambda x, z=zero: CURVES[name](x, z), deviation, rng, shared=shared)
        held.append(found.low <= zero <= found.high)
    return np.mean(held)


@pytest.mark.parametrize("name", CURVES)
def test_intervals_hold_the_zero(name):
    # 60 draws of 95 % fall below 0.85 once in 500 times; noise is as nets have it, and less, where
    # the bend is more than the noise.
    assert coverage(name, 0.01, 30) + coverage(name, 0.003, 30) >= 2 * 0.85, f"seed {SEED}"


@pytest.mark.slow
@pytest.mark.parametrize("deviation", [0.003, 0.01, 0.03])
@pytest.mark.parametrize("name", CURVES)
def test_intervals_hold_the_zero_as_often_as_they_say(name, deviation):
    # The bias is estimated, and the design looks where chance says: 0.92, and not 0.95.
    assert 0.92 <= coverage(name, deviation, 2000) <= 0.995, f"seed {SEED}"


@pytest.mark.slow
def test_errors_that_all_levels_share_widen_the_interval():
    assert coverage("straight", 0.005, 1000, shared=0.02) >= 0.9, f"seed {SEED}"


def test_without_noise_the_zero_of_a_line_is_found():
    x = np.array([0.0, 0.3, 0.1, 0.2])
    found = find_crossing(x, 0.13 - x, np.full(4, 1e-9), dof=8)
    assert found.place == pytest.approx(0.13, abs=1e-9) and found.verdict == "clear"
    assert found.low < 0.13 < found.high
    assert found.high - found.low < 0.3 / 100  # the grid's resolution


def test_the_fit_never_rises_and_its_band_holds_it():
    rng = np.random.default_rng(SEED)
    x = np.linspace(0, 1, 8)
    values = 0.1 - 0.2 * x + 0.05 * rng.standard_normal(8)
    found = find_crossing(x, values, np.full(8, 0.05), dof=16)
    assert (np.diff(found.fit) <= 0).all()
    assert (found.band[0] <= found.fit).all() and (found.fit <= found.band[1]).all()


@pytest.mark.parametrize(
    "values, verdict, reason",
    [
        ([-0.1, -0.15, -0.2, -0.25], "no level does it", "convex at every level"),
        ([0.3, 0.25, 0.2, 0.15], "no level does it", "concave at every level"),
        ([-0.2, -0.05, 0.1, 0.2], "no level does it", "grows with the noise"),
        (
            [0.002, -0.004, 0.003, -0.001],
            "no level does it",
            "cannot be told from zero at any level",
        ),
        ([0.005, -0.1, -0.2, -0.3], "doubtful", "the interval reaches the end of the range"),
        ([0.2, 0.1, 0.05, 0.01], "doubtful", "the interval reaches the end of the range"),
        ([0.08, 0.01, -0.01, -0.08], "doubtful", "the interval is half of the range or more"),
        ([0.2, 0.1, -0.1, -0.2], "clear", "crosses zero"),
    ],
)
def test_verdicts_say_what_a_curve_is(values, verdict, reason):
    x = np.array([0.0, 0.1, 0.2, 0.3])
    error = 0.03 if "half" in reason else 0.01
    found = find_crossing(x, np.array(values), np.full(4, error), dof=8)
    assert (found.verdict, found.reason) == (verdict, reason)
    assert np.isnan(found.place) == (verdict == "no level does it")
    assert x[0] <= found.straightest <= x[-1]


def test_the_straightest_level_of_a_curve_without_zero_is_an_end():
    x = np.array([0.0, 0.1, 0.2, 0.3])
    for values, end in (([-0.1, -0.2, -0.3, -0.4], 0.0), ([0.4, 0.3, 0.2, 0.1], 0.3)):
        found = find_crossing(x, np.array(values), np.full(4, 0.005), dof=8)
        assert found.straightest == end


def test_errors_common_to_all_levels_count_once_and_in_full():
    x = np.linspace(0, 0.3, 6)
    alone = find_crossing(x, 0.15 - x, np.full(6, 0.004), dof=12)
    left = (0.15 - x) + np.array([-1, 1, -1, 1])[:, None] * 0.004
    both = find_crossing(x, 0.15 - x, np.full(6, 0.004), dof=12, replicates=left)
    assert both.high - both.low > 1.5 * (alone.high - alone.low)


def test_variances_of_few_seeds_are_drawn_together():
    values = np.array([[0.0, 0.0, np.nan], [0.0, 0.2, 0.1]])
    errors, dof = pooled_errors(values)
    pooled = 0.02 / 3
    assert dof == 3
    assert errors**2 == pytest.approx([4 * pooled / 5 / 2, (0.02 + 4 * pooled) / 6 / 3])


@pytest.mark.parametrize(
    "places, values",
    [([0.1], [0.0]), ([0.1, 0.1], [0.0, 1.0]), ([0.1, 0.2], [0.0, 1.0, 2.0])],
)
def test_places_that_are_too_few_or_equal_are_refused(places, values):
    with pytest.raises(ValueError, match="places, values and errors must be of at least 2"):
        find_crossing(np.array(places), np.array(values), np.ones(len(values)), dof=4)
