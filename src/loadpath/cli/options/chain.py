"""Options of `loadpath chain`, and those that `phase-diagram` shares with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from loadpath.checks import check_above_zero, check_count
from loadpath.cli.options.shared import (
    CONFIG_VERSION,
    as_settings,
    check_config_version,
    check_seed,
)


@dataclass(frozen=True)
class MotionOptions:
    """Options of every command that pulls chains out."""

    n_blocks: int = 7
    """blocks of the chain; its springs, one more, stand for the layers"""
    stiffness: float = 1.0
    """stiffness of every spring, force per length"""
    target: float = 1.0
    """how far the end of the chain is pulled"""
    friction_velocity: float | None = None
    """velocity at which friction sets in smoothly; dry friction, which holds at rest, if not
    given"""
    dynamics: Literal["overdamped", "langevin"] = "overdamped"
    """motion without inertia, or with it"""
    dt: float = 0.01
    """time of one step; part of the model of an overdamped chain"""
    n_steps: int = 10_000
    """steps of the run"""
    mass: float = 1.0
    """mass of a block, for langevin"""
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
    """seed of the noise"""
    out: str = "chain"
    """folder for the results"""
    overwrite: bool = False
    """replace earlier results in the folder"""
    config_version: int = CONFIG_VERSION
    """version of the config file; leave it as it is"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, before anything is read or written."""
        check_config_version(self.config_version)
        check_seed(self.seed)
        if self.threads is not None:
            check_count("threads", self.threads, 1)
        check_above_zero("friction_velocity", self.friction_velocity)

    def settings(self) -> dict[str, Any]:
        """Return the options as the config file holds them."""
        return as_settings(self)

    def motion(self) -> dict[str, Any]:
        """Return what `simulate` and `chain_phase_diagram` of `loadpath.spring_block` both take."""
        names = ("dynamics", "dt", "n_steps", "mass", "damping", "noise_decay", "common_noise")
        return {name: getattr(self, name) for name in (*names, "by", "seed", "threads")}


@dataclass(frozen=True)
class ChainOptions(MotionOptions):
    """Pull a spring-block chain out, and see which springs carry the load."""

    friction_right: float = 0.1
    """force that resists motion to the right, towards the pull"""
    friction_left: float = 0.1
    """force that resists motion to the left"""
    noise: float = 0.0
    """how strongly the blocks are shaken, force times root of time"""
    noise_off_after: int | None = None
    """step from which there is no more noise"""
    reheat_every: int | None = None
    """steps after which dying noise starts anew, with noise_decay"""
    pull: Literal["at-once", "steady", "jerks"] = "at-once"
    """how the end is pulled to the target"""
    pull_steps: int | None = None
    """steps that a steady pull takes, or jerks with the waits after them; if not given four fifths
    of the run"""
    jerks: int = 4
    """how many jerks, of equal size"""
    n_replicas: int | None = None
    """chains that differ in their noise alone; if not given 200, or 1 without noise"""
    record_every: int | None = None
    """steps between the instants that are kept; if not given there are about 100"""
    label: str | None = None
    """what pictures call this chain; its pull and its noise, if not given"""
    beside: tuple[str, ...] = ()
    """folders of other chains to show beside it, written [runs/a,runs/b]"""
    animate: bool = False
    """write a page with a film too"""
    out: str = "chain"
    """folder for config.yaml, chain.nc, load_curves.png, trajectories.png, and with --animate
    animation.html"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, before anything is read or written."""
        super().__post_init__()
        if self.pull_steps is not None:
            if self.pull == "at-once":
                raise ValueError(
                    f"pull_steps must not be set where pull is at-once, got {self.pull_steps}."
                )
            check_count("pull_steps", self.pull_steps, 1)
        check_count("jerks", self.jerks, 1)
        if self.pull == "jerks" and self.jerks > self.steps_of_pull():
            raise ValueError(
                f"jerks must be at most the {self.steps_of_pull()} steps of the pull, got "
                f"{self.jerks}."
            )
        for name, least in (("noise_off_after", 0), ("reheat_every", 1)):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), least)
        if self.noise_off_after is not None and self.reheat_every is not None:
            raise ValueError(
                f"noise_off_after must not be set together with reheat_every, got "
                f"{self.noise_off_after}."
            )

    def steps_of_pull(self) -> int:
        """Return the number of steps until the end is where it is pulled to."""
        return self.pull_steps or max(1, 4 * self.n_steps // 5)

    def motion(self) -> dict[str, Any]:
        """Return what `simulate` takes; reheated noise decays in its own schedule already."""
        shared = super().motion()
        return shared if self.reheat_every is None else {**shared, "noise_decay": 0.0}

    def title(self) -> str:
        """Return what pictures call the chain."""
        if self.label is not None:
            return self.label
        jerks = "one jerk" if self.jerks == 1 else f"{self.jerks} jerks"
        how = {"at-once": "at once", "steady": "steadily", "jerks": f"in {jerks}"}[self.pull]
        return f"pulled {how}, {f'noise {self.noise:g}' if self.noise else 'not shaken'}"
