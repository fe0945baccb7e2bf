"""`loadpath phase-diagram`: a frozen dataclass of its options, and `run`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from loadpath import plots, results, spring_block
from loadpath.cli import networks
from loadpath.cli.chain import ChainProblem
from loadpath.cli.chain_summary import diagram_summary
from loadpath.cli.networks import NetworkProblem
from loadpath.cli.run_folder import check_free, earlier_results, remove, save_config, save_picture
from loadpath.spring_block.chain import RATIO


@dataclass(frozen=True)
class PhaseDiagram(NetworkProblem, ChainProblem):
    """Draw which layers do the work, nonlinearity against noise: of networks, or of the chain."""

    chain: bool = False
    """of the spring-block chain; of networks if not given"""
    friction: tuple[float, ...] | str = "0.003:1.2:24"
    """frictions to the right: low:high:count, or a list written [0,0.1,0.2]"""
    noise: tuple[float, ...] | str | None = None
    """noises, likewise; levels of one panel for networks; if not given those of the paper, for the
    chain 0.001:0.1:24, or 0.004:0.4:24 for langevin"""
    spacing: Literal["log", "linear"] = "log"
    """how low:high:count is divided: by equal ratios or equal differences"""
    ratio: float = RATIO
    """friction to the left over friction to the right"""
    n_replicas: int = 64
    """chains in every cell, over which its load curve is averaged"""
    out: str = "phase-diagram"
    """folder for config.yaml, phase_diagram.png and phase_diagram.nc; for networks one .nc for
    each panel, beside accuracy.png and the cells"""
    seed: int = 0
    """of the chain's noise; of the first of the networks"""
    overwrite: bool = False
    """replace earlier results of a chain in the folder"""

    def run(self) -> None:
        """Do it; earlier results in the folder are an error unless they may be replaced."""
        self.check()
        self.check_apart()
        if self.chain:
            self.draw_chain()
            return
        networks.draw(
            self,
            self.settings(),
            out=Path(self.out),
            noises=None if self.noise is None else grid("noise", self.noise, self.spacing).tolist(),
            seed=self.seed,
        )

    def settings(self) -> dict[str, Any]:
        """Options as the config file holds them: those about what is drawn."""
        other = NETWORKS_ONLY if self.chain else CHAIN_ONLY
        return {name: value for name, value in super().settings().items() if name not in other}

    def check_apart(self) -> None:
        """Raise ValueError if an option is set that what is drawn does not have."""
        other = NETWORKS_ONLY | {"resume"} if self.chain else CHAIN_ONLY | {"overwrite"}
        for name, field in self.__dataclass_fields__.items():
            value = getattr(self, name)
            if name in other and value != field.default:
                whose = "the chain" if self.chain else "networks"
                raise ValueError(f"{name} must not be set for {whose}, got {value!r}.")

    def draw_chain(self) -> None:
        """Draw the chain's."""
        noise = self.noise
        if noise is None:
            noise = "0.001:0.1:24" if self.dynamics == "overdamped" else "0.004:0.4:24"
        frictions = grid("friction", self.friction, self.spacing)
        noises = grid("noise", noise, self.spacing)
        out = Path(self.out)
        present = earlier_results(out)
        check_free(self.out, present, self.overwrite)
        ds = spring_block.chain_phase_diagram(
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


NETWORKS_ONLY = {*NetworkProblem.__dataclass_fields__} - {"resume"}
CHAIN_ONLY = {
    *ChainProblem.__dataclass_fields__,
    *("friction", "ratio", "n_replicas"),
} - {"seed", "out", "overwrite", "config_version"}


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
