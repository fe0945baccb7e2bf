"""What `train` and `geodesic` are both asked for: data, a net on them, and where to compute."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from loadpath import data as sources
from loadpath.checks import check_above_zero, check_count
from loadpath.cli.run_folder import FLAGS
from loadpath.data import Data
from loadpath.leaky_resnet import layer_steps

CONFIG_VERSION = 1
"""Raised when an option changes its meaning, so that no old config file is misread."""


@dataclass(frozen=True)
class Problem:
    """Options of every command that makes one net from data."""

    data: str = "teacher"
    """what to learn"""
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
    gamma0: float = 0.01
    """gamma of the cost of identity, relative to the kernel's largest eigenvalue"""
    device: str = "cpu"
    """where to compute, such as cpu or cuda:0"""
    threads: int | None = None
    """CPU threads, on which the last bits depend; torch's own number if not given"""
    seed: int = 0
    """of the data and the initial weights"""
    out: str = "run"
    """folder for the results"""
    overwrite: bool = False
    """replace an earlier run in the folder"""
    config_version: int = CONFIG_VERSION
    """version of the config file; leave it as it is"""

    def check(self) -> None:
        """Say in one sentence what is out of range, before anything is read or written."""
        if self.config_version != CONFIG_VERSION:
            raise ValueError(
                f"config_version must be {CONFIG_VERSION} for this loadpath, got "
                f"{self.config_version}."
            )
        for name in ("weight_decay", "tolerance", "max_seconds", "gamma0"):
            check_above_zero(name, getattr(self, name))
        if not 0 <= self.irregularity < 1:
            raise ValueError(f"irregularity must lie in [0, 1), got {self.irregularity}.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be at least 0 and below 2**32, got {self.seed}.")
        if self.threads is not None:
            check_count("threads", self.threads, 1)
        check_device(self.device)

    def settings(self) -> dict[str, Any]:
        """Options as the config file holds them."""
        options = {k: v for k, v in asdict(self).items() if k not in FLAGS}
        return {**options, "dims": list(self.dims)}

    def load_data(self) -> Data:
        """Samples that the options name."""
        given = (("n_train", self.n_train), ("n_test", self.n_test))
        sizes = {name: n for name, n in given if n is not None}
        if self.data in ("teacher", "digits"):
            for name, value in (("folder", self.folder), ("image_size", self.image_size)):
                if value is not None:
                    raise ValueError(f"{name} must not be set for {self.data}, got {value!r}.")
        if self.data == "teacher":
            if self.targets != "labels":
                raise ValueError(f"targets must not be set for teacher, got {self.targets!r}.")
            return sources.teacher(self.dims, kind=self.teacher, seed=self.seed, **sizes)
        if self.data == "digits":
            if self.n_test is not None:
                raise ValueError(f"n_test must not be set for digits, got {self.n_test}.")
            return sources.digits(targets=self.targets, seed=self.seed, **sizes)
        if self.folder is None:
            raise ValueError(f"folder must name where the files of {self.data} are, got nothing.")
        read = {
            "mnist": sources.mnist,
            "fashion-mnist": sources.fashion_mnist,
            "cifar10": sources.cifar10,
        }[self.data]
        return read(
            self.folder, targets=self.targets, image_size=self.image_size, seed=self.seed, **sizes
        )

    def fixed_steps(self) -> Tensor | None:
        """Layer steps to start with; None for equidistant ones."""
        if self.layer_steps != "irregular":
            return None
        return layer_steps.irregular(self.depth, self.irregularity)


def check_device(device: str) -> None:
    """Raise ValueError if torch cannot keep and read float64 numbers on `device` here."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device).item()
    except (RuntimeError, AssertionError, TypeError) as error:  # which one is up to the device
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"device must be one that torch has here, got {device!r}: {reason}."
        ) from None
