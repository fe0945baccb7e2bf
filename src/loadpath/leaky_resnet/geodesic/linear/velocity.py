"""The first velocity of a linear geodesic between general ends, by Newton's method.

The geodesic from I to M is followed along the polar curve of M, which turns and stretches together:
each point of it is near enough to the one before for Newton's method to converge.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import expm, expm_frechet, polar, schur
from scipy.sparse.linalg import LinearOperator, gmres

Array = np.ndarray[Any, np.dtype[np.float64]]


def first_velocity(M: Array) -> Array:
    """Return V_0 with e^{V_0} e^{V_0^T - V_0} = M, along the polar curve from I to M."""
    rotation, stretch = polar(M)
    s, R = np.linalg.eigh(stretch)
    log_stretch = (R * np.log(s)) @ R.T
    for turn in _logarithms(rotation):
        X = _continued(turn, log_stretch)
        if X is not None:
            return np.ascontiguousarray(X.T)
    raise RuntimeError(
        "no geodesic from A0 to A1 was found: Newton's method failed on A1 = A0 M with a condition "
        f"number of M of {np.linalg.cond(M):.3g}."
    )


def _logarithms(rotation: Array) -> list[Array]:
    """Return skew logarithms of a rotation.

    The first is of least angles, the others turn one plane the other way round. Planes of less
    than a quarter turn are left alone: the other way is much longer.
    """
    T, Z = schur(rotation, output="real")
    planes: list[tuple[int, int, float]] = []
    reversed_axes: list[int] = []
    j = 0
    while j < len(T):
        if j + 1 < len(T) and abs(T[j + 1, j]) > 1e-9:
            planes.append((j, j + 1, math.atan2(T[j + 1, j], T[j, j])))
            j += 2
        else:
            reversed_axes += [j] if T[j, j] < 0 else []
            j += 1
    # det = 1, so that reversed axes come in pairs: half a turn of the plane they span.
    planes += [
        (a, b, math.pi) for a, b in zip(reversed_axes[::2], reversed_axes[1::2], strict=True)
    ]

    def skew(angles: list[float]) -> Array:
        K = np.zeros_like(T)
        for (a, b, _), angle in zip(planes, angles, strict=True):
            K[b, a], K[a, b] = angle, -angle
        return np.asarray(Z @ K @ Z.T)

    least = [angle for _, _, angle in planes]
    found = [skew(least)]
    for k, angle in enumerate(least):
        if abs(angle) > math.pi / 2:
            other = angle - math.copysign(2 * math.pi, angle)
            found.append(skew([*least[:k], other, *least[k + 1 :]]))
    return found


def _continued(turn: Array, log_stretch: Array) -> Array | None:
    """Return X = V^T of e^{turn} e^{log_stretch}, by way of e^{t turn} e^{t log_stretch}."""
    t, step = 0.0, 1.0
    X, slope = np.zeros_like(turn), turn + log_stretch
    while t < 1:
        step = min(step, 1 - t)
        ahead = expm((t + step) * turn) @ expm((t + step) * log_stretch)
        found = _newton(ahead, X + step * slope)
        if found is None:
            step /= 2
            if step < 0.01:
                return None
            continue
        X, slope, t = found, (found - X) / step, t + step
        step *= 1.5
    return X


def _newton(M: Array, X: Array, *, steps: int = 12) -> Array | None:
    """Return X with e^{X^T} e^{X - X^T} = M from a guess; None where Newton does not converge."""
    w, least = len(M), math.inf
    for _ in range(steps):
        if not np.linalg.norm(X) < 100:  # far beyond what float64 ends can ask for
            return None
        inverse, turn = expm(-X.T), expm(X - X.T)
        residual = turn.T @ (inverse @ M) - np.eye(w)
        size = float(np.linalg.norm(residual))
        if size < 1e-12 * w or (size < 1e-8 and size > least / 2):  # the latter is rounding
            return X
        if not size < 2 * least:
            return None
        least = min(least, size)
        # No more accuracy than the next Newton step can use.
        accuracy = 0.1 * min(0.01, size) + 1e-14
        product = _derivative(X, inverse, turn)
        operator = LinearOperator((w * w, w * w), matvec=product, dtype=np.float64)
        change, _ = gmres(
            operator, residual.ravel(), rtol=accuracy, restart=min(w * w, 100), maxiter=4
        )
        X = X + change.reshape(w, w)
    return None


def _derivative(X: Array, inverse: Array, turn: Array) -> Callable[[Array], Array]:
    """Return E -> M^{-1} dM of M = e^{X^T} e^{X - X^T}, for flattened E; the identity at X = 0."""

    def product(v: Array) -> Array:
        E = v.reshape(X.shape)
        first = inverse @ expm_frechet(X.T, E.T, compute_expm=False) @ turn
        second = expm_frechet(X - X.T, E - E.T, compute_expm=False)
        return np.asarray(turn.T @ (first + second)).ravel()

    return product
