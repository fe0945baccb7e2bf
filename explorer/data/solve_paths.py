"""Solve the geodesics that the explorer's third page shows; minutes on one core, resumable.

`python explorer/data/solve_paths.py` writes docs/data/paths, one file for each L~ (seed 0), and
leaves alone what is there. `export.py` makes the page's data of them.
"""

from __future__ import annotations

from pathlib import Path

from loadpath import sweep
from loadpath.papers import EXPERIMENTS

FOLDER = Path(__file__).parents[2] / "docs" / "data" / "paths"
SEED = 0

if __name__ == "__main__":
    paths = EXPERIMENTS["paths"]
    run = sweep.run(paths.measure, paths.cells([SEED]), FOLDER)
    print(run)
