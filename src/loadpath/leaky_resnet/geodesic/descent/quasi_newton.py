"""L-BFGS with a long memory that costs little."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import line_search

Vector = NDArray[Any]
Evaluate = Callable[[Vector], tuple[float, Vector]]


class QuasiNewton:
    r"""Minimize a function by L-BFGS with a line search for the strong Wolfe conditions.

    The compact form of the inverse Hessian,

    $$H = \gamma I + [S\ \gamma Y] \begin{pmatrix} R^{-\top}(D + \gamma Y^\top Y)R^{-1} &
    -R^{-\top} \\ -R^{-1} & 0 \end{pmatrix} [S\ \gamma Y]^\top,$$

    reads the memory of S and Y twice an iteration,
    in two matrix products, where the usual two loops read it four times in 4 `history` steps. It is
    kept in float32 whatever the precision of the function: directions need no more digits, and
    steps, values and gradients have all of theirs.

    Nothing is remembered of coordinates that are not `active`: their inverse Hessian is taken as
    gamma I. Where a function is $\eta v^2 / 2$ in them, decoupled from all others, they go to 0 and
    stay there, and nothing is lost.

    With n active coordinates an iteration reads 16 n `history` bytes, and memory holds half that.

    References
    ----------
    .. [1] Byrd, Nocedal and Schnabel, Math. Programming 63 (1994).
    .. [2] Nocedal and Wright, Numerical Optimization, theorem 7.4.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        start: Vector,
        *,
        history: int,
        active: NDArray[np.bool_] | None = None,
    ) -> None:
        """Begin at the flat vector `start`, where `evaluate` returns value and gradient.

        All coordinates are active where `active` is None.
        """
        self.active = np.flatnonzero(np.ones(start.size, bool) if active is None else active)
        self.evaluate, self.history = evaluate, history
        self.at = start.copy()
        self.value, self.gradient = evaluate(self.at)
        self.memory = np.empty((2, history, self.active.size), dtype=np.float32)
        """S and Y, one pair a row."""
        self.rows: list[int] = []
        """Where the pairs stand, from old to new."""
        self.along = np.empty((2, 0))
        """Products of S and Y with the present gradient, in the order of `rows`."""
        self.SY, self.YY = np.empty((2, 0, 0))
        """s_i . y_j for i <= j, and y_i . y_j, in the order of `rows`."""

    def change_function(self, evaluate: Evaluate) -> None:
        """Minimize another function from here on, whose curvature is taken to be as remembered."""
        self.evaluate = evaluate
        self.value, self.gradient = evaluate(self.at)
        self.along = self._products(self.gradient)

    def iterate(self) -> bool:
        """Take one step; False if nothing lower was found, and then nothing has changed."""
        direction = self._direction()
        slope = float(direction @ self.gradient)
        if not slope < 0:
            return False
        seen: dict[float, tuple[float, Vector]] = {0.0: (self.value, self.gradient)}

        def probe(t: float) -> tuple[float, Vector]:
            if t not in seen:
                seen[t] = self.evaluate(self.at + self.at.dtype.type(t) * direction)
            return seen[t]

        # On the line, with the step as its one coordinate: nothing is evaluated twice.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a search that fails is dealt with below
            t = line_search(
                lambda t: probe(float(t[0]))[0],
                lambda t: np.array([float(probe(float(t[0]))[1] @ direction)]),
                np.zeros(1),
                np.ones(1),
                np.array([slope]),
                self.value,
                maxiter=20,
            )[0]
        if t is None:  # the lowest seen will do, if it is lower
            t = min(seen, key=lambda step: seen[step][0])
        value, gradient = probe(float(t))
        if not value < self.value:
            return False
        step = self.at.dtype.type(t) * direction
        self._remember(step, gradient - self.gradient, gradient)
        self.at += step
        self.value, self.gradient = value, gradient
        return True

    def _remember(self, s: Vector, y: Vector, gradient: Vector) -> None:
        """Take in a step and the change of the gradient, which is `gradient` now."""
        s, y = s[self.active], y[self.active]
        if not float(s @ y) > 1e-10 * float(y @ y):
            self.along = self._products(gradient)
            return
        if len(self.rows) == self.history:
            row = self.rows.pop(0)
            self.SY, self.YY, self.along = self.SY[1:, 1:], self.YY[1:, 1:], self.along[:, 1:]
        else:
            row = len(self.rows)
        self.rows.append(row)
        self.memory[0, row], self.memory[1, row] = s, y
        along = self._products(gradient)
        n = len(self.rows)
        SY, YY = np.zeros((n, n)), np.zeros((n, n))
        SY[:-1, :-1], YY[:-1, :-1] = self.SY, self.YY
        # Products with y are differences of those with the two gradients: no other pass.
        SY[:-1, -1], YY[:-1, -1] = along[:, :-1] - self.along
        YY[-1, :-1] = YY[:-1, -1]
        SY[-1, -1], YY[-1, -1] = float(s @ y), float(y @ y)
        self.SY, self.YY, self.along = SY, YY, along

    def _products(self, gradient: Vector) -> Vector:
        """Return S g and Y g, (2, pair), from old to new."""
        used = self.memory[:, : len(self.rows)]
        g = gradient[self.active].astype(np.float32)
        return np.stack([pairs @ g for pairs in used])[:, self.rows].astype(float)

    def _direction(self) -> Vector:
        """Return minus the inverse Hessian times the gradient."""
        if not self.rows:
            return -self.gradient
        Sg, Yg = self.along
        gamma = self.SY[-1, -1] / self.YY[-1, -1]
        u = solve_triangular(self.SY, Sg)
        middle = np.diag(self.SY) * u + gamma * (self.YY @ u)
        top = solve_triangular(self.SY, middle - gamma * Yg, trans="T")
        weights = np.empty((2, len(self.rows)), dtype=np.float32)
        weights[0, self.rows], weights[1, self.rows] = top, -gamma * u
        direction = -self.gradient.dtype.type(gamma) * self.gradient
        for pairs, weight in zip(self.memory[:, : len(self.rows)], weights, strict=True):
            direction[self.active] -= weight @ pairs
        return direction
