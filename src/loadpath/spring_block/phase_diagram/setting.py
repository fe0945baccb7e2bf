"""What all cells of one phase diagram share: the data, the net, and how it is trained."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from loadpath import data as sources
from loadpath.checks import check_count
from loadpath.data import Data, read_archive
from loadpath.measures.separation import KINDS
from loadpath.spring_block.networks import (
    CNN,
    MLP,
    PANELS,
    BatchSize,
    Classifier,
    DataNoise,
    Dropout,
    Engine,
    LearningRate,
    Noise,
    Plain,
    Recipe,
    check_job,
    choose,
)

Panel = Literal["data noise", "learning rate", "dropout", "batch size"]
Source = Literal["digits", "mnist", "fashion-mnist", "cifar10", "npz"]
Network = Literal["MLP", "CNN"]

IMAGE_SIZE, N_TRAIN, N_TEST = 10, 2560, 5000
"""Pixels a side and training samples of [SB]; test samples as many as half of mnist10k leaves."""
WIDTHS: dict[Network, int] = {"MLP": 100, "CNN": 20}
"""Features of an MLP's layer and channels of a CNN's in [SB]."""
CNN_RECIPE = Recipe(epochs=2000, rate=1e-4)
"""How [SB] trains the CNN."""
CNN_DROPOUTS = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
"""Its levels of dropout."""
NOISES: dict[Panel, type[DataNoise | LearningRate | Dropout | BatchSize]] = {
    "data noise": DataNoise,
    "learning rate": LearningRate,
    "dropout": Dropout,
    "batch size": BatchSize,
}
"""What a level of each panel is."""
_READERS = {
    "mnist": sources.mnist,
    "fashion-mnist": sources.fashion_mnist,
    "cifar10": sources.cifar10,
}


@dataclass(frozen=True)
class Setting:
    """One phase diagram but for its axes, in plain values that a file can hold.

    Raises: ValueError that names the field and its value, when made or when its data are read.
    """

    panel: Panel
    """Which noise shakes the training."""
    data: Source = "digits"
    """What to learn; "npz" is an archive of x_train, y_train, x_test, y_test, any features."""
    folder: str | None = None
    """Where the files are, or the archive itself; not for digits."""
    image_size: int | None = None
    """Pixels a side that images are averaged down to; None is [SB]'s 10, and 8 for digits."""
    n_train: int | None = None
    """Training samples; None is [SB]'s 2560, 1437 for digits and all for npz."""
    n_test: int | None = None
    """Test samples; None is 5000, what is left of digits and all for npz."""
    data_seed: int = 0
    """Of the samples drawn: the same for all seeds of the nets."""
    network: Network = "MLP"
    """Which net of [SB]."""
    width: int | None = None
    """Features of a layer, or channels of a CNN's; None is [SB]'s, 100 and 20."""
    depth: int = 8
    """Layers with weights, the logits' included."""
    batch_norm: bool = True
    """Whether the nets have BatchNorm."""
    epochs: int | None = None
    """The most there are; None is [SB]'s."""
    record_every: int | None = None
    """Epochs between records of the log separation along training; None for none."""
    engine: Engine | None = None
    """As of `loadpath.networks.train`."""
    fingerprint: str | None = None
    """Of the labels, so that no cell takes other data than the rest; None for any."""

    def __post_init__(self) -> None:
        """Check what can be checked without the data."""
        for name, value, known in (
            ("panel", self.panel, tuple(NOISES)),
            ("data", self.data, ("digits", *_READERS, "npz")),
            ("network", self.network, tuple(WIDTHS)),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}.")
        if self.data == "digits":
            self._must_be_unset("folder", "image_size", "n_test")
        elif self.folder is None:
            raise ValueError(f"folder must name where the files of {self.data} are, got nothing.")
        if self.data == "npz":
            self._must_be_unset("image_size", "n_train", "n_test")
        for name in ("epochs", "record_every"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), 1)

    def samples(self) -> Data:
        """The data, read once a process.

        Raises: ValueError or FileNotFoundError as the readers of `loadpath.data`; ValueError if
        they are not those of the fingerprint.
        """
        data = _read(
            self.data, self.folder, self.image_size, self.n_train, self.n_test, self.data_seed
        )
        if self.fingerprint is not None and self.fingerprint != fingerprint(data):
            raise ValueError(
                f"folder must hold the data that the diagram was begun with, but the labels of "
                f"{self.data} in {self.folder!r} are others."
            )
        return data

    def net(self, data: Data, recipe: Recipe, *, slope: float, seed: int) -> Classifier:
        """The untrained net of a cell."""
        options: dict[str, Any] = dict(
            depth=self.depth,
            slope=slope,
            dropout=recipe.dropout,
            batch_norm=self.batch_norm,
            seed=seed,
        )
        width = WIDTHS[self.network] if self.width is None else self.width
        if self.network == "MLP":
            return MLP(data.in_features, data.out_features, width=width, **options)
        return CNN(
            data.in_features,
            data.out_features,
            channels=width,
            image_channels=3 if self.data == "cifar10" else 1,
            **options,
        )

    def recipe(self, noise: float) -> Recipe:
        """How a cell at this level of noise is trained."""
        base = CNN_RECIPE if self.network == "CNN" else PANELS[self.panel].recipe
        if self.epochs is not None:
            base = replace(base, epochs=self.epochs)
        return base.under(self.noise(noise))

    def noise(self, level: float) -> Noise:
        """The noise of a level."""
        make: Any = NOISES[self.panel]
        if make is BatchSize:
            if level != int(level):
                raise ValueError(f"noise must be a whole number for batch size, got {level}.")
            return BatchSize(int(level))
        noise: Noise = make(float(level))
        return noise

    def level(self, value: float) -> float:
        """A level as files name it: sizes of batches are whole."""
        return int(value) if self.panel == "batch size" and value == int(value) else value

    def noises(self, data: Data) -> list[float]:
        """The levels of [SB], from calm to noisy; batches are at most as large as the data."""
        if self.network == "CNN" and self.panel == "dropout":
            return list(CNN_DROPOUTS)
        levels = [level for noise in PANELS[self.panel].noises for level in vars(noise).values()]
        if self.panel == "batch size":
            levels = list(dict.fromkeys(min(size, len(data.x_train)) for size in levels))
        return levels

    def checked(self, axes: dict[str, list[Any]]) -> Setting:
        """The setting with all that was left open named, once it is known that every cell can run.

        Raises: ValueError that names the argument and its value.
        """
        data = self.samples()
        for seed in axes["seed"]:
            check_count("seed", seed, 0)
        for noise in axes["noise"]:
            recipe = self.recipe(noise)
            if recipe.batch_size is not None and recipe.batch_size > len(data.x_train):
                raise ValueError(
                    f"noise must be a batch size of at most the {len(data.x_train)} training "
                    f"samples, got {noise}."
                )
            for slope in axes["slope"]:
                net = self.net(data, recipe, slope=slope, seed=0)
                check_job(net, data, recipe, seed=0, record_every=self.record_every, kinds=KINDS)
        engine: Engine = "plain" if choose(net, self.engine) is Plain else "compiled"
        return replace(
            self,
            width=WIDTHS[self.network] if self.width is None else self.width,
            epochs=recipe.epochs,
            engine=engine,
            fingerprint=fingerprint(data),
        )

    def _must_be_unset(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) is not None:
                raise ValueError(
                    f"{name} must not be set for {self.data}, got {getattr(self, name)!r}."
                )


def fingerprint(data: Data) -> str:
    """What tells data apart: of the labels in their order, which are exact on any machine."""
    both = (data.y_train.numpy().tobytes(), data.y_test.numpy().tobytes())
    return hashlib.sha256(b"|".join(both)).hexdigest()[:16]


@cache
def _read(
    name: Source,
    folder: str | None,
    image_size: int | None,
    n_train: int | None,
    n_test: int | None,
    seed: int,
) -> Data:
    if name == "digits":
        if n_train is None:
            return sources.digits(seed=seed)
        return sources.digits(n_train=n_train, seed=seed)
    assert folder is not None
    if name == "npz":
        arrays = read_archive(Path(folder))
        wanted = ("x_train", "y_train", "x_test", "y_test")
        missing = [key for key in wanted if key not in arrays]
        if missing:
            raise ValueError(f"the file {folder!r} must hold {', '.join(wanted)}; no {missing[0]}.")
        return sources.from_arrays(*(arrays[key] for key in wanted))
    return _READERS[name](
        folder,
        image_size=IMAGE_SIZE if image_size is None else image_size,
        n_train=N_TRAIN if n_train is None else n_train,
        n_test=N_TEST if n_test is None else n_test,
        seed=seed,
    )
