"""The net that a geodesic is the path of, before its samples are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from loadpath.checks import as_layer_steps, check_count
from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.leaky_resnet.geodesic.phases import LEAST_DEPTH, LONGEST
from loadpath.leaky_resnet.model import LeakyResNet

Activation = (
    Literal["relu", "leaky_relu", "tanh", "softplus", "identity"] | Callable[[Tensor], Tensor]
)
StepKind = Literal["euler", "exponential"]


@dataclass(frozen=True, eq=False)
class Architecture:
    """A LeakyResNet with fixed orthonormal maps, in float64, but for its inputs and outputs."""

    effective_depth: float
    """The leakage L~ >= 0."""
    width: int
    """Neurons w of every layer."""
    depth: int
    """Layers L, where `layer_steps` does not say otherwise."""
    activation: Activation
    """The nonlinearity, by its name or a function; "identity" is the linear theory."""
    bias: bool
    """Whether the layers have a bias."""
    layer_steps: Tensor | Literal["adaptive"] | None
    """(depth,) of sum 1; None is equidistant, and "adaptive" begins so."""
    step: StepKind
    """How a layer treats the leakage."""
    largest_leak: float
    """What every rho L~ must stay below under the Euler step."""
    seed: int
    """Seed of the weights and the maps."""
    device: torch.device | str | None
    """Where the net lives; None is torch's default."""

    def __post_init__(self) -> None:
        """Refuse what `build` could not say in terms of the user's arguments."""
        check_count("width", self.width, 1)
        check_count("depth", self.depth, 1)
        if isinstance(self.layer_steps, str) and self.layer_steps != "adaptive":
            raise ValueError(f"layer_steps must be steps or 'adaptive', got {self.layer_steps!r}.")
        if self.layer_steps is not None and not self.adaptive:
            steps = as_layer_steps("layer_steps", self.layer_steps)
            object.__setattr__(self, "layer_steps", steps)

    @property
    def adaptive(self) -> bool:
        """Whether the layer steps move towards where the path is fast."""
        return isinstance(self.layer_steps, str)

    def build(self, inputs: int, outputs: int, *, scale: float) -> LeakyResNet:
        """Draw the net from the seed, with its sizes and layer steps checked."""
        steps = None if isinstance(self.layer_steps, str) else self.layer_steps
        return LeakyResNet(
            inputs,
            outputs,
            width=self.width,
            depth=self.depth if steps is None else len(steps),
            effective_depth=self.effective_depth,
            layer_steps=steps,
            step=self.step,
            largest_leak=self.largest_leak,
            activation=self.activation,
            bias=self.bias,
            scale=scale,
            seed=self.seed,
            dtype=torch.float64,
            device=self.device,
        )

    def halved(self, steps: Tensor) -> Architecture | None:
        """Return the same on half as many steps; None where they are few, odd, or too long."""
        if len(steps) < LEAST_DEPTH or len(steps) % 2:
            return None
        longer = meshes.merged(steps)
        if self.step == "euler" and float(longer.max()) * self.effective_depth > LONGEST:
            return None
        return replace(self, layer_steps=longer, depth=len(longer))
