"""`loadpath demo`: two small nets, trained and measured, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loadpath import report as pages
from loadpath.cli import train
from loadpath.cli.folders import section
from loadpath.cli.options import DemoOptions, TrainOptions
from loadpath.storage import one_writer

# Small enough for a page within a minute on two cores, and trained for long enough that the page
# reads as that of the long version does (`loadpath train`: 1000 samples, width 100, 2100
# iterations). On the teachers of seeds 0, 1 and 2, short against long: bottleneck rank 3 of all;
# least cost of identity 2.18, 2.29, 2.20 against 2.19, 2.24, 2.14; dimension of the Hamiltonian
# 1.1, 1.2, 1.3 against 1.1, 1.3, 1.3; residual in the middle of the path 0.06, 0.04, 0.05 against
# 0.03, 0.03, 0.02. Up to 0.1 it is small enough to read the energies by. Digits have several
# stationary paths, and which one is found depends on the seed and, by rounding, on the number of
# threads: so one thread, and at the seed of the demo rank 3, least cost of identity 2.55, residual
# 0.01 against 3, 2.88 and 0.01 of the long version (at seed 1: 3, 3.54 against 3, 2.61).
SMALL: dict[str, Any] = dict(effective_depth=7.0, width=64, adam_steps=300, threads=1)
TEACHER: dict[str, Any] = dict(n_train=600, lbfgs_steps=1000)
DIGITS: dict[str, Any] = dict(data="digits", lbfgs_steps=900)


def run(options: DemoOptions) -> bool:
    """Train on a teacher and on digits, measure both nets, and write the page about them.

    Returns
    -------
    bool
        Whether both may be read.

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
    readable = True
    for title, each in runs.items():
        print(f"{title}: training", flush=True)
        with one_writer(Path(each.out)):
            readable &= train.train_and_measure(each, page=False)  # one about both is enough
    sections = [section(Path(each.out), title) for title, each in runs.items()]
    pages.write(page, sections, title="Loadpath demo: where the layers work", overwrite=True)
    print(f"\nThe page with both: {page.resolve()}")
    return readable
