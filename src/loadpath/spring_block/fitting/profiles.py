"""Profiles of the cost: how far a parameter of a minimum may be moved while the others follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loadpath.spring_block.chain import Array
from loadpath.spring_block.fitting.least_squares import STRIDE, Mask, Problem, minimize

PRESSED = 0.05
"""Fall in the cost that a bound prevents, per unit of a logarithm and as a share of the limit. If
it is more, an end found there is the bound's doing."""
ENOUGH = 0.02
"""Rise, as a share of the limit, below which a search may stop: the profile goes on anyway."""


@dataclass
class _Side:
    """One end of one parameter's interval, while it is looked for."""

    parameter: int
    sign: int
    best: float
    bound: float
    stride: float
    theta: Array
    """(parameter,) minimum with the parameter held at `inside`."""
    slope: Array
    """(parameter,) how the others move with the parameter there."""
    inside: float
    """The farthest value known at which the cost rises by less than the limit."""
    rise: float = 0.0
    """Rise of the cost at `inside`, above the best."""
    outside: float | None = None
    """The nearest value known at which it rises by more; None until there is one."""
    rise_outside: float = 0.0
    """Rise of the cost at `outside`."""
    pressed_outside: bool = False
    """Whether only the box keeps the others from following so far."""
    tries: int = 0
    """Number of values tried since `outside` is known."""
    end: float | None = None
    """The end, once it is found; infinite if there is none."""

    def next_value(self, limit: float) -> float:
        """Return the value to try next: the profile is about parabolic, so its root is straight."""
        if self.outside is None:
            ahead = self.inside + self.sign * self.stride
            return min(ahead, self.bound) if self.sign > 0 else max(ahead, self.bound)
        a, b, c = (np.sqrt(max(v, 0.0)) for v in (self.rise, self.rise_outside, limit))
        share = min(max((c - a) / (b - a), 0.1), 0.9) if self.tries < 4 else 0.5
        return self.inside + share * (self.outside - self.inside)

    def starts(self, at: float, free: Mask) -> list[Array]:
        """Return parameters to start from at the next value.

        They are those of the last minimum, those where that minimum is moving to, and those with
        frictions and noise grown in proportion.
        """
        step = np.clip((at - self.inside) * self.slope, -2, 2)
        starts = [self.theta.copy(), np.where(free, self.theta + step, self.theta)]
        if self.parameter > 0 and free[1:3].all():
            starts.append(np.where(free, _grown(self.theta, self.parameter, at), self.theta))
        for theta in starts:
            theta[self.parameter] = at
        return starts

    def learn(self, at: float, theta: Array, rise: float, pressed: bool, limit: float) -> None:
        """Narrow the end down by the profile at one more value."""
        self.tries += self.outside is not None
        if rise < limit:
            moved = np.zeros_like(theta)  # what is fixed at 0 stays, its logarithm -inf
            np.subtract(theta, self.theta, out=moved, where=np.isfinite(theta))
            self.slope = moved / (at - self.inside)
            self.inside, self.theta, self.rise = at, theta, rise
            self.stride = min(2 * self.stride, STRIDE)
            if at == self.bound:
                self.end = self.sign * np.inf
        else:
            self.outside, self.rise_outside, self.pressed_outside = at, rise, pressed
        close = abs(rise - limit) < 0.01 * limit
        if self.outside is not None and not close:
            close = abs(self.outside - self.inside) < 0.01 * abs(self.outside - self.best)
            pressed = self.pressed_outside
        if close and self.end is None:
            self.end = self.sign * np.inf if pressed else at


def intervals(
    problem: Problem, best: Array, cost: float, *, limit: float
) -> tuple[Array, Array, Array | None]:
    """Return the ends (parameter,) between which each parameter's profile rises by at most `limit`.

    A profile is the least cost with one parameter held. Ends are infinite where they reach the box,
    or only the box keeps other parameters from making up for more; fixed parameters have both ends
    at their value. The third value is a better minimum, if one turns up on the way.
    """
    low, high = best.copy(), best.copy()
    _, J = problem.residuals(best[None])
    H = (J[0].T @ J[0])[np.ix_(problem.free, problem.free)]
    C = np.zeros((len(best), len(best)))
    C[np.ix_(problem.free, problem.free)] = np.linalg.inv(H + 0.1 * np.eye(len(H)))
    sides = []
    for i in np.flatnonzero(problem.free):
        for sign in (-1, 1):
            bound = (problem.high if sign > 0 else problem.low)[i]
            stride = float(np.clip(np.sqrt(C[i, i] * limit), 1e-3, STRIDE))
            side = _Side(int(i), sign, best[i], bound, stride, best, C[i] / C[i, i], best[i])
            if best[i] == bound:
                side.end = sign * np.inf
            sides.append(side)
    for _ in range(60):
        open_ = [s for s in sides if s.end is None]
        if not open_:
            break
        # All sides take one step at a time, so that their searches are one batch.
        at = [s.next_value(limit) for s in open_]
        starts = [s.starts(a, problem.free) for s, a in zip(open_, at, strict=True)]
        owner = np.repeat(np.arange(len(open_)), [len(some) for some in starts])
        free = np.tile(problem.free, (len(owner), 1))
        free[range(len(owner)), [open_[row].parameter for row in owner]] = False
        found = minimize(problem, np.concatenate(starts), free, enough=cost + ENOUGH * limit)
        if found.cost.min() < cost - 0.05:
            return low, high, found.theta[int(found.cost.argmin())]
        order = np.argsort(found.cost, kind="stable")
        lower = order[np.unique(owner[order], return_index=True)[1]]  # each side's best search
        theta, rise = found.theta[lower], found.cost[lower] - cost
        pressed = _pressed(problem, theta, free[lower], limit)
        for row, s in enumerate(open_):
            s.learn(at[row], theta[row], float(rise[row]), bool(pressed[row]), limit)
    for s in sides:
        end = s.inside if s.end is None else s.end
        (high if s.sign > 0 else low)[s.parameter] = end
    return low, high, None


def _grown(theta: Array, parameter: int, at: float) -> Array:
    """Return parameters with one at a new value, and frictions and noise grown in proportion.

    Curves hardly show such growth. The difference of the frictions stays as it is, because under
    strong noise it is all that they show.
    """
    right, left = np.exp(theta[1:3])
    h, c = (right + left) / 2, (right - left) / 2
    grown = h * np.exp(at - theta[parameter])
    if parameter in (1, 2):
        grown = h + np.exp(at) - np.exp(theta[parameter])
    both = np.maximum([grown + c, grown - c], 1e-3 * h)
    return np.concatenate([theta[:1], np.log(both), theta[3:] + np.log(both.mean() / h)])


def _pressed(problem: Problem, theta: Array, free: Mask, limit: float) -> Mask:
    """Whether some free parameter of each minimum (batch, parameter) is pressed against the box."""
    r, J = problem.residuals(theta)
    slope = 2 * np.einsum("bnp,bn->bp", J, r)
    outward = (theta == problem.high) * -slope + (theta == problem.low) * slope
    return np.asarray((free & (outward > PRESSED * limit)).any(1))


def region(problem: Problem, best: Array, right: Array, left: Array) -> Array:
    """Return the least cost (right, left) with both frictions held, above that of `best`.

    `right` and `left` are logarithms. Each point starts from `best`, and once more from what its
    neighbour towards `best` found.
    """
    grid = np.stack(np.meshgrid(right, left, indexing="ij"), axis=-1).reshape(-1, 2)
    free = np.tile(problem.free, (len(grid), 1))
    free[:, 1:3] = False
    start = np.tile(best, (len(grid), 1))
    start[:, 1:3] = grid
    found = minimize(problem, start, free)
    shape = len(right), len(left)
    towards = [
        np.arange(len(axis)) - np.sign(np.arange(len(axis)) - np.abs(axis - b).argmin())
        for axis, b in ((right, best[1]), (left, best[2]))
    ]
    again = found.theta.reshape(*shape, -1)[np.ix_(*towards)].reshape(start.shape)
    again[:, 1:3] = grid
    cost = np.minimum(found.cost, minimize(problem, again, free).cost)
    r, _ = problem.residuals(best[None])
    return np.asarray(np.maximum(0.0, cost.reshape(shape) - (r * r).sum()))
