"""Layer steps: how the layers of a Leaky ResNet divide the path p in [0, 1] among themselves."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from loadpath.data.arrays import check_count

Steps = Float[Tensor, " depth"]


def equidistant(depth: int) -> Steps:
    """Steps of equal length, rho_l = 1 / depth; float64, shape (depth,), sum 1.

    Raises: ValueError if `depth` is not a whole number of at least 1.
    """
    check_count("depth", depth, 1)
    return torch.full((depth,), 1.0 / depth, dtype=torch.float64)


def irregular(depth: int, a: float) -> Steps:
    r"""Steps that are small near input and output and large in the middle of the path.

    $\rho_l \propto 1 + a\,(1/4 - |l/L - 1/2|)$ for l = 1..L, normalized to sum 1.
    `a` in [0, 1) sets how uneven they are; 0 is equidistant. float64, shape (depth,).

    Raises: ValueError if `a` is outside [0, 1) or `depth` is not a whole number of at least 1.
    Source: Jacot and Kaiser, arXiv:2405.17573, section on discretization.
    """
    if not 0 <= a < 1:
        raise ValueError(f"a must lie in [0, 1), got {a}.")
    steps = equidistant(depth)
    position = steps.cumsum(0)
    steps = steps * (1 + a * (0.25 - (position - 0.5).abs()))
    return steps / steps.sum()


def check(layer_steps: Tensor, *, depth: int, effective_depth: float, step: str) -> Steps:
    """Return `layer_steps` as float64, or say in one sentence why a net cannot take them.

    Raises: ValueError if they are not `depth` finite positive numbers of sum 1 (to 1e-6, what
    float32 steps can promise), or if rho_l L~ >= 1 under the Euler step, where a layer would
    overshoot its own leakage.
    """
    steps = torch.as_tensor(layer_steps, dtype=torch.float64).detach().cpu()
    if steps.shape != (depth,):
        raise ValueError(f"layer_steps must have shape ({depth},), got {tuple(steps.shape)}.")
    if not bool(torch.isfinite(steps).all()) or float(steps.min()) <= 0:
        raise ValueError(f"layer_steps must be finite and positive, got {steps.tolist()}.")
    total = float(steps.sum())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"layer_steps must sum to 1, got a sum of {total:.9g}.")
    longest = float(steps.max())
    if step == "euler" and longest * effective_depth >= 1:
        raise ValueError(
            f"layer_steps with a longest step of {longest:.4g} break the Euler condition "
            f"rho * effective_depth < 1 at effective_depth={effective_depth:g}; "
            "use more layers or step='exponential'."
        )
    return steps


@torch.no_grad()
def adapted(steps: Steps, path: list[Tensor], *, guard: float, longest: float) -> Steps:
    r"""Return the steps of the adaptive rule: layers go where the path moves fast.

    $c_l = \|A_l - A_{l-1}\|_F / (\rho_l \|A_l\|_F)$, then $\rho_l = c_l^{-1} / \sum_i c_i^{-1}$.
    Speeds below `guard` times the mean one count as that much, so that a layer which does
    nothing does not take the whole path; no step exceeds `longest`. A path that does not move at
    all, or is not finite, says nothing about where to go: `steps` are returned as they are.

    `path`: [A_0, ..., A_L], each (sample, width). Cost O(N w L).
    Source: Jacot and Kaiser, arXiv:2405.17573, section on discretization; guard and cap are ours.
    """
    norms = torch.stack([A.norm() for A in path[1:]]).double().cpu()
    moves = torch.stack([(b - a).norm() for a, b in zip(path, path[1:], strict=False)])
    speed = moves.double().cpu() / (steps * norms).clamp_min(torch.finfo(torch.float64).tiny)
    # The mean, not the median: the median is 0 where most of the layers do nothing.
    mean = float(speed.mean())
    if not 0 < mean < math.inf:
        return steps
    slowness = mean / speed.clamp_min(guard * mean)
    return _cap(slowness / slowness.sum(), longest)


def _cap(steps: Steps, longest: float) -> Steps:
    """Clip steps at `longest` and hand what is cut off to the others in proportion."""
    # Each round cuts one more step at least; those cut earlier, now at `longest`, stay cut.
    while bool((steps > longest).any()):
        cut = steps >= longest
        rest = (1 - longest * int(cut.sum())) / steps[~cut].sum()
        steps = torch.where(cut, longest, steps * rest)
    return steps


class Meshed(Protocol):
    """A net whose layers have steps: `LeakyResNet`, or any module with these."""

    depth: int
    effective_depth: float
    layer_steps: Tensor

    @property
    def step(self) -> str:
        """Kind of step: "euler" or another."""
        ...

    def path(self, x: Tensor) -> list[Tensor]:
        """Representations [A_0, ..., A_L] of x."""
        ...

    def set_layer_steps(self, layer_steps: Tensor) -> None:
        """Give the net other steps."""
        ...


class Adaptive:
    """The adaptive rule as a scheduler that any training loop can call after each iteration.

    >>> mesh = Adaptive(model, every=20)
    >>> for x, y in batches:
    ...     ...                      # forward, backward, optimizer step
    ...     mesh.step(x)

    Every `every` calls the steps of `model` move the fraction `smoothing` of the way to the rule
    of `adapted`; weights stay with their layers. `history` lists (call, steps) for every move,
    the mesh at the start included, and `record()` gives it as a labelled Dataset.

    Under the Euler step no rho_l L~ exceeds `euler_margin` (< 1), so the mesh is always valid.

    A mesh that cannot keep that (L~ too large for the depth) keeps to its longest step so far.

    Raises: ValueError if `every` is not a whole number of at least 1, `smoothing` or `guard` is
    outside (0, 1], or `euler_margin` is outside (0, 1).
    """

    def __init__(
        self,
        model: Meshed,
        *,
        every: int = 20,
        smoothing: float = 0.3,
        guard: float = 0.1,
        euler_margin: float = 0.9,
    ) -> None:
        """Attach the rule to `model`, whose present steps are where the mesh starts."""
        check_count("every", every, 1)
        for name, value in (("smoothing", smoothing), ("guard", guard)):
            if not 0 < value <= 1:
                raise ValueError(f"{name} must lie in (0, 1], got {value}.")
        if not 0 < euler_margin < 1:
            raise ValueError(f"euler_margin must lie in (0, 1), got {euler_margin}.")
        self.model, self.every, self.smoothing, self.guard = model, every, smoothing, guard
        bounded = model.step == "euler" and model.effective_depth > 0
        self.longest = euler_margin / model.effective_depth if bounded else 1.0
        if self.longest * model.depth < 1:
            self.longest = float(model.layer_steps.max())
        self.calls = 0
        self.history: list[tuple[int, Steps]] = [(0, model.layer_steps.detach().cpu().clone())]

    def step(self, x: Tensor, calls: int = 1) -> bool:
        """Count a training iteration; move the mesh if it is due, and say whether it moved.

        `x`: a batch of inputs (sample, feature); only looked at when a move is due.
        `calls`: count as many iterations at once; the mesh goes as far towards the rule of the
        present path as all the moves that come due would take it.
        """
        due = (self.calls + calls) // self.every - self.calls // self.every
        self.calls += calls
        if due == 0:
            return False
        with torch.no_grad():
            path = self.model.path(x)
        old = self.model.layer_steps.detach().double().cpu()
        target = adapted(old, path, guard=self.guard, longest=self.longest)
        stay = (1 - self.smoothing) ** due
        self.model.set_layer_steps(stay * old + (1 - stay) * target)
        self.history.append((self.calls, self.model.layer_steps.detach().cpu().clone()))
        return True

    def record(self) -> xr.Dataset:
        """How the mesh moved: layer_steps over (move, step), with the call of each move."""
        steps = torch.stack([steps for _, steps in self.history]).numpy()
        calls = [call for call, _ in self.history]
        variable = xr.DataArray(
            steps, dims=("move", "step"), coords={"call": ("move", calls)}, name="layer_steps"
        )
        variable.attrs.update(long_name="layer step", units="fraction of the path")
        return variable.to_dataset()

    def state_dict(self) -> dict[str, Any]:
        """Everything that an exact resume needs, but the model's own steps."""
        calls, steps = zip(*self.history, strict=True)
        return {
            "calls": self.calls,
            "longest": self.longest,
            "when": torch.tensor(calls),
            "steps": torch.stack(steps),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the state that `state_dict` gave."""
        self.calls, self.longest = int(state["calls"]), float(state["longest"])
        self.history = list(zip(state["when"].tolist(), state["steps"].unbind(), strict=True))
