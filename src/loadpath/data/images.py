"""Real images as Data: the shipped 8x8 digits; MNIST, Fashion-MNIST and CIFAR-10 from a folder."""

from __future__ import annotations

from pathlib import Path

from loadpath.checks import check_count
from loadpath.data.files import read_cifar10, read_idx_or_npz, read_npz
from loadpath.data.image_samples import Resize, Targets, image_data
from loadpath.data.samples import Data

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


def digits(
    *,
    targets: Targets = "labels",
    n_train: int = 1437,
    balanced: bool = False,
    seed: int = 0,
) -> Data:
    """Read the 1,797 handwritten digits of 8x8 pixels that Loadpath ships.

    Those that are not trained on are for testing. Pixels are demeaned one by one but share one
    scale, such that the mean of ||x||^2 is 64: some are constant and others nearly so, and a scale
    of their own would blow up what little they hold.

    Parameters
    ----------
    targets : {"labels", "onehot"}, optional
        Class labels for classification; or one-hot vectors for regression, demeaned and normalized
        like any output, with the classes kept in `labels_train` and `labels_test`.
    n_train : int, optional
        Number of training samples.
    balanced : bool, optional
        Whether as many training samples are drawn of each class.
    seed : int, optional
        The seed of the shuffle.

    Returns
    -------
    Data
        64 features, 10 classes.

    Raises
    ------
    ValueError
        If `n_train` leaves no test sample, or a class with fewer than 2 training samples.

    References
    ----------
    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository (1998), its test set, CC BY 4.0; see digits.LICENSE.md.

    Examples
    --------
    >>> import loadpath as lp
    >>> data = lp.data.digits(targets="onehot")
    >>> data.y_train.shape, data.y_test.shape
    (torch.Size([1437, 10]), torch.Size([360, 10]))
    """
    whole, _ = read_npz(Path(__file__).with_name("digits.npz"))
    n = len(whole[1])
    check_count("n_train", n_train, 2)
    if n_train >= n:
        raise ValueError(f"n_train must leave some of the {n} digits for testing, not {n_train}.")
    return image_data(
        "UCI handwritten digits 8x8, CC BY 4.0",
        whole,
        None,
        targets=targets,
        n_train=n_train,
        n_test=n - n_train,
        image_size=None,
        balanced=balanced,
        seed=seed,
    )


def mnist(
    folder: str | Path,
    *,
    targets: Targets = "labels",
    n_train: int | None = None,
    n_test: int | None = None,
    image_size: int | None = None,
    resize: Resize = "area",
    balanced: bool = False,
    seed: int = 0,
) -> Data:
    """Read MNIST from a local folder: its four IDX files, gzip or not, or one .npz archive.

    An archive holds x_train, y_train, x_test and y_test, or one set as images and labels. One set
    is split by `seed`, one in five for testing unless `n_train` or `n_test` says otherwise.

    Parameters
    ----------
    folder : str or Path
        The folder, or the archive itself.
    targets : {"labels", "onehot"}, optional
        What is learnt, as for `digits`.
    n_train, n_test : int, optional
        Numbers of samples that are drawn by `seed`; all if left out.
    image_size : int, optional
        The side, in pixels, that images are made smaller to.
    resize : {"area", "bilinear", "bilinear-antialiased"}, optional
        How they are made smaller: means over areas; or bilinear interpolation, without or with
        antialiasing.
    balanced : bool, optional
        Whether as many training samples are drawn of each class; `n_train` is all of them together.
    seed : int, optional
        The seed of what is drawn.

    Returns
    -------
    Data
        Its pixels share one scale, as for `digits`.

    Raises
    ------
    FileNotFoundError
        For missing files; the message says which are wanted and where they are to be had.
    ValueError
        For files cut short or of another format, or an argument out of its range.
    """
    train, test = read_idx_or_npz(folder, wanted=_MNIST)
    return image_data(
        "MNIST",
        train,
        test,
        targets=targets,
        n_train=n_train,
        n_test=n_test,
        image_size=image_size,
        resize=resize,
        balanced=balanced,
        seed=seed,
    )


def fashion_mnist(
    folder: str | Path,
    *,
    targets: Targets = "labels",
    n_train: int | None = None,
    n_test: int | None = None,
    image_size: int | None = None,
    resize: Resize = "area",
    balanced: bool = False,
    seed: int = 0,
) -> Data:
    """Read Fashion-MNIST from a local folder, in files like those of `mnist`.

    Parameters
    ----------
    folder : str or Path
        The folder, or the archive itself.
    targets : {"labels", "onehot"}, optional
        What is learnt, as for `digits`.
    n_train, n_test : int, optional
        Numbers of samples that are drawn by `seed`; all if left out.
    image_size : int, optional
        The side, in pixels, that images are made smaller to.
    resize : {"area", "bilinear", "bilinear-antialiased"}, optional
        How they are made smaller: means over areas; or bilinear interpolation, without or with
        antialiasing.
    balanced : bool, optional
        Whether as many training samples are drawn of each class; `n_train` is all of them together.
    seed : int, optional
        The seed of what is drawn.

    Returns
    -------
    Data
        Its pixels share one scale, as for `digits`.

    Raises
    ------
    FileNotFoundError
        For missing files; the message says which are wanted and where they are to be had.
    ValueError
        For files cut short or of another format, or an argument out of its range.
    """
    train, test = read_idx_or_npz(folder, wanted=_FASHION_MNIST)
    return image_data(
        "Fashion-MNIST",
        train,
        test,
        targets=targets,
        n_train=n_train,
        n_test=n_test,
        image_size=image_size,
        resize=resize,
        balanced=balanced,
        seed=seed,
    )


def cifar10(
    folder: str | Path,
    *,
    targets: Targets = "labels",
    n_train: int | None = None,
    n_test: int | None = None,
    image_size: int | None = None,
    resize: Resize = "area",
    balanced: bool = False,
    seed: int = 0,
) -> Data:
    """Read CIFAR-10 from a local folder with its binary version (.bin).

    Features are the red, then the green, then the blue plane.

    Parameters
    ----------
    folder : str or Path
        The folder.
    targets : {"labels", "onehot"}, optional
        What is learnt, as for `digits`.
    n_train, n_test : int, optional
        Numbers of samples that are drawn by `seed`; all if left out.
    image_size : int, optional
        The side, in pixels, that images are made smaller to.
    resize : {"area", "bilinear", "bilinear-antialiased"}, optional
        How they are made smaller: means over areas; or bilinear interpolation, without or with
        antialiasing.
    balanced : bool, optional
        Whether as many training samples are drawn of each class; `n_train` is all of them together.
    seed : int, optional
        The seed of what is drawn.

    Returns
    -------
    Data
        Its pixels share one scale, as for `digits`.

    Raises
    ------
    FileNotFoundError
        For missing files; the message says which are wanted and where they are to be had.
    ValueError
        For files cut short or of another format, or an argument out of its range.

    Notes
    -----
    All of it takes 1.5 GB in float64: ask for fewer samples or a smaller `image_size` where that is
    much.
    """
    train, test = read_cifar10(folder, wanted=_CIFAR10)
    return image_data(
        "CIFAR-10",
        train,
        test,
        targets=targets,
        n_train=n_train,
        n_test=n_test,
        image_size=image_size,
        resize=resize,
        balanced=balanced,
        seed=seed,
    )
