"""Crossed samples: a two-way table by hand, the ordinary jackknife within it, and coverage."""

import math

import numpy as np
import pytest
from scipy import stats

from loadpath.statistics import crossed_jackknife, crossed_variance, jackknife_from_values


def of_a_mean(table, level=0.95, kept=None):
    """The interval of the mean of a table (row, column), from which pairs may be missing."""
    table = np.asarray(table, dtype=float)
    kept = np.ones(table.shape, dtype=bool) if kept is None else kept
    (rows, columns), values = np.nonzero(kept), table[kept]
    without = (values.sum() - values) / (len(values) - 1)
    return crossed_jackknife(values.mean(), without, rows, columns, level=level)


def test_the_interval_of_a_mean_is_that_of_a_two_way_table_by_hand():
    # Rows have means 2 and 6, columns 3, 4 and 5; what is left is 1, -1, 0 and -1, 1, 0.
    found = of_a_mean([[2, 1, 3], [4, 7, 7]])
    # Mean squares: 3 * (2^2 + 2^2) / 1 = 24, 2 * (1 + 0 + 1) / 2 = 2, and 4 / 2 = 2.
    assert found.value == 4 and found.n == 6 and found.status == "estimated"
    deviation = math.sqrt((24 + 2 - 2) / 6)
    # (24 + 2 - 2) is not more than the rows' own 24, whose freedom is 1.
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 1) * deviation, rel=1e-9)
    assert found.value - found.low == pytest.approx(found.high - found.value, rel=1e-9)


def test_freedom_is_satterthwaites():
    table = np.array([[0, 5, 1.0], [3, 10, 2], [2, 4, 4]])
    n, mean = 9, table.mean()
    rows, columns = table.mean(1) - mean, table.mean(0) - mean
    rest = table - mean - rows[:, None] - columns
    squares = np.array([3 * (rows**2).sum() / 2, 3 * (columns**2).sum() / 2, (rest**2).sum() / 4])
    whole = squares[0] + squares[1] - squares[2]
    assert whole > max(squares[:2])  # so that this is the case that counts
    freedom = whole**2 / (squares**2 / [2, 2, 4]).sum()
    found = of_a_mean(table, level=0.9)
    reach = stats.t.ppf(0.95, max(freedom, 2)) * math.sqrt(whole / n)
    assert found.high - mean == pytest.approx(reach, rel=1e-9)


@pytest.mark.parametrize("rows, columns", [([0] * 6, range(6)), (range(6), [4] * 6)])
def test_one_row_or_column_leaves_the_ordinary_jackknife(rows, columns):
    rng = np.random.default_rng(0)
    print("seed 0")
    without = rng.normal(size=6)
    ours = crossed_jackknife(0.3, without, rows, columns, level=0.8)
    theirs = jackknife_from_values(0.3, without, np.ones(6, dtype=int), level=0.8)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


@pytest.mark.parametrize(
    "by_row, by_column, missing", [(1, 0, 0), (1, 1, 0), (0.2, 1, 0), (1, 0.5, 2)]
)
def test_the_interval_holds_the_truth_as_often_as_it_says(by_row, by_column, missing):
    # 400 means of 5 x 4 tables whose rows and columns have effects of their own: at 95 %, 380 hold
    # the truth, 0, but for chance (sd 4.4); those of 20 independent samples would in about 200.
    rng = np.random.default_rng(7)
    print("seed 7")
    hits = naive = 0
    for _ in range(400):
        table = by_row * rng.normal(size=(5, 1)) + by_column * rng.normal(size=(1, 4))
        table = table + 0.5 * rng.normal(size=(5, 4))
        kept = np.ones(20, dtype=bool)
        kept[rng.choice(20, missing, replace=False)] = False
        found = of_a_mean(table, kept=kept.reshape(5, 4))
        hits += found.low <= 0 <= found.high
        naive += abs(table.mean()) < 2.09 * table.std(ddof=1) / math.sqrt(20)
    assert 363 <= hits <= 398 and naive < 300


def test_many_numbers_are_taken_at_once():
    rng = np.random.default_rng(1)
    print("seed 1")
    values, rows, columns = rng.normal(size=(12, 3, 2)), np.repeat(range(4), 3), [0, 1, 2] * 4
    variance, freedom = crossed_variance(values, rows, columns)
    for index in np.ndindex(3, 2):
        alone = crossed_variance(values[:, *index], rows, columns)
        together = [variance[index], freedom[index]]
        np.testing.assert_allclose(together, alone, rtol=1e-12)  # sums in another order


def test_without_an_interval_and_bad_arguments():
    assert crossed_jackknife(1.0, np.array([2.0]), [0], [0]).status == "no interval"
    assert crossed_jackknife(1.0, np.array([2.0, np.nan]), [0, 1], [0, 1]).status == "no interval"
    with pytest.raises(ValueError, match=r"must be of one length, got \(2,\), \(2,\) and \(1,\)"):
        crossed_jackknife(1.0, np.zeros(2), [0, 1], [0])
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 2"):
        crossed_jackknife(1.0, np.zeros(2), [0, 1], [0, 1], level=2)
    with pytest.raises(ValueError, match="theta must be"):
        crossed_jackknife(math.inf, np.zeros(2), [0, 1], [0, 1])
