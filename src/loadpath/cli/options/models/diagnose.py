"""Options of `loadpath diagnose`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadpath.checks import check_count, check_number
from loadpath.cli.options.models.model import ModelOptions

Measure = Literal[
    "separation",
    "collapse",
    "energies",
    "steps",
    "ranks",
    "alignment",
    "dimension",
    "probes",
    "costs",
    "next_token",
]


@dataclass(frozen=True)
class DiagnoseOptions(ModelOptions):
    """Diagnose any PyTorch model, layer by layer: which layers do the work, and which could go."""

    measures: tuple[Measure, ...] | None = None
    """what to measure, written [steps,ranks]; all that the labels allow if not given"""
    maps: Literal["pool", "positions", "flatten"] = "pool"
    """what becomes of the maps of convolutions: their mean, every k-th position, or one long row"""
    tokens: Literal["mean", "class_token", "last_token", "positions"] = "mean"
    """what becomes of sequences: their mean, the first or last token, or every k-th of them"""
    every: int = 4
    """the k of every k-th"""
    activation: Literal["relu", "leaky_relu", "tanh", "softplus", "identity"] = "relu"
    """nonlinearity in the energies, but for Leaky ResNets, which have their own"""
    gamma0: float = 0.001
    """stabilizer of the inverse kernel in the energies, relative to the kernel"""
    kept: int = 2000
    """samples kept of every layer, for what sums cannot give and for intervals"""
    skip_batches: int = 10
    """batches on which every layer is really skipped; each costs a forward pass a layer; 0: none"""
    rank: Literal["movement", "prediction"] | None = None
    """what the verdict ranks layers by: how far they move the representation, or the harm that
    gradients predict, for one forward and three backward passes over the loader; predicted on the
    first 256 samples if not given"""
    tolerated: float | None = None
    """most that a layer to try without may add to the loss, at the upper end of its interval; those
    without harm that shows if not given"""
    output: int | str | None = None
    """key or index of a layer's output, where layers put out several tensors; found if not given"""
    answer: int | str | None = None
    """key or index of the model's answer, where it returns several tensors; found if not given"""
    class_scores: bool | None = None
    """whether the answer is scores of the classes; decided by what it is if not given"""
    tokens_first: bool = False
    """sequences come as (token, sample, width)"""
    grad: bool = False
    """keep gradients on, for models that take some as they run, such as forces"""
    seed: int = 0
    """seed of torch before the function is called, and of the choice of samples kept"""
    out: str = "diagnosis"
    """folder for config.yaml, diagnosis.nc, skipped.nc, report.html"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, before anything is loaded."""
        super().__post_init__()
        check_count("skip_batches", self.skip_batches, 0)
        if self.tolerated is not None:
            check_number("tolerated", self.tolerated, least=0)
