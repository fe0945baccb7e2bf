"""What `chain` and `phase-diagram` are both asked for: a spring-block chain, and how it moves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from loadpath import spring_block
from loadpath.cli.problem import CONFIG_VERSION
from loadpath.cli.run_folder import FLAGS
from loadpath.data.arrays import check_count


@dataclass(frozen=True)
class ChainProblem:
    """Options of every command that pulls chains out."""

    n_blocks: int = 7
    """blocks of the chain; its springs, one more, stand for the layers"""
    stiffness: float = 1.0
    """of every spring, force per length"""
    target: float = 1.0
    """how far the end of the chain is pulled"""
    friction_velocity: float | None = None
    """velocity at which friction sets in smoothly; dry friction, which holds at rest, if not
    given"""
    dynamics: Literal["overdamped", "langevin"] = "overdamped"
    """without inertia, or with it"""
    dt: float = 0.01
    """time of one step; part of the model of an overdamped chain"""
    n_steps: int = 10_000
    """steps of the run"""
    mass: float = 1.0
    """of a block, for langevin"""
    damping: float = 1.0
    """force per velocity, for langevin"""
    noise_decay: float = 0.0
    """rate at which noise dies out, per time"""
    common_noise: bool = False
    """shake all blocks of a chain alike; by default each has noise of its own"""
    by: Literal["wall", "force"] = "wall"
    """what is pulled: the wall that the last spring ends at, or the last block by a force"""
    threads: int | None = None
    """CPU threads, on which the numbers do not depend; as many as there are cores if not given"""
    seed: int = 0
    """of the noise"""
    out: str = "chain"
    """folder for the results"""
    overwrite: bool = False
    """replace earlier results in the folder"""
    config_version: int = CONFIG_VERSION
    """version of the config file; leave it as it is"""

    def check(self) -> None:
        """Say in one sentence what is out of range, before anything is written."""
        if self.config_version != CONFIG_VERSION:
            raise ValueError(
                f"config_version must be {CONFIG_VERSION} for this loadpath, got "
                f"{self.config_version}."
            )
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be at least 0 and below 2**32, got {self.seed}.")
        if self.threads is not None:
            check_count("threads", self.threads, 1)

    def settings(self) -> dict[str, Any]:
        """Options as the config file holds them."""
        options = {name: value for name, value in asdict(self).items() if name not in FLAGS}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in options.items()
        }

    def build_chain(self, friction_right: float, friction_left: float) -> spring_block.Chain:
        """Return the chain with these frictions."""
        velocity = self.friction_velocity
        return spring_block.Chain(
            n_blocks=self.n_blocks,
            stiffness=self.stiffness,
            friction_right=friction_right,
            friction_left=friction_left,
            target=self.target,
            law=spring_block.Dry() if velocity is None else spring_block.Smooth(velocity),
        )

    def motion(self) -> dict[str, Any]:
        """Options that `simulate` and `phase_diagram` of `loadpath.spring_block` share."""
        names = ("dynamics", "dt", "n_steps", "mass", "damping", "noise_decay", "common_noise")
        return {name: getattr(self, name) for name in (*names, "by", "seed", "threads")}
