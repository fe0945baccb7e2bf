"""Options that `train` and `geodesic` share: the data, a net on them, and where to compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from loadpath.checks import check_above_zero, check_count
from loadpath.cli.options.shared import (
    CONFIG_VERSION,
    as_settings,
    check_config_version,
    check_seed,
    check_source,
    check_target,
)


@dataclass(frozen=True)
class NetOptions:
    """Options of every command that makes one Leaky ResNet from data."""

    data: str = "teacher"
    """what to learn"""
    target: tuple[str, ...] | str | None = None
    """column of a file to learn, or several, written [a,b]; all other columns are inputs"""
    task: Literal["regression", "classification"] | None = None
    """what the target of a file is; if not given whole numbers and words are classes"""
    normalize: bool | None = None
    """whether the columns of a file are demeaned and scaled; yes if not given"""
    folder: str | None = None
    """where the files of mnist, fashion-mnist or cifar10 are"""
    targets: Literal["labels", "onehot"] = "labels"
    """classes by cross-entropy, or one-hot regression; not for teacher"""
    image_size: int | None = None
    """average mnist, fashion-mnist or cifar10 down to this many pixels a side"""
    dims: tuple[int, ...] = (30, 3, 30)
    """dimensions that the teacher goes through, written [30,3,30]; the smallest is its bottleneck
    rank"""
    teacher: Literal["fully-connected", "leaky-resnet"] = "fully-connected"
    """kind of random nets that make the teacher"""
    n_train: int | None = None
    """training samples; if not given all there are, 1000 of teacher, 1437 of digits"""
    n_test: int | None = None
    """test samples, likewise; digits test on all that are not trained on"""
    effective_depth: float = 7.0
    """leakage L~ along the whole path; 0 is a plain ResNet"""
    width: int = 100
    """width of the representations"""
    depth: int = 20
    """number of layers"""
    layer_steps: Literal["equidistant", "irregular", "adaptive"] = "equidistant"
    """how layers divide the path: evenly, closer at both ends, or closer where it is fast"""
    irregularity: float = 0.9
    """how uneven irregular layer steps are, from 0 (even) to below 1"""
    step: Literal["euler", "exponential"] = "euler"
    """how a layer takes its step; euler needs step length times L~ below 1"""
    activation: Literal["relu", "leaky_relu", "tanh", "softplus", "identity"] = "relu"
    """nonlinearity of the layers"""
    bias: bool = True
    """whether layers have biases"""
    scale: float = 0.3
    """size of the representations beside the 1 that multiplies the biases"""
    weight_decay: float | None = None
    """lambda; if not given 0.01 per output, or 0.01 for cross-entropy"""
    tolerance: float = 0.01
    """stop once every layer's stationarity residual is below this"""
    max_seconds: float | None = None
    """stop after this much time"""
    gamma0: float = 0.001
    """gamma of the cost of identity, relative to the kernel's largest eigenvalue"""
    device: str = "cpu"
    """where to compute, such as cpu or cuda:0"""
    threads: int | None = None
    """CPU threads, on which the last bits depend; torch's own number if not given"""
    seed: int = 0
    """seed of the data and the initial weights"""
    out: str = "run"
    """folder for the results"""
    overwrite: bool = False
    """replace an earlier run in the folder"""
    config_version: int = CONFIG_VERSION
    """version of the config file; leave it as it is"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, before anything is read or written."""
        check_config_version(self.config_version)
        check_source(self.data, self.sources())
        check_target(self.data, self.target, task=self.task, normalize=self.normalize)
        for name in ("width", "depth"):
            check_count(name, getattr(self, name), 1)
        for name in ("weight_decay", "tolerance", "max_seconds", "gamma0"):
            check_above_zero(name, getattr(self, name))
        if not 0 <= self.irregularity < 1:
            raise ValueError(f"irregularity must lie in [0, 1), got {self.irregularity}.")
        check_seed(self.seed)
        if self.threads is not None:
            check_count("threads", self.threads, 1)

    def sources(self) -> tuple[str, ...]:
        """Return the names that `data` may have, beside files."""
        return ("teacher", "digits", "mnist", "fashion-mnist", "cifar10")

    def settings(self) -> dict[str, Any]:
        """Return the options as the config file holds them."""
        return as_settings(self)
