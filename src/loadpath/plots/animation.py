"""Films of spring-block chains, as plain numbers that a page draws itself.

The page of `loadpath.report.write_chain` draws blocks and springs, beside the load curve that they
make, with 99 lines of script. It was measured against what matplotlib offers, on the three chains
of docs/spring-block.md (101 frames, one thread):

- numbers and script: 27 kB, 2 ms, sharp at any width, to be played, stopped and wound;
- matplotlib's HTMLWriter: 6.8 MB (80 dots per inch) to 15.2 MB (160), 37 to 45 s, and its page
  fetches its buttons from a foreign host, which pages of loadpath never do;
- matplotlib's PillowWriter, which versions up to 0.1.0 used beside the page: a GIF of 1.4 MB with
  80 frames, 30 s, and neither stopped nor wound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import to_hex

from loadpath.checks import as_numbers, check_dataset, check_text
from loadpath.results import Shown

from .spring_block import block_colours

FRAMES = 240
"""The most frames of a film; of more records every second, third, ... is kept."""
SECONDS = 12.0
"""How long a film runs."""
UNSTRETCHED = 0.8
"""How long a chain is drawn when no spring is stretched, in units of how far its end is pulled."""
COILS = 6
"""Number of turns of a drawn spring."""


@dataclass(frozen=True, eq=False, repr=False)
class Film(Shown):
    """One chain in motion: its first replica, and the mean over replicas at the end.

    Lengths are in units of how far the end is pulled.
    """

    label: str
    """What the page calls the chain."""
    verdict: str
    """What its load curve is, such as "lazy"."""
    time: np.ndarray
    """(frame,) time of each frame."""
    position: np.ndarray
    """(frame, n_blocks + 2) places of the fixed end, the blocks and the pulled end."""
    mean: np.ndarray
    """(n_blocks + 2,) the same places at the end, as means over replicas."""

    def __post_init__(self) -> None:
        """Make arrays of numbers of the three, once they fit each other."""
        check_text("label", self.label)
        check_text("verdict", self.verdict)
        for name in ("time", "position", "mean"):
            object.__setattr__(self, name, as_numbers(name, getattr(self, name)))
        if self.time.ndim != 1 or self.position.ndim != 2 or len(self.time) != len(self.position):
            raise ValueError(
                "time and position must be (frame,) and (frame, place), got "
                f"{self.time.shape} and {self.position.shape}."
            )
        if self.position.shape[1] < 2:
            raise ValueError(f"position must have at least 2 places, got {self.position.shape}.")

    @property
    def shaken(self) -> bool:
        """Whether the first replica ends elsewhere than the mean."""
        return bool(np.abs(self.position[-1] - self.mean).max() > 1e-9)

    @property
    def block(self) -> float:
        """The length that a block is drawn with, and an unstretched spring too."""
        return UNSTRETCHED / 2 / (self.position.shape[1] - 1)

    @classmethod
    def from_dataset(cls, ds: xr.Dataset, *, label: str, verdict: str) -> Film:
        """Make the film of a simulated chain.

        Parameters
        ----------
        ds : xarray.Dataset
            A run of `loadpath.spring_block.simulate`.
        label : str
            What the page calls the chain.
        verdict : str
            What its load curve is, such as "lazy".

        Returns
        -------
        Film
            The film, with the first and the last record, and at most `FRAMES` + 1 of all.

        Raises
        ------
        ValueError
            If `ds` has no loads.
        """
        check_dataset("ds", ds, "load(replica, time, spring)")
        load = ds["load"].transpose("replica", "time", "spring").values
        count = load.shape[1]
        shown = np.arange(0, count, -(-count // FRAMES))
        shown = np.append(shown, count - 1) if shown[-1] < count - 1 else shown
        # The pulled end moves too, and positions lack it: loads have all of them.
        position = np.pad(np.cumsum(load, axis=2), ((0, 0), (0, 0), (1, 0)))
        full = position[:, -1, -1].mean()
        return cls(
            label=label,
            verdict=verdict,
            time=ds["time"].values[shown],
            position=position[0, shown] / full,
            mean=position[:, -1].mean(0) / full,
        )


def scene_data(films: Sequence[Film]) -> dict[str, Any]:
    """Return films as plain numbers, to four digits, for a page that draws them.

    Parameters
    ----------
    films : sequence of Film
        The films, from top to bottom.

    Returns
    -------
    dict
        Numbers, strings and lists: `seconds`, `coils` and one entry of `chains` for each film.
    """
    return {
        "seconds": SECONDS,
        "coils": COILS,
        "chains": [
            {
                "label": film.label,
                "verdict": film.verdict,
                "block": film.block,
                "time": [round(float(t), 4) for t in film.time],
                "position": np.round(film.position, 4).tolist(),
                "mean": np.round(film.mean, 4).tolist(),
                "colours": [to_hex(colour) for colour in block_colours(film.position.shape[1] - 2)],
            }
            for film in films
        ],
    }
