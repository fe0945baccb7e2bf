"""The phase diagrams that [SB] published beside ours, cell by cell and by their correlations.

Run `python benchmarks/published_panels.py`: seconds. What was published are the four panels of the
figure in the authors' repository, github.com/DaDaCheng/DNN_Spring (figs/pd-eps-converted-to.pdf),
read off its vectors: the grey of a cell is its accuracy on the printed scale, to 0.02 points, and
its red line the load curve up to units. Ours are the Datasets of docs/data/phase_diagrams, at the
levels that both have; all is by trace ratio, whose curves the published ones are. Correlations are
of accuracy with -|concavity| over the same cells, but for those of ours whose mean curve does not
surely fall.

[SB] is Shi, Pan and Dokmanic, arXiv:2407.19353.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import xarray as xr
from scipy import stats

import loadpath as lp

DATA = Path(__file__).parents[1] / "docs" / "data" / "phase_diagrams"
HEAD = "| panel | cells | accuracy, % | difference | concavity | Pearson | Spearman | best cell |"


def at_its_levels(published: xr.Dataset) -> xr.Dataset:
    """Return a published panel over (slope, noise): accuracy and concavity."""
    cells = published[["test_accuracy", "concavity"]].rename(column="noise")
    return cells.assign_coords(noise=published["level"].values)


def shared_cells(published: xr.Dataset, ours: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Return both diagrams (slope, noise) at the levels that both have: accuracy and concavity."""
    theirs, levels = at_its_levels(published), published["level"].values
    kept = [level for level in levels if np.isclose(ours["noise"].values, level).any()]
    mean = lp.phase_diagram.mean_curves(ours.sel(kind=["trace_ratio"])).sel(kind="trace_ratio")
    ours = mean.sel(noise=kept, method="nearest").sel(slope=published["slope"].values)
    # Where a mean curve hardly falls its bend is divided by next to nothing: -14 in one cell.
    bend = ours["mean_concavity"].where(ours["mean_curve_status"] != "does not fall")
    ours = xr.Dataset({"test_accuracy": ours["mean_test_accuracy"], "concavity": bend})
    return theirs.sel(noise=kept), ours.transpose("slope", "noise", ...)


def correlations(cells: xr.Dataset) -> tuple[float, float]:
    """Return Pearson's and Spearman's coefficient of accuracy with -|concavity| over cells."""
    x = -np.abs(cells["concavity"].values.ravel())
    y = cells["test_accuracy"].values.ravel()
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    return float(stats.pearsonr(x, y)[0]), float(stats.spearmanr(x, y)[0])


def best(cells: xr.Dataset) -> str:
    """Say which cell is the most accurate, and how its curve bends."""
    one = cells.isel(cells["test_accuracy"].argmax(...))
    return (
        f"slope {one['slope'].item():g}, {one['noise'].item():g}: "
        f"{100 * one['test_accuracy'].item():.1f}, {one['concavity'].item():.3f}"
    )


def row(panel: str, whose: str, cells: xr.Dataset, published: xr.Dataset | None = None) -> str:
    """Return a row of the table."""
    accuracy = 100 * cells["test_accuracy"].values
    difference = bend = "-"
    if published is not None:
        off = np.abs(accuracy - 100 * published["test_accuracy"].values)
        difference = f"{off.mean():.2f}"
        apart = np.abs(cells["concavity"].values - published["concavity"].values)
        bend = f"{np.nanmean(apart):.3f}"
    pearson, spearman = correlations(cells)
    numbers = f"{accuracy.mean():.2f} | {difference} | {bend} | {pearson:.2f} | {spearman:.2f}"
    return f"| {panel}, {whose} | {accuracy.size} | {numbers} | {best(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the Datasets")
    folder = parser.parse_args().data
    print(HEAD)
    published = lp.load(folder / "mnist-published.nc")
    for panel in published["panel"].values:
        print(row(panel, "published", at_its_levels(published.sel(panel=panel))))
        for ours in sorted(folder.glob(f"mnist-{panel.replace(' ', '-')}*.nc")):
            theirs, cells = shared_cells(published.sel(panel=panel), lp.load(ours))
            if theirs.sizes["noise"] < published.sizes["column"]:
                print(row(panel, "published at these levels", theirs))
            print(row(panel, ours.stem, cells, theirs))


if __name__ == "__main__":
    main()
