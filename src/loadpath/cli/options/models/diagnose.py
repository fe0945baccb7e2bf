"""Options of `loadpath diagnose` and `loadpath surgery`."""

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
class DiagnoseOptions:
    """Diagnose any PyTorch model, layer by layer: which layers do the work, and which could go."""

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
    level: float = 0.95
    """confidence level of the intervals"""
    max_batches: int | None = None
    """batches to read; all if not given"""
    skip_batches: int = 10
    """batches on which every layer is really skipped; each costs a forward pass a layer; 0: none"""
    tolerated: float | None = None
    """most that a layer to try without may add to the loss, at the upper end of its interval; those
    without harm that shows if not given"""
    pass_labels: bool = False
    """give the model the labels of batches that are dicts, as for a loss of its own"""
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
    device: str | None = None
    """where to compute, such as cuda; where the model is if not given"""
    seed: int = 0
    """seed of torch before the function is called, and of the choice of samples kept"""
    out: str = "diagnosis"
    """folder for config.yaml, diagnosis.nc, skipped.nc, report.html"""
    overwrite: bool = False
    """replace earlier results in the folder"""
    config_version: int = CONFIG_VERSION
    """version of the config file; leave it as it is"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, before anything is loaded."""
        check_config_version(self.config_version)
        if self.data is not None:
            check_source(self.data, ())
            check_target(self.data, self.target)
        elif self.target is not None:
            raise ValueError(f"--target is for --data, a file of yours, got {self.target!r} alone.")
        check_count("skip_batches", self.skip_batches, 0)
        if self.tolerated is not None:
            check_number("tolerated", self.tolerated, least=0)
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


Way = Literal["drop", "merge", "linear"]


@dataclass(frozen=True)
class SurgeryOptions:
    """Find the layers of any PyTorch model that can go together, cut them out, and prove it."""

    entry: str
    """module:function, a function of yours without arguments that returns the model and a loader"""
    drop: int | None = None
    """how many layers go; this or --budget is needed"""
    budget: float | None = None
    """what the cut may cost at most, at the upper end of its interval on the search samples"""
    budget_in: Literal["loss", "accuracy"] = "loss"
    """whether the budget is a rise of the loss, or points of accuracy"""
    ways: tuple[Way, ...] | Way = "drop"
    """ways to cut, written [drop,linear]: drop, merge with the layer before, or a linear map in the
    place of a run; the least harmful is taken"""
    layers: tuple[str | int, ...] | str | None = None
    """names of layers that may go, * and ** standing for any: encoder.layer.*, or several, written
    [a,b.*]; found by themselves if not given"""
    data: str | None = None
    """a file of yours, .npz, .csv or .parquet, to be read instead of a loader; the function may
    then return the model alone"""
    target: tuple[str, ...] | str | None = None
    """column of the file that holds labels or targets; all other columns are inputs"""
    share: float = 0.5
    """share of the batches that the search sees; the proof has the others"""
    max_batches: int | None = None
    """batches to read; all if not given"""
    heal: int = 0
    """steps of training to answer as the original does, on the search samples; 0: none"""
    name: str | None = None
    """what mergekit calls the original, a folder or a name on the hub; as loaded if not given"""
    level: float = 0.95
    """confidence level of the intervals"""
    pass_labels: bool = False
    """give the model the labels of batches that are dicts, as for a loss of its own"""
    output: int | str | None = None
    """key or index of a layer's output, where layers put out several tensors; found if not given"""
    answer: int | str | None = None
    """key or index of the model's answer, where it returns several tensors; found if not given"""
    class_scores: bool | None = None
    """whether the answer is scores of the classes; decided by what it is if not given"""
    tokens_first: bool = False
    """sequences come as (token, sample, width)"""
    device: str | None = None
    """where to compute, such as cuda; where the model is if not given"""
    seed: int = 0
    """seed of torch before the function is called, of the halves, and of the search"""
    out: str = "surgery"
    """folder for config.yaml, plan.nc, proof.nc, report.html, and smaller/ with the model"""
    overwrite: bool = False
    """replace earlier results in the folder"""
    config_version: int = CONFIG_VERSION
    """version of the config file; leave it as it is"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range, before anything is loaded."""
        check_config_version(self.config_version)
        check_seed(self.seed)
        if (self.drop is None) == (self.budget is None):
            raise ValueError(
                "--drop or --budget must be given, and not both: how many layers go, or what that "
                f"may cost; got {self.drop} and {self.budget}."
            )
        if self.drop is not None:
            check_count("drop", self.drop, 1)
        if self.budget is not None:
            check_number("budget", self.budget, least=0)
        if self.data is not None:
            check_source(self.data, ())
            check_target(self.data, self.target)
        elif self.target is not None:
            raise ValueError(f"--target is for --data, a file of yours, got {self.target!r} alone.")
        check_number("share", self.share, above=0, below=1)
        check_count("heal", self.heal, 0)
        check_level(self.level)
        if self.max_batches is not None:
            check_count("max_batches", self.max_batches, 2)

    def patterns(self) -> list[str] | None:
        """Return the names of layers as text; in a Sequential they are numbers."""
        if self.layers is None:
            return None
        return [self.layers] if isinstance(self.layers, str) else [str(l) for l in self.layers]

    def settings(self) -> dict[str, Any]:
        """Return the options as the config file holds them."""
        return as_settings(self)
