"""Options of every command that takes a model of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loadpath.checks import check_count, check_level
from loadpath.cli.options.shared import (
    CONFIG_VERSION,
    as_settings,
    check_config_version,
    check_seed,
    check_source,
    check_target,
)


@dataclass(frozen=True)
class ModelOptions:
    """Take a model and its samples."""

    entry: str
    """module:function, a function of yours without arguments that returns the model and a loader"""
    data: str | None = None
    """a file of yours, .npz, .csv or .parquet, to be read instead of a loader; the function may
    then return the model alone"""
    target: tuple[str, ...] | str | None = None
    """column of the file that holds labels or targets; all other columns are inputs"""
    layers: tuple[str | int, ...] | str | None = None
    """names of layers, * and ** standing for any: encoder.layer.*, or several, written [a,b.*];
    found by themselves if not given"""
    level: float = 0.95
    """confidence level of the intervals"""
    max_batches: int | None = None
    """batches to read; all if not given"""
    pass_labels: bool = False
    """give the model the labels of batches that are dicts, as for a loss of its own"""
    device: str | None = None
    """where to compute, such as cuda; where the model is if not given"""
    seed: int = 0
    """seed of torch before the function is called, and of what is drawn"""
    overwrite: bool = False
    """replace earlier results in the folder"""
    config_version: int = CONFIG_VERSION
    """version of the config file; leave it as it is"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, before anything is loaded."""
        check_config_version(self.config_version)
        check_seed(self.seed)
        if self.data is not None:
            check_source(self.data, ())
            check_target(self.data, self.target)
        elif self.target is not None:
            raise ValueError(f"--target is for --data, a file of yours, got {self.target!r} alone.")
        check_level(self.level)
        if self.max_batches is not None:
            check_count("max_batches", self.max_batches, 1)

    def patterns(self) -> list[str] | None:
        """Return the names of layers as text; in a Sequential they are numbers."""
        if self.layers is None:
            return None
        return [self.layers] if isinstance(self.layers, str) else [str(l) for l in self.layers]

    def settings(self) -> dict[str, Any]:
        """Return the options as the config file holds them."""
        return as_settings(self)
