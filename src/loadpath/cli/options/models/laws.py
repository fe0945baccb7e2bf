"""Options of `loadpath laws`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadpath.checks import check_count
from loadpath.cli.options.models.model import ModelOptions


@dataclass(frozen=True)
class LawsOptions(ModelOptions):
    """Measure laws of depth on any PyTorch model, each against what chance gives."""

    untrained: str | None = None
    """module:function, a function of yours from a seed to an untrained model of the same kind; the
    model with its parameters reset if not given"""
    maps: Literal["pool", "positions", "flatten"] = "pool"
    """what becomes of the maps of convolutions: their mean, every k-th position, or one long row"""
    tokens: Literal["mean", "class_token", "last_token", "positions"] = "mean"
    """what becomes of sequences: their mean, the first or last token, or every k-th of them"""
    every: int = 4
    """the k of every k-th"""
    with_input: bool = False
    """take the model's input as the first layer"""
    kept: int = 500
    """rows kept of every layer, drawn at random from all"""
    n_untrained: int = 19
    """how many untrained models; each reads the loader once; 0: none"""
    n_orders: int = 99
    """how many random orders, of steps and of labels; 0: none"""
    seed: int = 0
    """seed of torch before the function is called, of the rows kept, and of what is drawn"""
    out: str = "laws"
    """folder for config.yaml, laws.nc, laws.png, report.html"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, before anything is loaded."""
        super().__post_init__()
        check_count("kept", self.kept, 4)
        check_count("n_untrained", self.n_untrained, 0)
        check_count("n_orders", self.n_orders, 0)
        check_count("every", self.every, 1)
