r"""Linear probes: how well a linear classifier reads the classes off a layer, on held-out samples.

What separation measures in the training set, a probe measures on samples that it has not seen:
whether the classes can be told apart by hyperplanes, whatever else the layer carries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

from loadpath.checks import check_choice, check_level, check_seed
from loadpath.measures.ridge import ridge_path_by_squares
from loadpath.measures.separation import (
    as_labels,
    as_small_features,
    check_labels,
    noise_floor,
)
from loadpath.results import Shown
from loadpath.statistics import Estimate, unknown, wilson
from loadpath.threads import torch_threads

ProbeKind = Literal["logistic", "ridge"]
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties to choose from, relative to the mean square of the (scaled) features."""
PARTS = (0.6, 0.2, 0.2)
"""Shares of every class to fit on, to choose the penalty on, and to be scored on."""
LEAST_PER_CLASS = 10
"""Samples of every class below which there is no number: 6 to fit on, 2 to be scored on."""
MAX_ITERATIONS = 1000
"""The most steps of a logistic fit."""
GRADIENT = 1e-6
"""Largest entry of the gradient of a logistic fit that has converged."""


@dataclass(frozen=True, eq=False, repr=False)
class Probe(Shown):
    """What a linear classifier reads off one layer."""

    accuracy: Estimate
    """Share of the scored samples whose class it tells, with Wilson's interval."""
    chance: float
    """Share that is right if the class largest among the samples fitted on is always named."""
    penalty: float
    """The penalty that the validation samples chose; NaN without a number."""
    converged: bool
    """Whether the fit reached its minimum. A logistic fit may stop short, and still classifies."""
    correct: Bool[Tensor, " scored"]
    """Which of the scored samples were told right. They are the same samples in all layers that
    share labels and seed, so that two layers can be compared in pairs."""


class _Split(NamedTuple):
    fit: Tensor
    choose: Tensor
    score: Tensor


class _Classifier(NamedTuple):
    weight: Tensor
    """(width, class)."""
    bias: Tensor
    converged: bool


@torch_threads(1)
def class_probe(
    H: Float[Tensor, "sample width"],
    labels: Int[Tensor, " sample"],
    *,
    kind: ProbeKind = "logistic",
    seed: int = 0,
    level: float = 0.95,
) -> Probe:
    r"""Return the accuracy of a linear classifier of the features, on samples held out.

    Parameters
    ----------
    H : Tensor or array_like
        (sample, width) features of one layer.
    labels : Tensor or array_like
        (sample,) class numbers from 0.
    kind : {"logistic", "ridge"}
        The classifier: logistic regression, or least squares to the classes as zeros and ones,
        which is faster.
    seed : int
        Seed of the dealing of samples into parts.
    level : float
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Probe
        The accuracy with its interval, and what else was found. The accuracy's status is "not
        enough samples" if a class has fewer than 10 or there is only one class, and "constant
        features" if `H` does not vary.

    Raises
    ------
    ValueError
        If `H` is not finite and 2-D, `labels` are not class numbers from 0, one for each row, or
        for another `kind`, a negative `seed`, or a `level` not between 0 and 1.

    Notes
    -----
    Every class is dealt at random into 60 % to fit on, 20 % to choose the penalty on (the highest
    accuracy, the largest penalty of equal ones) and 20 % to be scored on. With the penalty chosen,
    the fit is made anew on the first 80 %. Features are centred, and divided by one number, the
    root mean square of all: directions keep their proportions, because the strength of a direction
    is part of what a layer offers to the next.

    - "logistic" is the minimum of the mean cross-entropy of $W h + b$ plus
      $\frac{\alpha}{2} \|W\|_F^2$, with $\alpha$ the penalty, by L-BFGS. The cost is
      O(N w classes) for each of up to 1000 iterations at each of 6 penalties.
    - "ridge" is least squares to the classes as zeros and ones plus $\alpha N \|W\|_F^2$; the
      class of the largest output is named. The cost is O(N w^2). The class in the middle of three
      on a line is masked, which logistic regression finds.

    The interval is Wilson's, for the accuracy of this one classifier on new samples. What another
    training set would give is not in it.

    References
    ----------
    .. [1] Alain and Bengio, "Understanding intermediate layers using linear classifier probes",
       arXiv:1610.01644.
    .. [2] Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22,
       1927.

    Examples
    --------
    Two classes far apart are told without an error; 40 of 200 samples are scored:

    >>> labels = torch.arange(200) % 2
    >>> noise = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    >>> found = class_probe(noise + 10 * labels[:, None], labels, kind="ridge")
    >>> found.accuracy.value, found.chance, len(found.correct)
    (1.0, 0.5, 40)
    >>> round(found.accuracy.low, 3)
    0.912
    """
    check_choice("kind", kind, ("logistic", "ridge"))
    check_seed("seed", seed)
    check_level(level)
    rows, epsilon = as_small_features("H", H)
    numbers = as_labels(labels, len(rows)).cpu()
    check_labels(numbers, len(rows))  # more classes than samples cannot be meant
    rows = rows.cpu()
    classes, numbers, sizes = numbers.unique(return_inverse=True, return_counts=True)
    centred = rows - rows.mean(0)
    spread = float(centred.square().mean().sqrt())
    size = float(rows.square().mean().sqrt())
    blocked = None
    if len(classes) < 2 or int(sizes.min()) < LEAST_PER_CLASS:
        blocked = unknown(len(rows), "not enough samples")
    elif spread <= noise_floor(epsilon, size):
        blocked = unknown(len(rows), "constant features")
    if blocked:
        share = float(sizes.max()) / len(rows)
        return Probe(blocked, share, math.nan, False, torch.zeros(0, dtype=torch.bool))
    split = _split(numbers, seed)
    fit = _logistic_path if kind == "logistic" else _ridge_path
    X, y = centred / spread, numbers
    tried = fit(X[split.fit], y[split.fit], len(classes), PENALTIES)
    right = [int(_correct(m, X[split.choose], y[split.choose]).sum()) for m in tried]
    penalty = max(zip(right, PENALTIES, strict=True))[1]
    both = torch.cat([split.fit, split.choose])
    model = fit(X[both], y[both], len(classes), (penalty,))[0]
    correct = _correct(model, X[split.score], y[split.score])
    largest = int(y[both].bincount().argmax())
    return Probe(
        accuracy=_share(int(correct.sum()), len(correct), level),
        chance=float((y[split.score] == largest).double().mean()),
        penalty=penalty,
        converged=model.converged,
        correct=correct,
    )


def _share(right: int, n: int, level: float) -> Estimate:
    return Estimate(right / n, *wilson(right, n, level=level), n, "estimated")


def _split(numbers: Tensor, seed: int) -> _Split:
    """Deal every class into three parts at random, so that all parts have all classes."""
    generator = torch.Generator().manual_seed(int(seed))
    parts: list[list[Tensor]] = [[], [], []]
    for k in numbers.unique():
        members = torch.nonzero(numbers == k)[:, 0]
        members = members[torch.randperm(len(members), generator=generator)]
        first = int(PARTS[0] * len(members))
        second = first + int(PARTS[1] * len(members))
        for part, chosen in zip(parts, members.tensor_split([first, second]), strict=True):
            part.append(chosen)
    return _Split(*(torch.cat(part) for part in parts))


def _correct(model: _Classifier, X: Tensor, y: Tensor) -> Tensor:
    return (X @ model.weight + model.bias).argmax(1) == y


def _ridge_path(
    X: Tensor, y: Tensor, n_classes: int, penalties: Sequence[float]
) -> list[_Classifier]:
    """Return the least squares to classes as zeros and ones, for every penalty.

    No penalty is so small that what squares lose of small singular values could matter.
    """
    targets = torch.nn.functional.one_hot(y, n_classes).double()
    x_mean, y_mean = X.mean(0), targets.mean(0)
    weights = ridge_path_by_squares(X - x_mean, targets - y_mean, penalties)
    return [_Classifier(weight, y_mean - x_mean @ weight, True) for weight in weights]


def _logistic_path(
    X: Tensor, y: Tensor, n_classes: int, penalties: Sequence[float]
) -> list[_Classifier]:
    """Fit logistic regression for every penalty, each from where a larger one ended."""
    start = torch.zeros(n_classes, X.shape[1] + 1, dtype=torch.float64)
    across = X.T.contiguous()
    fitted = {}
    for penalty in sorted(penalties, reverse=True):
        found = optimize.minimize(
            _cross_entropy,
            start.flatten().numpy(),
            args=(X, across, y, penalty),
            jac=True,
            method="L-BFGS-B",
            options={
                "maxiter": MAX_ITERATIONS,
                "maxfun": 2 * MAX_ITERATIONS,
                "gtol": GRADIENT,
                "ftol": 0.0,  # only the gradient says whether the minimum is reached
                "maxcor": 20,
            },
        )
        start = torch.from_numpy(found.x).reshape(start.shape)
        converged = float(abs(found.jac).max()) <= GRADIENT
        fitted[penalty] = _Classifier(start[:, :-1].T.clone(), start[:, -1].clone(), converged)
    return [fitted[penalty] for penalty in penalties]


def _cross_entropy(
    flat: NDArray[np.float64], X: Tensor, across: Tensor, y: Tensor, penalty: float
) -> tuple[float, NDArray[np.float64]]:
    """Return the penalized mean cross-entropy and its gradient, at weights beside their biases.

    `across` is X^T in memory: with the long axis last, products with few classes are three times
    as fast.
    """
    n, w = X.shape
    theta = torch.from_numpy(flat).reshape(-1, w + 1)  # (class, feature and 1)
    weight = theta[:, :-1]
    log_p = (weight @ across + theta[:, -1:]).log_softmax(0)  # (class, sample)
    own = log_p.gather(0, y[None])
    loss = float(penalty / 2 * weight.square().sum() - own.mean())
    missing = log_p.exp()
    missing[y, torch.arange(n)] -= 1
    gradient = torch.empty_like(theta)
    gradient[:, :-1] = missing @ X / n + penalty * weight
    gradient[:, -1] = missing.mean(1)
    return loss, gradient.flatten().numpy()
