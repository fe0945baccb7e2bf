"""`Data`, its checks and its normalization; the way in for the user's own arrays."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from loadpath.checks import check_finite
from loadpath.data.files import read_archive

Provenance = dict[str, str | int | float]


@dataclass(frozen=True, eq=False)
class Data:
    """Training and test samples of one task; one that exists has passed every check below.

    Samples are rows. For `task="regression"` the targets are (sample, output) floating point, for
    `task="classification"` they are (sample,) int64 class labels 0..k-1.

    Raises: ValueError if the arrays' shapes do not match, an entry is not finite, there are fewer
    than 2 training samples or no test sample, a class has fewer than 2 training samples, or a test
    label is of no training class.
    """

    x_train: Float[Tensor, "train features"]
    """Training inputs."""
    y_train: Real[Tensor, "train ..."]
    """Training targets: outputs, or class labels."""
    x_test: Float[Tensor, "test features"]
    """Test inputs."""
    y_test: Real[Tensor, "test ..."]
    """Test targets."""
    task: Literal["regression", "classification"]
    """What the targets are."""
    provenance: Provenance
    """Where the samples come from: source, parameters and seed, enough to make them again."""
    labels_train: Int[Tensor, "train"] | None = None
    """Training classes. One-hot regression keeps them so that its classification error can be told;
    for classification they are the targets; None where there are no classes."""
    labels_test: Int[Tensor, "test"] | None = None
    """Test classes, likewise."""

    def __post_init__(self) -> None:
        if self.task not in ("regression", "classification"):
            raise ValueError(
                f"task must be 'regression' or 'classification', and it is {self.task!r}."
            )
        if self.task == "classification":
            object.__setattr__(self, "labels_train", self.y_train)
            object.__setattr__(self, "labels_test", self.y_test)
        _check_inputs(self)
        if self.task == "regression":
            _check_outputs(self)
        if (self.labels_train is None) != (self.labels_test is None):
            raise ValueError("labels_train and labels_test must be given together, or neither.")
        if self.labels_train is not None and self.labels_test is not None:
            prefix = "y" if self.task == "classification" else "labels"
            _check_labels(f"{prefix}_train", self.labels_train, len(self.x_train))
            _check_labels(f"{prefix}_test", self.labels_test, len(self.x_test))
            _check_classes(prefix, self.labels_train, self.labels_test)

    @property
    def in_features(self) -> int:
        """Number of input coordinates."""
        return self.x_train.shape[1]

    @property
    def out_features(self) -> int:
        """Number of outputs that a network needs: output coordinates, or classes."""
        if self.task == "classification":
            return int(self.y_train.max()) + 1
        return self.y_train.shape[1]


def from_arrays(
    x_train: Any, y_train: Any, x_test: Any, y_test: Any, *, normalize: bool = True
) -> Data:
    r"""Make a Data of your own arrays: NumPy, torch, or anything that `np.asarray` takes.

    Inputs are (sample, feature). Targets that are 1-D integers are class labels 0..k-1; targets
    that are 2-D are regression outputs. With `normalize`, every input and every regression output
    is mapped by $t \mapsto (t - m) / s$ with the mean and standard deviation of its training part
    (s = 1 for a coordinate that is constant in training).

    Raises: ValueError as `Data` does, and for arrays that are not of real numbers.
    """
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
    arrays = read_archive(Path(folder))
    wanted = ("x_train", "y_train", "x_test", "y_test")
    missing = [key for key in wanted if key not in arrays]
    if missing:
        raise ValueError(
            f"the file {str(folder)!r} must hold {', '.join(wanted)}; no {missing[0]}."
        )
    return from_arrays(*(arrays[key] for key in wanted), normalize=normalize)


def from_npz(path: str | Path) -> tuple[Float[Tensor, "sample feature"], Tensor]:
    """Read x and y from a NumPy archive (.npz), as they are: nothing is demeaned or scaled.

    Both are float64, or y (sample,) int64 class labels. A pair serves as both ends of a path.

    Raises: FileNotFoundError, or ValueError if the file is damaged or holds objects, lacks x or y,
    or these are not finite, not of real numbers or not equally many.
    """
    arrays = read_archive(Path(path))
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


def normalized(data: Data, *, common_scale: bool = False) -> Data:
    """Demean and scale inputs and regression outputs by their training statistics.

    Every coordinate gets its own scale, or with `common_scale` all inputs share one, such that the
    mean of ||x||^2 over the training samples is the number of features: for pixels, whose border is
    constant or nearly so, where a scale of its own would blow up a handful of stray values.
    """
    mean, scale = mean_and_scale(data.x_train, common=common_scale)
    data = replace(data, x_train=(data.x_train - mean) / scale, x_test=(data.x_test - mean) / scale)
    if data.task == "classification":
        return data
    mean, scale = mean_and_scale(data.y_train)
    return replace(data, y_train=(data.y_train - mean) / scale, y_test=(data.y_test - mean) / scale)


def mean_and_scale(
    t: Float[Tensor, "sample feature"], *, common: bool = False
) -> tuple[Float[Tensor, "feature"], Float[Tensor, "*feature"]]:
    """Mean and standard deviation of every coordinate, or one root mean square deviation of all.

    The deviation of a constant coordinate is given as 1, so that dividing by it leaves 0.
    Raises: ValueError if the variance overflows.
    """
    constant = t.amax(0) == t.amin(0)  # rounding in the mean would leave a deviation of 1e-17
    variance = torch.where(constant, 0.0, t.var(0, correction=0))
    if common:
        variance = variance.mean()
    if not variance.isfinite().all():
        raise ValueError(
            f"the data cannot be normalized: entries as large as {float(t.abs().max()):.3g} make "
            "the variance overflow."
        )
    return t.mean(0), torch.where(variance == 0, 1.0, variance.sqrt())


def _as_tensor(name: str, values: Any) -> Tensor:
    """Any array of real numbers as a tensor of its own memory: float64, or int64 for integers."""
    array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    if array.dtype.kind not in "iuf":
        raise ValueError(
            f"{name} must be an array of real numbers, and its dtype is {array.dtype}."
        )
    return torch.tensor(array.astype(np.float64 if array.dtype.kind == "f" else np.int64))


def _check_inputs(data: Data) -> None:
    for name, x, fewest in (("x_train", data.x_train, 2), ("x_test", data.x_test, 1)):
        if x.ndim != 2 or x.shape[1] == 0 or not x.is_floating_point():
            raise ValueError(
                f"{name} must be a floating-point array of shape (sample, feature) with at least "
                f"one feature, and it is {x.dtype} of shape {tuple(x.shape)}."
            )
        if len(x) < fewest:
            raise ValueError(f"{name} must have at least {fewest} sample(s), and it has {len(x)}.")
        check_finite(name, x)
    if data.x_test.shape[1] != data.x_train.shape[1]:
        raise ValueError(
            f"x_test has {data.x_test.shape[1]} features and x_train has {data.x_train.shape[1]}: "
            "they must be the same."
        )


def _check_outputs(data: Data) -> None:
    for name, y, n in (
        ("y_train", data.y_train, len(data.x_train)),
        ("y_test", data.y_test, len(data.x_test)),
    ):
        if y.ndim != 2 or y.shape[1] == 0 or len(y) != n or not y.is_floating_point():
            raise ValueError(
                f"{name} must be a floating-point array of shape ({n}, outputs) as its inputs have "
                f"{n} samples, and it is {y.dtype} of shape {tuple(y.shape)}."
            )
        check_finite(name, y)
    if data.y_test.shape[1] != data.y_train.shape[1]:
        raise ValueError(
            f"y_test has {data.y_test.shape[1]} outputs and y_train has {data.y_train.shape[1]}: "
            "they must be the same."
        )


def _check_labels(name: str, labels: Tensor, n: int) -> None:
    if labels.dtype != torch.int64 or labels.shape != (n,):
        raise ValueError(
            f"{name} must be int64 class labels of shape ({n},) as its inputs have {n} samples, "
            f"and it is {labels.dtype} of shape {tuple(labels.shape)}."
        )


def _check_classes(prefix: str, train: Tensor, test: Tensor) -> None:
    classes, counts = train.unique(return_counts=True)
    n_classes = len(classes)
    expected = torch.arange(n_classes)
    if not torch.equal(classes.cpu(), expected):
        wrong = int(classes[classes.cpu() != expected][0])
        raise ValueError(
            f"{prefix}_train must hold the classes 0 to k-1 and each of them: it has "
            f"{n_classes} classes, and a class {wrong}."
        )
    if n_classes < 2:
        raise ValueError(f"{prefix}_train must hold at least 2 classes, and it has only class 0.")
    if counts.min() < 2:
        raise ValueError(
            f"{prefix}_train must hold at least 2 samples of every class, and it has "
            f"{int(counts.min())} of class {int(counts.argmin())}."
        )
    stray = test[(test < 0) | (test >= n_classes)]
    if len(stray):
        raise ValueError(
            f"{prefix}_test must hold classes of {prefix}_train, 0 to {n_classes - 1}, and it has "
            f"a class {int(stray[0])}."
        )
