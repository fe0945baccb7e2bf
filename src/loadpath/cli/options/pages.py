"""Options of `loadpath demo`, `figures`, `report` and `explore`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadpath.checks import check_count
from loadpath.cli.options.shared import check_seed

FIGURES = (
    *("1a", "1a-certified", "1a-limit", "1b", "1c", "2a", "2b", "2c", "2-learnable", "3"),
    *("scale", "digits", "surgery", "audit", "growth"),
)
"""Names of the figures, as `loadpath.papers` has them."""


@dataclass(frozen=True)
class DemoOptions:
    """Train on a teacher of known bottleneck rank and on real digits: one page, in a minute."""

    out: str = "demo"
    """folder for both runs and the page"""
    seed: int = 0
    """seed of the data, the initial weights and the mini-batches"""
    resume: bool = False
    """go on with an interrupted demo"""
    overwrite: bool = False
    """replace an earlier demo in the folder"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range."""
        check_seed(self.seed)


@dataclass(frozen=True)
class FiguresOptions:
    """Redraw a figure of the paper, doing the runs that are not on disk yet."""

    figure: str
    """which one: 1a, 1a-certified, 1a-limit, 1b, 1c, 2a, 2b, 2c, 2-learnable, 3, scale, digits,
    audit, surgery, growth, or all"""
    out: str = "figures"
    """folder: runs are kept in its data/, pictures in its figures/"""
    seeds: int | None = None
    """how many seeds; each figure has a number of its own if not given"""
    seed: int = 0
    """the first of the seeds"""
    workers: int = 1
    """processes, each training on one thread; the numbers do not depend on it"""
    scheduler: str | None = None
    """address of a Dask scheduler whose workers are to train"""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is out of range."""
        if self.figure not in (*FIGURES, "all"):
            known = ", ".join((*FIGURES, "all"))
            raise ValueError(f"figure must be one of {known}, got {self.figure!r}.")
        check_count("seed", self.seed, 0)
        if self.seeds is not None:
            check_count("seeds", self.seeds, 1)


@dataclass(frozen=True)
class ReportOptions:
    """Write the page about a finished run again, from the results in its folder."""

    run_folder: str
    """folder that `loadpath train`, `geodesic`, `chain`, `diagnose`, `laws`, `surgery` or `tune`
    wrote"""
    out: str | None = None
    """file to write the page to; if not given report.html in the folder, animation.html for a
    chain"""
    overwrite: bool = False
    """replace an existing page"""


@dataclass(frozen=True)
class ExploreOptions:
    """Write the explorer: three pages that run in a browser, from a file, without a network."""

    out: str = "explorer"
    """folder for the pages: chain.html, networks.html and geodesic.html"""
    open: Literal["chain", "networks", "geodesic"] | None = None
    """page to open in the browser, where there is a display"""
    overwrite: bool = False
    """replace pages that are in the folder"""
