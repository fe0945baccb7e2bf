"""How images and labels from files become a `Data`: drawn, made smaller, normalized."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Generator, Tensor

from loadpath.checks import check_choice, check_count, check_flag, check_seed
from loadpath.data.files import Pair
from loadpath.data.normalization import normalized
from loadpath.data.samples import Data
from loadpath.data.splitting import TEST_SHARE

Targets = Literal["labels", "onehot"]
"""What a net learns of images: class labels, or one-hot vectors as outputs."""
Resize = Literal["area", "bilinear", "bilinear-antialiased"]
"""How images are made smaller: means over areas, or bilinear interpolation with or without
antialiasing."""


def image_data(
    source: str,
    train: Pair,
    test: Pair | None,
    *,
    targets: Targets,
    n_train: int | None,
    n_test: int | None,
    image_size: int | None,
    resize: Resize = "area",
    balanced: bool = False,
    seed: int,
) -> Data:
    """Draw samples from image sets, make them smaller, and normalize them.

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
        The side, in pixels, that images are made smaller to; None leaves them.
    resize : {"area", "bilinear", "bilinear-antialiased"}
        How they are made smaller, as `smaller` does.
    balanced : bool
        Whether as many training samples are drawn of each class.
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
    check_choice("resize", resize, get_args(Resize))
    check_flag("balanced", balanced)
    check_seed("seed", seed)
    if image_size is None and resize != "area":
        raise ValueError(f"resize must not be set without image_size, got {resize!r}.")
    for name, count, fewest in (("n_train", n_train, 2), ("n_test", n_test, 1)):
        if count is not None:
            check_count(name, count, fewest)
    generator = torch.Generator().manual_seed(int(seed))
    classes = np.unique(train[1]).tolist()
    if balanced and (n_train is None or n_train % len(classes)):
        raise ValueError(
            f"n_train must be a multiple of the {len(classes)} classes where balanced is set, got "
            f"{n_train}."
        )
    if test is None:
        train, test = _split(train, n_train, n_test, balanced, generator)
    x_train, labels_train = _samples("n_train", train, n_train, image_size, balanced, generator)
    x_test, labels_test = _samples("n_test", test, n_test, image_size, False, generator)
    if image_size is not None:
        x_train, x_test = (smaller(x, image_size, resize) for x in (x_train, x_test))
    x_train, x_test = x_train.flatten(1), x_test.flatten(1)
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
            # What is as it always was is not said, so that provenance of earlier runs is the same.
            **({} if resize == "area" else {"resize": resize}),
            **({"balanced": "true"} if balanced else {}),
        },
    )
    if targets == "onehot":
        raw = one_hot(raw)
    return normalized(raw, common_scale=True)


def smaller(
    images: Float[Tensor, "sample channel height width"], size: int, resize: Resize
) -> Float[Tensor, "sample channel size size"]:
    r"""Make images smaller by one of three ways.

    Parameters
    ----------
    images : Tensor
        (sample, channel, height, width) pixels.
    size : int
        Pixels a side of the result.
    resize : {"area", "bilinear", "bilinear-antialiased"}
        - "area": the mean over the pixels that a new one covers, those in part included;
        - "bilinear": each new pixel from the two nearest along each axis, so that between them
          pixels are left out;
        - "bilinear-antialiased": weights that fall linearly to 0 over `height / size` pixels.

    Returns
    -------
    Tensor
        (sample, channel, size, size) pixels.

    Notes
    -----
    The code of [SB] resizes by torchvision's bilinear interpolation, whose antialiasing depended on
    its version: off for tensors by default up to 0.16, on since 0.17.
    """
    if resize == "area":
        return torch.nn.functional.interpolate(images, size=(size, size), mode="area")
    return torch.nn.functional.interpolate(
        images, size=(size, size), mode="bilinear", antialias=resize == "bilinear-antialiased"
    )


def one_hot(data: Data) -> Data:
    """Return samples of classes with one-hot vectors as outputs of a regression.

    Parameters
    ----------
    data : Data
        A classification task.

    Returns
    -------
    Data
        A regression task, which keeps the classes.

    Raises
    ------
    ValueError
        If `data` is another task.
    """
    if data.task != "classification":
        raise ValueError("targets must be 'labels' for a regression, got 'onehot'.")

    def vectors(labels: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(labels, data.out_features).double()

    return replace(
        data,
        y_train=vectors(data.y_train),
        y_test=vectors(data.y_test),
        task="regression",
        labels_train=data.y_train,
        labels_test=data.y_test,
    )


def _split(
    whole: Pair, n_train: int | None, n_test: int | None, balanced: bool, generator: Generator
) -> tuple[Pair, Pair]:
    """Split one set by `generator` into training and test pairs."""
    images, labels = whole
    n = len(labels)
    if n_test is None:
        n_test = min(max(1, n // TEST_SHARE), n - (n_train or 2))
    if n_test < 1 or n_test + (2 if n_train is None else n_train) > n:
        raise ValueError(
            f"n_train and n_test must fit into the {n} samples that there are, and they are "
            f"{n_train} and {n_test}."
        )
    order = torch.randperm(n, generator=generator).numpy()
    test, train = order[:n_test], order[n_test:]
    if balanced and n_train is not None:  # those that are drawn for training are no longer there
        drawn = _of_each_class(labels[order], n_train)
        test, train = np.delete(order, drawn)[:n_test], order[drawn]
    return (images[train], labels[train]), (images[test], labels[test])


def _samples(
    name: str,
    pair: Pair,
    count: int | None,
    image_size: int | None,
    balanced: bool,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    """Return `count` images in random order, (sample, channel, height, width) float64, labelled."""
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
    order = torch.randperm(len(labels), generator=generator).numpy()
    if balanced and count is not None:
        chosen = order[_of_each_class(labels[order], count)]
    else:
        chosen = order[:count]
    x = torch.from_numpy(images[chosen].astype(np.float64))
    return x, torch.from_numpy(labels[chosen].astype(np.int64))


def _of_each_class(labels: NDArray[np.generic], count: int) -> NDArray[np.int64]:
    """Return where the first samples of each class stand, `count` in all, as many of each."""
    classes = np.unique(labels)
    each = count // len(classes)
    places = [np.flatnonzero(labels == k)[:each] for k in classes]
    for k, place in zip(classes, places, strict=True):
        if len(place) < each:
            raise ValueError(
                f"n_train must leave {each} samples for each class where balanced is set, and of "
                f"class {k} there are {len(place)}."
            )
    return np.sort(np.concatenate(places))
