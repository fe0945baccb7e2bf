"""Neural collapse: exact values on collapsed and hand-made features, and independent formulas."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestCentroid

from loadpath.measures.separation import (
    ClassMoments,
    log_separation,
    nc1,
    nc2,
    nc3,
    nc4,
    neural_collapse,
)


def simplex(classes, width, seed):
    """Class means on a simplex of equal sides, turned at random."""
    draw = np.random.default_rng(seed)
    turn = np.linalg.qr(draw.normal(size=(width, width)))[0]
    means = np.zeros((classes, width))
    means[:, :classes] = np.eye(classes) - 1 / classes
    return means @ turn


def random_layer(seed, *, n=200, classes=4, width=6):
    draw = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), np.arange(classes), draw.choice(classes, n)])
    H = draw.normal(size=(classes, width))[labels] + draw.normal(size=(len(labels), width))
    return H, labels, draw.normal(size=(classes, width)), draw.normal(size=classes)


def moments_of(H, labels):
    moments = ClassMoments(H.shape[1], int(labels.max()) + 1)
    moments.update(H, labels)
    return moments


def test_complete_collapse_is_all_zeros():
    means = simplex(5, 8, seed=0)
    labels = np.repeat(np.arange(5), 3)
    found = neural_collapse(means[labels] + 2.0, labels, weight=3 * means, bias=-6 * means.sum(1))
    assert found.nc1 == 0 and found.nc4 == 0
    for value in (found.nc2.equinorm, found.nc2.equiangularity, found.nc2.angle, found.nc3):
        assert abs(value) < 1e-12  # a few roundings of numbers of order 1


@pytest.mark.parametrize("seed", range(3))
def test_measures_equal_the_formulas_written_out(seed):
    H, labels, weight, bias = random_layer(seed)
    found = neural_collapse(H, labels, weight=weight, bias=bias)
    assert found.nc1 == pytest.approx(math.exp(log_separation(H, labels)) / 4, rel=1e-12)
    mu = np.stack([H[labels == k].mean(0) for k in range(4)]) - H.mean(0)
    norms = np.sqrt((mu**2).sum(1))
    assert found.nc2.equinorm == pytest.approx(norms.std() / norms.mean(), rel=1e-12)
    pairs = ~np.eye(4, dtype=bool)
    cosines = 1 - pairwise_distances(mu, metric="cosine")[pairs]
    assert found.nc2.equiangularity == pytest.approx(cosines.std(), rel=1e-10)
    assert found.nc2.angle == pytest.approx(np.abs(cosines + 1 / 3).mean(), rel=1e-10)
    # |a - b|^2 = 2 - 2 a.b for unit vectors.
    cosine = (weight * mu).sum() / np.linalg.norm(weight) / np.linalg.norm(mu)
    assert found.nc3 == pytest.approx(2 - 2 * cosine, rel=1e-12)
    nearest = NearestCentroid().fit(H, labels).predict(H)
    decided = (H @ weight.T + bias).argmax(1)
    assert found.nc4 == (nearest != decided).mean()


def test_two_balanced_classes_are_a_simplex_whatever_they_are():
    H, _, _, _ = random_layer(3)
    found = nc2(moments_of(H, np.arange(len(H)) % 2))
    assert max(found.equinorm, found.equiangularity, found.angle) < 1e-12


def test_self_duality_runs_from_aligned_to_opposed():
    H, labels, _, _ = random_layer(4)
    moments = moments_of(H, labels)
    mu = (moments.class_means() - moments.mean()).numpy()
    other = np.random.default_rng(4).normal(size=mu.shape)
    orthogonal = other - (other * mu).sum() / (mu * mu).sum() * mu
    # Rounding of a few eps in sums of 24 terms.
    assert nc3(moments, 7 * mu) == pytest.approx(0, abs=1e-13)
    assert nc3(moments, orthogonal) == pytest.approx(2, abs=1e-13)
    assert nc3(moments, -mu) == pytest.approx(4, abs=1e-13)


def test_the_nearest_center_may_be_asked_of_samples_not_in_the_moments():
    H, labels, _, _ = random_layer(5)
    moments = moments_of(H[:100], labels[:100])
    means = moments.class_means()
    # The classifier that is the nearest center: 2 m.h - |m|^2.
    weight, bias = 2 * means, -means.square().sum(1)
    assert nc4(moments, H[100:], weight, bias) == 0
    far = torch.from_numpy(H[100:] + 1e7)
    moved = moments_of(H[:100] + 1e7, labels[:100])
    nearest = NearestCentroid().fit(H[:100], labels[:100]).predict(H[100:])
    always = torch.zeros_like(means)  # ties go to class 0
    assert nc4(moved, far, always) == (nearest != 0).mean()


def test_a_torch_layer_and_float32_features_are_taken_as_they_are():
    H, labels, _, _ = random_layer(6)
    torch.manual_seed(6)
    layer = torch.nn.Linear(6, 4)
    features = torch.from_numpy(H).float()
    found = neural_collapse(features, labels, weight=layer.weight, bias=layer.bias)
    decided = layer(features).argmax(1).numpy()
    nearest = NearestCentroid().fit(features.numpy(), labels).predict(features.numpy())
    assert found.nc4 == pytest.approx((decided != nearest).mean())
    assert 0 < found.nc3 < 4


def test_means_that_are_all_alike_never_separate():
    H = np.random.default_rng(7).normal(size=(10, 3)).repeat(2, 0)
    moments = moments_of(H, np.arange(20) % 2)
    assert nc1(moments) == math.inf


H, LABELS, WEIGHT, BIAS = random_layer(8)
MOMENTS = moments_of(H, LABELS)
ALIKE = moments_of(np.ones((4, 6)), np.arange(4) % 2)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: neural_collapse(H, LABELS, weight=WEIGHT.T), r"weight must have shape \(4, 6\)"),
        (lambda: nc3(MOMENTS, 0 * WEIGHT), "weight must not be all 0"),
        (lambda: nc3(MOMENTS, WEIGHT * np.nan), "weight must be finite"),
        (lambda: nc3(ALIKE, WEIGHT[:2]), "class means that differ"),
        (lambda: nc2(ALIKE), "apart from the mean of all, got class 0 at it"),
        (lambda: nc4(MOMENTS, H[:, :5], WEIGHT), r"H must have shape \(208, 6\), got \(208, 5\)"),
        (lambda: nc4(MOMENTS, H, WEIGHT, BIAS[:3]), r"bias must be 4 finite .* got shape \(3,\)"),
        (lambda: nc1(ClassMoments(3, 2)), "at least 2 samples of each of 2 classes, got 0"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
