"""`Data`, the samples of one task, and the checks that every one of them has passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from loadpath.checks import check_finite, check_number
from loadpath.results import Overview, Shown

Provenance = dict[str, str | int | float]


@dataclass(frozen=True, eq=False, repr=False)
class Data(Shown):
    """Training and test samples of one task.

    Samples are rows. For `task="regression"` the targets are (sample, output) floating point, for
    `task="classification"` they are (sample,) int64 class labels 0..k-1. A `Data` that exists has
    passed every check below.

    Raises
    ------
    ValueError
        If the arrays' shapes do not match, an entry is not finite, there are fewer than 2 training
        samples or no test sample, a class has fewer than 2 training samples, or a test label is of
        no training class.
    """

    x_train: Float[Tensor, "train features"]
    """Training inputs, (sample, feature)."""
    y_train: Real[Tensor, "train ..."]
    """Training targets: outputs, or class labels."""
    x_test: Float[Tensor, "test features"]
    """Test inputs, (sample, feature)."""
    y_test: Real[Tensor, "test ..."]
    """Test targets."""
    task: Literal["regression", "classification"]
    """What the targets are."""
    provenance: Provenance
    """Source, parameters and seed of the samples: enough to make them again."""
    labels_train: Int[Tensor, " train"] | None = None
    """Training classes, or None where there are none. For classification they are the targets;
    one-hot regression keeps them, so that its classification error can be told."""
    labels_test: Int[Tensor, " test"] | None = None
    """Test classes, or None where there are none."""
    raw_deviation: float | None = None
    """Standard deviation of all entries of the training inputs together before they were demeaned,
    in the units of `x_train`; None where the inputs were not demeaned, or have no scale in common.
    """

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
        if self.raw_deviation is not None:
            check_number("raw_deviation", self.raw_deviation, least=0)
        if (self.labels_train is None) != (self.labels_test is None):
            raise ValueError("labels_train and labels_test must be given together, or neither.")
        if self.labels_train is not None and self.labels_test is not None:
            prefix = "y" if self.task == "classification" else "labels"
            _check_labels(f"{prefix}_train", self.labels_train, len(self.x_train))
            _check_labels(f"{prefix}_test", self.labels_test, len(self.x_test))
            _check_classes(prefix, self.labels_train, self.labels_test)

    def _overview(self) -> Overview:
        """Return the sizes, and what the samples are made from."""
        what = "outputs" if self.task == "regression" else "classes"
        return Overview(
            {
                "task": self.task,
                "training samples": f"{len(self.x_train):,}",
                "test samples": f"{len(self.x_test):,}",
                "features": f"{self.in_features:,}",
                what: f"{self.out_features:,}",
                **{name.replace("_", " "): str(value) for name, value in self.provenance.items()},
            }
        )

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


def _check_inputs(data: Data) -> None:
    """Refuse inputs that are not finite (sample, feature) arrays of one width."""
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
    """Refuse regression outputs that are not finite (sample, output) arrays of one width."""
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
    """Refuse labels that are not int64, or not one for each sample."""
    if labels.dtype != torch.int64 or labels.shape != (n,):
        raise ValueError(
            f"{name} must be int64 class labels of shape ({n},) as its inputs have {n} samples, "
            f"and it is {labels.dtype} of shape {tuple(labels.shape)}."
        )


def _check_classes(prefix: str, train: Tensor, test: Tensor) -> None:
    """Refuse classes with gaps, with fewer than 2 training samples, or unknown in training."""
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
