"""The spring-block chain, its friction laws, and the step sizes that it can take.

The chain is a picture of a deep network: block l stands for layer l, the pulled end for training,
friction for the layers' nonlinearity and noise for whatever shakes training. The load of a spring,
its length, is the part of the work that its layer does.
"""

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
"""The most Newton steps that `Smooth` may take; some five are usual."""


@dataclass(frozen=True)
class Dry:
    """Dry friction: mu against the velocity, and at rest whatever holds the block, up to mu.

    Examples
    --------
    >>> Chain(n_blocks=2).law
    Dry()
    """

    def slip(self, force: Array, right: Array, left: Array, viscosity: float, spare: Array) -> None:
        """Overwrite each force by the velocity v with viscosity * v + friction(v) = force.

        The set-valued law is solved exactly: blocks with -left <= force <= right stay at rest.

        Parameters
        ----------
        force : Array
            (block, column) force on each block but for friction; velocities on return.
        right, left : Array
            (column,) largest friction against motion to the right and to the left, a force.
        viscosity : float
            Force per velocity, above 0.
        spare : Array
            (block, column) work space.
        """
        np.minimum(force, right, out=spare)
        np.maximum(spare, -left, out=spare)
        force -= spare
        # The compiled kernel multiplies by the inverse too: a division would round differently.
        if viscosity != 1.0:
            force *= 1 / viscosity


@dataclass(frozen=True)
class Smooth:
    """Friction mu tanh(v / velocity), which never quite sticks; `Dry` is its limit velocity -> 0.

    Parameters
    ----------
    velocity : float
        Velocity at which friction sets in; length per time, above 0.

    Raises
    ------
    ValueError
        If `velocity` is not finite and above 0.
    """

    velocity: float
    """Velocity at which friction sets in."""

    def __post_init__(self) -> None:
        check_number("velocity", self.velocity, above=0.0)

    def slip(self, force: Array, right: Array, left: Array, viscosity: float, spare: Array) -> None:
        """Overwrite each force by the velocity v with viscosity * v + friction(v) = force.

        The root is found to rounding, by Newton's method.

        Parameters
        ----------
        force : Array
            (block, column) force on each block but for friction; velocities on return.
        right, left : Array
            (column,) largest friction against motion to the right and to the left, a force.
        viscosity : float
            Force per velocity, above 0.
        spare : Array
            (block, column) work space, which this law does not use.
        """
        # On either side of 0 friction is concave in the speed. So viscosity * v + friction(v) is
        # concave too, and Newton's steps from below climb to the root without overshooting it.
        side = np.sign(force)
        mu = np.where(force > 0, right, left)
        size = np.abs(force)
        speed = np.maximum(size - mu, 0) / viscosity
        # Each element stops by itself: a replica's numbers must not depend on its company.
        going = np.ones(force.shape, dtype=bool)
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

    Parameters
    ----------
    n_blocks : int
        Number n of blocks. There are n + 1 springs, one for each layer.
    stiffness : float
        k of every spring; force per length, above 0.
    friction_right : float
        $\mu_\rightarrow$, the force that resists motion to the right, towards the pull.
    friction_left : float
        $\mu_\leftarrow$, the force that resists motion to the left.
    target : float
        Where the end $x_{n+1}$ is pulled, and so the sum of all loads; a length, above 0.
    law : Dry or Smooth
        How friction depends on the velocity.

    Raises
    ------
    ValueError
        If a value is out of range.

    Notes
    -----
    Positions are $x_0 = 0, x_1, \dots, x_n, x_{n+1}$, and the load of spring l = 1 .. n+1 is its
    length, $d_l = x_l - x_{l-1}$. A block feels the force $f_l = k (x_{l+1} - 2 x_l + x_{l-1})$ and
    friction against its velocity.

    In the theory friction is nonlinearity; noise is dropout, label noise, a large learning rate or
    small batches; and $1 - x_l$ is the log separation after layer l.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353.

    Examples
    --------
    >>> chain = Chain(n_blocks=3, friction_right=0.05)
    >>> chain.friction_right, chain.friction_left
    (0.05, 0.1)
    >>> chain.modes().round(3)
    array([0.586, 2.   , 3.414])
    """

    n_blocks: int = 7
    """Number of blocks; the chain has one spring more."""
    stiffness: float = 1.0
    """Stiffness k of every spring; force per length."""
    friction_right: float = 0.1
    """The force mu_right that resists motion to the right."""
    friction_left: float = 0.1
    """The force mu_left that resists motion to the left."""
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
        r"""Return the eigenvalues of minus the chain's Laplacian.

        They are $4 \sin^2(j \pi / 2(n+1))$ where a wall is pulled, and
        $4 \sin^2((2j-1) \pi / 2(2n+1))$ where a force pulls the last block, for j = 1 .. n.

        Parameters
        ----------
        by : {"wall", "force"}
            What is pulled.

        Returns
        -------
        Array
            (block,), ascending, dimensionless. Times k, they are the stiffnesses of the modes.
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
        r"""Return the step at which the frictionless scheme of `simulate` becomes unstable.

        Parameters
        ----------
        dynamics : {"overdamped", "langevin"}
            Without inertia, or with it.
        mass : float
            Mass m of a block; used with "langevin" only.
        damping : float
            Force $\gamma$ per velocity; used with "langevin" only.
        by : {"wall", "force"}
            What is pulled.

        Returns
        -------
        float
            A time. Smaller steps are stable.

        Notes
        -----
        With the largest mode $\lambda$, a root of the scheme's characteristic polynomial reaches
        -1 at $2 / k \lambda$ without inertia and at
        $(\gamma + \sqrt{\gamma^2 + 4 k \lambda m}) / k \lambda$ with it.
        """
        stiffest = self.stiffness * float(self.modes(by)[-1])
        if dynamics == "overdamped":
            return 2 / stiffest
        return (damping + math.sqrt(damping**2 + 4 * stiffest * mass)) / stiffest
