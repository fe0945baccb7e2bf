"""The history of a run: a row of numbers now and then, each with its residuals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from loadpath import results
from loadpath.data import Data
from loadpath.leaky_resnet import mechanics
from loadpath.leaky_resnet.adjoint import Adjoint
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import (
    AnyLoss,
    data_term_of_tensors,
    momenta,
    of_outputs,
)
from loadpath.leaky_resnet.own_loss import OwnLoss
from loadpath.leaky_resnet.training.baseline import compared, constant_loss
from loadpath.results import Status

TRIVIAL = 0.99
"""A run has learned nothing if its data term is above this share of what takes no weights."""
COLUMNS = {
    "objective": ("objective at the full weight decay", "{loss}"),
    "data_term": ("data term", "{loss}"),
    "regularizer": ("regularizer (1/2c) sum rho ||W||^2", "1"),
    "train_error": ("training error", "{error}"),
    "test_error": ("test error", "{error}"),
    "stationarity": ("median over layers of ||W - c B^T S|| / ||W||", "1"),
    "stationarity_worst": ("worst layer's ||W - c B^T S|| / ||W||", "1"),
    "hamiltonian_spread": ("(max - min) / max |H| over layers", "1"),
    "weight_decay": ("weight decay at work in this iteration", "{loss}"),
    "learning_rate": ("learning rate", "1"),
    "seconds": ("time spent training", "s"),
}
"""Long name and unit of every column."""
UNITS = {
    "mse": dict.fromkeys(("loss", "error"), "squared output, summed over outputs"),
    "cross-entropy": {"loss": "nat", "error": "fraction misclassified"},
}
"""Units of losses and errors, by the name of the data term."""


def error(model: LeakyResNet, x: Tensor, y: Tensor, loss: AnyLoss) -> float:
    """Return the error of a net.

    Parameters
    ----------
    model : LeakyResNet
        The net.
    x : Tensor
        (sample, in): inputs.
    y : Tensor
        (sample, out) for "mse", (sample,) class numbers for "cross-entropy".
    loss : {"mse", "cross-entropy"}
        The data term that the net was trained with.

    Returns
    -------
    float
        The squared error summed over outputs, as a mean over samples, for "mse"; the fraction
        misclassified for "cross-entropy"; the loss itself for one of the user's own.
    """
    with torch.no_grad():
        outputs = model(x)
        if loss != "cross-entropy":
            return float(data_term_of_tensors(outputs, y, loss))
        return float((outputs.argmax(1) != y).double().mean())


def trivial_loss(model: LeakyResNet, x: Tensor, y: Tensor, loss: AnyLoss) -> float:
    """Return the data term that takes no weights.

    Parameters
    ----------
    model : LeakyResNet
        The net.
    x, y : Tensor
        Inputs and targets.
    loss : {"mse", "cross-entropy"}
        The data term.

    Returns
    -------
    float
        That of the best constant, or of the net with all weights 0 if that is lower. A net without
        weights lets its input leak away; at small effective depth it still computes a linear map,
        which may well be better than a constant.
    """
    decay, _ = model.coefficients()
    with torch.no_grad():
        outputs = float(decay.prod()) * (x @ model.input_map @ model.output_map)
    return min(constant_loss(y, loss), float(data_term_of_tensors(outputs, y, loss)))


def is_trivial(data_term: float, penalty: float, trivial: float) -> bool:
    """Tell whether a net has learned nothing, and not for want of training.

    Parameters
    ----------
    data_term : float
        Its data term.
    penalty : float
        Weight decay times its regularizer, which is large in a net that is not trained yet.
    trivial : float
        Its `trivial_loss`.

    Returns
    -------
    bool
        Whether it stands at the trivial minimum.
    """
    return data_term > TRIVIAL * trivial and penalty < (1 - TRIVIAL) * trivial


def layer_residuals(model: LeakyResNet, weight_decay: float) -> Tensor:
    r"""Return the stationarity residual of every layer, from the gradient that the net holds.

    Parameters
    ----------
    model : LeakyResNet
        The net, with the gradient of the objective in `weights.grad`.
    weight_decay : float
        The $\lambda$ of that objective.

    Returns
    -------
    Tensor
        (depth,): $\|W_l - c (g_l / \rho_l) B_l^\top S_{l-1}\| / \|W_l\|$; float64.

    Notes
    -----
    The gradient of the objective is $\lambda \rho_l / c$ times what is inside the norm.
    """
    assert model.weights.grad is not None
    gradient = torch.linalg.vector_norm(model.weights.grad, dim=(1, 2), dtype=torch.float64)
    norm = torch.linalg.vector_norm(model.weights.detach(), dim=(1, 2), dtype=torch.float64)
    scale = weight_decay / model.coupling * model.layer_steps.double() * norm
    return gradient / scale.clamp_min(torch.finfo(torch.float64).tiny)


class History:
    """Rows of numbers about a net in training, and their Dataset."""

    def __init__(
        self,
        model: LeakyResNet,
        data: Data,
        loss: AnyLoss,
        weight_decay: float,
        full: Adjoint,
    ) -> None:
        """Start with no rows; `full` is the adjoint of the net with all training samples loaded."""
        self.model, self.loss, self.weight_decay, self.full = model, loss, weight_decay, full
        self.x, self.y = data.x_train.to(model.weights), targets(data.y_train, model, loss)
        self.x_test, self.y_test = data.x_test.to(model.weights), targets(data.y_test, model, loss)
        self.rows: list[dict[str, Any]] = []

    def add(self, **where: Any) -> dict[str, Any]:
        """Measure the net as it is; add a row with that and with what the trainer says of it."""
        data_term, regularizer = self.full.evaluate(self.weight_decay)
        residuals = layer_residuals(self.model, self.weight_decay)
        finite = math.isfinite(data_term) and bool(torch.isfinite(residuals).all())
        self.rows.append(
            {
                **where,
                "objective": data_term + self.weight_decay * regularizer,
                "data_term": data_term,
                "regularizer": regularizer,
                "train_error": error(self.model, self.x, self.y, self.loss),
                "test_error": error(self.model, self.x_test, self.y_test, self.loss),
                "stationarity": float(residuals.median()),
                "stationarity_worst": float(residuals.max()),
                "hamiltonian_spread": self._spread() if finite else math.nan,
                "layer_steps": self.model.layer_steps.tolist(),
            }
        )
        return self.rows[-1]

    def _spread(self) -> float:
        """Return the spread of the symmetric Hamiltonian over the layers."""
        model = self.model
        path, B = momenta(model, self.x, self.y, weight_decay=self.weight_decay, loss=self.loss)
        H = mechanics.symmetric_hamiltonian(
            path,
            mechanics.step_momenta_of_tensors(model, B),
            effective_depth=model.effective_depth,
            activation=model.activation,
            bias=model.bias,
        )
        return float(mechanics.hamiltonian_spread(H))

    def line(self) -> str:
        """Return the last row in a few words, for a progress bar."""
        row = self.rows[-1]
        return (
            f"{row['stage']}: objective {row['objective']:.4g}, test error "
            f"{row['test_error']:.4g}, residual {row['stationarity']:.2g}"
        )

    def dataset(self, status: Status, **parameters: object) -> xr.Dataset:
        """Return all rows over `record`, with coordinates `iteration` and `stage`."""
        own = dict.fromkeys(("loss", "error"), f"units of {self.loss}")
        units = own if isinstance(self.loss, OwnLoss) else UNITS[self.loss]
        variables: dict[str, Any] = {
            name: (
                "record",
                np.array([row[name] for row in self.rows]),
                {"long_name": long_name, "units": unit.format(**units)},
            )
            for name, (long_name, unit) in COLUMNS.items()
        }
        variables["layer_steps"] = (
            ("record", "step"),
            np.array([row["layer_steps"] for row in self.rows]),
            {"long_name": "layer step", "units": "fraction of the path"},
        )
        for name, y in (("train_error", self.y), ("test_error", self.y_test)):
            last = self.rows[-1][name] if self.rows else math.nan
            variables[name][2].update(compared(last, y, self.y, self.loss))
        coords = {
            "iteration": ("record", np.array([row["iteration"] for row in self.rows])),
            "stage": ("record", np.array([row["stage"] for row in self.rows])),
        }
        return results.stamp(
            xr.Dataset(variables, coords=coords),
            status=status.value,
            **self.model.settings(),
            **parameters,
        )


def targets(y: Tensor, model: LeakyResNet, loss: AnyLoss) -> Tensor:
    """Return y where the model is, in its dtype where y is outputs."""
    return y.to(model.weights) if of_outputs(loss) else y.to(model.weights.device)
