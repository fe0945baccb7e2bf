"""`loadpath chain`: a frozen dataclass of its options, and `run`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from loadpath import plots, results, spring_block
from loadpath import report as pages
from loadpath.checks import check_above_zero, check_count
from loadpath.cli.chain_summary import concavity, kind_of, summary
from loadpath.cli.problem import CONFIG_VERSION
from loadpath.cli.run_folder import (
    FLAGS,
    check_free,
    earlier_results,
    read_config,
    remove,
    save_config,
    save_picture,
)

Array = NDArray[np.float64]


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
        check_above_zero("friction_velocity", self.friction_velocity)

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


@dataclass(frozen=True)
class Chain(ChainProblem):
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
    """draw a film too"""
    out: str = "chain"
    """folder for config.yaml, chain.nc, load_curves.png, trajectories.png, and with --animate
    animation.gif and animation.html"""

    def run(self) -> None:
        """Do it; earlier results in the folder are an error unless they may be replaced."""
        self.check()
        out = Path(self.out)
        present = earlier_results(out)
        check_free(self.out, present, self.overwrite)
        others = [read_chain(Path(folder)) for folder in self.beside]
        chain = self.build_chain(self.friction_right, self.friction_left)
        replicas = self.n_replicas
        if replicas is None:
            replicas = 200 if self.noise else 1
        ds = spring_block.simulate(
            chain,
            noise=self.noise_by_step(),
            pull=self.pull_by_step(),
            n_replicas=replicas,
            record_every=self.record_every,
            **self.motion(),
        )
        ds = results.with_parameters(ds, label=self.title())
        if self.friction_velocity is None:
            ds["rest_load"] = "spring", spring_block.rest_state(chain, by=self.by)
            if self.noise > 0:
                ds["mean_load"] = "spring", spring_block.mean_state(chain, by=self.by)
        remove(out, present)
        save_config(self.settings(), out)
        results.save(ds, out / "chain.nc", overwrite=True)
        print(summary(ds))
        shown = [*others, ds] if others else ds
        save_picture(plots.png(plots.chain_load_curves(shown)), out / "load_curves.png")
        save_picture(plots.png(plots.chain_trajectories(ds)), out / "trajectories.png")
        print(f"pictures: {out / 'load_curves.png'}, {out / 'trajectories.png'}")
        if self.animate:
            films = [film(one) for one in (*others, ds)]
            gif = save_picture(plots.chain_gif(films), out / "animation.gif")
            print(f"animation: {gif}, {write_page(out)}")

    def check(self) -> None:
        """Say in one sentence what is out of range, before anything is read or written."""
        super().check()
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
        """Steps until the end is where it is pulled to."""
        return self.pull_steps or max(1, 4 * self.n_steps // 5)

    def pull_by_step(self) -> Array | None:
        """Where the end is, or the force on it, in every step; None if it is there at once."""
        if self.pull == "at-once":
            return None
        share = 1.0 if self.by == "wall" else self.stiffness / (self.n_blocks + 1)
        full, over, n_steps = share * self.target, self.steps_of_pull(), self.n_steps
        if self.pull == "steady":
            return spring_block.steady(full, over=over, n_steps=n_steps)
        every = over // self.jerks
        return spring_block.jerks(full, count=self.jerks, every=every, n_steps=n_steps)

    def noise_by_step(self) -> float | Array:
        """Noise in every step, but for its decay; one number if it is the same in all."""
        if self.noise_off_after is not None:
            after, n_steps = self.noise_off_after, self.n_steps
            return spring_block.switched_off(self.noise, after=after, n_steps=n_steps)
        if self.reheat_every is not None:
            return spring_block.reheated(
                self.noise,
                every=self.reheat_every,
                rate=self.noise_decay,
                dt=self.dt,
                n_steps=self.n_steps,
            )
        return self.noise

    def motion(self) -> dict[str, Any]:
        """Options of `simulate` that all commands share."""
        shared = super().motion()
        return shared if self.reheat_every is None else {**shared, "noise_decay": 0.0}

    def title(self) -> str:
        """What pictures call the chain."""
        if self.label is not None:
            return self.label
        jerks = "one jerk" if self.jerks == 1 else f"{self.jerks} jerks"
        how = {"at-once": "at once", "steady": "steadily", "jerks": f"in {jerks}"}[self.pull]
        return f"pulled {how}, {f'noise {self.noise:g}' if self.noise else 'not shaken'}"


def read_chain(folder: Path) -> xr.Dataset:
    """Return the chain in `folder`.

    Raises: FileNotFoundError if there is none; ValueError if its file is damaged.
    """
    if not (folder / "chain.nc").is_file():
        raise FileNotFoundError(f"{str(folder)!r} holds no chain: it has no chain.nc.")
    return results.load(folder / "chain.nc")


def write_page(folder: Path, page: Path | None = None, *, overwrite: bool = True) -> Path:
    """Write the page with the film of the chain in `folder`, and of those beside it."""
    config = read_config(folder)
    beside = config.get("beside") or []
    chains = [read_chain(Path(place)) for place in (*beside, folder)]
    return pages.write_chain(
        page or folder / "animation.html",
        [film(ds) for ds in chains],
        chains,
        title=f"Spring-block chain: {folder.resolve().name}",
        words=summary(chains[-1]).splitlines(),
        config=config,
        overwrite=overwrite,
    )


def film(ds: xr.Dataset) -> plots.Film:
    """The chain as an animation shows it."""
    c, error = concavity(ds)
    word = {"concave": "lazy", "convex": "active", "straight": "straight"}[kind_of(c, error)]
    verdict = f"{word}, concavity {c:+.2f}".replace("-", "\N{MINUS SIGN}")
    return plots.Film.of(ds, label=str(ds.attrs["label"]), verdict=verdict)
