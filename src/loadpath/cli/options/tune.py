"""Options of `loadpath tune`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from loadpath.checks import check_count, check_level, check_number
from loadpath.cli.options.shared import (
    CONFIG_VERSION,
    as_settings,
    check_config_version,
    check_seed,
    check_source,
    check_target,
)

SOURCES = ("digits", "mnist", "fashion-mnist", "cifar10", "npz")
"""Names that the data may have, beside files."""


@dataclass(frozen=True)
class TuneOptions:
    """Find the level of noise at which load curves are straight, without validation samples."""

    data: str = "digits"
    """what networks learn: digits; mnist, fashion-mnist or cifar10 from --folder; or a file of
    yours, .npz, .csv or .parquet, whose target are classes"""
    target: str | None = None
    """column of a file that holds the classes; all other columns are inputs"""
    folder: str | None = None
    """where the files of the data are, or the archive itself"""
    knob: Literal["dropout", "data-noise", "learning-rate", "batch-size"] = "dropout"
    """which noise is tuned"""
    low: float | None = None
    """least level; 0 for dropout and data-noise, 1e-4 for learning-rate, 10 for batch-size if not
    given"""
    high: float | None = None
    """largest level; 0.3 for dropout, 0.8 for data-noise, 0.1 for learning-rate, and all training
    samples, 2560 at most, for batch-size if not given"""
    n_levels: int = 8
    """levels that are trained at most"""
    seeds: int = 3
    """networks at every level"""
    slope: float = 0.0
    """slope of the activation below 0: 0 is a ReLU, 1 makes the network linear"""
    network: Literal["MLP", "CNN"] = "MLP"
    """fully-connected or convolutional"""
    width: int | None = None
    """features of a layer, 100 if not given; channels of a CNN, 20"""
    depth: int = 8
    """layers with weights"""
    batch_norm: bool = True
    """whether networks have BatchNorm"""
    epochs: int | None = None
    """the most there are; those of the paper if not given"""
    image_size: int | None = None
    """make images smaller, to this many pixels a side; 10 if not given, digits have 8"""
    n_train: int | None = None
    """training samples; 2560 if not given, 1437 of digits, four in five of a file"""
    data_seed: int = 0
    """seed of the choice of samples, the same for all networks"""
    kind: Literal["fuzziness", "trace_ratio", "inverse"] = "fuzziness"
    """convention of the separation"""
    level: float = 0.95
    """confidence level of the interval"""
    workers: int = 1
    """processes, each training on one thread; the numbers do not depend on it"""
    out: str = "tuning"
    """folder for config.yaml, tuning.nc, tuning.png and report.html, beside the networks"""
    seed: int = 0
    """seed of the first network; every other has its own"""
    resume: bool = False
    """go on with the tuning in the folder: only networks that are not there are trained"""
    config_version: int = CONFIG_VERSION
    """version of the config file; leave it as it is"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, before anything is loaded."""
        check_config_version(self.config_version)
        check_seed(self.seed)
        check_source(self.data, SOURCES)
        check_target(self.data, self.target)
        check_count("n_levels", self.n_levels, 2)
        check_count("seeds", self.seeds, 2)
        check_count("workers", self.workers, 1)
        check_number("slope", self.slope, least=0, most=1)
        check_level(self.level)

    def settings(self) -> dict[str, Any]:
        """Return the options as the config file holds them."""
        return as_settings(self)
