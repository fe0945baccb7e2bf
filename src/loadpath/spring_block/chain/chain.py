"""The spring-block chain, its friction laws, and the step sizes that it can take."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loadpath.checks import check_count, check_number

Array = NDArray[np.float64]
Dynamics = Literal["overdamped", "langevin"]
Puller = Literal["wall", "force"]

NEWTON_STEPS = 100
"""The most that `Smooth` may need; some five are usual."""


@dataclass(frozen=True)
class Dry:
    """Dry friction: mu against the velocity, and at rest whatever holds the block, up to mu."""

    def slip(self, force: Array, right: Array, left: Array, viscosity: float, spare: Array) -> None:
        r"""Overwrite each force by the velocity v with viscosity * v + friction(v) = force.

        Exact, as a set: blocks with -left <= force <= right stay at rest. Shapes (block, column),
        `right` and `left` (column,); `spare` is work space.
        """
        np.minimum(force, right, out=spare)
        np.maximum(spare, -left, out=spare)
        force -= spare
        if viscosity != 1.0:
            force *= 1 / viscosity


@dataclass(frozen=True)
class Smooth:
    """Friction mu tanh(v / velocity), which never quite sticks; `Dry` is its limit velocity -> 0.

    Raises: ValueError if `velocity` is not finite and above 0.
    """

    velocity: float

    def __post_init__(self) -> None:
        check_number("velocity", self.velocity, above=0.0)

    def slip(self, force: Array, right: Array, left: Array, viscosity: float, spare: Array) -> None:
        """Overwrite each force by the velocity v with viscosity * v + friction(v) = force.

        By Newton's method on either side of 0, where friction is concave in the speed: from below,
        it climbs to the root without overshooting. To rounding.
        """
        side = np.sign(force)
        mu = np.where(force > 0, right, left)
        size = np.abs(force)
        speed = np.maximum(size - mu, 0) / viscosity
        going = np.ones(force.shape, dtype=bool)  # each on its own, whatever its company needs
        for _ in range(NEWTON_STEPS):
            tanh = np.tanh(speed / self.velocity)
            short = size - viscosity * speed - mu * tanh
            change = short / (viscosity + mu / self.velocity * (1 - tanh * tanh))
            np.add(speed, change, out=speed, where=going)
            going &= np.abs(change) > 1e-15 * (speed + self.velocity)
            if not going.any():
                break
        np.multiply(side, speed, out=force)


Law = Dry | Smooth


@dataclass(frozen=True)
class Chain:
    r"""Blocks on springs between a fixed end and one that is pulled.

    Positions $x_0 = 0, x_1, \dots, x_n, x_{n+1}$; loads $d_l = x_l - x_{l-1}$, l = 1 .. n+1. A
    block feels $f_l = k (x_{l+1} - 2 x_l + x_{l-1})$ and friction against its velocity.

    Raises: ValueError for values out of range.
    Source: Shi, Pan and Dokmanic, arXiv:2407.19353: friction is nonlinearity, noise is dropout,
    label noise, learning rate or small batches, and $1 - x_l$ is the log separation after layer l.
    """

    n_blocks: int = 7
    stiffness: float = 1.0
    """k, of every spring: force per length."""
    friction_right: float = 0.1
    """mu_right: the force that resists motion to the right."""
    friction_left: float = 0.1
    target: float = 1.0
    """Where the end x_{n+1} is pulled: the sum of all loads."""
    law: Law = field(default_factory=Dry)
    """How friction depends on the velocity."""

    def __post_init__(self) -> None:
        check_count("n_blocks", self.n_blocks, 1)
        check_number("stiffness", self.stiffness, above=0.0)
        check_number("friction_right", self.friction_right, least=0.0)
        check_number("friction_left", self.friction_left, least=0.0)
        check_number("target", self.target, above=0.0)
        if not isinstance(self.law, Dry | Smooth):
            raise ValueError(f"law must be Dry() or Smooth(velocity), got {self.law!r}.")

    def modes(self, by: Puller = "wall") -> Array:
        r"""Eigenvalues of minus the chain's Laplacian, (block,), ascending.

        $4 \sin^2(j \pi / 2(n+1))$ under a wall, $4 \sin^2((2j-1) \pi / 2(2n+1))$ under a force.
        """
        n, j = self.n_blocks, np.arange(1, self.n_blocks + 1)
        angle = j / (n + 1) if by == "wall" else (2 * j - 1) / (2 * n + 1)
        return 4 * np.sin(angle * math.pi / 2) ** 2

    def stable_dt(
        self,
        dynamics: Dynamics = "overdamped",
        *,
        mass: float = 1.0,
        damping: float = 1.0,
        by: Puller = "wall",
    ) -> float:
        r"""Largest step at which the frictionless scheme of `simulate` does not blow up.

        Overdamped $2 / k \lambda$; Langevin
        $(\gamma + \sqrt{\gamma^2 + 4 k \lambda m}) / k \lambda$, $\lambda$ the largest mode:
        where a root of the scheme's characteristic polynomial reaches -1.
        """
        stiffest = self.stiffness * float(self.modes(by)[-1])
        if dynamics == "overdamped":
            return 2 / stiffest
        return (damping + math.sqrt(damping**2 + 4 * stiffest * mass)) / stiffest
