"""The axes of noise: which kind each panel has, and what stands at a place of it."""

from __future__ import annotations

from typing import Any, Literal

from loadpath.checks import check_number
from loadpath.spring_block.networks import BatchSize, DataNoise, Dropout, LearningRate, Noise

Panel = Literal["data noise", "learning rate", "dropout", "batch size"]
"""The panels of [SB], one for each kind of noise."""
NOISES: dict[Panel, type[DataNoise | LearningRate | Dropout | BatchSize]] = {
    "data noise": DataNoise,
    "learning rate": LearningRate,
    "dropout": Dropout,
    "batch size": BatchSize,
}
"""The kind of noise of each panel."""


def make_noise(panel: Panel, value: float) -> Noise:
    """Return the noise at a place of the panel's axis: a share, a rate or a size."""
    check_number("noise", value, least=0)
    make: Any = NOISES[panel]
    if make is BatchSize:
        if value != int(value):
            raise ValueError(f"noise must be a whole number for batch size, got {value}.")
        return BatchSize(int(value))
    noise: Noise = make(float(value))
    return noise


def axis_value(panel: Panel, value: float) -> float:
    """Return a place of the panel's axis as files name it: sizes of batches are whole."""
    return int(value) if panel == "batch size" and value == int(value) else value
