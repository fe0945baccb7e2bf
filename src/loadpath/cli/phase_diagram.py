"""`loadpath phase-diagram`: a frozen dataclass of its options, and `run`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loadpath import plots, results, spring_block
from loadpath.cli.chain import ChainProblem
from loadpath.cli.chain_summary import diagram_summary
from loadpath.cli.run_folder import check_free, earlier_results, remove, save_config, save_picture
from loadpath.spring_block.diagram import RATIO


@dataclass(frozen=True)
class PhaseDiagram(ChainProblem):
    """Draw who does the work, friction against noise: concave, straight or convex load curves."""

    chain: bool = False
    """of the spring-block chain"""
    friction: tuple[float, ...] | str = "0.003:1.2:24"
    """frictions to the right: low:high:count, or a list written [0,0.1,0.2]"""
    noise: tuple[float, ...] | str | None = None
    """noises, likewise; if not given 0.001:0.1:24, or 0.004:0.4:24 for langevin"""
    spacing: Literal["log", "linear"] = "log"
    """how low:high:count is divided: by equal ratios or equal differences"""
    ratio: float = RATIO
    """friction to the left over friction to the right"""
    n_replicas: int = 64
    """chains in every cell, over which its load curve is averaged"""
    out: str = "phase-diagram"
    """folder for config.yaml, phase_diagram.nc, phase_diagram.png"""

    def run(self) -> None:
        """Do it; earlier results in the folder are an error unless they may be replaced."""
        self.check()
        if not self.chain:
            raise ValueError("chain must be set: only the chain's phase diagram can be drawn yet.")
        noise = self.noise
        if noise is None:
            noise = "0.001:0.1:24" if self.dynamics == "overdamped" else "0.004:0.4:24"
        frictions = grid("friction", self.friction, self.spacing)
        noises = grid("noise", noise, self.spacing)
        out = Path(self.out)
        present = earlier_results(out)
        check_free(self.out, present, self.overwrite)
        ds = spring_block.phase_diagram(
            self.build_chain(0.0, 0.0),
            friction=frictions,
            noise=noises,
            ratio=self.ratio,
            n_replicas=self.n_replicas,
            **self.motion(),
        )
        remove(out, present)
        save_config(self.settings(), out)
        results.save(ds, out / "phase_diagram.nc", overwrite=True)
        picture = save_picture(plots.png(plots.chain_phase_diagram(ds)), out / "phase_diagram.png")
        print(diagram_summary(ds))
        print(f"picture: {picture}")


def grid(name: str, values: tuple[float, ...] | str, spacing: str) -> NDArray[np.float64]:
    """Numbers that an option names: a list, or low:high:count.

    Raises: ValueError if it is neither, or a range that has no such spacing.
    """
    if not isinstance(values, str):
        return np.array(values, dtype=float)
    try:
        low, high, count = (kind(part) for kind, part in zip(
            (float, float, int), values.split(":"), strict=True
        ))  # fmt: skip
    except ValueError:
        raise ValueError(
            f"{name} must be low:high:count or a list such as [0,0.1,0.2], got {values!r}."
        ) from None
    if count < 1 or not 0 <= low <= high < np.inf or (count > 1 and low == high):
        raise ValueError(
            f"{name} must have 0 <= low < high and a count of at least 1, got {values!r}."
        )
    if spacing == "log" and low == 0:
        raise ValueError(f"{name} must start above 0 where spacing is log, got {values!r}.")
    divide = np.geomspace if spacing == "log" else np.linspace
    return np.asarray(divide(low, high, int(count)))
