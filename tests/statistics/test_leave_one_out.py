"""The jackknife against textbook formulas written out, and against intervals known exactly."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats

from loadpath.measures import PairSums
from loadpath.statistics import Estimate, Grouped, groups_of, jackknife, jackknife_from_values
from loadpath.statistics.estimate import unknown


@dataclass
class Sum:
    """Sums of numbers and of their squares."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def update(self, x):
        self.count += len(x)
        self.total += float(x.sum())
        self.squares += float(x.square().sum())

    def merge(self, other):
        return Sum(self.count + other.count, self.total + other.total, self.squares + other.squares)


def mean(sums):
    return sums.total / sums.count


def variance(sums):
    """The plug-in variance, whose bias is -sigma^2 / n exactly."""
    return sums.squares / sums.count - mean(sums) ** 2


def parts_of(x, sizes):
    parts = []
    for chunk in torch.as_tensor(x).split(list(sizes)):
        parts.append(Sum())
        parts[-1].update(chunk)
    return parts


def textbook(values, groups, statistic):
    """Delete-a-group jackknife for groups of one size, Efron and Tibshirani 1993, chapter 11."""
    G = len(groups)
    whole = statistic(values)
    without = np.array([statistic(np.delete(values, group)) for group in groups])
    corrected = G * whole - (G - 1) * without.mean()
    deviation = math.sqrt((G - 1) / G * ((without - without.mean()) ** 2).sum())
    return whole, corrected, deviation


@pytest.mark.parametrize("statistic, plain", [(mean, np.mean), (variance, np.var)])
@pytest.mark.parametrize("n_groups", [2, 5, 7, 10])
def test_groups_of_one_size_give_the_textbook_formulas(statistic, plain, n_groups):
    x = np.random.default_rng(n_groups).normal(3, 2, size=12 * n_groups)
    groups = np.arange(len(x)).reshape(n_groups, 12)
    whole, corrected, deviation = textbook(x, groups, plain)
    reach = stats.t.ppf(0.95, n_groups - 1) * deviation
    parts = parts_of(x, [12] * n_groups)
    found = jackknife(parts, statistic, level=0.9)
    assert (found.n, found.status) == (len(x), "estimated")
    assert found.value == pytest.approx(whole, rel=1e-12)
    assert found.high - found.value == pytest.approx(reach, rel=1e-9)
    assert found.value - found.low == pytest.approx(reach, rel=1e-9)
    found = jackknife(parts, statistic, level=0.9, correct_bias=True)
    assert found.value == pytest.approx(corrected, rel=1e-12)
    assert found.high - found.value == pytest.approx(reach, rel=1e-9)


@pytest.mark.parametrize("sizes", [[1] * 30, [3, 7, 11, 9], [1, 1, 28], [15, 15]])
def test_the_correction_takes_a_bias_of_order_1_over_n_off_whatever_the_sizes(sizes):
    # The plug-in variance has bias -sigma^2 / n. With one sample in a group the corrected value is
    # the unbiased variance identically; with larger groups of any sizes it is unbiased on average.
    draw = np.random.default_rng(0)
    x = draw.normal(size=30)
    if max(sizes) == 1:
        found = jackknife(parts_of(x, sizes), variance, correct_bias=True)
        assert found.value == pytest.approx(x.var(ddof=1), rel=1e-12)
    values = [
        jackknife(parts_of(draw.normal(size=30), sizes), variance, correct_bias=True).value
        for _ in range(400)
    ]
    error = np.std(values) / 20
    assert np.mean(values) == pytest.approx(1, abs=4 * error)
    assert 4 * error < 1  # and the plug-in value's 1 - 1/30 is told apart only where errors allow


def test_the_mean_of_unequal_groups_is_weighed_by_their_sizes():
    # Of a mean, leaving out group g gives (n mean - m_g mean_g) / (n - m_g), so pseudo-values are
    # the group means: corrected = mean, variance = sum (mean_g - mean)^2 / (h_g - 1) / G.
    x = np.random.default_rng(1).normal(size=40)
    sizes = np.array([5, 8, 12, 15])
    means = np.array([part.mean() for part in np.split(x, sizes.cumsum()[:-1])])
    deviation = math.sqrt(((means - x.mean()) ** 2 / (40 / sizes - 1)).mean())
    found = jackknife(parts_of(x, sizes), mean, correct_bias=True)
    assert found.value == pytest.approx(x.mean(), rel=1e-12)
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 3) * deviation, rel=1e-9)


def test_intervals_of_a_mean_cover_it_as_often_as_they_say():
    # Of normal samples in groups of one size the interval is Student's, exact at any n; of 1,500
    # draws 95 % has a deviation of 0.0056.
    draw = torch.Generator().manual_seed(2)
    covered = 0
    for _ in range(1500):
        x = 5 + torch.randn(60, generator=draw, dtype=torch.float64)
        found = jackknife(parts_of(x, [6] * 10), mean)
        covered += found.low <= 5 <= found.high
    assert covered / 1500 == pytest.approx(0.95, abs=4 * 0.0056)


def test_groups_depend_on_the_index_alone_and_are_of_like_size():
    indices = torch.arange(5000)
    groups = groups_of(indices, 10, seed=3)
    assert torch.equal(groups_of(indices[2000:], 10, seed=3), groups[2000:])
    counts = groups.bincount(minlength=10)
    assert len(counts) == 10
    # Binomial: deviation sqrt(5000 * 0.1 * 0.9) = 21.
    assert int((counts - 500).abs().max()) < 5 * 21
    # A period in the data, such as classes in turn, is not seen: chi-square of 10 x 10 cells.
    table = torch.zeros(10, 10, dtype=torch.float64)
    table.index_put_((groups, indices % 10), torch.ones(5000, dtype=torch.float64), accumulate=True)
    assert stats.chi2_contingency(table.numpy()).pvalue > 1e-3
    assert not torch.equal(groups_of(indices, 10, seed=4), groups)


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_grouped_sums_do_not_depend_on_batches_or_on_where_they_are_merged(batch):
    x = torch.randn(100, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    groups = groups_of(torch.arange(100), 4)
    first, second = Grouped(Sum, 4), Grouped(Sum, 4)
    for b, (part, g) in enumerate(zip(x.split(batch), groups.split(batch), strict=True)):
        (first if b % 3 else second).update(g, part)
    both = first.merge(second)
    for g in range(4):
        assert both.parts[g].count == int((groups == g).sum())
        assert both.parts[g].total == pytest.approx(float(x[groups == g].sum()), rel=1e-12)
    one = Grouped(Sum, 4)
    one.update(2, x)
    assert [part.count for part in one.parts] == [0, 0, 100, 0]


def test_a_value_stands_alone_where_no_interval_can_be_had():
    parts = parts_of(np.arange(6.0), [6])
    found = jackknife([*parts, Sum()], mean)
    assert (found.value, found.status, found.n) == (2.5, "no interval", 6)
    assert math.isnan(found.low) and found.known
    few = jackknife(
        parts_of(np.arange(6.0), [5, 1]), lambda s: mean(s) if s.count > 1 else math.nan
    )
    assert (few.value, few.status) == (2.5, "no interval")


def test_an_estimate_without_a_number_says_why():
    nothing = unknown(3, "not enough samples")
    assert math.isnan(nothing.value) and not nothing.known


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: Estimate(1.0, 0, 2, 5, "not enough samples"), "value must be NaN exactly"),
        (lambda: Estimate(math.nan, 0, 2, 5, "estimated"), "value must be NaN exactly .* got nan"),
        (lambda: Estimate(1.0, 0, 2, 5, "fine"), "status must be one of .* got 'fine'"),
        (lambda: jackknife([Sum()], mean), "parts must hold at least one sample, got 0"),
        (lambda: jackknife(parts_of([1.0], [1]), mean, level=1.0), "level must be .* got 1.0"),
        (
            lambda: jackknife(parts_of([1.0], [1]), lambda s: math.inf),
            "statistic must give a finite number, got inf",
        ),
        (lambda: groups_of(torch.arange(3), 1), "n_groups must be a whole number of at least 2"),
        (lambda: groups_of(torch.ones(3)), "indices must be whole numbers.* got torch.float32"),
        (lambda: groups_of(torch.tensor([0, -1])), "indices must not be negative, got -1"),
        (lambda: Grouped(Sum, 1), "n_groups must be a whole number of at least 2, not 1"),
        (lambda: Grouped(Sum, 2).update(2, torch.ones(3)), "groups must be 0 to 1, got 2"),
        (
            lambda: Grouped(Sum, 2).update(torch.tensor([0, 5]), torch.ones(2)),
            "groups must be 0 to 1, got 5",
        ),
        (
            lambda: Grouped(Sum, 2).update(torch.tensor([0, 1]), torch.ones(3)),
            r"groups must be one number for each row, got \(2,\) for rows \[3\]",
        ),
        (lambda: Grouped(Sum, 2).merge(Grouped(Sum, 3)), "other must have 2 groups, got 3"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_statistic_that_is_known_without_each_group_gives_the_same():
    x = torch.randn(60, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    sums = Grouped(lambda: PairSums(1), 6)
    groups = torch.arange(60) % 6
    sums.update(groups, x)

    def variance(part):
        return part.scatter_x / part.count

    without = np.array([float(x[groups != g].var(correction=0)) for g in range(6)])
    known = jackknife_from_values(
        float(x.var(correction=0)), without, np.full(6, 10), correct_bias=True
    )
    streamed = jackknife(sums.parts, variance, correct_bias=True)
    # One variance from samples, the other from merged sums.
    np.testing.assert_allclose(
        [known.value, known.low, known.high], [streamed.value, streamed.low, streamed.high]
    )
    lost = jackknife_from_values(1.0, np.array([1.0, np.nan]), np.array([5, 5]))
    assert (lost.value, lost.status) == (1.0, "no interval")
    with pytest.raises(ValueError, match="theta must be finite, got nan"):
        jackknife_from_values(math.nan, without, np.full(6, 10))
