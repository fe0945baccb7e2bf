"""Means over seeds, with bars."""

import numpy as np
from matplotlib.axes import Axes
from scipy import stats


def draw_with_bars(
    ax: Axes,
    x: np.ndarray,
    values: np.ndarray,
    label: str,
    colour: str,
    marker: str,
    *,
    interval: bool = False,
    ls: str = "-",
) -> None:
    """Draw means over the seeds of `values` (x, seed), with bars where two seeds or more are known.

    Bars are one standard deviation, or with `interval` Student's 95 % interval for the mean.
    """
    known = [row[np.isfinite(row)] for row in values]
    mean = np.array([row.mean() if len(row) else np.nan for row in known])
    bar = np.array([row.std(ddof=1) if len(row) > 1 else np.nan for row in known])
    if interval:
        n = np.array([len(row) for row in known])
        bar *= stats.t.ppf(0.975, np.maximum(n - 1, 1)) / np.sqrt(np.maximum(n, 1))
    width, cap = (1.4, 2.5) if interval else (3.2, 0)
    ax.errorbar(
        x, mean, bar, label=label, color=colour, marker=marker, ls=ls, elinewidth=width, capsize=cap
    )
