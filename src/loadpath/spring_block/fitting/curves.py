r"""Measured load curves as `fit` compares them: scaled to one sum, and whitened by their errors.

Loads that sum to the target have one direction without variance, $(1, \dots, 1)$. Curves are
therefore compared in an orthonormal basis of what is left, n numbers for n + 1 springs.

A level here is a level of noise: one curve is measured at each. The confidence level of an interval
is always called so in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.linalg import helmert

from loadpath.checks import as_array, as_numbers, check_number
from loadpath.spring_block.chain import Array

Errors = Literal["given", "replicas", "pooled replicas", "residuals"]


@runtime_checkable
class Curve(Protocol):
    """Anything that has loads, such as a `LoadCurve`."""

    @property
    def load(self) -> Any:
        """Loads (spring,) of one curve."""


Curves = ArrayLike | Curve | Sequence[Curve] | Sequence[Sequence[Curve]]


LEAST = 1e-60
"""The least size of the largest load: curves are divided by their sums, and these are squared."""


@dataclass(frozen=True, eq=False)
class Observed:
    """Curves with their errors, ready for comparison; made by `observe`."""

    loads: Array
    """(level, spring) means over replicas, each curve scaled to sum to the target."""
    error: Array
    """(level, spring) standard errors of `loads`; those of unit variance where errors come from
    the residuals."""
    whitener: Array
    """(level, n, spring) matrix that takes differences of loads to n independent numbers of
    variance 1."""
    errors: Errors
    """Which source the errors come from."""
    replicas: int
    """Number of curves of each level that `loads` is the mean of."""

    @property
    def numbers(self) -> int:
        """Number of independent numbers observed: one fewer than springs, for each level."""
        return self.loads.shape[0] * (self.loads.shape[1] - 1)

    def freedom(self, parameters: int) -> float:
        r"""Return the degrees of freedom that the errors of an estimated parameter are known with.

        They are infinite for given errors. For a covariance that is estimated with $\nu$ degrees of
        freedom in p dimensions, of which q parameters use a share, they are $\nu - (p - q)$: exact
        for one level and linear parameters, by Rao's test. Levels with covariances of their own add
        theirs up.
        """
        levels, n = len(self.loads), self.loads.shape[1] - 1
        nu = self.replicas - 1
        if self.errors == "given":
            return np.inf
        if self.errors == "residuals":
            return float(self.numbers - parameters)
        if self.errors == "replicas":
            return float(levels * (nu - n) + parameters)
        return levels * nu - n + parameters / levels

    def weight(self, distance: Array, parameters: int) -> Array:
        """Return how much each level's squared distance (level,) counts when parameters compare.

        It is 1 for known errors. An estimated covariance makes distances too large by chance, the
        more so the larger they are; Rao's factor freedom / (nu + distance) makes up for it.
        """
        levels, nu = len(self.loads), self.replicas - 1
        if self.errors == "replicas":
            return np.asarray(self.freedom(parameters) / levels / (nu + distance))
        if self.errors == "pooled replicas":
            return np.asarray(self.freedom(parameters) / (levels * nu + distance))
        return np.ones(levels)

    def quantile(self, level: float, dimensions: int, parameters: int) -> float:
        """Return the rise in chi-square that bounds a region of this confidence level.

        The region is one of as many parameters as it has `dimensions`, of all that are fitted. Its
        bound is a quantile of the F distribution where errors are estimated, and the chi-square is
        then the weighted one (`weight`).
        """
        freedom = self.freedom(parameters)
        if np.isinf(freedom):
            return float(stats.chi2.ppf(level, dimensions))
        return dimensions * float(stats.f.ppf(level, dimensions, freedom))

    def p_value(self, chi_square: float, dof: int) -> float:
        """Return the chance of a `chi_square` at least as large if the model is right.

        The law is the chi-square distribution for given errors and Hotelling's for errors from
        replicas, in McKeon's approximation [1]_ where several levels share them. The chance is NaN
        if the errors come from the residuals, or no degree of freedom is left.

        References
        ----------
        .. [1] McKeon, "F approximations to the distribution of Hotelling's T0^2", Biometrika 61
           (1974).
        """
        levels, nu = len(self.loads), self.replicas - 1
        if dof < 1 or self.errors == "residuals":
            return float("nan")
        if self.errors == "given":
            return float(stats.chi2.sf(chi_square, dof))
        own = self.errors == "replicas"
        nu *= 1 if own else levels
        p = dof / levels  # dimensions of what is left of each level
        left = nu - p + 1  # of one level's F
        mean, b = left / (left - 2) if left > 2 else 1.0, left
        if own and left > 4:
            # A mean of independent Fs, by the F with its first two moments.
            b = ((dof - 2) * (left - 4) + 4 * (p + left - 2)) / (p + 2)
        elif not own and left > 4:
            B = (levels + left - 2) * (nu - 1) / ((left - 4) * (left - 1))
            b = 4 + (dof + 2) / (B - 1)
        ratio = chi_square * left / (nu * dof) / mean
        return float(stats.f.sf(ratio * b / (b - 2) if b > 2 else ratio, dof, b))


def observe(
    curves: Curves,
    *,
    errors: ArrayLike | None,
    covariance: ArrayLike | None,
    target: float,
    model_error: float,
) -> Observed:
    """Read curves and their errors, and make them ready for comparison; `fit` has the arguments."""
    raw = _as_loads(curves)
    check_number("target", target, above=0.0)
    check_number("model_error", model_error, least=0.0)
    total = raw.sum(-1, keepdims=True)
    if total.min() <= 0:
        raise ValueError(f"curves must have loads of a positive sum, got a sum of {total.min()}.")
    scaled = target * raw / total
    replicas, levels, springs = scaled.shape
    basis = helmert(springs)  # (n, spring), rows orthonormal and orthogonal to (1, ..., 1)
    floor = (model_error * target) ** 2 * np.eye(springs - 1)
    given = errors is not None or covariance is not None
    if given:
        if replicas > 1:
            raise ValueError(
                f"errors and covariance must be left out where curves has replicas, got {replicas}."
            )
        S = _given_covariance(errors, covariance, levels, springs)
        # A load is divided by the sum of all, so the errors of all enter the error of each: P is
        # the derivative of the scaled loads by the loads.
        P = np.eye(springs) - scaled[0, :, :, None] / target
        P = P * (target / total[0, :, :, None])
        V = basis @ P @ S @ P.transpose(0, 2, 1) @ basis.T + floor
        kind: Errors = "given"
    elif replicas > 1:
        V, kind = _replicate_covariance(scaled @ basis.T)
        V = V + floor
    else:
        V, kind = (
            np.broadcast_to(np.eye(springs - 1), (levels, springs - 1, springs - 1)),
            ("residuals"),
        )
    try:
        roots = np.linalg.cholesky(V)
    except np.linalg.LinAlgError:
        raise ValueError(
            "curves must vary between replicas in every load, or model_error be above 0, got a "
            "covariance that is not positive definite."
        ) from None
    return Observed(
        loads=scaled.mean(0),
        error=np.sqrt(np.einsum("ns,lnm,ms->ls", basis, V, basis)),
        whitener=np.linalg.solve(roots, np.broadcast_to(basis, (levels, *basis.shape))),
        errors=kind,
        replicas=replicas,
    )


def _as_loads(curves: Curves) -> Array:
    """Return loads (replica, level, spring), once they are known to be finite numbers."""
    try:
        raw = curves if np.ma.isMaskedArray(curves) else np.asarray(_plain(curves))
    except (TypeError, ValueError):
        raise ValueError(
            "curves must be numbers or LoadCurves of one length, got a mixture."
        ) from None
    if raw.dtype.kind == "O":
        raise ValueError("curves must be numbers or LoadCurves of one length, got a mixture.")
    raw = as_numbers("curves", raw)
    if raw.ndim not in (1, 2, 3) or raw.size == 0:
        raise ValueError(
            "curves must be (spring,), (level, spring) or (replica, level, spring), got shape "
            f"{raw.shape}."
        )
    raw = raw.reshape((1,) * (3 - raw.ndim) + raw.shape)
    if raw.shape[-1] < 3:
        raise ValueError(f"curves must have at least 3 layers, got {raw.shape[-1]}.")
    if np.abs(raw).max(initial=0.0) < LEAST:
        raise ValueError(
            f"curves must hold loads of at least {LEAST:g}, got {np.abs(raw).max():g}."
        )
    return raw


def _plain(curves: Any) -> Any:
    """Return the same curves, with loads in place of the objects that have them."""
    if isinstance(curves, list | tuple):
        return [_plain(c) for c in curves]
    load = getattr(curves, "load", None)
    if load is not None and not callable(load):  # xarray has a method
        return np.asarray(load)
    return as_array("curves", curves) if hasattr(curves, "detach") else curves


def _given_covariance(
    errors: ArrayLike | None, covariance: ArrayLike | None, levels: int, springs: int
) -> Array:
    """Return the covariance (level, spring, spring) of the loads that was given."""
    if errors is not None and covariance is not None:
        raise ValueError("errors and covariance must not both be given.")
    if covariance is None:
        std = as_numbers("errors", errors)
        if std.shape not in ((), (springs,), (levels, springs)):
            raise ValueError(
                f"errors must be one number, ({springs},) or ({levels}, {springs}) like the "
                f"curves, got shape {std.shape}."
            )
        if not np.isfinite(std).all() or std.min() <= 0:
            wrong = std[~(np.isfinite(std) & (std > 0))]
            raise ValueError(f"errors must be finite and above 0, got {wrong[0]}.")
        return np.asarray(np.broadcast_to(std, (levels, springs))[..., None] ** 2 * np.eye(springs))
    S = as_numbers("covariance", covariance)
    if S.shape not in ((springs, springs), (levels, springs, springs)):
        raise ValueError(
            f"covariance must be ({springs}, {springs}) or ({levels}, {springs}, {springs}), got "
            f"shape {S.shape}."
        )
    S = np.broadcast_to(S, (levels, springs, springs))
    if not np.isfinite(S).all():
        raise ValueError(f"covariance must be finite, got {S[~np.isfinite(S)][0]}.")
    least, most = np.linalg.eigvalsh(S).min(), np.linalg.eigvalsh(S).max()
    lopsided = float(np.abs(S - S.transpose(0, 2, 1)).max())
    if lopsided > 1e-8 * most or least < -1e-8 * most or most <= 0:
        raise ValueError(
            "covariance must be symmetric, without negative eigenvalues and not 0, got eigenvalues "
            f"from {least:.3g} to {most:.3g}."
        )
    return S


def _replicate_covariance(y: Array) -> tuple[Array, Errors]:
    """Return the covariance (level, n, n) of means over replicas y (replica, level, n).

    The second value says how it was estimated.

    Each level has its own where that is known well enough, with 2 n degrees of freedom. Otherwise
    all levels share one shape, times each level's own size.
    """
    replicas, levels, n = y.shape
    nu = replicas - 1
    d = y - y.mean(0)
    S = np.einsum("rln,rlm->lnm", d, d) / nu
    if nu >= 2 * n:
        return S / replicas, "replicas"
    size = np.trace(S, axis1=1, axis2=2) / n
    # A level whose replicas are all alike, as without noise, tells nothing of the shape.
    moving = size > 1e-12 * max(float(size.max()), 1e-12)
    if nu * int(moving.sum()) < n + 2:
        raise ValueError(
            f"curves must have more replicas to tell errors from, or errors be given, got "
            f"{replicas} replicas of {levels} levels for {n} independent loads."
        )
    shape = (S[moving] / size[moving, None, None]).mean(0)
    return size[:, None, None] * shape / replicas, "pooled replicas"
