"""The mean of ranks: against ranks one by one, and with intervals that are known."""

import numpy as np
import pytest
from scipy import stats

from loadpath.statistics import Column, mean_ranks


def column(values, reach=0.0):
    values = np.asarray(values, dtype=float)
    return Column(values, values - reach, values + reach)


def test_each_layer_has_the_mean_of_its_ranks():
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(3, 6))
    columns[1, 2] = columns[1, 4]  # equal numbers share a rank
    found = mean_ranks([column(values) for values in columns])
    ranks = [stats.rankdata(values) for values in columns]
    np.testing.assert_allclose(found.value, np.mean(ranks, axis=0))
    np.testing.assert_array_equal(found.low, found.value)  # nothing to draw anew
    np.testing.assert_array_equal(found.high, found.value)
    assert mean_ranks([column([3.0, 1.0, 2.0])]).value.tolist() == [3, 1, 2]


def test_intervals_hold_the_ranks_that_are_possible():
    # The last layer is surely the last in both; the first two may change places in one of them.
    found = mean_ranks([column([0.0, 0.1, 9.0], 1.0), column([0.0, 5.0, 9.0], 0.01)])
    assert found.value.tolist() == [1.0, 2.0, 3.0]
    assert found.low.tolist() == [1.0, 1.5, 3.0] and found.high.tolist() == [1.5, 2.0, 3.0]
    assert found.level == 0.95
    # Of 10 layers that nothing is known of, a mean of two ranks is anything near the middle; each
    # rank has the standard deviation of whole numbers to 10, and their mean 0.7 of it.
    unknown = mean_ranks([column(range(10), 1e4)] * 2, level=0.9, seed=1)
    reach = 1.645 * np.sqrt(99 / 12 / 2)
    np.testing.assert_allclose(unknown.high - unknown.low, 2 * reach, atol=1.0)
    again = mean_ranks([column(range(10), 1e4)] * 2, level=0.9, seed=1)
    np.testing.assert_array_equal(again.low, unknown.low)
    assert (again.low != mean_ranks([column(range(10), 1e4)] * 2, level=0.8, seed=2).low).any()


def test_a_layer_without_an_interval_is_not_drawn_anew():
    sure = Column([1.0, 1.5], [np.nan, np.nan], [np.nan, np.nan])
    found = mean_ranks([sure, column([1.0, 1.5])])
    assert found.low.tolist() == found.high.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "columns, options, sentence",
    [
        ([], {}, r"columns must be one or more columns of the same layers, got \[\]"),
        ([column([])], {}, "columns must have at least one layer, and have none"),
        ([column([1]), column([1, 2])], {}, r"of the same layers, got \[1, 2\]"),
        ([column([np.nan])], {}, r"columns must be finite, got \[nan\]"),
        ("ab", {}, "columns must be a Column, got"),
        (None, {}, "columns must be a Column or several, got a NoneType"),
        ([column([1])], {"level": 1.0}, "level must be between 0 and 1, got 1.0"),
        ([column([1])], {"seed": -1}, "seed must be"),
    ],
)
def test_bad_input_is_one_sentence(columns, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        mean_ranks(columns, **options)
