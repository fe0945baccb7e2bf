"""Spring-block chains in motion: blocks and springs beside the load curve that they make."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from tqdm import tqdm

from .spring_block import block_colours
from .style import BLACK, BLUE, GREY, need, styled

FRAMES = 240
"""The most frames of a film; of more records every second, third, ... is kept."""
GIF_FRAMES = 80
"""Frames of a GIF, which has to stay small."""
SECONDS = 12.0
"""How long a film runs."""
HOLD = 2.0
"""Seconds for which a GIF stands still before it starts again."""
UNSTRETCHED = 0.8
"""How long a chain is drawn when no spring is stretched, in units of how far its end is pulled."""
COILS = 6
"""Turns of a drawn spring."""
DOTS_PER_INCH = 80


@dataclass(frozen=True, eq=False)
class Film:
    """What is shown of one chain: the first replica moving, and the mean over replicas at the end.

    Lengths are in units of where the end is pulled.
    """

    label: str
    verdict: str
    """What its load curve is, such as "lazy"."""
    time: np.ndarray
    """(frame,)"""
    position: np.ndarray
    """(frame, n_blocks + 2): the fixed end, the blocks and the pulled end."""
    mean: np.ndarray
    """(n_blocks + 2,) at the end, over replicas."""

    @property
    def shaken(self) -> bool:
        """Whether the first replica ends elsewhere than the mean."""
        return bool(np.abs(self.position[-1] - self.mean).max() > 1e-9)

    @classmethod
    def of(cls, ds: xr.Dataset, *, label: str, verdict: str) -> Film:
        """Take it from a Dataset of `loadpath.spring_block.simulate`."""
        need(ds, "load")
        load = ds["load"].transpose("replica", "time", "spring").values
        count = load.shape[1]
        shown = np.arange(0, count, -(-count // FRAMES))
        shown = np.append(shown, count - 1) if shown[-1] < count - 1 else shown
        position = np.pad(np.cumsum(load, axis=2), ((0, 0), (0, 0), (1, 0)))
        full = position[:, -1, -1].mean()
        return cls(
            label=label,
            verdict=verdict,
            time=ds["time"].values[shown],
            position=position[0, shown] / full,
            mean=position[:, -1].mean(0) / full,
        )

    def at(self, share: float) -> int:
        """Frame at this share of the run, from 0 to 1."""
        return round(share * (len(self.time) - 1))

    @property
    def block(self) -> float:
        """How long a block is drawn, and as long an unstretched spring."""
        return UNSTRETCHED / 2 / (self.position.shape[1] - 1)

    def drawn(self) -> np.ndarray:
        """Left sides of the blocks where they are drawn, between both ends, (frame, n_blocks + 2).

        Blocks that have not moved stand `block` apart.
        """
        places = 2 * np.arange(self.position.shape[1]) - 1
        return np.asarray(self.position + places * self.block)


@styled
def chain_gif(films: Sequence[Film], *, progress: bool | None = None) -> bytes:
    """GIF of some chains, one under the other, as the bytes of a file.

    `progress`: a bar on stderr; None shows it on a terminal only.
    """
    figure = Figure(figsize=(8.4, 0.35 + 1.45 * len(films)))
    rows = figure.subplots(len(films), 2, squeeze=False, width_ratios=(3, 1))
    scenes = [_Scene(left, right, film) for (left, right), film in zip(rows, films, strict=True)]
    for row in rows[:-1]:
        row[1].tick_params(labelbottom=False)
    low = min(film.drawn().min() for film in films) - 0.1
    high = max(film.drawn().max() for film in films) + 0.12
    for left in rows[:, 0]:
        left.set_xlim(low, high)
    rows[-1, 1].set_xlabel(r"layer, $\ell$")
    frames = min(GIF_FRAMES, max(len(film.time) for film in films))
    rate = max(1, round(frames / SECONDS))
    writer = PillowWriter(fps=rate)
    with tempfile.TemporaryDirectory() as folder:  # the writer goes by the ending of a name
        path = Path(folder) / "chain.gif"
        silent = None if progress is None else not progress
        with writer.saving(figure, str(path), DOTS_PER_INCH):
            for frame in tqdm(range(frames), unit="frame", disable=silent):
                for scene in scenes:
                    scene.show(frame / max(1, frames - 1))
                writer.grab_frame()
                if frame == 0:
                    figure.set_layout_engine("none")  # where all is now, it stays
            for _ in range(round(HOLD * rate)):
                writer.grab_frame()
        return path.read_bytes()


class _Scene:
    """The moving parts of one chain's two axes."""

    def __init__(self, left: Axes, right: Axes, film: Film) -> None:
        self.film, n = film, film.position.shape[1] - 2
        left.set(ylim=(-0.35, 1.15), yticks=[], xticks=[])
        left.spines["left"].set_visible(False)
        left.spines["bottom"].set_visible(False)
        left.axhline(-0.02, color=GREY, lw=1.0)
        left.add_patch(Rectangle((-1, -0.02), 1, 0.9, color=GREY, lw=0))
        left.set_title(film.label, loc="left", y=0.93)
        self.blocks = [
            Rectangle((0, 0), film.block, 0.55, color=c, zorder=3) for c in block_colours(n)
        ]
        for block in self.blocks:
            left.add_patch(block)
        (self.springs,) = left.plot([], [], color=BLACK, lw=0.9)
        (self.end,) = left.plot([], [], color=BLACK, lw=3.0, solid_capstyle="butt")
        self.clock = left.text(1.0, 0.02, "", transform=left.transAxes, ha="right", color=GREY)
        layers = np.arange(n + 2)
        right.plot(layers[[0, -1]], [1, 0], color=GREY, lw=0.9, ls="--")
        right.plot(layers, 1 - film.mean, color=BLUE, lw=1.2, alpha=0.45)
        (self.curve,) = right.plot([], [], "o-", color=BLUE, ms=3)
        shown = np.append(1 - film.position, 1 - film.mean)
        low, high = min(0.0, float(shown.min())), max(1.0, float(shown.max()))
        right.set_title(film.verdict, loc="left")
        right.set(xlim=(-0.2, n + 1.2), ylim=(low - 0.06, high + 0.08), yticks=[0, 1])
        self.layers = layers

    def show(self, share: float) -> None:
        """Move all to this share of the run."""
        frame = self.film.at(share)
        x = self.film.drawn()[frame]
        for block, left in zip(self.blocks, x[1:-1], strict=True):
            block.set_x(left)
        starts, ends = x[:-1] + self.film.block, x[1:].copy()
        ends[-1] += self.film.block
        self.springs.set_data(*_zigzag(starts, ends))
        self.end.set_data([ends[-1]] * 2, [-0.02, 0.8])
        self.clock.set_text(f"time {self.film.time[frame]:.{0 if self.film.time[-1] > 9 else 2}f}")
        self.curve.set_data(self.layers, 1 - self.film.position[frame])


def _zigzag(starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of springs between these places, with gaps between springs."""
    turns = (np.arange(2 * COILS) + 0.5) / (2 * COILS)
    share = np.array([0, *(0.1 + 0.8 * turns), 1])
    up = np.array([0, *[0.12, -0.12] * COILS, 0])
    x = starts[:, None] + (ends - starts)[:, None] * share
    y = np.broadcast_to(0.27 + up, x.shape)
    gap = np.full((len(x), 1), np.nan)
    return np.hstack([x, gap]).ravel(), np.hstack([y, gap]).ravel()


def scene_data(films: Sequence[Film]) -> dict[str, Any]:
    """The same films for a page that draws them itself: plain numbers, to four digits."""
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
