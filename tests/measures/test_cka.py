"""CKA against another package, kernels of N x N, and populations known exactly."""

import math

import numpy as np
import pytest
import torch
from cka import cka_from_features
from exact_paths import random

from loadpath.measures import alignment, debiased_cka, linear_cka
from loadpath.statistics import Grouped, groups_of, merged

MIX = random(6, 5, seed=100)
NOISE = 2.0


def gaussians(seed, n):
    """X standard normal of 6, Y = X MIX + NOISE e of 5."""
    X = random(n, 6, seed=seed)
    return X, X @ MIX + NOISE * random(n, 5, seed=seed + 10_000)


def population():
    """Cov(x, y) = MIX, Cov(x) = 1, Cov(y) = MIX^T MIX + NOISE^2."""
    cov_y = MIX.T @ MIX + NOISE**2 * torch.eye(5)
    return float(MIX.square().sum() / (math.sqrt(6) * cov_y.norm()))


def value(X, Y):
    sums = alignment(X.shape[1], Y.shape[1])
    sums.update(X, Y)
    return sums.cka()


@pytest.mark.parametrize("n, width_x, width_y", [(4, 2, 3), (50, 6, 5), (30, 80, 5), (200, 3, 3)])
def test_the_value_is_that_of_pytorch_cka(n, width_x, width_y):
    # It takes HSIC_1 of both kernels as Nguyen et al. do, and cuts the ratio off at 0 and 1.
    X = random(n, width_x, seed=n)
    Y = X[:, :1] + random(n, width_y, seed=n + 1)
    oracle = float(cka_from_features(X, Y)[0, 0])
    assert min(1.0, max(0.0, value(X, Y))) == pytest.approx(oracle, rel=1e-9, abs=1e-12)
    assert linear_cka(X, Y).value == pytest.approx(value(X, Y), rel=1e-9)


def test_the_biased_value_is_that_of_centred_kernels():
    X, Y = gaussians(0, 40)
    sums = alignment(6, 5)
    sums.update(X, Y)
    H = torch.eye(40, dtype=torch.float64) - 1 / 40
    K, L = H @ X @ X.T @ H, H @ Y @ Y.T @ H
    expected = float((K * L).sum() / (K.norm() * L.norm()))
    assert sums.biased_cka() == pytest.approx(expected, rel=1e-12)


def test_rotation_scale_and_offset_change_nothing_and_a_copy_is_one():
    X, Y = gaussians(1, 60)
    turn = torch.linalg.qr(random(6, 6, seed=2)).Q
    expected = value(X, Y)
    assert value(X @ turn * 1e-3 + 50, 1e4 * Y - 7) == pytest.approx(expected, rel=1e-9)
    assert value(Y, X) == pytest.approx(expected, rel=1e-12)
    assert value(X, 3 * X @ turn + 1) == pytest.approx(1, rel=1e-12)


def test_the_debiased_value_has_no_bias_where_the_plain_one_has():
    # Independent Gaussians of width 60, 40 samples: population value 0, plug-in about
    # 1 / (1 + n / w) = 0.6.
    plain, debiased = [], []
    for seed in range(60):
        sums = alignment(60, 60)
        sums.update(random(40, 60, seed=seed), random(40, 60, seed=seed + 500))
        plain.append(sums.biased_cka())
        debiased.append(sums.cka())
    assert np.mean(plain) == pytest.approx(0.6, abs=0.02)
    assert np.mean(debiased) == pytest.approx(0, abs=4 * np.std(debiased) / math.sqrt(60))
    assert np.std(debiased) < 0.1  # so that the line above could fail: the plug-in value would


def test_the_value_tends_to_the_population_and_the_interval_holds_it():
    X, Y = gaussians(3, 200_000)
    found = linear_cka(X, Y)
    assert found.status == "estimated" and found.n == 200_000
    assert found.high - found.low < 0.01
    assert found.value == pytest.approx(population(), abs=0.005)


def test_95_percent_intervals_cover_the_population():
    covered = [
        found.low <= population() <= found.high
        for found in (linear_cka(*gaussians(20 + s, 250)) for s in range(50))
    ]
    # 50 draws of 0.95: deviation 0.031; the ratio's own bias of order 1/n is within it.
    assert np.mean(covered) > 0.95 - 4 * 0.031


@pytest.mark.parametrize("batch", [9, 120])
def test_neither_batches_nor_processes_change_the_estimate(batch):
    X, Y = gaussians(4, 120)
    indices = torch.arange(120)
    whole = linear_cka(X, Y, n_groups=6)
    shares = [Grouped(lambda: alignment(6, 5), 6) for _ in range(2)]
    for rank, share in enumerate(shares):
        mine = indices[rank::2]
        for part in mine.split(batch):
            share.update(groups_of(part, 6), X[part], Y[part])
    found = debiased_cka(shares[0].merge(shares[1]).parts)
    assert found.n == 120
    for name in ("value", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), rel=1e-10)


def test_features_wider_than_they_are_many_go_by_their_inner_products():
    X, Y = random(40, 500, seed=5), random(40, 7, seed=6)
    Y[:, 0] += X[:, 0] * 9
    direct = Grouped(lambda: alignment(500, 7))
    direct.update(groups_of(torch.arange(40)), X, Y)
    expected, found = debiased_cka(direct.parts), linear_cka(X, Y)
    for name in ("value", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-8, abs=1e-10)


def test_float32_features_with_a_large_mean_keep_what_digits_they_have():
    X, Y = gaussians(7, 300)
    far = (X + 1000).float(), (Y + 1000).float()  # given to 1000 eps = 6e-5 of the spread
    assert linear_cka(*far).value == pytest.approx(linear_cka(X, Y).value, abs=2e-4)


def test_a_word_where_there_is_no_number():
    X, Y = gaussians(8, 3)
    assert linear_cka(X, Y).status == "not enough samples"
    constant = linear_cka(torch.ones(50, 4), random(50, 3, seed=9))
    assert constant.status == "constant features" and math.isnan(constant.value)
    assert linear_cka(random(50, 3, seed=9), torch.full((50, 900), 0.1)).status == (
        "constant features"
    )
    # Every sample its own direction: all pairs are equally far apart, nothing to align.
    assert linear_cka(torch.eye(20), random(20, 3, seed=9)).status == "not enough samples"
    # 6 samples in 10 groups: leaving one group out leaves enough; 4 do not.
    assert linear_cka(*gaussians(8, 6)).status == "estimated"
    assert linear_cka(*gaussians(8, 4)).status == "no interval"


def test_groups_without_samples_are_left_out():
    X, Y = gaussians(10, 90)
    groups = Grouped(lambda: alignment(6, 5), 10)
    groups.update(torch.arange(90) % 3, X, Y)
    found = debiased_cka(groups.parts)
    filled = debiased_cka(groups.parts[:3])
    assert (found.value, found.low) == (filled.value, filled.low)
    assert merged(groups.parts).count == 90


def test_bad_input_is_one_sentence():
    X, Y = gaussians(11, 10)
    for call, sentence in [
        (lambda: linear_cka(X, Y[1:]), r"Y must have as many rows as X \(10\), got 9"),
        (lambda: linear_cka(X[0], Y), "X must be a non-empty"),
        (lambda: linear_cka(X, Y * math.nan), "Y must be finite, got 50 entries"),
        (lambda: linear_cka(X, Y, n_groups=1), "n_groups must be a whole number of at least 2"),
        (lambda: linear_cka(X, Y, level=0), "level must be between 0 and 1, got 0"),
    ]:
        with pytest.raises(ValueError, match=sentence) as error:
            call()
        assert "\n" not in str(error.value)
