"""The next level stands where the crossing is least known."""

import numpy as np
import pytest

from loadpath.spring_block.tuning.crossing import find_crossing
from loadpath.spring_block.tuning.design import RESOLUTION, first_places, next_place


def found(values, error=0.01):
    x = np.linspace(0, 1, len(values))
    return x, find_crossing(x, np.array(values), np.full(len(x), error), dof=8)


def test_the_first_levels_are_even_and_have_both_ends():
    assert first_places(8) == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert first_places(2) == [0, 1]


def test_the_next_level_is_in_the_interval_of_the_crossing():
    x, crossing = found([0.2, 0.06, -0.1, -0.2])
    place = next_place(crossing, x, np.full(4, 0.01))
    assert crossing.low <= place <= crossing.high
    assert np.abs(x - place).min() >= RESOLUTION


@pytest.mark.parametrize(
    "values, low, high", [([-0.1, -0.2, -0.3, -0.4], 0, 1 / 3), ([0.4, 0.3, 0.2, 0.1], 2 / 3, 1)]
)
def test_without_a_crossing_the_end_that_is_nearest_to_one_is_looked_at(values, low, high):
    x, crossing = found(values)
    assert low < next_place(crossing, x, np.full(4, 0.01)) < high


def test_a_curve_that_is_flat_is_looked_at_where_levels_are_farthest_apart():
    x, crossing = found([0.001, -0.001, 0.001, -0.001])
    assert crossing.reason == "cannot be told from zero at any level"
    place = next_place(crossing, x, np.full(4, 0.01))
    assert np.abs(x - place).min() == pytest.approx(1 / 6)


def test_a_curve_against_the_theory_and_a_crossing_that_is_known_need_no_more_levels():
    x, crossing = found([-0.2, -0.1, 0.1, 0.2])
    assert next_place(crossing, x, np.full(4, 0.01)) is None
    x, crossing = found([0.5, 0.25, 0.0, -0.25, -0.5], error=1e-6)
    assert next_place(crossing, x, np.full(5, 1e-6)) is None
