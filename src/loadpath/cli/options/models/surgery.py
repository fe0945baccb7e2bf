"""Options of `loadpath surgery`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadpath.checks import check_count, check_number
from loadpath.cli.options.models.model import ModelOptions

Way = Literal["drop", "merge", "linear", "convolution"]


@dataclass(frozen=True)
class SurgeryOptions(ModelOptions):
    """Find the layers of any PyTorch model that can go together, cut them out, and prove it."""

    drop: int | None = None
    """how many layers go; this or --budget is needed"""
    budget: float | None = None
    """what the cut may cost at most, at the upper end of its interval on the search samples"""
    budget_in: Literal["loss", "accuracy"] = "loss"
    """whether the budget is a rise of the loss, or points of accuracy"""
    ways: tuple[Way, ...] | Way = "drop"
    """ways to cut, written [drop,linear]: drop, merge with the layer before, a linear map in the
    place of a run, or a convolution over tokens or places; the least harmful is taken"""
    layers: tuple[str | int, ...] | str | None = None
    """names of layers that may go, * and ** standing for any: encoder.layer.*, or several, written
    [a,b.*]; found by themselves if not given"""
    share: float = 0.5
    """share of the batches that the search sees; the proof has the others"""
    refit: int = 0
    """layers behind each cut to refit by least squares, on the search samples; 0: none"""
    heal: int = 0
    """steps of training to answer as the original does, on the search samples; 0: none"""
    name: str | None = None
    """what mergekit calls the original, a folder or a name on the hub; as loaded if not given"""
    output: int | str | None = None
    """key or index of a layer's output, where layers put out several tensors; found if not given"""
    answer: int | str | None = None
    """key or index of the model's answer, where it returns several tensors; found if not given"""
    class_scores: bool | None = None
    """whether the answer is scores of the classes; decided by what it is if not given"""
    tokens_first: bool = False
    """sequences come as (token, sample, width)"""
    seed: int = 0
    """seed of torch before the function is called, of the halves, and of the search"""
    out: str = "surgery"
    """folder for config.yaml, plan.nc, proof.nc, report.html, and smaller/ with the model"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, before anything is loaded."""
        super().__post_init__()
        if (self.drop is None) == (self.budget is None):
            raise ValueError(
                "--drop or --budget must be given, and not both: how many layers go, or what that "
                f"may cost; got {self.drop} and {self.budget}."
            )
        if self.drop is not None:
            check_count("drop", self.drop, 1)
        if self.budget is not None:
            check_number("budget", self.budget, least=0)
        check_number("share", self.share, above=0, below=1)
        check_count("refit", self.refit, 0)
        check_count("heal", self.heal, 0)
        if self.max_batches is not None:
            check_count("max_batches", self.max_batches, 2)
