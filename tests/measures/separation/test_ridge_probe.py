"""Separation of real targets: equal to classes for one-hot targets; the probe against Ridge."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, Ridge

from loadpath.measures.separation import (
    TargetMoments,
    log_separation,
    target_probe,
    target_separation,
)

KINDS = ["fuzziness", "trace_ratio", "inverse"]


def problem(seed, *, n=200, width=6, outputs=3, noise=1.0):
    draw = np.random.default_rng(seed)
    y = draw.normal(size=(n, outputs))
    H = 5 + y @ draw.normal(size=(outputs, width)) + noise * draw.normal(size=(n, width))
    return H, y


@pytest.mark.parametrize("kind", KINDS)
def test_one_hot_targets_give_the_separation_of_classes(kind):
    draw = np.random.default_rng(0)
    labels = np.concatenate([np.arange(5), np.arange(5), draw.choice(5, 90)])
    H = draw.normal(size=(5, 8))[labels] + draw.normal(size=(100, 8))
    expected = log_separation(H, labels, kind)
    one_hot = np.eye(5)[labels]
    # Both are QR and SVD of well-conditioned matrices: rounding only.
    assert target_separation(H, one_hot, kind) == pytest.approx(expected, rel=1e-11, abs=1e-11)
    # So do one column fewer, a column doubled, and any other basis of the same columns.
    for y in (one_hot[:, :4], one_hot[:, [0, 1, 2, 3, 4, 0]], one_hot @ draw.normal(size=(5, 5))):
        assert target_separation(H, y, kind) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_scatter_is_what_a_regression_explains_and_leaves(seed):
    H, y = problem(seed)
    fitted = LinearRegression().fit(y, H).predict(y)
    moments = TargetMoments(6, 3)
    for part in np.split(np.arange(200), [1, 50, 120]):
        moments.update(H[part], y[part])
    scatter = moments.scatter()
    np.testing.assert_allclose(scatter.sigma_b, np.cov(fitted, rowvar=False, bias=True), atol=1e-11)
    left = H - fitted
    np.testing.assert_allclose(scatter.sigma_w, left.T @ left / 200, atol=1e-11)
    assert (scatter.between_rank, scatter.within_rank) == (3, 6)
    # Trace ratio in words of R^2: the share left over that explained, over all features.
    unexplained = np.square(left).sum() / np.square(H - H.mean(0)).sum()
    assert target_separation(H, y, "trace_ratio") == pytest.approx(
        math.log(unexplained / (1 - unexplained)), rel=1e-11, abs=1e-11
    )


def test_merging_gives_what_one_pass_gives():
    H, y = problem(3)
    left, right = TargetMoments(6, 3), TargetMoments(6, 3)
    left.update(H[:80], y[:80])
    right.update(H[80:], y[80:])
    for kind in KINDS:
        assert left.merge(right).log_separation(kind) == pytest.approx(
            target_separation(H, y, kind), rel=1e-11, abs=1e-11
        )


def test_one_target_in_one_feature_is_the_correlation():
    H, y = problem(4, width=1, outputs=1)
    r2 = np.corrcoef(H[:, 0], y[:, 0])[0, 1] ** 2
    for kind in KINDS:
        expected = math.log(r2 / (1 - r2)) * (1 if kind == "inverse" else -1)
        assert target_separation(H, y, kind) == pytest.approx(expected, rel=1e-11)


def test_features_that_are_linear_in_the_targets_are_collapsed():
    H, y = problem(5, noise=0.0)
    moments = TargetMoments(6, 3)
    moments.update(H, y)
    assert moments.scatter().status == "collapsed"
    assert [target_separation(H, y, kind) for kind in KINDS] == [-math.inf, -math.inf, math.inf]
    even = np.concatenate([H, H])  # no correlation with what has the sign of the copy
    sign = np.repeat([[1.0], [-1.0]], 200, axis=0)
    assert [target_separation(even, sign, kind) for kind in KINDS] == [
        math.inf,
        math.inf,
        -math.inf,
    ]


def independent_probe(H, y, *, ridge, n_folds, fold):
    missed = total = 0.0
    for part in range(n_folds):
        held, seen = fold == part, fold != part
        centred = H[seen] - H[seen].mean(0)
        alpha = ridge * np.trace(centred.T @ centred) / H.shape[1]
        predicted = Ridge(alpha=alpha, solver="cholesky").fit(H[seen], y[seen]).predict(H[held])
        missed += np.square(y[held] - predicted.reshape(y[held].shape)).sum()
        total += np.square(y[held] - y[seen].mean(0)).sum()
    return math.log(missed / total)


@pytest.mark.parametrize("ridge, n_folds", [(1e-3, 5), (1.0, 2), (1e-6, 200)])
def test_the_probe_is_a_held_out_ridge_regression(ridge, n_folds):
    H, y = problem(6)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(7))
    expected = independent_probe(H, y, ridge=ridge, n_folds=n_folds, fold=order.numpy() % n_folds)
    # The oracle forms the Gram matrix, of condition 1e3.
    assert target_probe(H, y, ridge=ridge, n_folds=n_folds, seed=7) == pytest.approx(
        expected, rel=1e-9
    )


def test_the_probe_takes_classes_as_zeros_and_ones():
    draw = np.random.default_rng(8)
    labels = draw.choice(3, 150)
    H = draw.normal(size=(3, 4))[labels] + draw.normal(size=(150, 4))
    assert target_probe(H, labels) == target_probe(H, np.eye(3)[labels])


def test_the_probe_of_a_known_noise_is_that_noise():
    # y = h + noise of variance v: 1 - R^2 = v / (1 + v); n = 20,000 has an error of
    # sqrt(2 (1 + (1 - R^2)^2) / n) or less, and w / n = 2e-4 of it is not learned.
    draw = np.random.default_rng(9)
    h = draw.normal(size=(20_000, 4))
    y = h[:, :1] + 0.5 * draw.normal(size=(20_000, 1))
    assert target_probe(h, y) == pytest.approx(math.log(0.2), abs=4 * math.sqrt(2.2 / 20_000))
    assert target_probe(h, draw.normal(size=(20_000, 1))) == pytest.approx(0, abs=0.01)


def test_features_that_say_nothing_miss_everything_and_exact_ones_nothing():
    _, y = problem(10)
    assert target_probe(np.ones((200, 4)), y) == 0
    # A ridge of 1e-12 of the scatter leaves about its square of y.
    assert target_probe(y @ np.ones((3, 3)) + y, y, ridge=1e-12) < math.log(1e-18)


H, Y = problem(11, n=30)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: target_separation(H, Y[:, 0]), r"y must be \(30, output\) .* got shape \(30,\)"),
        (lambda: target_separation(H, Y[1:]), r"y must be \(30, output\) .* got shape \(29, 3\)"),
        (lambda: target_separation(H, Y * np.inf), "y must be finite"),
        (lambda: target_separation(H, 0 * Y + 0.1), "y must vary between samples"),
        (
            lambda: target_separation(H[:4], Y[:4]),
            "at least 5 samples for targets of rank 3, got 4",
        ),
        (lambda: target_separation(H, Y, "r2"), "kind must be one of .* got 'r2'"),
        (lambda: target_separation(H[0], Y), "H must be a non-empty"),
        (lambda: TargetMoments(6, 3).scatter(), "at least one sample, got 0"),
        (lambda: TargetMoments(6, 0), "n_outputs must be a whole number of at least 1, not 0"),
        (lambda: TargetMoments(6, 3).merge(TargetMoments(6, 2)), "n_outputs=3, got 2"),
        (lambda: TargetMoments(6, 3).update(H, Y[:, :2]), r"y must have shape \(30, 3\)"),
        (lambda: target_probe(H, Y, ridge=0.0), "ridge must be finite and above 0, got 0.0"),
        (
            lambda: target_probe(H, Y, n_folds=1),
            "n_folds must be a whole number of at least 2, not 1",
        ),
        (lambda: target_probe(H, Y, n_folds=31), "n_folds must be at most .* 30, got 31"),
        (lambda: target_probe(H, 0 * Y), "y must vary between samples"),
        (lambda: target_probe(H, np.zeros(30)), "y must be .*, or 30 class numbers, got"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
