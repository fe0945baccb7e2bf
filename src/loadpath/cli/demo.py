"""`loadpath demo`: two small nets, trained and measured, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loadpath import report as pages
from loadpath.cli import train
from loadpath.cli.options import DemoOptions, TrainOptions
from loadpath.cli.run_folder import section

# Small enough for a page within a minute on two cores, and trained for long enough that the page
# can be read: the teacher's net has bottleneck rank 3 and, in the middle of the path, a residual of
# 0.03 to 0.05 (seeds 0 and 1; one thread or two). `loadpath train` has the long version (1000
# samples, width 100, 20 layers, L~ = 7, 2100 iterations): rank 3 and 0.03.
SMALL: dict[str, Any] = dict(width=64, depth=16, effective_depth=5.0, adam_steps=300)
TEACHER: dict[str, Any] = dict(n_train=600, lbfgs_steps=1000)
DIGITS: dict[str, Any] = dict(data="digits", lbfgs_steps=500)


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
        **SMALL,
    )
    runs = {
        "Teacher of bottleneck rank 3": TrainOptions(out=str(out / "teacher"), **TEACHER, **common),
        "Real handwritten digits": TrainOptions(out=str(out / "digits"), **DIGITS, **common),
    }
    page = out / "report.html"
    if page.exists() and not (options.resume or options.overwrite):
        raise FileExistsError(
            f"{options.out!r} holds an earlier demo; pass --overwrite to replace it."
        )
    for title, each in runs.items():
        print(f"{title}: training", flush=True)
        train.train_and_measure(each)  # the one page about both is enough
    sections = [section(Path(each.out), title) for title, each in runs.items()]
    pages.write(page, sections, title="Loadpath demo: where the layers work", overwrite=True)
    print(f"\nThe page with both: {page.resolve()}")
