"""Real images as Data: the shipped 8x8 digits; MNIST, Fashion-MNIST and CIFAR-10 from a folder."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Generator, Tensor

from loadpath.checks import check_count
from loadpath.data.arrays import Data, normalized
from loadpath.data.files import Pair, read_cifar10, read_idx_or_npz, read_npz

Targets = Literal["labels", "onehot"]

_TEST_SHARE = 5  # of a set that comes without a split, one in five is for testing
_IDX_FILES = (
    "wanted are train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    "t10k-labels-idx1-ubyte (gzip or not), or one .npz archive"
)
_MNIST = f"{_IDX_FILES}, as on https://yann.lecun.com/exdb/mnist"
_FASHION_MNIST = (
    f"{_IDX_FILES}, as on https://github.com/zalandoresearch/fashion-mnist or in Debian's package "
    "dataset-fashion-mnist"
)
_CIFAR10 = (
    "wanted are data_batch_1.bin to data_batch_5.bin and test_batch.bin, the binary version of "
    "CIFAR-10 on https://www.cs.toronto.edu/~kriz/cifar.html"
)


def digits(*, targets: Targets = "labels", n_train: int = 1437, seed: int = 0) -> Data:
    """The 1,797 handwritten digits of 8x8 pixels that Loadpath ships; those not trained on test.

    `targets`: "labels" for classification; "onehot" for regression on the one-hot vectors, demeaned
    and normalized like any output, with the classes kept in `labels_train` and `labels_test`.
    Pixels are demeaned one by one but share one scale, such that the mean of ||x||^2 is 64: some
    are constant and others nearly so, and a scale of their own would blow up what little they hold.

    Raises: ValueError if `n_train` leaves no test sample or a class with fewer than 2 samples.
    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository (1998), its test set, CC BY 4.0; see digits.LICENSE.md.
    """
    whole, _ = read_npz(Path(__file__).with_name("digits.npz"))
    n = len(whole[1])
    check_count("n_train", n_train, 2)
    if n_train >= n:
        raise ValueError(f"n_train must leave some of the {n} digits for testing, not {n_train}.")
    return _image_data(
        "UCI handwritten digits 8x8, CC BY 4.0",
        whole,
        None,
        targets=targets,
        n_train=n_train,
        n_test=n - n_train,
        image_size=None,
        seed=seed,
    )


def mnist(
    folder: str | Path,
    *,
    targets: Targets = "labels",
    n_train: int | None = None,
    n_test: int | None = None,
    image_size: int | None = None,
    seed: int = 0,
) -> Data:
    """MNIST from a local folder: its four IDX files, gzip or not, or one .npz archive.

    An archive holds x_train, y_train, x_test, y_test, or one set as images, labels: that is split
    by `seed`, one in five for testing unless `n_train` or `n_test` says otherwise. They keep that
    many samples, drawn by `seed`; None keeps all. `image_size` averages the pixels down to that
    many a side. `targets` and the scale of the pixels are as for `digits`.

    Raises: FileNotFoundError for missing files, saying which are wanted and where they are to be
    had; ValueError for files cut short or of another format, or an argument out of its range.
    """
    train, test = read_idx_or_npz(folder, wanted=_MNIST)
    return _image_data(
        "MNIST",
        train,
        test,
        targets=targets,
        n_train=n_train,
        n_test=n_test,
        image_size=image_size,
        seed=seed,
    )


def fashion_mnist(
    folder: str | Path,
    *,
    targets: Targets = "labels",
    n_train: int | None = None,
    n_test: int | None = None,
    image_size: int | None = None,
    seed: int = 0,
) -> Data:
    """Fashion-MNIST from a local folder; arguments, files and errors as for `mnist`."""
    train, test = read_idx_or_npz(folder, wanted=_FASHION_MNIST)
    return _image_data(
        "Fashion-MNIST",
        train,
        test,
        targets=targets,
        n_train=n_train,
        n_test=n_test,
        image_size=image_size,
        seed=seed,
    )


def cifar10(
    folder: str | Path,
    *,
    targets: Targets = "labels",
    n_train: int | None = None,
    n_test: int | None = None,
    image_size: int | None = None,
    seed: int = 0,
) -> Data:
    """CIFAR-10 from a local folder with its binary version (.bin); arguments as for `mnist`.

    Features are the red, then the green, then the blue plane. All of it takes 1.5 GB as float64:
    ask for fewer samples or a smaller `image_size` where that is much.
    Raises: as `mnist` does.
    """
    train, test = read_cifar10(folder, wanted=_CIFAR10)
    return _image_data(
        "CIFAR-10",
        train,
        test,
        targets=targets,
        n_train=n_train,
        n_test=n_test,
        image_size=image_size,
        seed=seed,
    )


def _image_data(
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
    if targets not in ("labels", "onehot"):
        raise ValueError(f"targets must be 'labels' or 'onehot', not {targets!r}.")
    check_count("seed", seed, 0)
    for name, count, fewest in (("n_train", n_train, 2), ("n_test", n_test, 1)):
        if count is not None:
            check_count(name, count, fewest)
    generator = torch.Generator().manual_seed(seed)
    if test is None:
        train, test = _split(train, n_train, n_test, generator)
    x_train, labels_train = _samples("n_train", train, n_train, image_size, generator)
    x_test, labels_test = _samples("n_test", test, n_test, image_size, generator)
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
    """`count` samples in random order as (sample, feature) float64, and their labels."""
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
