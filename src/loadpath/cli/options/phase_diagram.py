"""Options of `loadpath phase-diagram`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from loadpath.checks import check_number
from loadpath.cli.options.chain import MotionOptions
from loadpath.cli.options.networks import NetworkOptions
from loadpath.cli.options.shared import check_source, check_target


@dataclass(frozen=True)
class PhaseDiagramOptions(NetworkOptions, MotionOptions):
    """Draw which layers do the work, nonlinearity against noise: of networks, or of the chain."""

    chain: bool = False
    """draw the diagram of the spring-block chain instead of networks"""
    friction: tuple[float, ...] | str = "0.003:1.2:24"
    """frictions to the right: low:high:count, or a list written [0,0.1,0.2]"""
    noise: tuple[float, ...] | str | None = None
    """noises, likewise; levels of one panel for networks; if not given those of the paper, for the
    chain 0.001:0.1:24, or 0.004:0.4:24 for langevin"""
    spacing: Literal["log", "linear"] = "log"
    """how low:high:count is divided: by equal ratios or equal differences"""
    ratio: float = 4 / 3
    """friction to the left over friction to the right"""
    target: float | str | None = None  # type: ignore[assignment]  # one word in both parents
    """column of a file that holds the classes networks learn; for the chain where its last block is
    pulled to, 1 if not given"""
    n_replicas: int = 64
    """chains in every cell, over which its load curve is averaged"""
    out: str = "phase-diagram"
    """folder for config.yaml, phase_diagram.png and phase_diagram.nc; for networks one .nc for
    each panel, beside accuracy.png and the cells"""
    seed: int = 0
    """seed of the chain's noise, or of the first of the networks"""
    overwrite: bool = False
    """replace earlier results of a chain in the folder"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, or set for the other kind of diagram."""
        super().__post_init__()
        if self.chain:
            target = 1.0 if self.target is None else self.target
            check_number("target", target)
            object.__setattr__(self, "target", target)
        else:
            if self.target is not None and not isinstance(self.target, str):
                raise ValueError(
                    f"--target must be the name of a column for networks, got {self.target!r}."
                )
            check_source(self.data, SOURCES)
            check_target(self.data, self.target)
        other = NETWORKS_ONLY | {"resume"} if self.chain else CHAIN_ONLY | {"overwrite"}
        for name, field in self.__dataclass_fields__.items():
            value = getattr(self, name)
            if name in other and value != field.default:
                whose = "the chain" if self.chain else "networks"
                raise ValueError(f"{name} must not be set for {whose}, got {value!r}.")

    def settings(self) -> dict[str, Any]:
        """Return the options as the config file holds them: those about what is drawn."""
        other = NETWORKS_ONLY if self.chain else CHAIN_ONLY
        return {name: value for name, value in super().settings().items() if name not in other}


FORMERLY = {"noise_scale": "demeaned"}
"""Options that config files of version 0.1.0 do not name, with what they were there, where their
default is another now."""
SOURCES = ("digits", "mnist", "fashion-mnist", "cifar10", "npz")
"""Names that the data of networks may have, beside files."""
NETWORKS_ONLY = {*NetworkOptions.__dataclass_fields__} - {"resume", "target"}
CHAIN_ONLY = {
    *MotionOptions.__dataclass_fields__,
    *("friction", "ratio", "n_replicas"),
} - {"seed", "out", "overwrite", "config_version", "target"}
