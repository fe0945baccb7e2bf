"""What an experiment is: a sweep that has a name, and cells for any seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import xarray as xr

from loadpath.sweep import Cell


@dataclass(frozen=True)
class Experiment:
    """A grid of runs."""

    name: str
    """Also the folder of its cells."""
    measure: Callable[..., xr.Dataset]
    """Makes one cell's Dataset from its settings, given by keyword; importable by name, so that
    other processes can run it."""
    cells: Callable[[Iterable[int]], list[Cell]]
    """The settings of all cells, for the seeds given."""

    @property
    def settings(self) -> list[str]:
        """Names of the settings other than the seed."""
        return [name for name in self.cells([0])[0] if name != "seed"]
