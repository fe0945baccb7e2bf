"""Ranks on covariances that are known: unbiased traces, corrected values, and when to be silent."""

import math

import numpy as np
import pytest
import torch
from exact_paths import random

from loadpath.measures import (
    PairSums,
    effective_rank,
    effective_rank_of_spectrum,
    participation_ratio,
    participation_ratio_of_spectrum,
    self_sums,
)
from loadpath.statistics import merged

SPECTRA = {
    "equal": torch.ones(30, dtype=torch.float64),
    "power law": torch.arange(1, 201, dtype=torch.float64) ** -1.0,
    "exponential": torch.exp(-torch.arange(60, dtype=torch.float64) / 5),
    "five and noise": torch.cat([torch.ones(5), torch.full((95,), 1e-3)]).double(),
}
"""Eigenvalues of covariances."""


def sample(variances, n, seed, *, heavy=False):
    """n samples of these variances in a rotated basis; `heavy`: of their own size each."""
    X = random(n, len(variances), seed=seed) * variances.sqrt()
    if heavy:  # a scale mixture: not Gaussian, same covariance up to a factor of known mean
        X = X * (1 + (random(n, 1, seed=seed + 9000) > 0)).double()
    return X @ torch.linalg.qr(random(len(variances), len(variances), seed=7)).Q + 5


def test_ranks_of_spectra_that_are_known():
    for r in (1, 4, 9):
        s = torch.cat([torch.full((r,), 0.3), torch.zeros(5)])
        assert effective_rank_of_spectrum(s) == pytest.approx(r, rel=1e-6)
        assert participation_ratio_of_spectrum(s) == pytest.approx(r, rel=1e-6)
    assert effective_rank_of_spectrum(torch.zeros(4)) == 0
    assert participation_ratio_of_spectrum(torch.zeros(4)) == 0
    # p = (3/4, 1/4): entropy; and squares 9, 1: 100 / 82.
    s = torch.tensor([3.0, 1.0])
    assert effective_rank_of_spectrum(s) == pytest.approx(4 / 3**0.75, rel=1e-12)
    assert participation_ratio_of_spectrum(s) == pytest.approx(100 / 82, rel=1e-12)


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("n", [6, 25])
def test_the_traces_are_unbiased_far_below_the_width(n, heavy):
    variances = SPECTRA["exponential"]
    # Samples are of variance 1 or 4 times, at even odds, if heavy: 2.5 times on average.
    scale = 2.5 if heavy else 1.0
    squares, traces = [], []
    for seed in range(400):
        sums = PairSums(60)
        sums.update(sample(variances, n, seed, heavy=heavy))
        squares.append(sums.hsic())
        traces.append(sums.trace_product())
    for found, expected in (
        (squares, float(variances.square().sum()) * scale**2),
        (traces, float(variances.sum()) ** 2 * scale**2),
    ):
        error = np.std(found) / 20
        assert error < 0.1 * expected  # so that the next line says something
        assert np.mean(found) == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize("name", SPECTRA)
def test_the_participation_ratio_needs_no_more_samples_than_directions(name):
    variances = SPECTRA[name]
    expected = participation_ratio_of_spectrum(variances.sqrt())
    plain, found = [], []
    for seed in range(40):
        X = sample(variances, 40, seed)
        parts = self_sums(X)
        found.append(participation_ratio(parts).value)
        plain.append(participation_ratio_of_spectrum(merged(parts).singular_values()))
    error = np.std(found) / math.sqrt(40)
    # A ratio's own bias, of order 1/n: relative variance of the denominator.
    assert np.mean(found) == pytest.approx(expected, abs=4 * error + 0.03 * expected)
    assert abs(np.mean(found) - expected) < 0.35 * abs(np.mean(plain) - expected)


@pytest.mark.parametrize(
    "name, n", [("equal", 200), ("power law", 1100), ("exponential", 200), ("five and noise", 250)]
)
def test_the_jackknife_takes_the_bias_off_the_effective_rank_and_says_what_may_be_left(name, n):
    variances = SPECTRA[name]
    expected = effective_rank_of_spectrum(variances.sqrt())
    plain, found, inside = [], [], []
    for seed in range(6):
        parts = self_sums(sample(variances, n, seed))
        estimate = effective_rank(parts)
        assert estimate.status == "estimated" and estimate.n == n
        found.append(estimate.value)
        inside.append(estimate.low <= expected <= estimate.high)
        plain.append(effective_rank_of_spectrum(merged(parts).singular_values()))
    bias, left = np.mean(plain) / expected - 1, np.mean(found) / expected - 1
    error = np.std(found) / expected / math.sqrt(6)
    assert bias < -0.01 and abs(left) < abs(bias) / 6 + 3 * error < abs(bias) / 2
    assert sum(inside) >= 4  # of 6 at 95 %: fewer have odds of 1 in 400


def test_95_percent_intervals_cover_the_participation_ratio():
    variances = SPECTRA["exponential"]
    expected = participation_ratio_of_spectrum(variances.sqrt())
    covered = []
    for seed in range(100):
        found = participation_ratio(self_sums(sample(variances, 200, seed)))
        covered.append(found.low <= expected <= found.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=4 * 0.022)


def test_a_word_where_there_are_too_few_samples():
    for n in (2, 19):
        few = self_sums(random(n, 5, seed=n))
        assert participation_ratio(few).status == effective_rank(few).status == "not enough samples"
    wide = self_sums(random(60, 300, seed=1))
    found = effective_rank(wide)
    assert found.status == "not enough samples" and math.isnan(found.value) and found.n == 60
    # 300 equal directions from 60 samples: the ratio of unbiased traces still knows.
    ratio = participation_ratio(wide)
    assert ratio.low < 300 < ratio.high and ratio.value == pytest.approx(300, rel=0.15)
    constant = self_sums(torch.full((50, 4), 0.1))
    assert (
        participation_ratio(constant).status
        == effective_rank(constant).status
        == ("constant features")
    )


@pytest.mark.parametrize("name", SPECTRA)
def test_no_effective_rank_that_passes_the_rule_is_far_off(name):
    # The rule: at least 6 samples for each of the rank found, a correction of a tenth at most.
    variances = SPECTRA[name]
    expected = effective_rank_of_spectrum(variances.sqrt())
    told = 0
    for n in (25, 50, 100, 200, 400, 800, 1600):
        found = effective_rank(self_sums(sample(variances, n, n)))
        if found.known:
            told += 1
            assert found.value == pytest.approx(expected, rel=0.05)
        else:
            assert n < 12 * expected  # and it is silent only where samples are few
    assert told >= 1


def test_ranks_of_two_features_are_refused():
    sums = PairSums(3, 3)
    sums.update(random(30, 3, seed=2), random(30, 3, seed=3))
    for measure in (participation_ratio, effective_rank):
        with pytest.raises(ValueError, match="must pair X with itself"):
            measure([sums])
    with pytest.raises(ValueError, match="s must hold numbers of at least 0"):
        effective_rank_of_spectrum(torch.tensor([1.0, -1.0]))
