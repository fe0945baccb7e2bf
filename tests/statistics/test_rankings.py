"""Agreement of two rankings: against all orders tried one by one, and where it is known."""

import math
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from loadpath.statistics import Column, rank_agreement


def column(values, reach=0.0, level=0.95):
    values = np.asarray(values, dtype=float)
    return Column(values, values - reach, values + reach, level)


@pytest.mark.parametrize("n", [4, 6])
def test_the_p_value_is_exact_for_few_layers(n):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(2, n))
    found = rank_agreement(column(x), column(y))
    rho = stats.spearmanr(x, y).statistic
    others = [abs(stats.spearmanr(x, y[list(order)]).statistic) for order in permutations(range(n))]
    assert found.exact and found.spearman == pytest.approx(rho)
    assert found.p_value == pytest.approx(np.mean(np.array(others) >= abs(rho) - 1e-9))
    assert (found.low, found.high) == (pytest.approx(rho), pytest.approx(rho))  # nothing to redraw


def test_a_perfect_order_of_n_layers_is_one_of_n_factorial_or_its_reverse():
    for n in (4, 5, 8):
        found = rank_agreement(column(range(n)), column(range(n)))
        assert found.p_value == pytest.approx(2 / math.factorial(n))
    # So four layers cannot show it at 95 %, however well they agree.
    assert rank_agreement(column(range(4)), column(range(4))).trust == "not shown"
    assert rank_agreement(column(range(5)), column(range(5))).trust == "agrees"
    assert rank_agreement(column(range(5)), column(range(5)[::-1])).trust == "the other way round"


def test_drawn_orders_come_near_to_the_p_value_of_many_layers():
    rng = np.random.default_rng(3)
    x = rng.normal(size=12)
    y = x + 1.5 * rng.normal(size=12)
    found = rank_agreement(column(x), column(y))
    rho = abs(stats.spearmanr(x, y).statistic)
    orders = np.random.default_rng(4).permuted(np.tile(y, (4000, 1)), axis=1)
    drawn = [abs(stats.spearmanr(x, order).statistic) for order in orders]
    reference = np.mean(np.array(drawn) >= rho - 1e-9)
    assert not found.exact and found.p_value == pytest.approx(reference, abs=0.03)
    again = rank_agreement(column(x), column(y))
    assert again == found  # seeded
    assert rank_agreement(column(range(12)), column(range(12))).p_value == 1 / 20_000


def test_p_values_of_no_agreement_are_as_often_small_as_they_say():
    rng = np.random.default_rng(5)
    p = [rank_agreement(*map(column, rng.normal(size=(2, 5)))).p_value for _ in range(400)]
    # Of 5 layers the p-value takes few values, none of them more often than it says.
    for level in (0.05, 0.1, 0.3):
        assert np.mean(np.array(p) <= level) <= level + 2.5 * math.sqrt(level * (1 - level) / 400)


def test_the_interval_of_the_correlation_is_as_wide_as_the_columns_are_unsure():
    sure = rank_agreement(column(range(6), 0.01), column(range(6), 0.01))
    assert (sure.low, sure.high) == (1, 1)
    one_swap = rank_agreement(column([0, 1, 2, 2.9, 3.1, 5], 0.2), column(range(6), 0.01))
    # The two that are close change places, which costs 6 * 2 / (6 * 35).
    assert (one_swap.low, one_swap.high) == (pytest.approx(1 - 12 / 210), 1)
    lost = rank_agreement(column(range(6), 100.0), column(range(6)))
    assert lost.low < -0.6 and lost.high > 0.6 and lost.trust == "not shown"
    # Half the level, half the deviation: the same interval means more at 99 %.
    assert column([0.0], 1.0, 0.99).deviation[0] == pytest.approx(1 / 2.5758, rel=1e-4)


def test_hits_and_places_are_counted():
    found = rank_agreement(column([1, 2, 3, 4, 5, 6]), column([5, 1, 2, 6, 3, 4]), least=3)
    assert (found.least, found.hits, found.hits_by_chance) == (3, 2, 1.5)
    assert found.rank_of_least_moving == 5
    assert rank_agreement(column(range(12)), column(range(12))).least == 3
    # One that shares its place with others has the first of their places.
    assert rank_agreement(column([1, 2, 3]), column([0, 0, 0])).rank_of_least_moving == 1


def test_equal_numbers_share_a_rank_and_constant_columns_have_none():
    x, y = [1, 2, 2, 4, 5], [0, 0, 3, 1, 4]
    assert rank_agreement(column(x), column(y)).spearman == pytest.approx(
        stats.spearmanr(x, y).statistic
    )
    flat = rank_agreement(column(x), column([1] * 5))
    assert math.isnan(flat.spearman) and math.isnan(flat.p_value) and flat.trust == "not shown"
    few = rank_agreement(column([1, 2, 3]), column([1, 2, 3]))
    assert math.isnan(few.spearman) and few.trust == "too few layers"


def test_several_columns_agree_as_the_mean_of_their_ranks_does():
    rng = np.random.default_rng(3)
    x, y, z = rng.normal(size=(3, 7))
    mean = (stats.rankdata(x) + stats.rankdata(y)) / 2
    found, wanted = rank_agreement([column(x), column(y)], column(z)), column(mean)
    alone = rank_agreement(wanted, column(z))
    assert found == alone  # with nothing to redraw
    assert found.spearman == pytest.approx(stats.spearmanr(mean, z).statistic)
    # A column that is as good as noise leaves the other's order in a mean that is far from sure.
    sure = [column(range(6), 0.01), column(range(6), 0.01)]
    unsure = [column(range(6), 0.01), column(range(6), 100.0)]
    low, lower = (rank_agreement(columns, column(range(6), 0.01)).low for columns in (sure, unsure))
    assert low == pytest.approx(1) and lower < 0.7
    only = rank_agreement([column(x, 0.3)], column(z, 0.3))
    assert only == rank_agreement(column(x, 0.3), column(z, 0.3))


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: rank_agreement(column([]), column([])), "must have the same layers, got 0 and 0"),
        (
            lambda: rank_agreement(column([1, np.nan]), column([1, 2])),
            r"moving must be finite, got \[1.0, nan\]",
        ),
        (
            lambda: rank_agreement([column([1, 2]), column([1, np.nan])], column([1, 2])),
            r"moving must be finite, got \[1.0, nan\]",
        ),
        (
            lambda: rank_agreement([column([1, 2]), column([1])], column([1, 2])),
            r"moving must be one or more columns of the same layers, got \[1, 2\]",
        ),
        (
            lambda: rank_agreement([], column([1, 2])),
            r"moving must be one or more columns of the same layers, got \[\]",
        ),
        (lambda: rank_agreement([[1, 2]], column([1, 2])), "moving must be a Column, got"),
        (
            lambda: rank_agreement(3, column([1, 2])),
            "moving must be a Column or several, got a int",
        ),
        (
            lambda: rank_agreement(column([1, 2]), column([1, 2]), level=0.0),
            "level must be between 0 and 1, got 0.0",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
