"""Linear probe: how much of the targets a held-out ridge regression on the features misses."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from loadpath.checks import as_tensor, check_count, check_number, check_seed, check_size
from loadpath.measures.ridge import RidgeBySingularValues
from loadpath.measures.separation.inputs import (
    Features,
    Labels,
    Targets,
    as_labels,
    as_small_features,
    as_targets,
    check_labels,
)
from loadpath.threads import torch_threads


@torch_threads(1)
def target_probe(
    H: Features,
    y: Targets | Labels,
    *,
    ridge: float = 1e-3,
    n_folds: int = 5,
    seed: int = 0,
) -> float:
    r"""Return $\log (1 - R^2)$ of a ridge regression of the targets on the features, held out.

    It falls as the targets become easy to read off the layer.

    Parameters
    ----------
    H : Tensor or array_like
        (sample, width) features of one layer.
    y : Tensor or array_like
        (sample, output) real targets, or (sample,) whole numbers: classes, which are taken as zeros
        and ones.
    ridge : float
        The penalty as a share of the mean squared norm of the columns of `H`; positive.
    n_folds : int
        Into how many parts the samples are dealt, at least 2.
    seed : int
        Seed of the dealing.

    Returns
    -------
    float
        Natural logarithm, dimensionless. 0 is no better than the mean of the targets, above 0 is
        worse, and -inf is nothing missed.

    Raises
    ------
    ValueError
        If `H` and `y` are not finite with one row for each sample, `ridge` is not positive and
        finite, there are fewer than 2 folds or more than samples, or `y` is constant.

    Notes
    -----
    The samples are dealt into `n_folds` parts at random. For each part, $\bar h$ and $\bar y$ are
    the means of the others, H and y the others less these means, and
    $\hat B = (H^\top H + \alpha I)^{-1} H^\top y$ with
    $\alpha$ = `ridge` $\mathrm{Tr}(H^\top H) / w$; the constant is not penalized. Then
    $1 - R^2 = \sum \|y - \bar y - (h - \bar h) \hat B\|^2 / \sum \|y - \bar y\|^2$ over all
    samples, each as part of the fold that its fit has not seen. The cost is O(folds N w^2).

    Examples
    --------
    >>> H = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
    >>> target_probe(H, H[:, :2]) < -10  # two of the features themselves
    True
    >>> noise = torch.randn(100, 1, generator=torch.Generator().manual_seed(1))
    >>> target_probe(H, noise) > 0  # nothing of it can be read
    True
    """
    rows, _ = as_small_features("H", H)
    targets = _targets(y, len(rows)).to(rows)
    return TargetProbe(rows, ridge=ridge, n_folds=n_folds, seed=seed).read(targets)


class _Fold(NamedTuple):
    """One part of the samples, and the fit on all others."""

    held: Tensor
    """(sample,) mask of the part."""
    rows: Tensor
    """Its features less the means of the others."""
    ridge: RidgeBySingularValues
    """Of the features of the others, less their means."""


class TargetProbe:
    """`target_probe` for many targets on the same features, which are decomposed once.

    Parameters
    ----------
    rows : Tensor
        (sample, width) finite features of one layer, float64.
    ridge, n_folds, seed
        As of `target_probe`.

    Raises
    ------
    ValueError
        If `ridge` is not positive and finite, or there are fewer than 2 folds or more than samples.
    """

    @torch_threads(1)
    def __init__(
        self, rows: Tensor, *, ridge: float = 1e-3, n_folds: int = 5, seed: int = 0
    ) -> None:
        n = len(rows)
        check_number("ridge", ridge, above=0)
        check_count("n_folds", n_folds, 2)
        check_seed("seed", seed)
        if n_folds > n:
            raise ValueError(f"n_folds must be at most the number of samples {n}, got {n_folds}.")
        order = torch.randperm(n, generator=torch.Generator().manual_seed(int(seed)))
        fold = (order % n_folds).to(rows.device)
        self._folds = []
        for part in range(n_folds):
            held = fold == part
            mean = rows[~held].mean(0)
            fitted = RidgeBySingularValues(rows[~held] - mean, ridge)
            self._folds.append(_Fold(held, rows[held] - mean, fitted))

    @torch_threads(1)
    def read(self, targets: Tensor) -> float:
        """Return what a readout of these targets misses.

        Parameters
        ----------
        targets : Tensor
            (sample, output) finite targets, float64.

        Returns
        -------
        float
            As `target_probe`.

        Raises
        ------
        ValueError
            If the targets are constant.
        """
        missed = total = 0.0
        for held, rows, ridge in self._folds:
            mean = targets[~held].mean(0)
            left = targets[held] - mean
            total += float(left.square().sum())
            coefficients = ridge.coefficients(targets[~held] - mean)
            missed += float((left - rows @ coefficients).square().sum())
        if total == 0:
            raise ValueError("y must vary between samples, got a constant.")
        return float(torch.tensor(missed / total, dtype=torch.float64).log())


def _targets(y: Any, n: int) -> Tensor:
    """Return targets as (sample, output): as they are, or class numbers as zeros and ones."""
    given = as_tensor("y", y)
    if given.ndim != 1:
        targets = as_targets(given, n)
        check_size("y", targets)
        return targets
    if given.is_floating_point() or tuple(given.shape) != (n,):
        raise ValueError(
            f"y must be (sample, output), or {n} class numbers, got {tuple(given.shape)} of "
            f"{given.dtype}."
        )
    numbers = as_labels(given, n)
    check_labels(numbers, n)
    return torch.nn.functional.one_hot(numbers).double()
