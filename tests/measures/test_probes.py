"""Probes against scikit-learn's classifiers, and on classes whose best accuracy is known."""

import math

import numpy as np
import pytest
import torch
from exact_paths import random
from scipy import stats
from sklearn.linear_model import LogisticRegression, Ridge

from loadpath.measures import class_probe
from loadpath.measures import probes as module


def classes(n, seed, *, k=3, width=5, apart=1.0):
    """k Gaussian classes at random means."""
    labels = torch.arange(n) % k
    means = apart * random(k, width, seed=99)
    return means[labels] + random(n, width, seed=seed), labels


@pytest.mark.parametrize("penalty", [1e-3, 1e-1, 10.0])
@pytest.mark.parametrize("k", [2, 4])
def test_the_logistic_fit_is_that_of_scikit_learn(penalty, k, monkeypatch):
    # To minima whose gradients are 1e-7 and 1e-8 or less, which weights follow at 1 / penalty at
    # most. (Below 1e-8, the root of its rounding, the loss no longer says which way is down.)
    monkeypatch.setattr(module, "GRADIENT", 1e-7)
    H, labels = classes(300, 0, k=k)
    X, y = H.numpy(), labels.numpy()
    model = module._logistic_path(H, labels, k, (penalty,))[0]
    # Its objective is C sum(cross-entropy) + ||W||^2 / 2; for two classes it has one row of
    # weights, the difference of ours, whose penalty is half of ours, as ours are opposite.
    C = 1 / (len(X) * penalty) * (2 if k == 2 else 1)
    oracle = LogisticRegression(C=C, tol=1e-8, max_iter=10_000).fit(X, y)
    p = (H @ model.weight + model.bias).softmax(1)
    assert model.converged
    np.testing.assert_allclose(p, oracle.predict_proba(X), atol=2e-5)


def test_the_gradient_is_that_of_the_loss():
    H, labels = classes(40, 1)
    theta = np.random.default_rng(0).normal(size=18)
    found, gradient = module._cross_entropy(theta, H, H.T.contiguous(), labels, 0.3)
    loss = torch.nn.functional.cross_entropy
    free = torch.tensor(theta.reshape(3, 6), requires_grad=True)
    total = loss(H @ free[:, :-1].T + free[:, -1], labels)
    total = total + 0.15 * free[:, :-1].square().sum()
    total.backward()
    assert found == pytest.approx(total.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, free.grad.numpy().ravel(), rtol=1e-9, atol=1e-12)


def test_the_ridge_fit_is_that_of_scikit_learn():
    H, labels = classes(200, 2)
    H, penalties = H + 3, (1e-3, 1.0)
    for model, penalty in zip(module._ridge_path(H, labels, 3, penalties), penalties, strict=True):
        oracle = Ridge(alpha=penalty * len(H), solver="cholesky")
        expected = oracle.fit(H.numpy(), np.eye(3)[labels.numpy()]).predict(H.numpy())
        np.testing.assert_allclose(H @ model.weight + model.bias, expected, rtol=1e-8)


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_the_accuracy_is_that_of_the_best_classifier(kind):
    # Two classes at +-1 along one of 4 directions: no classifier is right more often than Phi(1).
    n = 8000
    labels = torch.arange(n) % 2
    H = random(n, 4, seed=3)
    H[:, 0] += 2.0 * labels - 1
    found = class_probe(H, labels, kind=kind)
    best = stats.norm.cdf(1)
    assert found.accuracy.n == 1600 and found.converged
    assert found.accuracy.value == pytest.approx(best, abs=4 * math.sqrt(best * (1 - best) / 1600))
    assert found.accuracy.low < best < found.accuracy.high
    assert found.chance == 0.5
    assert float(found.correct.double().mean()) == found.accuracy.value


def test_logistic_regression_finds_the_middle_class_that_least_squares_mask():
    # Hastie, Tibshirani and Friedman, section 4.2: three classes on a line.
    labels = torch.arange(900) % 3
    H = 10 * labels[:, None].double() + random(900, 1, seed=4)
    assert class_probe(H, labels, kind="logistic").accuracy.value == 1.0
    assert class_probe(H, labels, kind="ridge").accuracy.value < 0.75


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_features_that_say_nothing_are_at_chance(kind):
    labels = (torch.arange(2000) % 10 < 3).long()  # 30 % of class 1
    found = class_probe(random(2000, 20, seed=5), labels, kind=kind)
    assert found.chance == pytest.approx(0.7)
    assert found.accuracy.low <= 0.7 <= found.accuracy.high


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_more_features_than_samples_are_not_read_by_heart(kind):
    # 400 noise features, 150 samples to fit on: without a penalty every label is fitted exactly.
    labels = torch.arange(250) % 2
    found = class_probe(random(250, 400, seed=6), labels, kind=kind)
    assert found.accuracy.low <= 0.5 <= found.accuracy.high


def test_scale_offset_and_names_of_classes_change_nothing():
    H, labels = classes(300, 7)
    expected = class_probe(H, labels)
    for moved in (class_probe(1e4 * H + 1e5, labels), class_probe(H, 5 + 2 * labels)):
        assert moved.accuracy == expected.accuracy and moved.penalty == expected.penalty
    assert torch.equal(class_probe(H, labels).correct, expected.correct)  # the same every time


def test_layers_are_scored_on_the_same_samples():
    # Class 0 is told from 1 by the first feature alone for half of the samples.
    H, labels = classes(600, 8)
    first, second = class_probe(H, labels, seed=3), class_probe(H[:, :1], labels, seed=3)
    split = module._split(labels, 3)
    assert len(first.correct) == len(second.correct) == len(split.score) == 120
    assert first.accuracy.value > second.accuracy.value
    parts = [set(part.tolist()) for part in split]
    assert set.union(*parts) == set(range(600)) and sum(map(len, parts)) == 600
    for part in split:
        assert labels[part].bincount().tolist() == [len(part) // 3] * 3


def test_a_word_where_there_is_no_number():
    H, labels = classes(27, 9)
    few = class_probe(H, labels)
    assert few.accuracy.status == "not enough samples" and math.isnan(few.penalty)
    assert few.chance == pytest.approx(1 / 3) and len(few.correct) == 0
    assert class_probe(H, 0 * labels).accuracy.status == "not enough samples"
    H, labels = classes(90, 9)
    dead = class_probe(torch.full_like(H, 0.1), labels)
    assert dead.accuracy.status == "constant features"


H, LABELS = classes(60, 10)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: class_probe(H, LABELS, kind="svm"), "kind must be .* got 'svm'"),
        (lambda: class_probe(H, LABELS[1:]), r"labels must have shape \(60,\)"),
        (lambda: class_probe(H, LABELS.float()), "labels must be class numbers as integers"),
        (lambda: class_probe(H, LABELS - 1), "class numbers 0 to 59, got -1"),
        (lambda: class_probe(H / 0, LABELS), "H must be finite"),
        (lambda: class_probe(H, LABELS, seed=-1), "seed must be a whole number of at least 0"),
        (lambda: class_probe(H, LABELS, level=1.5), "level must be between 0 and 1, got 1.5"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
