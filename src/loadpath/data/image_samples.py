"""How images and labels from files become a `Data`: drawn, averaged down, normalized."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Generator, Tensor

from loadpath.checks import check_choice, check_count, check_seed
from loadpath.data.files import Pair
from loadpath.data.normalization import normalized
from loadpath.data.samples import Data

Targets = Literal["labels", "onehot"]
"""What a net learns of images: class labels, or one-hot vectors as outputs."""

_TEST_SHARE = 5  # of a set that comes without a split, one in five is for testing


def image_data(
    source: str,
    train: Pair,
    test: Pair | None,
    *,
    targets: Targets,
    n_train: int | None,
    n_test: int | None,
    image_size: int | None,
    seed: int,
) -> Data:
    """Draw samples from image sets, average them down, and normalize them.

    Parameters
    ----------
    source : str
        What the provenance calls the images.
    train : Pair
        Training images and labels, or all there are.
    test : Pair or None
        Test images and labels; None splits them from `train`.
    targets : {"labels", "onehot"}
        What is learnt.
    n_train, n_test : int or None
        Numbers of samples; None keeps all.
    image_size : int or None
        The side, in pixels, that images are averaged down to; None leaves them.
    seed : int
        The seed of what is drawn.

    Returns
    -------
    Data
        Samples whose pixels share one scale.

    Raises
    ------
    ValueError
        If an argument is out of its range, or for what `Data` refuses.
    """
    check_choice("targets", targets, ("labels", "onehot"))
    check_seed("seed", seed)
    for name, count, fewest in (("n_train", n_train, 2), ("n_test", n_test, 1)):
        if count is not None:
            check_count(name, count, fewest)
    generator = torch.Generator().manual_seed(int(seed))
    classes = np.unique(train[1]).tolist()
    if test is None:
        train, test = _split(train, n_train, n_test, generator)
    x_train, labels_train = _samples("n_train", train, n_train, image_size, generator)
    x_test, labels_test = _samples("n_test", test, n_test, image_size, generator)
    few = [c for c in classes if int((labels_train == c).sum()) < 2]
    if few and n_train is not None:
        raise ValueError(
            "n_train must be large enough for 2 samples of every class, and of class "
            f"{few[0]} there are fewer among {n_train}."
        )
    raw = Data(
        x_train=x_train,
        y_train=labels_train,
        x_test=x_test,
        y_test=labels_test,
        task="classification",
        provenance={
            "source": source,
            "targets": targets,
            "n_train": len(x_train),
            "n_test": len(x_test),
            "size": train[0].shape[-1] if image_size is None else image_size,
            "seed": seed,
        },
    )
    if targets == "onehot":
        raw = _one_hot(raw)
    return normalized(raw, common_scale=True)


def _one_hot(data: Data) -> Data:
    """Return the same samples with one-hot vectors as regression outputs."""

    def vectors(labels: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(labels, data.out_features).double()

    return Data(
        x_train=data.x_train,
        y_train=vectors(data.y_train),
        x_test=data.x_test,
        y_test=vectors(data.y_test),
        task="regression",
        provenance=data.provenance,
        labels_train=data.y_train,
        labels_test=data.y_test,
    )


def _split(
    whole: Pair, n_train: int | None, n_test: int | None, generator: Generator
) -> tuple[Pair, Pair]:
    """Split one set by `generator` into training and test pairs."""
    images, labels = whole
    n = len(labels)
    if n_test is None:
        n_test = min(max(1, n // _TEST_SHARE), n - (n_train or 2))
    if n_test < 1 or n_test + (2 if n_train is None else n_train) > n:
        raise ValueError(
            f"n_train and n_test must fit into the {n} samples that there are, and they are "
            f"{n_train} and {n_test}."
        )
    order = torch.randperm(n, generator=generator).numpy()
    test, train = order[:n_test], order[n_test:]
    return (images[train], labels[train]), (images[test], labels[test])


def _samples(
    name: str, pair: Pair, count: int | None, image_size: int | None, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Return `count` samples in random order as (sample, feature) float64, and their labels."""
    images, labels = pair
    if count is not None and count > len(labels):
        raise ValueError(
            f"{name} must be at most the {len(labels)} samples there are, not {count}."
        )
    side = min(images.shape[-2:])
    if image_size is not None:
        check_count("image_size", image_size, 1)
        if image_size > side:
            raise ValueError(
                f"image_size must be at most the images' own, {side}, not {image_size}."
            )
    chosen = torch.randperm(len(labels), generator=generator)[:count].numpy()
    x = torch.from_numpy(images[chosen].astype(np.float64))
    if image_size is not None:
        x = torch.nn.functional.interpolate(x, size=(image_size, image_size), mode="area")
    return x.flatten(1), torch.from_numpy(labels[chosen].astype(np.int64))
