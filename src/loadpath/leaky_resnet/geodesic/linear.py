r"""Geodesics of the linear theory (activation identity, no bias), in closed form.

Write $W = V + \tilde L I$. Then $\partial_p A = -\tilde L A + A W^\top = A V^\top$, so $A_p = A_0
M_p$ with $M_p$ in GL(w) and $M^{-1} \partial_p M = V^\top$. The action is
$\frac{1}{2c} \int \|V\|_F^2 + 2 \tilde L\,\mathrm{Tr} V + \tilde L^2 w$ (c = L~, and 1 where
L~ = 0), in which $\int \mathrm{Tr} V = \log\det M_1$ is fixed by the ends: what is left to
minimize is the length in the left-invariant Frobenius metric of GL(w), whatever L~ is. Its
geodesics satisfy $\partial_p V = V V^\top - V^\top V$, so that
$V_p = e^{-pK} V_0 e^{pK}$ and $M_p = e^{p V_0} e^{pK}$ with the constant $K = V_0^\top - V_0$.

Sources: Andruchow, Larotonda, Recht and Varela, "The left invariant metric in the general linear
group", arXiv:1109.0520; Martin and Neff, "Minimal geodesics on GL(n)", arXiv:1409.7849. What they
mean for A, W, B and H is derived in docs/geodesics.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import expm, expm_frechet, polar, schur
from scipy.sparse.linalg import LinearOperator, gmres
from torch import Tensor

from loadpath.checks import as_rows
from loadpath.leaky_resnet.mechanics import coupling

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class LinearGeodesic:
    """A geodesic of the linear theory; every quantity at any position p, float64.

    The methods take one position or a tensor of them, and put its shape before that of the
    matrix: `geodesic.A(torch.linspace(0, 1, 21))` is (21, sample, width). Cost O(N w^2 + w^3) each.
    """

    A0: Float[Tensor, "sample width"]
    """Representation it starts from, of full column rank."""
    V0: Float[Tensor, "width width"]
    r"""Velocity at p = 0: $\\partial_p A = A_0 V_0^\\top$ there."""
    effective_depth: float
    """The leakage L~."""

    def _one_sided(self, p: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return p as (..., 1, 1), and the exponents p V_0 and p K."""
        p = torch.as_tensor(p, dtype=torch.float64)[..., None, None]
        return p, p * self.V0, p * (self.V0.T - self.V0)

    def V(self, p: float | Tensor) -> Float[Tensor, "... width width"]:  # noqa: N802
        r"""Velocity without the leakage's share, $V = W - \tilde L I$; of constant norm."""
        turn = torch.linalg.matrix_exp(self._one_sided(p)[2])
        return turn.mT @ self.V0 @ turn

    def W(self, p: float | Tensor) -> Float[Tensor, "... width width"]:  # noqa: N802
        r"""Weights, $W = V + \tilde L I$."""
        return self.V(p) + self.effective_depth * torch.eye(len(self.V0), dtype=torch.float64)

    def A(self, p: float | Tensor) -> Float[Tensor, "... sample width"]:  # noqa: N802
        r"""Representations, $A_p = A_0 e^{p V_0} e^{p (V_0^\top - V_0)}$."""
        _, pV, pK = self._one_sided(p)
        return self.A0 @ torch.linalg.matrix_exp(pV) @ torch.linalg.matrix_exp(pK)

    def B(self, p: float | Tensor) -> Float[Tensor, "... sample width"]:  # noqa: N802
        r"""Momenta in the column span of $A_0$: $B_p = B_0 e^{-p V_0^\top} e^{p(V_0^\top - V_0)}$.

        With $A_0^\top B_0 = W_0^\top / c$. Momenta orthogonal to that span move no weights, so a
        data term may add some without a change to the path.
        """
        _, pV, pK = self._one_sided(p)
        start = torch.linalg.pinv(self.A0).T @ self.W(0.0).T / coupling(self.effective_depth)
        return start @ torch.linalg.matrix_exp(-pV.mT) @ torch.linalg.matrix_exp(pK)

    @property
    def action(self) -> float:
        r"""$\frac{1}{2c} \int \|W_p\|_F^2 dp$, which is constant along the path."""
        return float(self.W(0.0).square().sum()) / (2 * coupling(self.effective_depth))

    @property
    def hamiltonian(self) -> float:
        r"""$H = \frac{1}{2c} (\|V\|_F^2 - \tilde L^2 w)$: $-\frac{2}{\tilde L} H$ is below w."""
        least = self.effective_depth**2 * len(self.V0)
        return (float(self.V0.square().sum()) - least) / (2 * coupling(self.effective_depth))


def commuting(
    s0: Float[Tensor, " width"],
    s1: Float[Tensor, " width"],
    *,
    effective_depth: float,
    left: Float[Tensor, "sample width"] | None = None,
    right: Float[Tensor, "width width"] | None = None,
) -> LinearGeodesic:
    r"""Geodesic between ends of the same singular vectors, $A_p = Q\,\mathrm{diag}(s_p) R^\top$.

    $s_p = s_0^{1-p} s_1^p$, constant $W = R\,\mathrm{diag}(\log(s_1/s_0) + \tilde L) R^\top$,
    action $\frac{1}{2c} \sum (\log(s_1/s_0) + \tilde L)^2$ and
    $-\frac{2}{\tilde L} H = w - \tilde L^{-2} \sum \log^2(s_1/s_0)$.

    `left` Q and `right` R have orthonormal columns; the identity if None. A path of rank below its
    width is this one within the space of its rows.

    Raises: ValueError if the singular values are not positive, finite and (width,) both, if `left`
    or `right` is of another shape or not orthonormal, or `effective_depth` is negative.
    """
    coupling(effective_depth)
    s0, s1 = torch.as_tensor(s0).double(), torch.as_tensor(s1).double()
    if s0.ndim != 1 or len(s0) == 0 or s0.shape != s1.shape:
        raise ValueError(
            f"s0 and s1 must both be (width,), got {tuple(s0.shape)} and {tuple(s1.shape)}."
        )
    for name, s in (("s0", s0), ("s1", s1)):
        if not bool(torch.isfinite(s).all()) or float(s.min()) <= 0:
            raise ValueError(f"{name} must be positive and finite, got {s.tolist()}.")
    eye = torch.eye(len(s0), dtype=torch.float64)
    Q = eye if left is None else as_rows("left", left)
    R = eye if right is None else as_rows("right", right, shape=tuple(eye.shape))
    for name, M in (("left", Q), ("right", R)):
        if M.shape[1] != len(s0) or float((M.T @ M - eye).abs().max()) > 1e-8:
            raise ValueError(
                f"{name} must have {len(s0)} orthonormal columns, got a {tuple(M.shape)} matrix "
                "that does not."
            )
    return LinearGeodesic((Q * s0) @ R.T, (R * (s1 / s0).log()) @ R.T, float(effective_depth))


def between(
    A0: Float[Tensor, "sample width"],
    A1: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
) -> LinearGeodesic:
    r"""Geodesic of the linear theory from `A0` to `A1`, general invertible ends.

    The ends fix $M = A_0^+ A_1$; solves $e^{V_0} e^{V_0^\top - V_0} = M$ for the velocity $V_0$
    to rounding, by Newton's method along the curve from I to M that turns and stretches by the
    polar factors of M. It is a stationary path, and in all cases tried the shortest of those which
    turn a plane the other way round; where M nearly turns a plane by 180 degrees, two paths are
    nearly as short as each other. Cost O(N w^2), and O(w^3) for each of 100 to 10,000 matrix
    exponentials: 0.02 s at w = 3, a second or two at w = 10.

    Raises: ValueError if the matrices are not finite and of one shape, `effective_depth` is
    negative, an end is of lower rank than its width, the columns of `A1` lie outside the span of
    those of `A0`, or det M is negative: a path cannot pass through singular matrices, only a
    discrete net can. RuntimeError if Newton's method finds no path, which happens to M far from I
    (singular values over five orders, or w of 30 and many planes turned by a right angle).
    """
    coupling(effective_depth)
    A0 = as_rows("A0", A0)
    A1 = as_rows("A1", A1, shape=tuple(A0.shape))
    w = A0.shape[1]
    for name, A in (("A0", A0), ("A1", A1)):
        rank = int(torch.linalg.matrix_rank(A))
        if rank < w:
            raise ValueError(f"{name} must be of rank {w}, its width, got rank {rank}.")
    M = torch.linalg.lstsq(A0, A1).solution
    outside = float((A0 @ M - A1).norm() / A1.norm())
    if outside > 1e-8:
        raise ValueError(
            "A1 must be A0 times a matrix, as linear layers without bias mix columns only, but "
            f"{outside:.2g} of its norm lies outside the span of A0's columns."
        )
    sign = int(torch.linalg.slogdet(M).sign)
    if sign < 0:
        raise ValueError(
            "A1 cannot be reached from A0: A1 = A0 M with det M < 0, and a path would have to "
            "pass through a singular matrix."
        )
    V0 = torch.from_numpy(_velocity(M.numpy()))
    return LinearGeodesic(A0, V0, float(effective_depth))


def _velocity(M: Array) -> Array:
    """V_0 with e^{V_0} e^{V_0^T - V_0} = M, by continuation along the polar curve from I to M."""
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
    """Skew logarithms of a rotation, of least angles and then with one plane turned the other way.

    Planes of less than a quarter turn are left alone: the other way is much longer.
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
    """X = V^T of e^{turn} e^{log_stretch}, followed along t -> e^{t turn} e^{t log_stretch}."""
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
    """X with e^{X^T} e^{X - X^T} = M from a guess, or None where Newton does not converge."""
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
    """M^{-1} dM of M = e^{X^T} e^{X - X^T} along E, for flattened E; the identity at X = 0."""

    def product(v: Array) -> Array:
        E = v.reshape(X.shape)
        first = inverse @ expm_frechet(X.T, E.T, compute_expm=False) @ turn
        second = expm_frechet(X - X.T, E - E.T, compute_expm=False)
        return np.asarray(turn.T @ (first + second)).ravel()

    return product
