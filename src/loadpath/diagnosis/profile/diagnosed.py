"""What `diagnose` returns: its Dataset, and what can be asked of it."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from loadpath import results
from loadpath.checks import as_dataset, check_choice, check_columns, check_flag
from loadpath.diagnosis import judging
from loadpath.diagnosis.judging import Verdict
from loadpath.diagnosis.profile.schema import LABELS
from loadpath.diagnosis.profile.sentences import summary
from loadpath.measures.separation import KINDS, SeparationKind

if TYPE_CHECKING:
    import pandas as pd

FIGURES = (
    *("load_curve", "steps_taken", "next_token", "dimensions", "energies", "alignment"),
    *("probes", "collapse"),
)
"""Figures, by the names of their functions in `plots` behind "layer_"."""


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(results.Shown):
    """What was measured of every layer of a model, in one Dataset, and what it says.

    A Diagnosis goes wherever Loadpath takes its Dataset. It also has what the Dataset has:
    `diagnosis["load"]`, `diagnosis.sel(...)`, `diagnosis.attrs`. The name of a variable is that
    variable, so that `diagnosis.load` are the loads and not xarray's method of this name.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    >>> for layer, scale in zip(model, (2.0, 1.25)):
    ...     _ = layer.weight.data.copy_(scale * torch.eye(4))
    >>> x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    >>> diagnosis = lp.diagnose(model, [x], layers="?", measures=["steps"])
    >>> diagnosis
    Diagnosis(model: Sequential; layers: 3; samples: 60; measures: steps)
    >>> diagnosis.table()["relative_step"].round(6).tolist()
    [nan, 0.5, 0.2]
    """

    dataset: xr.Dataset
    """Every measure over `layer` (and over `kind`, the convention of separation), with its ends
    `_low` and `_high` and its `_status`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "dataset", as_dataset("dataset", self.dataset))
        check_columns("dataset", self.dataset)

    def summary(self, *, kind: SeparationKind = "fuzziness") -> tuple[str, ...]:
        """Say in plain sentences what was found, as `loadpath.diagnosis.summary` does.

        Parameters
        ----------
        kind : str, default "fuzziness"
            The convention of separation that sentences about loads go by.

        Returns
        -------
        tuple of str
            Sentences, which say no more than the intervals allow.
        """
        return summary(self.dataset, kind=kind)

    def verdict(self, skipped: xr.Dataset, **options: Any) -> Verdict:
        """Hold the ranking of layers against what skipping each of them does.

        Parameters
        ----------
        skipped : xarray.Dataset
            What `loadpath.diagnosis.skip_layers` returned for the same model.
        **options
            As for `loadpath.diagnosis.verdict`, which this is with the diagnosis as profile.

        Returns
        -------
        Verdict
            The ranking, the numbers behind it, and sentences.
        """
        return judging.verdict(self.dataset, skipped, **options)

    def layer_table(
        self, skipped: xr.Dataset | None = None, *, tolerated: float | None = None
    ) -> pd.DataFrame:
        """Return what each layer takes to run beside what the model loses without it.

        Parameters
        ----------
        skipped : xarray.Dataset, optional
            What `loadpath.diagnosis.skip_layers` returned for the same model.
        tolerated : float, optional
            The most that a layer to try without may add to the loss.

        Returns
        -------
        pandas.DataFrame
            As `loadpath.diagnosis.layer_table`, with the layers to try without on top.
        """
        return judging.layer_table(self.dataset, skipped, tolerated=tolerated)

    def plot(self, name: str | None = None, *, kind: SeparationKind = "fuzziness") -> Any:
        """Draw what was measured.

        Parameters
        ----------
        name : str, optional
            "load_curve", "steps_taken", "next_token", "dimensions", "energies", "alignment",
            "probes" or "collapse"; each is the function of `loadpath.plots` with "layer_" before
            the name. All that there are numbers for if left out.
        kind : str, default "fuzziness"
            The convention of separation that the load curve goes by.

        Returns
        -------
        matplotlib.figure.Figure
            The figure. A notebook shows it where a cell ends with it.

        Raises
        ------
        ValueError
            For another name, or if what the figure shows was not measured.
        """
        from loadpath import plots  # loads matplotlib, which a diagnosis needs not

        check_choice("kind", kind, KINDS)
        if name is None:
            return plots.figure_diagnosis(self.dataset, kind=kind)
        check_choice("name", name, FIGURES)
        options = dict(kind=kind) if name == "load_curve" else {}
        return plots.finished(getattr(plots, f"layer_{name}")(self.dataset, **options))

    def table(self, *, kind: SeparationKind = "fuzziness", intervals: bool = False) -> pd.DataFrame:
        """Return the numbers as a table, a row a layer and a column a measure.

        Parameters
        ----------
        kind : str, default "fuzziness"
            The convention of separation that columns about loads go by.
        intervals : bool
            Whether the ends of the intervals are columns too, `_low` and `_high`.

        Returns
        -------
        pandas.DataFrame
            The table; a number that there is not is NaN, and its status in `dataset` says why.

        Raises
        ------
        ValueError
            If `kind` is no convention.
        """
        import pandas as pd

        check_choice("kind", kind, KINDS)
        check_flag("intervals", intervals)
        ends = ("", "_low", "_high") if intervals else ("",)
        facts = [name for name in ("width", "rows", "kept", "dead") if name in self.dataset]
        measured = [name + end for name in LABELS for end in ends if name + end in self.dataset]
        columns = {}
        for name in (*facts, *measured):
            values = self.dataset[name]
            if "kind" in values.dims:
                if kind not in values["kind"].values:
                    continue
                values = values.sel(kind=kind)
            if values.dims == ("layer",):
                columns[name] = values.values
        index = pd.Index([str(name) for name in self.dataset["layer"].values], name="layer")
        return pd.DataFrame(columns, index=index)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the Dataset as netCDF; `Diagnosis(loadpath.load(path))` is the same again.

        Parameters
        ----------
        path : path-like
            The file.
        overwrite : bool
            Whether an earlier file is replaced.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        FileExistsError
            If it exists and `overwrite` is False.
        OSError
            If it cannot be written; one sentence says why.
        """
        return results.save(self.dataset, path, overwrite=overwrite)

    def __getitem__(self, key: Any) -> Any:
        return self.dataset[key]

    def __contains__(self, key: object) -> bool:
        return key in self.dataset

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self.dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        """Return a variable of the Dataset, or else what the Dataset has under that name."""
        ds = self.__dict__.get("dataset")  # none yet while it is copied or unpickled
        if ds is None or name.startswith("__"):
            raise AttributeError(name)
        if name in ds.variables:
            return ds[name]
        try:
            return getattr(ds, name)
        except AttributeError:
            raise AttributeError(
                f"a Diagnosis has no {name!r}, and neither has its Dataset"
            ) from None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.dataset)})

    def _overview(self) -> results.Overview:
        """Return what was measured of which model, its sentences, and the table."""
        ds, attrs = self.dataset, self.dataset.attrs
        measures = dict.fromkeys(name for name in LABELS if name in ds)
        facts = {
            "model": str(attrs.get("model", "not known")),
            "layers": f"{ds.sizes['layer']}",
            "samples": f"{attrs['n_samples']:,}" if "n_samples" in attrs else "not known",
            "measures": ", ".join(_measures(attrs)) or f"{len(measures)} columns",
        }
        frame = self.table(kind=_kind(ds)).drop(columns=["rows", "kept"], errors="ignore")
        frame = frame.dropna(axis="columns", how="all")
        rows = [
            (str(name), *("" if np.isnan(each) else f"{each:.4g}" for each in values))
            for name, values in zip(frame.index, frame.to_numpy(float), strict=True)
        ]
        header = ("layer", *(str(name).replace("_", " ") for name in frame.columns))
        return results.Overview(
            facts,
            sentences=self.summary(kind=_kind(ds)) if "n_samples" in attrs else (),
            tables={"Layers": results.Table(header, rows)},
        )


def _measures(attrs: Any) -> list[str]:
    """Return the measures that were taken, as far as the attributes say."""
    try:
        return [str(each) for each in json.loads(attrs["parameters"])["measures"]]
    except (KeyError, TypeError, ValueError):
        return []


def _kind(ds: xr.Dataset) -> SeparationKind:
    """Return the first convention of separation that the Dataset has."""
    there = ds["kind"].values.tolist() if "kind" in ds.coords else []
    return next((kind for kind in KINDS if kind in there), KINDS[0])
