"""Panels of a phase diagram: which noise each varies, and how [SB] sets it."""

from __future__ import annotations

from typing import Any, Literal

from loadpath.spring_block.networks import (
    PANELS,
    BatchSize,
    DataNoise,
    Dropout,
    LearningRate,
    Noise,
    Recipe,
)

Panel = Literal["data noise", "learning rate", "dropout", "batch size"]
Network = Literal["MLP", "CNN"]

NOISES: dict[Panel, type[DataNoise | LearningRate | Dropout | BatchSize]] = {
    "data noise": DataNoise,
    "learning rate": LearningRate,
    "dropout": Dropout,
    "batch size": BatchSize,
}
"""The kind of noise of each panel."""
CNN_RECIPE = Recipe(epochs=2000, rate=1e-4)
"""How [SB] trains the CNN."""
CNN_DROPOUTS = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
"""Rates of dropout at which [SB] trains the CNN."""


def paper_recipe(panel: Panel, network: Network) -> Recipe:
    """Return how [SB] trains a net without the noise of the panel.

    Parameters
    ----------
    panel : str
        Which noise the panel varies.
    network : {"MLP", "CNN"}
        Which net is trained.

    Returns
    -------
    Recipe
        Epochs, learning rate and the rules to stop.
    """
    return CNN_RECIPE if network == "CNN" else PANELS[panel].recipe


def paper_values(panel: Panel, network: Network) -> list[float]:
    """Return the values of the panel's axis in [SB], from calm to noisy.

    Parameters
    ----------
    panel : str
        Which noise the panel varies.
    network : {"MLP", "CNN"}
        Which net is trained.

    Returns
    -------
    list of float
        Shares, rates or sizes.
    """
    if network == "CNN" and panel == "dropout":
        return list(CNN_DROPOUTS)
    return [value for noise in PANELS[panel].noises for value in vars(noise).values()]


def make_noise(panel: Panel, value: float) -> Noise:
    """Return the noise at a place of the panel's axis.

    Parameters
    ----------
    panel : str
        Which noise the panel varies.
    value : float
        The share, rate or size.

    Returns
    -------
    Noise
        A small frozen value that changes a recipe.

    Raises
    ------
    ValueError
        If the size of a batch is not a whole number.
    """
    make: Any = NOISES[panel]
    if make is BatchSize:
        if value != int(value):
            raise ValueError(f"noise must be a whole number for batch size, got {value}.")
        return BatchSize(int(value))
    noise: Noise = make(float(value))
    return noise


def axis_value(panel: Panel, value: float) -> float:
    """Return a place of the panel's axis as files name it.

    Parameters
    ----------
    panel : str
        Which noise the panel varies.
    value : float
        The share, rate or size.

    Returns
    -------
    float
        The same number, as an int for a whole size of a batch.
    """
    return int(value) if panel == "batch size" and value == int(value) else value
