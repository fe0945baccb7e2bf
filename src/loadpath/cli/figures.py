"""`loadpath figures`: do the runs of a figure that are not on disk yet, and draw it."""

from __future__ import annotations

from pathlib import Path

from loadpath import papers
from loadpath.cli.options import FiguresOptions


def run(options: FiguresOptions) -> None:
    """Draw the figures that are asked for, and print the means of what they show.

    Raises
    ------
    ValueError
        If a figure cannot be drawn from the seeds that are asked for, or if runs failed.
    """
    names = list(papers.FIGURES) if options.figure == "all" else [options.figure]
    for name in names:
        count = papers.FIGURES[name].seeds if options.seeds is None else options.seeds
        seeds = range(options.seed, options.seed + count)
        picture, runs = papers.draw(
            name,
            Path(options.out),
            seeds=seeds,
            workers=options.workers,
            scheduler=options.scheduler,
        )
        if "seed" in runs:
            settings = papers.EXPERIMENTS[papers.FIGURES[name].experiment].settings
            runs = runs.drop(columns=["seed", "status"]).groupby(settings).mean()
        print(runs.round(3).to_string())
        print(f"means over seeds; {picture}\n")
