"""The ways in for the user's own arrays, in memory and in NumPy archives."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_path, as_tensor, check_finite, check_flag, check_size
from loadpath.data.files import read_archive
from loadpath.data.normalization import normalized
from loadpath.data.samples import Data


def from_arrays(
    x_train: Any, y_train: Any, x_test: Any, y_test: Any, *, normalize: bool = True
) -> Data:
    r"""Make a Data of your own arrays: NumPy, torch, or anything that `np.asarray` takes.

    Parameters
    ----------
    x_train, x_test : array_like
        Inputs, (sample, feature).
    y_train, y_test : array_like
        Targets. 1-D integers are class labels 0..k-1; 2-D numbers are regression outputs.
    normalize : bool, optional
        Whether every input and every regression output is mapped by $t \mapsto (t - m) / s$, with
        the mean and the standard deviation of its training part. A coordinate that is constant in
        training has s = 1.

    Returns
    -------
    Data
        The samples in float64, in memory of their own.

    Raises
    ------
    ValueError
        For arrays that are not of real numbers, and for what `Data` refuses.

    Examples
    --------
    >>> import loadpath as lp
    >>> data = lp.data.from_arrays([[0.0], [2.0], [4.0], [6.0]], [0, 1, 0, 1], [[3.0]], [1])
    >>> data.task, data.x_train.std(correction=0).item(), data.x_test.item()
    ('classification', 1.0, 0.0)
    """
    check_flag("normalize", normalize)
    train, test = _as_tensor("y_train", y_train), _as_tensor("y_test", y_test)
    if train.ndim == test.ndim == 1 and not train.is_floating_point():
        task: Literal["regression", "classification"] = "classification"
    elif train.ndim == test.ndim == 2:
        task, train, test = "regression", train.double(), test.double()
    else:
        raise ValueError(
            "y_train and y_test must both be 1-D integer class labels or both be 2-D outputs, and "
            f"they have shapes {tuple(train.shape)} ({train.dtype}) and {tuple(test.shape)} "
            f"({test.dtype})."
        )
    raw = Data(
        x_train=_as_tensor("x_train", x_train).double(),
        y_train=train,
        x_test=_as_tensor("x_test", x_test).double(),
        y_test=test,
        task=task,
        provenance={"source": "the user's arrays", "normalize": str(normalize).lower()},
    )
    return normalized(raw) if normalize else raw


def from_archive(folder: str | Path, *, normalize: bool = True) -> Data:
    """Make a Data of a NumPy archive (.npz) of your own.

    Parameters
    ----------
    folder : str or Path
        The archive. It holds x_train, y_train, x_test and y_test, as `from_arrays` takes them.
    normalize : bool, optional
        As for `from_arrays`.

    Returns
    -------
    Data
        Training and test samples.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or holds objects, if it lacks one of the four arrays, or for what
        `from_arrays` refuses.
    """
    folder = as_path("folder", folder)
    arrays = read_archive(folder)
    wanted = ("x_train", "y_train", "x_test", "y_test")
    missing = [key for key in wanted if key not in arrays]
    if missing:
        raise ValueError(
            f"the file {str(folder)!r} must hold {', '.join(wanted)}; no {missing[0]}."
        )
    return from_arrays(*(arrays[key] for key in wanted), normalize=normalize)


def from_npz(path: str | Path) -> tuple[Float[Tensor, "sample feature"], Tensor]:
    """Read x and y from a NumPy archive (.npz) as they are: nothing is demeaned or scaled.

    A pair serves as both ends of a path.

    Parameters
    ----------
    path : str or Path
        The archive, with the arrays x and y.

    Returns
    -------
    x : Tensor
        (sample, feature), float64.
    y : Tensor
        (sample, output), float64; or class labels (sample,), int64.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or holds objects, if it lacks x or y, or if these are not finite, not
        of real numbers or not equally many.
    """
    path = as_path("path", path)
    arrays = read_archive(path)
    if not {"x", "y"} <= arrays.keys():
        held = ", ".join(sorted(arrays)) or "none"
        raise ValueError(
            f"the file {str(path)!r} must hold the arrays x and y, and it holds {held}."
        )
    x, y = _as_tensor("x", arrays["x"]).double(), _as_tensor("y", arrays["y"])
    if y.is_floating_point() or y.ndim != 1:
        y = y.double()
    for name, t, dims in (("x", x, 2), ("y", y, 2 if y.is_floating_point() else 1)):
        if t.ndim != dims or t.numel() == 0 or len(t) != len(x):
            raise ValueError(
                "x must be (sample, feature) and y as many (sample, output) or integer labels, and "
                f"the file {str(path)!r} holds shapes {tuple(x.shape)} and {tuple(y.shape)}."
            )
        check_finite(name, t)
    return x, y


def _as_tensor(name: str, values: Any) -> Tensor:
    """Return an array of real numbers as a tensor of its own memory: float64, or int64."""
    given = as_tensor(name, values).detach().cpu()
    t = given.to(torch.float64 if given.is_floating_point() else torch.int64, copy=True)
    check_finite(name, t)
    check_size(name, t)
    return t
