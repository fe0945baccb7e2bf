"""A mesh that adapts to the path while a net trains."""

from __future__ import annotations

from typing import Any, Protocol

import torch
import xarray as xr
from torch import Tensor

from loadpath.checks import check_count
from loadpath.leaky_resnet.layer_steps.rules import Steps, adapted


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
