"""What measuring the laws of a net gives: all of them in one Dataset, as a table and a figure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from loadpath import results
from loadpath.checks import as_dataset, check_choice, check_dataset
from loadpath.laws.definitions import BY_NAME, NULLS
from loadpath.laws.law import STANDINGS, Law, Null
from loadpath.laws.representations import Array
from loadpath.statistics import Estimate
from loadpath.statistics import Status as EstimateStatus

if TYPE_CHECKING:
    import pandas as pd

VARIABLES = (
    *("statistic(law)", "statistic_low(law)", "statistic_high(law)", "ideal(law)"),
    *("null_statistic(law, null, draw)", "curve(law, layer)", "standing(law) in words"),
    *("status(law) in words", "reason(law) in words", "verdict(law) in words"),
)
"""What a Dataset of laws must have."""


@dataclass(frozen=True, eq=False, repr=False)
class Laws(results.Shown):
    """The laws of one net, as `loadpath.laws.measure` found them.

    `laws["equal separation"]` is the `Law` of that name, and iterating gives all names.
    """

    dataset: xr.Dataset
    """Over `law`: `statistic` with its ends, `ideal`, `standing`, `verdict`; over `null` too,
    `p_value`; over `draw` too, `null_statistic`; and over `layer` the `curve` of each law."""

    def __post_init__(self) -> None:
        """Refuse what is no Dataset of laws."""
        ds = as_dataset("dataset", self.dataset)
        object.__setattr__(self, "dataset", ds)
        check_laws("dataset", ds)

    def __getitem__(self, name: str) -> Law:
        check_choice("name", name, [str(each) for each in self.dataset["law"].values])
        ds = self.dataset.sel(law=name)
        value, n = float(ds["statistic"]), int(self.dataset.attrs.get("n_samples", 0))
        estimate = None
        if np.isfinite(value):
            status: EstimateStatus = (
                "no interval" if np.isnan(float(ds["statistic_low"])) else "estimated"
            )
            low, high = float(ds["statistic_low"]), float(ds["statistic_high"])
            estimate = Estimate(value, low, high, n, status)
        return Law(BY_NAME[name], estimate, self._nulls(ds, value), str(ds["reason"].item()))

    def _nulls(self, ds: xr.Dataset, value: float) -> tuple[Null, ...]:
        """Return the nulls of one law that have draws."""
        found = []
        for name in NULLS:
            drawn = ds["null_statistic"].sel(null=name).values
            drawn = drawn[np.isfinite(drawn)]
            if len(drawn):
                found.append(Null(name, drawn, value))
        return tuple(found)

    def __iter__(self) -> Iterator[str]:
        return (str(name) for name in self.dataset["law"].values)

    def __len__(self) -> int:
        return int(self.dataset.sizes["law"])

    def items(self) -> Iterator[tuple[str, Law]]:
        """Yield every law with its name.

        Yields
        ------
        name : str
            The name.
        law : Law
            What was found.
        """
        for name in self:
            yield name, self[name]

    def summary(self) -> tuple[str, ...]:
        """Say of every law that was measured how it stands.

        Returns
        -------
        tuple of str
            A sentence a law: those that hold first, then the others.
        """
        ds = self.dataset
        return tuple(
            str(verdict)
            for standing in STANDINGS[:3]
            for verdict in ds["verdict"].values[ds["standing"].values == standing]
        )

    def table(self) -> pd.DataFrame:
        """Return the laws as a table, a row a law.

        Returns
        -------
        pandas.DataFrame
            The statistic with the ends of its interval, its ideal, the p-value against each null
            (NaN where there is none), and the standing.
        """
        import pandas as pd

        ds = self.dataset
        columns: dict[str, Any] = {
            "statistic": ds["statistic"].values,
            "low": ds["statistic_low"].values,
            "high": ds["statistic_high"].values,
            "ideal": ds["ideal"].values,
        }
        columns |= {f"p {null}": ds["p_value"].sel(null=null).values for null in NULLS}
        columns["standing"] = [str(each) for each in ds["standing"].values]
        return pd.DataFrame(columns, index=pd.Index(list(self), name="law"))

    def plot(self) -> Any:
        """Draw the curves of the laws over each other, and each statistic beside its nulls.

        Returns
        -------
        matplotlib.figure.Figure
            The figure of `loadpath.plots.figure_laws`.
        """
        from loadpath import plots  # loads matplotlib, which the laws need not

        return plots.figure_laws(self.dataset)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the Dataset as netCDF; `Laws(loadpath.load(path))` is the same again.

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

    def _overview(self) -> results.Overview:
        """Return how many laws hold, the sentences and the table."""
        ds = self.dataset
        facts = {"model": str(ds.attrs.get("model", "not known")), "laws": f"{len(self)}"}
        facts |= {word: f"{int((ds['standing'] == word).sum())}" for word in STANDINGS}
        rows = [
            (str(name), *(f"{each:.3g}" if isinstance(each, float) else each for each in row))
            for name, row in zip(self.table().index, self.table().to_numpy().tolist(), strict=True)
        ]
        header = ("law", *(str(each) for each in self.table().columns))
        return results.Overview(
            facts, sentences=self.summary(), tables={"Laws": results.Table(header, rows)}
        )


def check_laws(name: str, ds: xr.Dataset) -> None:
    """Refuse what is no Dataset of laws.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    ds : xarray.Dataset
        What was given.

    Raises
    ------
    ValueError
        If it lacks a variable, or has laws or nulls that are not known.
    """
    check_dataset(name, ds, *VARIABLES)
    for dim, known in (("law", list(BY_NAME)), ("null", list(NULLS))):
        given = [str(each) for each in ds[dim].values] if dim in ds.coords else []
        unknown = [each for each in given if each not in known]
        if unknown or not given or (dim == "null" and len(given) < len(known)):
            raise ValueError(f"{name} must have the labels {known} along {dim!r}, got {given}.")


def dataset_of_laws(
    laws: Mapping[str, Law], curves: Mapping[str, Array], names: tuple[str, ...], p: Array
) -> xr.Dataset:
    """Return laws in one Dataset.

    Parameters
    ----------
    laws : mapping of str to Law
        The laws by their names.
    curves : mapping of str to Array
        (layer,) the curve of each that has one, NaN where there is no number.
    names : tuple of str
        The layers.
    p : Array
        (layer,) their positions.

    Returns
    -------
    xarray.Dataset
        As `Laws.dataset`.
    """
    held = list(laws.values())
    n_draws = max([1, *(len(null.values) for law in held for null in law.nulls)])
    drawn = np.full((len(held), len(NULLS), n_draws), np.nan)
    chance = np.full((len(held), len(NULLS)), np.nan)
    over = np.full((len(held), len(names)), np.nan)
    numbers = np.full((3, len(held)), np.nan)
    for i, law in enumerate(held):
        for null in law.nulls:
            j = NULLS.index(null.name)
            drawn[i, j, : len(null.values)] = null.values
            chance[i, j] = null.p_value
        curve = curves.get(law.definition.name)
        if curve is not None:
            over[i] = curve
        if law.estimate is not None:
            numbers[:, i] = law.estimate.value, law.estimate.low, law.estimate.high
    words: dict[str, list[str]] = {
        "standing": [law.standing for law in held],
        "verdict": [law.verdict for law in held],
        "status": ["not measured" if law.estimate is None else law.estimate.status for law in held],
        "reason": [law.reason for law in held],
        "claim": [law.definition.claim for law in held],
        "meaning": [law.definition.statistic for law in held],
        "source": [law.definition.source for law in held],
    }
    about = {
        name: (
            ("law",),
            np.array(values, dtype=object),
            {"long_name": f"{name} of the law", "units": "words"},
        )
        for name, values in words.items()
    }
    units = {"units": "1"}
    ideal = np.array([law.definition.ideal for law in held])
    return xr.Dataset(
        {
            "statistic": ("law", numbers[0], {"long_name": "statistic of the law", **units}),
            "statistic_low": ("law", numbers[1], {"long_name": "lower end of it", **units}),
            "statistic_high": ("law", numbers[2], {"long_name": "upper end of it", **units}),
            "ideal": ("law", ideal, {"long_name": "statistic where the law is obeyed", **units}),
            "p_value": (("law", "null"), chance, {"long_name": "p-value", **units}),
            "null_statistic": (
                ("law", "null", "draw"),
                drawn,
                {"long_name": "statistic under the null", **units},
            ),
            "curve": (("law", "layer"), over, {"long_name": "curve of the law", **units}),
            **about,
        },
        coords={
            "law": np.array(list(laws), dtype=object),
            "null": np.array(NULLS, dtype=object),
            "layer": np.array(names, dtype=object),
            "p": ("layer", p, {"long_name": "position on the path", **units}),
        },
    )
