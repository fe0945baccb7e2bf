"""What the other commands do: frozen dataclasses of their options, and `run`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadpath import papers as experiments
from loadpath import report as pages
from loadpath.checks import check_count
from loadpath.cli import chain, diagnose
from loadpath.cli.run_folder import section, write_report
from loadpath.cli.train import Train


@dataclass(frozen=True)
class Demo:
    """Train on a teacher of known bottleneck rank and on real digits, and report both (minutes)."""

    out: str = "demo"
    """folder for both runs and the page"""
    seed: int = 0
    """of the data, the initial weights and the mini-batches"""
    resume: bool = False
    """go on with an interrupted demo"""
    overwrite: bool = False
    """replace an earlier demo in the folder"""

    def run(self) -> None:
        """Do it."""
        out = Path(self.out)
        common: dict[str, Any] = dict(
            seed=self.seed, resume=self.resume, overwrite=self.overwrite, effective_depth=7.0
        )
        runs = {
            "Teacher of bottleneck rank 3": Train(out=str(out / "teacher"), **common),
            "Real handwritten digits": Train(data="digits", out=str(out / "digits"), **common),
        }
        page = out / "report.html"
        if page.exists() and not (self.resume or self.overwrite):
            raise FileExistsError(
                f"{self.out!r} holds an earlier demo; pass --overwrite to replace it."
            )
        for title, run in runs.items():
            print(f"{title}: training", flush=True)
            run.run()
        sections = [section(Path(run.out), title) for title, run in runs.items()]
        pages.write(page, sections, title="Loadpath demo: where the layers work", overwrite=True)
        print(f"\nThe page with both: {page.resolve()}")


@dataclass(frozen=True)
class Figures:
    """Redraw a figure of the paper, doing the runs that are not on disk yet."""

    figure: str
    """which one: 1a, 1a-certified, 1b, 1c, 2a, 2b, 2c, 3, scale, digits, audit, surgery, growth, or
    all"""
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

    def run(self) -> None:
        """Do it."""
        names = list(experiments.FIGURES) if self.figure == "all" else [self.figure]
        if not set(names) <= set(experiments.FIGURES):
            known = ", ".join([*experiments.FIGURES, "all"])
            raise ValueError(f"figure must be one of {known}, got {self.figure!r}.")
        check_count("seed", self.seed, 0)
        if self.seeds is not None:
            check_count("seeds", self.seeds, 1)
        for name in names:
            count = experiments.FIGURES[name].seeds if self.seeds is None else self.seeds
            seeds = range(self.seed, self.seed + count)
            picture, runs = experiments.draw(
                name,
                Path(self.out),
                seeds=seeds,
                workers=self.workers,
                scheduler=self.scheduler,
            )
            if "seed" in runs:
                settings = experiments.EXPERIMENTS[experiments.FIGURES[name].experiment].settings
                runs = runs.drop(columns=["seed", "status"]).groupby(settings).mean()
            print(runs.round(3).to_string())
            print(f"means over seeds; {picture}\n")


@dataclass(frozen=True)
class Report:
    """Write the page about a finished run again, from the results in its folder."""

    run_folder: str
    """folder that `loadpath train`, `geodesic`, `chain` or `diagnose` wrote"""
    out: str | None = None
    """file to write the page to; if not given report.html in the folder, animation.html for a
    chain"""
    overwrite: bool = False
    """replace an existing page"""

    def run(self) -> None:
        """Do it."""
        page = None if self.out is None else Path(self.out)
        folder = Path(self.run_folder)
        write = write_report
        for name, other in (("chain.nc", chain.write_page), ("diagnosis.nc", diagnose.write_page)):
            if (folder / name).is_file():
                write = other
        print(write(folder, page, overwrite=self.overwrite))
