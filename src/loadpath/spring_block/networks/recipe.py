"""How a classifier is trained, and the noises of [SB] as small values that change it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args, runtime_checkable

from loadpath.checks import check_choice, check_count, check_number
from loadpath.spring_block.networks.shapes import check_dropout

NoiseScale = Literal["raw", "demeaned"]
"""What data noise is measured by: the deviation of pixels as they were, or once demeaned."""
NOISE_SCALES: tuple[NoiseScale, ...] = get_args(NoiseScale)
"""The words as values."""
SLOPES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Slopes of the activations in [SB], from a ReLU to a linear net."""


@dataclass(frozen=True)
class Recipe:
    r"""Training by Adam on the cross-entropy, by default without weight decay, as [SB] has it.

    Training stops after an epoch whose loss, the mean over the samples it was trained on, is below
    `stop_below` or differs from that of the epoch before by less than `stop_change`.

    Raises
    ------
    ValueError
        If a field is out of its range; the sentence names the field and its value.

    Examples
    --------
    >>> recipe = Recipe(epochs=50).under(Dropout(0.1)).under(BatchSize(64))
    >>> recipe.epochs, recipe.dropout, recipe.batch_size
    (50, 0.1, 64)
    """

    epochs: int = 100
    """Largest number of epochs."""
    rate: float = 1e-3
    """Learning rate of Adam, whose other settings are PyTorch's."""
    batch_size: int | None = None
    """Number of samples in a batch; None is all of them."""
    dropout: float = 0.0
    """Share of the features that Dropout sets to 0."""
    data_noise: float = 0.0
    """Share q of labels that are drawn anew in every batch, and size of the noise on inputs, in
    units of what `noise_scale` says."""
    noise_scale: NoiseScale = "raw"
    """Unit of the noise on inputs: the standard deviation of all pixels as they were ("raw", as in
    the code of [SB]), or once each was demeaned ("demeaned"). See `DataNoise`."""
    weight_decay: float = 0.0
    """What Adam adds to the gradient, times the parameters: a penalty on their squares."""
    rate_drops: int = 0
    """How many times the rate is divided by ten, after equal parts of the epochs."""
    stop_below: float = 1e-4
    """Loss below which training stops, in nats; 0 for never."""
    stop_change: float = 1e-10
    """Change of the loss below which training stops, in nats; 0 for never."""

    def __post_init__(self) -> None:
        """Check the values."""
        check_count("epochs", self.epochs, 1)
        check_number("rate", self.rate, above=0)
        if self.batch_size is not None:
            check_count("batch_size", self.batch_size, 1)
        check_dropout(self.dropout)
        check_number("data_noise", self.data_noise, least=0, most=1)
        check_choice("noise_scale", self.noise_scale, NOISE_SCALES)
        check_number("weight_decay", self.weight_decay, least=0)
        check_count("rate_drops", self.rate_drops, 0)
        check_number("stop_below", self.stop_below, least=0)
        check_number("stop_change", self.stop_change, least=0)

    def rate_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.

        Returns
        -------
        float
            `rate` over ten to the number of drops that came before.

        Examples
        --------
        >>> recipe = Recipe(epochs=10, rate=1.0, rate_drops=2)
        >>> [recipe.rate_at(epoch) for epoch in (0, 2, 3, 5, 6, 9)]
        [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
        """
        parts = self.rate_drops + 1
        drops = sum(epoch >= self.epochs * part // parts for part in range(1, parts))
        return self.rate / 10**drops

    def under(self, noise: Noise) -> Recipe:
        """Return the same training under one more noise.

        Parameters
        ----------
        noise : Noise
            A `DataNoise`, `LearningRate`, `Dropout` or `BatchSize`.

        Returns
        -------
        Recipe
            A new recipe.

        Raises
        ------
        ValueError
            If the noise is out of its range.
        """
        return noise.applied_to(self)


@runtime_checkable
class Noise(Protocol):
    """Something that shakes training, as a small frozen value."""

    def applied_to(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this noise in it; ValueError if it is out of its range."""


@dataclass(frozen=True)
class DataNoise:
    r"""Noise on labels and inputs, drawn anew for every batch.

    In a batch of b samples, int(q b) labels are drawn uniformly from all classes, and Gaussian
    noise of standard deviation q std(X) is added to all inputs. std(X) is that of all entries of
    the training inputs together: by the recipe's `noise_scale` before they were demeaned ("raw") or
    as they are ("demeaned"). Pixels differ from place to place, so that the first is larger: for
    MNIST at 10 x 10 pixels 1.35 times (1.22 and 1.36 if resized by bilinear interpolation without
    and with antialiasing). Inputs that share no scale, such as those of an archive of one's own,
    have no raw deviation, and both words mean the second.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353, whose code has the deviation of raw pixels.
    """

    q: float
    """Share of the labels, and size of the noise on inputs."""

    def __post_init__(self) -> None:
        """Refuse a value out of range."""
        check_number("q", self.q, least=0, most=1)

    def applied_to(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this noise in it; ValueError if it is out of its range."""
        return replace(recipe, data_noise=self.q)


@dataclass(frozen=True)
class LearningRate:
    """The learning rate of Adam as a noise: large steps shake the training."""

    rate: float
    """Learning rate."""

    def __post_init__(self) -> None:
        """Refuse a value out of range."""
        check_number("rate", self.rate, above=0)

    def applied_to(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this noise in it; ValueError if it is out of its range."""
        return replace(recipe, rate=self.rate)


@dataclass(frozen=True)
class Dropout:
    """Dropout after every activation; features that are kept are scaled up by 1 / (1 - p)."""

    p: float
    """Probability with which a feature is set to 0."""

    def __post_init__(self) -> None:
        """Refuse a value out of range."""
        check_number("dropout", self.p, least=0, below=1)

    def applied_to(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this noise in it; ValueError if it is out of its range."""
        return replace(recipe, dropout=self.p)


@dataclass(frozen=True)
class BatchSize:
    """The size of a batch as a noise: samples are in an order drawn anew in every epoch."""

    size: int
    """Number of samples that a step sees."""

    def __post_init__(self) -> None:
        """Refuse a value out of range."""
        check_count("size", self.size, 1)

    def applied_to(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this noise in it; ValueError if it is out of its range."""
        return replace(recipe, batch_size=self.size)


@dataclass(frozen=True)
class PaperPanel:
    """One phase diagram of [SB]: noises of one kind, and what else is fixed."""

    noises: tuple[Noise, ...]
    """Noises from calm to noisy."""
    recipe: Recipe
    """Training without these noises."""
    slopes: tuple[float, ...] = SLOPES
    """Slopes of the activations below 0."""


def _panel(noises: Iterable[Noise], epochs: int = 100) -> PaperPanel:
    """Make a panel from its noises and its number of epochs."""
    return PaperPanel(tuple(noises), Recipe(epochs=epochs))


PANELS = {
    "data noise": _panel(DataNoise(q / 10) for q in range(9)),
    "learning rate": _panel(
        map(
            LearningRate,
            (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
        ),
        epochs=200,
    ),
    "dropout": _panel(Dropout(p / 50) for p in range(16)),
    "batch size": _panel(map(BatchSize, (2560, 1280, 640, 320, 160, 80, 40, 20, 10, 5))),
}
"""The four panels of [SB], at the levels of its code, for 2,560 training samples."""
