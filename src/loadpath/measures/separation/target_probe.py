"""Linear probe: how much of the targets a held-out ridge regression on the features misses."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import check_count
from loadpath.measures.separation.inputs import (
    as_features,
    as_labels,
    as_targets,
    as_tensor,
    check_labels,
)
from loadpath.threads import torch_threads


@torch_threads(1)
def target_probe(
    H: Float[Tensor, "sample width"],
    y: Float[Tensor, "sample output"],
    *,
    ridge: float = 1e-3,
    n_folds: int = 5,
    seed: int = 0,
) -> float:
    r"""$\log (1 - R^2)$ of a ridge regression of y on H, held out; falls as y becomes easy to read.

    The samples are dealt into `n_folds` parts at random. For each, with means $\bar h$, $\bar y$
    of the others, the columns of H and y less these, and N' rows,
    $\hat B = (H^\top H + \alpha I)^{-1} H^\top y$ with
    $\alpha$ = `ridge` $\mathrm{Tr}(H^\top H) / w$ over the others, the constant unpenalized. Then
    $1 - R^2 = \sum \|y - \bar y - (h - \bar h) \hat B\|^2 / \sum \|y - \bar y\|^2$ over all
    samples, each as part of the fold that its fit has not seen. 0 is no better than the mean, and
    above 0 is worse; natural logarithm, -inf if nothing is missed.

    `y` may also be (sample,) whole numbers: classes, which are taken as zeros and ones. Cost
    O(folds N w^2).

    Raises: ValueError if H and y are not finite with one row for each sample, `ridge` is not
    positive and finite, there are more folds than samples, fewer than 2 folds, or constant y.
    """
    rows, _ = as_features("H", H)
    n, w = rows.shape
    targets = _targets(y, n).to(rows)
    if not 0 < ridge < float("inf"):
        raise ValueError(f"ridge must be positive and finite, got {ridge}.")
    check_count("n_folds", n_folds, 2)
    check_count("seed", seed, 0)
    if n_folds > n:
        raise ValueError(f"n_folds must be at most the number of samples {n}, got {n_folds}.")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    fold = (order % n_folds).to(rows.device)
    missed = total = 0.0
    for part in range(n_folds):
        held, seen = fold == part, fold != part
        h_mean, y_mean = rows[seen].mean(0), targets[seen].mean(0)
        B = _ridge(rows[seen] - h_mean, targets[seen] - y_mean, ridge)
        left = targets[held] - y_mean
        total += float(left.square().sum())
        missed += float((left - (rows[held] - h_mean) @ B).square().sum())
    if total == 0:
        raise ValueError("y must vary between samples, got a constant.")
    return float(torch.tensor(missed / total, dtype=torch.float64).log())


def _ridge(H: Tensor, y: Tensor, ridge: float) -> Tensor:
    """The regression through singular values, which squares nothing; 0 where H is constant."""
    U, s, Vh = torch.linalg.svd(H, full_matrices=False)
    alpha = ridge * float(s.square().sum()) / H.shape[1]
    if alpha == 0:
        return H.new_zeros(H.shape[1], y.shape[1])
    return Vh.T @ ((s / (s.square() + alpha))[:, None] * (U.T @ y))


def _targets(y: Any, n: int) -> Tensor:
    """Targets as (sample, output): as they are, or class numbers as zeros and ones."""
    given = as_tensor("y", y)
    if given.ndim != 1:
        return as_targets(given, n)
    numbers = as_labels(given, n)
    check_labels(numbers, n)
    return torch.nn.functional.one_hot(numbers).double()
