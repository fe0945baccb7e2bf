"""Draw which law holds where in `laws_study.py`, beside what was predicted."""

from __future__ import annotations

from pathlib import Path

import laws_predictions
import numpy as np
from laws_kept import COLUMNS, Done, called, groups
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

import loadpath as lp
from loadpath.plots.style import styled, text_size


def draw(done: Done, path: Path) -> None:
    """Draw the map of nets by laws."""
    lp.plots.save(figure(done), path, overwrite=True)


@styled
def figure(done: Done) -> Figure:
    """Return the figure: nets down, laws across, and predictions as letters."""
    nets = groups(done)
    laws = list(COLUMNS)
    shares = np.full((len(nets), len(laws)), np.nan)
    for row, held in enumerate(nets.values()):
        for column, law in enumerate(laws):
            standing = [str(ds["standing"].sel(law=law).item()) for ds in held]
            measured = [each for each in standing if each != "not measured"]
            if measured:
                signs = [(each == "holds") - (each == "contradicted") for each in measured]
                shares[row, column] = np.mean(signs)
    made = Figure(figsize=(9.0, 0.235 * len(nets) + 1.6))
    ax = made.subplots()
    colours = "RdBu"
    drawn = ax.imshow(
        np.ma.masked_invalid(shares), cmap=colours, norm=TwoSlopeNorm(0, -1, 1), aspect="auto"
    )
    ax.set_facecolor("0.85")
    for (row, column), letter in _letters(list(nets), laws).items():
        share = shares[row, column]
        if np.isfinite(share):
            ink = "white" if abs(share) > 0.7 else "black"
            ax.text(column, row, letter, ha="center", va="center", color=ink, size=text_size(0.75))
    ax.set_xticks(range(len(laws)), list(COLUMNS.values()), rotation=45, ha="left")
    ax.xaxis.tick_top()
    ax.set_yticks(range(len(nets)), [called(*net) for net in nets])
    ax.tick_params(length=0, labelsize=text_size(0.8))
    bar = made.colorbar(drawn, ax=ax, ticks=[-1, 0, 1], fraction=0.03, pad=0.02)
    bar.ax.set_yticklabels(["contradicted\nin all", "neither", "holds\nin all"])
    return made


def _letters(nets: list[tuple[str, str]], laws: list[str]) -> dict[tuple[int, int], str]:
    """Return what was predicted in each field: H or C; nothing for N."""
    found: dict[tuple[int, int], str] = {}
    for line, predicted in laws_predictions.predicted().items():
        kind, variants = laws_predictions.LINES[line]
        for row, net in enumerate(nets):
            if net[0] == kind and net[1] in variants:
                for law, letter in predicted.items():
                    if letter != "N":
                        found[row, laws.index(law)] = letter
    return found
