"""`loadpath demo`: two nets, trained and measured, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loadpath import report as pages
from loadpath.cli import train
from loadpath.cli.options import DemoOptions, TrainOptions
from loadpath.cli.run_folder import section


def run(options: DemoOptions) -> None:
    """Train on a teacher and on digits, measure both nets, and write the page about them.

    Raises
    ------
    FileExistsError
        If an earlier demo is in the folder, and nothing says what to do with it.
    """
    out = Path(options.out)
    common: dict[str, Any] = dict(
        seed=options.seed,
        resume=options.resume,
        overwrite=options.overwrite,
        effective_depth=7.0,
    )
    runs = {
        "Teacher of bottleneck rank 3": TrainOptions(out=str(out / "teacher"), **common),
        "Real handwritten digits": TrainOptions(data="digits", out=str(out / "digits"), **common),
    }
    page = out / "report.html"
    if page.exists() and not (options.resume or options.overwrite):
        raise FileExistsError(
            f"{options.out!r} holds an earlier demo; pass --overwrite to replace it."
        )
    for title, each in runs.items():
        print(f"{title}: training", flush=True)
        train.run(each)
    sections = [section(Path(each.out), title) for title, each in runs.items()]
    pages.write(page, sections, title="Loadpath demo: where the layers work", overwrite=True)
    print(f"\nThe page with both: {page.resolve()}")
