"""`loadpath diagnose`: a frozen dataclass of its options, and `run`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import xarray as xr
from torch import nn
from tqdm import tqdm

from loadpath import diagnosis, results
from loadpath import report as pages
from loadpath.checks import check_count
from loadpath.cli.problem import CONFIG_VERSION
from loadpath.cli.run_folder import (
    FLAGS,
    check_free,
    earlier_results,
    read_config,
    remove,
    save_config,
)
from loadpath.record import Maps, Reduction, Tokens


@dataclass(frozen=True)
class Diagnose:
    """Diagnose any PyTorch model, layer by layer: which layers do the work, and which could go."""

    entry: str
    """module:function, a function of yours without arguments that returns the model and a loader"""
    layers: tuple[str | int, ...] | str | None = None
    """names of layers, * and ** standing for any: encoder.layer.*, or several, written [a,b.*];
    found by themselves if not given"""
    measures: tuple[diagnosis.Measure, ...] | None = None
    """what to measure, written [steps,ranks]; all that the labels allow if not given"""
    maps: Maps = "pool"
    """what becomes of the maps of convolutions: their mean, every k-th position, or one long row"""
    tokens: Tokens = "mean"
    """what becomes of sequences: their mean, the first or last token, or every k-th of them"""
    every: int = 4
    """the k of every k-th"""
    activation: Literal["relu", "leaky_relu", "tanh", "softplus", "identity"] = "relu"
    """nonlinearity in the energies, but for Leaky ResNets, which have their own"""
    gamma0: float = 0.01
    """stabilizer of the inverse kernel in the energies, relative to the kernel"""
    kept: int = 2000
    """samples kept of every layer, for what sums cannot give and for intervals"""
    level: float = 0.95
    """confidence of the intervals"""
    max_batches: int | None = None
    """batches to look at; all if not given"""
    skip_batches: int = 10
    """batches on which every layer is really skipped; each costs a forward pass a layer; 0: none"""
    pass_labels: bool = False
    """give the model the labels of batches that are dicts, as for a loss of its own"""
    device: str | None = None
    """where to compute, such as cuda; where the model is if not given"""
    seed: int = 0
    """of torch before the function is called, and of the samples kept"""
    out: str = "diagnosis"
    """folder for config.yaml, diagnosis.nc, skipped.nc, report.html"""
    overwrite: bool = False
    """replace earlier results in the folder"""
    config_version: int = CONFIG_VERSION
    """version of the config file; leave it as it is"""

    def run(self) -> None:
        """Do it."""
        self.check()
        out = Path(self.out)
        present = earlier_results(out)
        check_free(self.out, present, self.overwrite)
        model, loader = self.load()
        reduction = Reduction(maps=self.maps, tokens=self.tokens, every=self.every)
        common: dict[str, Any] = dict(
            layers=self.patterns(), device=self.device, pass_labels=self.pass_labels
        )
        ds = diagnosis.diagnose(
            model,
            _shown(loader, "looking", self.max_batches),
            measures=self.measures,
            reduction=reduction,
            activation=self.activation,
            gamma0=self.gamma0,
            kept=self.kept,
            level=self.level,
            seed=self.seed,
            max_batches=self.max_batches,
            **common,
        )
        remove(out, present)
        save_config(self.settings(), out)
        results.save(ds, out / "diagnosis.nc", overwrite=True)
        print("\n".join(f"- {sentence}" for sentence in diagnosis.summary(ds)), flush=True)
        if self.skip_batches:
            self.skip(model, loader, ds, common)
        print(f"report: {write_page(out)}")

    def skip(
        self, model: nn.Module, loader: Iterable[Any], ds: xr.Dataset, common: dict[str, Any]
    ) -> None:
        """Skip every layer in turn, and say what that does; a model that allows none is no fault.

        What cannot be skipped is said, and the diagnosis stands.
        """
        batches = self.skip_batches
        if self.max_batches is not None:
            batches = min(batches, self.max_batches)
        try:
            skipped = diagnosis.skip_layers(
                model,
                _shown(loader, "skipping", batches),
                max_batches=batches,
                level=self.level,
                **common,
            )
        except ValueError as error:
            print(f"no layer was skipped: {error}", file=sys.stderr)
            return
        results.save(skipped, Path(self.out) / "skipped.nc", overwrite=True)
        if "relative_step" in ds:
            for sentence in diagnosis.verdict(ds, skipped).sentences:
                print(f"- {sentence}", flush=True)

    def check(self) -> None:
        """Say in one sentence what is out of range, before anything is loaded."""
        if self.config_version != CONFIG_VERSION:
            raise ValueError(
                f"config_version must be {CONFIG_VERSION} for this loadpath, got "
                f"{self.config_version}."
            )
        check_count("skip_batches", self.skip_batches, 0)
        if self.max_batches is not None:
            check_count("max_batches", self.max_batches, 1)
        Reduction(maps=self.maps, tokens=self.tokens, every=self.every)
        diagnosis.check_options(
            self.measures,
            activation=self.activation,
            gamma0=self.gamma0,
            kept=self.kept,
            level=self.level,
            seed=self.seed,
        )

    def load(self) -> tuple[nn.Module, Iterable[Any]]:
        """The model and the loader that the entry point returns.

        Raises: ValueError, in one sentence, if there is no such function, or it returns something
        else; what goes wrong inside of it is shown as it is.
        """
        function = _function(self.entry)
        torch.manual_seed(self.seed)
        found = function()
        if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[0], nn.Module):
            kinds = type(found).__name__
            if isinstance(found, tuple):
                kinds = f"a tuple of {', '.join(type(part).__name__ for part in found)}"
            raise ValueError(
                f"entry {self.entry!r} must return a model and a loader, and it returns {kinds}."
            )
        model, loader = found
        if self.skip_batches and isinstance(loader, Iterator):
            raise ValueError(
                f"the loader of {self.entry!r} can be read only once, and layers are skipped in a "
                "second pass: return a DataLoader or a list, or pass --skip-batches 0."
            )
        return model, loader

    def patterns(self) -> list[str] | None:
        """The names of layers; in a Sequential they are numbers."""
        if self.layers is None:
            return None
        return [self.layers] if isinstance(self.layers, str) else [str(l) for l in self.layers]

    def settings(self) -> dict[str, Any]:
        """Options as the config file holds them."""
        options = {name: value for name, value in asdict(self).items() if name not in FLAGS}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in options.items()
        }


def write_page(folder: Path, page: Path | None = None, *, overwrite: bool = True) -> Path:
    """Write the page about the diagnosis in `folder`."""
    ds = results.load(folder / "diagnosis.nc")
    gone = folder / "skipped.nc"
    skipped = results.load(gone) if gone.is_file() else None
    verdict = None
    if skipped is not None and "relative_step" in ds:
        verdict = diagnosis.verdict(ds, skipped)
    config = read_config(folder)
    return pages.write_diagnosis(
        page or folder / "report.html",
        ds,
        title=f"Diagnosis of {ds.attrs['model']}",
        skipped=skipped,
        verdict=verdict,
        config=config,
        overwrite=overwrite,
    )


def _function(entry: str) -> Any:
    module_name, colon, name = entry.partition(":")
    if not (module_name and colon and name):
        raise ValueError(f"entry must be module:function, such as my_model:load, got {entry!r}.")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` does: the module is the user's own
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # a package that the user's module needs
        raise ValueError(
            f"entry {entry!r} names a module that is not found, neither installed nor in this "
            "folder."
        ) from None
    function = getattr(module, name, None)
    if not callable(function):
        raise ValueError(f"entry {entry!r} must name a function, and {module_name} has none such.")
    return function


def _shown(loader: Any, what: str, batches: int | None) -> Any:
    """The loader with a progress bar on a terminal; what is no loader goes on to be refused."""
    if not isinstance(loader, Iterator | torch.utils.data.DataLoader | list):
        return loader
    total = None if isinstance(loader, Iterator) else len(loader)
    if batches is not None:
        total = batches if total is None else min(total, batches)
    return tqdm(loader, desc=what, unit="batch", total=total, disable=None)
