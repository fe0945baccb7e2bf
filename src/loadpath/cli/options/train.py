"""Options of `loadpath train`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadpath.checks import check_count
from loadpath.cli.options.net import NetOptions


@dataclass(frozen=True)
class TrainOptions(NetOptions):
    """Train a Leaky ResNet and measure its mechanics: results and one report page."""

    data: str = "teacher"
    """what to learn: teacher, a random function of known bottleneck rank; digits; mnist,
    fashion-mnist or cifar10 from --folder; or a file of yours, .npz, .csv or .parquet"""
    max_seconds: float | None = None
    """stop after this much training in this sitting; resume to go on"""
    seed: int = 0
    """seed of the data, the initial weights and the mini-batches"""
    out: str = "run"
    """folder for config.yaml, checkpoint, history.nc, profile.nc, model.safetensors, report.html"""
    maps: Literal["orthonormal", "learned"] = "orthonormal"
    """maps into the first and out of the last layer: fixed, or learned too"""
    recipe: Literal["default", "paper"] = "default"
    """annealed Adam then L-BFGS, or 5000 steps of Adam then 1000 of SGD as in the paper"""
    adam_steps: int = 600
    """iterations of Adam in the default recipe"""
    lbfgs_steps: int = 1500
    """iterations of L-BFGS in the default recipe; 0 leaves it out"""
    batch_size: int | None = None
    """mini-batch size of Adam and SGD; the full batch if not given"""
    checkpoint_seconds: float = 30.0
    """time between two checkpoints, the most that a kill can lose"""
    dtype: Literal["float32", "float64"] = "float32"
    """precision of training; mechanics are measured in float64 in any case"""
    resume: bool = False
    """go on from the checkpoint in the folder, or start if there is none"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, before anything is read or written."""
        super().__post_init__()
        if self.resume and self.overwrite:
            raise ValueError("resume and overwrite exclude each other, got both.")
        if not self.checkpoint_seconds >= 0:
            raise ValueError(
                f"checkpoint_seconds must be at least 0, got {self.checkpoint_seconds}."
            )
        for name, least in (("adam_steps", 1), ("lbfgs_steps", 0), ("batch_size", 1)):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), least)
