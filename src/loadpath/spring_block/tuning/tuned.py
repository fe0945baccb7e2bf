"""The result of `tune`: the level, how surely it is known, and the curve that it was read off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from loadpath import results
from loadpath.results import Overview, Shown, Table
from loadpath.spring_block.tuning.crossing import Crossing
from loadpath.spring_block.tuning.knobs import Axis
from loadpath.spring_block.tuning.wording import tuning_words


@dataclass(frozen=True, eq=False, repr=False)
class Tuned(Shown):
    """The level of a knob at which load curves are straight, and how far it can be trusted.

    It is made by `tune`.
    """

    level: float
    """The level at which the curve is straight; NaN if no level does it."""
    interval: tuple[float, float]
    """Ends of its confidence interval over seeds and samples; NaN without a level."""
    straightest: float
    """The level within the range at which the curve is nearest to straight, whatever the verdict;
    NaN if curves do not fall."""
    verdict: str
    """"clear", "doubtful", or "no level does it"."""
    reason: str
    """Why, in a few words."""
    dataset: xr.Dataset
    """Over (level, seed): accuracies, status and log separations of every net; over `level` the
    concavity of the mean curve with its standard error, and whether the curve falls; over `point`
    the fit, with its band. The attrs say what was asked for and how it came out."""

    def words(self) -> str:
        """Say what was found, and how far it can be trusted.

        Returns
        -------
        str
            One sentence a line.
        """
        return str(self.dataset.attrs["words"])

    def table(self) -> str:
        """Return a table of the levels that were trained.

        Returns
        -------
        str
            A line for each level: nets, concavity with its standard error, accuracy on the training
            set.
        """
        rows = [_HEADER, *self._rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        )

    def plot(self) -> Any:
        """Draw the concavity against the level, as `loadpath.plots.tuning` does.

        Returns
        -------
        matplotlib.figure.Figure
            The figure. A notebook shows it where a cell ends with it.
        """
        from loadpath import plots  # who does not draw does without matplotlib

        return plots.tuning(self.dataset)

    def _overview(self) -> Overview:
        """Return the level and its verdict, the sentences, and the table."""
        known = not math.isnan(self.level)
        low, high = self.interval
        return Overview(
            {
                "verdict": self.verdict,
                "level": f"{self.level:.3g}" if known else "none",
                "interval": f"{low:.3g} to {high:.3g}" if known else "none",
                "knob": str(self.dataset.attrs["knob"]),
                "nets": f"{int(self.dataset['finished'].sum())}",
            },
            sentences=self.words().splitlines(),
            tables={"Levels": Table(_HEADER, self._rows())},
        )

    def _rows(self) -> list[tuple[str, ...]]:
        ds = self.dataset
        return [
            (
                f"{at['level'].item():.4g}",
                f"{int(at['finished'].sum())}",
                _number(at["concavity"].item(), 3),
                _number(at["concavity_error"].item(), 3),
                "yes" if at["falls"].item() else "no",
                _number(100 * float(at["train_accuracy"].mean()), 1),
            )
            for at in (ds.isel(level=i) for i in range(ds.sizes["level"]))
        ]


_HEADER = ("level", "nets", "concavity", "error", "falls", "training accuracy, %")


def tuned_from(ds: xr.Dataset, axis: Axis, crossing: Crossing, **settings: Any) -> Tuned:
    """Put the result together.

    Parameters
    ----------
    ds : Dataset
        Nets over (level, seed), with concavity, concavity_error and falls over level.
    axis : Axis
        The knob's axis.
    crossing : Crossing
        Where the curve is straight, in places from 0 to 1.
    **settings
        What was asked for.

    Returns
    -------
    Tuned
        The result.
    """
    level, straightest = (
        math.nan if math.isnan(place) else axis.level(place)
        for place in (crossing.place, crossing.straightest)
    )
    ends = sorted(
        math.nan if math.isnan(place) else axis.level(place)
        for place in (crossing.low, crossing.high)
    )
    interval = (float(ends[0]), float(ends[1]))
    ds = ds.assign(
        fit=("point", crossing.fit, {"units": "1", "long_name": "concavity, fitted"}),
        fit_low=("point", crossing.band[0], {"units": "1"}),
        fit_high=("point", crossing.band[1], {"units": "1"}),
        fit_level=("point", np.array([_exact(axis, place) for place in crossing.grid])),
    )
    found = {
        "level": level,
        "level_low": interval[0],
        "level_high": interval[1],
        "straightest": straightest,
        "verdict": crossing.verdict,
        "reason": crossing.reason,
    }
    words = "\n".join(tuning_words(ds, axis, found))
    ds = results.stamp(
        ds,
        knob=axis.name,
        low=axis.low,
        high=axis.high,
        spacing="log" if axis.logarithmic else "linear",
        **{**settings, **found},
        words=words,
    )
    return Tuned(level, interval, straightest, crossing.verdict, crossing.reason, ds)


def tuned_of_dataset(ds: xr.Dataset) -> Tuned:
    """Return the result whose Dataset was saved and loaded again."""
    a = ds.attrs
    ends = (float(a["level_low"]), float(a["level_high"]))
    return Tuned(
        float(a["level"]), ends, float(a["straightest"]), str(a["verdict"]), str(a["reason"]), ds
    )


def _exact(axis: Axis, place: float) -> float:
    """Return the level at a place, not rounded to what file names hold."""
    share = 1 - place if axis.noisier_below else place
    if axis.logarithmic:
        return float(axis.low * (axis.high / axis.low) ** share)
    return float(axis.low + share * (axis.high - axis.low))


def _number(value: float, digits: int) -> str:
    """Return a number in words."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "none"
