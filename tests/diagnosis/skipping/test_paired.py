"""Paired sums against all units at once, and how often their intervals hold what is true."""

import math

import numpy as np
import pytest
import torch
from exact_paths import random
from scipy import stats

from loadpath.diagnosis.skipping.paired import (
    MATCHED,
    SHARE,
    OutputSums,
    RatioSums,
    output_change,
)
from loadpath.statistics import Grouped, groups_of


@pytest.mark.parametrize("tokens", ["one", "many"])
def test_paired_intervals_cover_the_true_change(tokens):
    # Differences of known mean; with many tokens, how many a sample has goes with what they lose.
    draws, covered, n = np.random.default_rng(0), 0, 40
    repeats, truth = 1000, 0.3
    for _ in range(repeats):
        t = np.ones(n) if tokens == "one" else draws.integers(1, 9, n)
        # sum_i t_i (t_i - E t^2 / E t) is 0 on average.
        d = t * (truth + 0.5 * draws.normal(size=n) + (tokens == "many") * 0.1 * (t - 25.5 / 4.5))
        sums = RatioSums()
        for part in (slice(0, 7), slice(7, n)):
            sums.update(torch.from_numpy(d[part]), torch.from_numpy(1.0 * t[part]))
        found = sums.estimate()
        covered += found.low <= truth <= found.high
    # 95 % of 1000 have a standard deviation of 7; the linearized ratio falls a little short.
    assert 0.925 <= covered / repeats <= 0.975


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5])
def test_intervals_of_shares_cover_even_where_hardly_anything_changes(share):
    draws, repeats, n = np.random.default_rng(1), 1000, 50
    same = changed = 0
    ones = torch.ones(n, dtype=torch.float64)
    for _ in range(repeats):
        moved = draws.random(n) < share
        agreement = RatioSums()
        agreement.update(torch.from_numpy(1.0 - moved), ones)
        found = agreement.estimate(added=SHARE, within=(0.0, 1.0))
        same += found.low <= 1 - share <= found.high
        # Of those that change, three in four get worse.
        signs = np.where(draws.random(n) < 0.75, -1.0, 1.0) * moved
        accuracy = RatioSums()
        accuracy.update(torch.from_numpy(signs), ones)
        found = accuracy.estimate(added=MATCHED, within=(-1.0, 1.0))
        changed += found.low <= -share / 2 <= found.high
    assert same / repeats >= 0.93 and changed / repeats >= 0.93


def test_ratio_sums_are_those_of_all_units_together():
    d, t = random(50, seed=24) + 1e4, torch.arange(1.0, 51, dtype=torch.float64)
    sums = RatioSums()
    for part in (slice(0, 3), slice(3, 3), slice(3, 50)):
        sums.update(d[part], t[part])
    R = float(d.sum() / t.sum())
    error = math.sqrt(50 / 49 * float((d - R * t).square().sum())) / float(t.sum())
    found = sums.estimate(level=0.9)
    reach = error * stats.t.ppf(0.95, 49)
    np.testing.assert_allclose([found.value, found.high], [R, R + reach], rtol=1e-12)


def test_single_units_and_no_units_have_no_interval():
    sums = RatioSums()
    assert sums.estimate().status == "not enough samples"
    sums.update(torch.tensor([2.0]), torch.tensor([4.0]))
    found = sums.estimate()
    assert (found.value, found.status) == (0.5, "no interval") and math.isnan(found.low)


def test_output_changes_are_those_of_all_rows_together():
    f, g = random(60, 3, seed=25) + 7, random(60, 3, seed=26) + 7
    moved = torch.stack([(g - f).square().sum(1), torch.full((60,), math.nan)], 1).double()
    sums = Grouped(lambda: OutputSums(torch.zeros(2, dtype=torch.float64)))
    groups = groups_of(torch.arange(60))
    for part in (slice(0, 5), slice(5, 60)):
        sums.update(groups[part], f[part], moved[part])
    found = output_change(sums.parts, 0)
    expected = float((g - f).norm() / (f - f.mean(0)).norm())
    np.testing.assert_allclose(found.value, expected, rtol=1e-12)
    assert found.low < expected < found.high
    # Leaving a group out is the same as not having seen it.
    kept = groups != 0
    rest = f[kept]
    without = float((g - f)[kept].norm() / (rest - rest.mean(0)).norm())
    whole = sums.parts[1]
    for part in sums.parts[2:]:
        whole = whole.merge(part)
    np.testing.assert_allclose(math.sqrt(float(whole.moved[0]) / whole.spread), without, rtol=1e-12)
    assert not output_change(sums.parts, 1).known
    constant = Grouped(lambda: OutputSums(torch.zeros(2, dtype=torch.float64)))
    constant.update(groups, torch.ones(60, 3), moved)
    assert output_change(constant.parts, 0).status == "constant features"
