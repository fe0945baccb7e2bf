"""What an error is compared with: the best constant, or the largest class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from loadpath.leaky_resnet.objective import AnyLoss
from loadpath.leaky_resnet.own_loss import OwnLoss

MEANINGS = {
    "mse": "predicting the mean of the targets",
    "cross-entropy": "predicting the largest class of the training samples",
}
"""The trivial predictions that errors are compared with, by the name of the data term."""
CONSTANT = "the best constant answer that was found"
"""That of a loss of the user's own."""
NAMES = {"test_error": "test error", "train_error": "training error"}


def constant_loss(y: Tensor, loss: AnyLoss) -> float:
    """Return the data term of the best constant output: the variance of y, or its entropy."""
    if isinstance(loss, OwnLoss):
        return loss.of_best_constant(y)
    if loss == "mse":
        return float((y - y.mean(0)).double().square().sum(1).mean())
    frequency = torch.bincount(y).double() / len(y)
    return float(-(frequency * frequency.clamp_min(1e-300).log()).sum())


def baseline(y: Tensor, y_train: Tensor, loss: AnyLoss) -> float:
    """Return the error of a prediction that looks at no input.

    Parameters
    ----------
    y : Tensor
        Targets of the samples that the error is over.
    y_train : Tensor
        Targets of the training samples, whose largest class is predicted.
    loss : {"mse", "cross-entropy"}
        The data term.

    Returns
    -------
    float
        For "mse" the squared error of the mean of `y` itself, summed over outputs, so that
        1 - error / baseline is R^2; for "cross-entropy" the fraction misclassified; for a loss of
        the user's own that of the best constant answer.
    """
    if loss != "cross-entropy":
        return constant_loss(y, loss)
    return float((y != torch.bincount(y_train).argmax()).double().mean())


def compared(error: float, y: Tensor, y_train: Tensor, loss: AnyLoss) -> dict[str, object]:
    """Return the attributes that tell what an error at the end of a history is compared with."""
    trivial = baseline(y, y_train, loss)
    attrs: dict[str, object] = {
        "baseline": trivial,
        "baseline_meaning": MEANINGS.get(str(loss), CONSTANT),
    }
    if loss == "mse":
        attrs["r_squared"] = 1 - error / trivial if trivial > 0 else math.nan
    return attrs


def errors_in_words(history: xr.Dataset) -> dict[str, str]:
    """Say test and training error at the end of a history, each beside its baseline.

    Parameters
    ----------
    history : Dataset
        Of `fit`, or read from its file; one of version 0.1.0 knows no baselines.

    Returns
    -------
    dict of str to str
        "test error" and "training error", those that were measured, with their values in words.
    """
    said = {}
    for name, heading in NAMES.items():
        if name not in history:
            continue
        values = history[name].values[np.isfinite(history[name].values)]
        if len(values):
            said[heading] = _in_words(float(values[-1]), history[name].attrs)
    return said


def _in_words(error: float, attrs: Mapping[str, Any]) -> str:
    """Say one error with its unit, beside its baseline."""
    trivial = float(attrs.get("baseline", math.nan))
    beside = ", where {} gives ".format(attrs.get("baseline_meaning"))
    if attrs.get("units") == "fraction misclassified":
        compared = f"{beside}{_percent(trivial)}" if math.isfinite(trivial) else ""
        return f"{_percent(error)} wrong{compared}"
    units = str(attrs.get("units", ""))
    if units.startswith("units of "):
        compared = f"{beside}{trivial:.4g}" if math.isfinite(trivial) else ""
        return f"{error:.4g} ({units.removeprefix('units of ')}){compared}"
    squared = f"{error:.4g} (squared output, summed over outputs)"
    if not math.isfinite(trivial):
        return squared
    squared += f"{beside}{trivial:.4g}"
    if not trivial:
        return f"{squared}: targets do not vary, so there is no R^2"
    return f"R^2 {1 - error / trivial:.3g}; {squared}"


def _percent(share: float) -> str:
    """Return a share in per cent, in three digits."""
    return f"{100 * share:.3g} %"
