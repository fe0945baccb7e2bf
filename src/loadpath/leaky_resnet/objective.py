"""Data term of a LeakyResNet, and the momenta that are its derivatives along the path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import (
    as_small_rows,
    as_tensor,
    check_choice,
    check_count,
    check_finite,
    check_number,
    check_size,
    check_type,
    check_weights,
)
from loadpath.data import Task, as_pair
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.own_loss import OwnLoss, own_loss

Loss = Literal["mse", "cross-entropy"]
"""Names of the data terms."""
LOSSES: tuple[Loss, ...] = ("mse", "cross-entropy")
"""The names as values."""
AnyLoss = Loss | OwnLoss
"""A data term: one that has a name, or one of the user's own."""
LossLike = Loss | OwnLoss | Callable[[Tensor, Tensor], Tensor]
"""What `fit` and what measures a net take as a loss."""
TASKS: dict[Loss, Task] = {"mse": "regression", "cross-entropy": "classification"}
"""What targets are for each data term."""


def check_loss(loss: str) -> None:
    """Refuse what is not the name of a loss.

    Parameters
    ----------
    loss : str
        What was given.

    Raises
    ------
    ValueError
        If `loss` is not one of `LOSSES`.
    """
    check_choice("loss", loss, LOSSES)


def task_of_loss(loss: LossLike | None) -> Task | None:
    """Return what targets a loss is of, once it is known to be one; None if they shall say.

    Parameters
    ----------
    loss : str, callable or None
        What was given.

    Returns
    -------
    {"regression", "classification"} or None
        The task.

    Raises
    ------
    ValueError
        If `loss` is neither the name of one nor a function.
    """
    if isinstance(loss, OwnLoss):
        return loss.task
    if loss is not None and (not callable(loss) or isinstance(loss, type)):
        check_choice("loss", loss, LOSSES)
    return TASKS.get(loss) if isinstance(loss, str) else None


def as_loss(loss: LossLike | None, y: Tensor, n_outputs: int) -> AnyLoss:
    """Return the data term: by its name, of a function, or that which the targets ask for.

    Parameters
    ----------
    loss : str, callable or None
        What was given.
    y : Tensor
        (sample, out) outputs, or (sample,) class numbers.
    n_outputs : int
        Number of outputs of the net.

    Returns
    -------
    str or OwnLoss
        The data term.

    Raises
    ------
    ValueError
        If a function is no mean over samples with a slope.
    """
    if loss is None:
        return loss_for(y)
    return loss if isinstance(loss, str | OwnLoss) else own_loss(loss, y, n_outputs)


def of_outputs(loss: AnyLoss) -> bool:
    """Tell whether the targets of a loss are outputs, and not class numbers.

    Parameters
    ----------
    loss : str or OwnLoss
        The data term.

    Returns
    -------
    bool
        Whether they are.
    """
    return loss.task == "regression" if isinstance(loss, OwnLoss) else loss == "mse"


def loss_for(y: Tensor) -> Loss:
    """Return the data term that targets ask for where none is named.

    Parameters
    ----------
    y : Tensor
        (sample, out) outputs, or (sample,) class numbers.

    Returns
    -------
    {"mse", "cross-entropy"}
        "cross-entropy" for whole numbers in one column, which are classes; else "mse".
    """
    return "mse" if y.ndim != 1 or y.is_floating_point() else "cross-entropy"


def as_targets(y: Any, loss: str, *, n: int, n_outputs: int) -> Tensor:
    """Return targets as a tensor, once it is known that they are one for each sample.

    Parameters
    ----------
    y : Tensor or array_like
        What was given.
    loss : {"mse", "cross-entropy"}
        Which data term.
    n : int
        The number of samples.
    n_outputs : int
        The number of outputs.

    Returns
    -------
    Tensor
        (n, n_outputs) for "mse", (n,) class numbers, int64, for "cross-entropy".

    Raises
    ------
    ValueError
        If `loss` is unknown, or `y` are other targets.
    """
    check_loss(loss)
    y = as_tensor("y", y)
    expected = (n, n_outputs) if loss == "mse" else (n,)
    if tuple(y.shape) != expected:
        raise ValueError(f"y must have shape {expected} for loss {loss!r}, got {tuple(y.shape)}.")
    if loss == "mse":
        y = y if y.is_floating_point() else y.double()
        check_finite("y", y)
        check_size("y", y)
        return y
    if y.is_floating_point():
        raise ValueError(f"y must hold class numbers as integers, got {y.dtype}.")
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= n_outputs:
        raise ValueError(f"y must hold class numbers 0 to {n_outputs - 1}, got {low} to {high}.")
    return y.long()


def as_problem(model: Any, x: Any, y: Any, loss: LossLike | None) -> tuple[Tensor, Tensor, AnyLoss]:
    """Return inputs, targets and the loss, once it is known that a net can be run on them.

    Parameters
    ----------
    model : LeakyResNet
        The net.
    x, y : object
        Inputs and targets, or x alone where it holds both, as `loadpath.data.as_pair` takes them.
    loss : {"mse", "cross-entropy"}, callable or None
        The data term; None is the one that the targets ask for.

    Returns
    -------
    x : Tensor
        (sample, in), of its own type of floating-point numbers.
    y : Tensor
        (sample, out) for "mse", (sample,) class numbers for "cross-entropy".
    loss : str or OwnLoss
        The data term.

    Raises
    ------
    ValueError
        If `model` is no LeakyResNet or has weights that are not finite, or x and y are not finite,
        not of its sizes or not equally many.
    """
    check_type("model", model, LeakyResNet, "a LeakyResNet")
    check_weights("model", model)
    x, y = as_pair(x, y, task=task_of_loss(loss))
    if x.shape[1] != model.in_features:
        raise ValueError(f"x must be (sample, {model.in_features}), got {tuple(x.shape)}.")
    x = x if x.is_floating_point() else x.double()
    loss = as_loss(loss, y, model.out_features)
    if isinstance(loss, OwnLoss):
        return x, y, loss
    return x, as_targets(y, loss, n=len(x), n_outputs=model.out_features), loss


def data_term(
    outputs: Float[Tensor, "sample out"], y: Tensor, loss: Loss, *, n_total: int | None = None
) -> Float[Tensor, ""]:
    r"""Return the data term C of the objective.

    $C = \frac1N \sum_i \|y_i - f_i\|^2$ for "mse", a sum over outputs, and the mean cross-entropy
    for "cross-entropy".

    Parameters
    ----------
    outputs : Tensor
        (sample, out): what the net puts out.
    y : Tensor
        (sample, out) for "mse", (sample,) class numbers for "cross-entropy".
    loss : {"mse", "cross-entropy"}
        Which data term.
    n_total : int, optional
        The N to divide by, where the samples are a part of more; their number if left out.

    Returns
    -------
    Tensor
        0-d; in squared units of y for "mse", in nats for "cross-entropy".

    Raises
    ------
    ValueError
        If `loss` is unknown, or `y` does not have one finite target for each output or one class
        number for each sample.
    """
    rows = as_small_rows("outputs", outputs)
    given = as_tensor("outputs", outputs)
    outputs = given if given.is_floating_point() else rows
    y = as_targets(y, loss, n=len(outputs), n_outputs=outputs.shape[1])
    if n_total is not None:
        check_count("n_total", n_total, 1)
    return data_term_of_tensors(outputs, y, loss, n_total=n_total)


def data_term_of_tensors(
    outputs: Float[Tensor, "sample out"], y: Tensor, loss: AnyLoss, *, n_total: int | None = None
) -> Float[Tensor, ""]:
    """Return the `data_term` of outputs and targets that have been checked.

    Parameters
    ----------
    outputs, y : Tensor
        As for `data_term`.
    loss : {"mse", "cross-entropy"}
        Which data term.
    n_total : int, optional
        The N to divide by; the number of samples if left out.

    Returns
    -------
    Tensor
        0-d.
    """
    if isinstance(loss, OwnLoss):
        return loss.mean(outputs, y, n_total=n_total)
    if loss == "mse":
        total = (outputs - y).square().sum()
    else:
        total = torch.nn.functional.cross_entropy(outputs, y, reduction="sum")
    return total / (n_total or len(outputs))


def momenta(
    model: LeakyResNet,
    x: Any,
    y: Any = None,
    *,
    weight_decay: float,
    loss: LossLike | None = None,
    n_total: int | None = None,
) -> tuple[list[Float[Tensor, "sample width"]], list[Float[Tensor, "sample width"]]]:
    r"""Return the path and its momenta, read off autograd.

    Parameters
    ----------
    model : LeakyResNet
        The net; it is left as it is.
    x : array_like or DataFrame, or both halves in one
        (sample, in): inputs; or what `loadpath.data.as_pair` takes for inputs and targets in one.
    y : array_like, optional
        (sample, out) for "mse", (sample,) class numbers for "cross-entropy".
    weight_decay : float
        The $\lambda$ of the objective, above 0.
    loss : {"mse", "cross-entropy"} or callable, optional
        The data term, or a function of your own as for `fit`; if left out, "cross-entropy" for
        class numbers and "mse" for outputs.
    n_total : int, optional
        The number of samples in all, where x is one batch of them. Momenta of different samples do
        not mix, so those of the batches can be stacked.

    Returns
    -------
    path : list of Tensor
        $A_0, \dots, A_L$, each (sample, width).
    momenta : list of Tensor
        $B_0, \dots, B_L$, each (sample, width), in the inverse units of A.

    Raises
    ------
    ValueError
        If `weight_decay` is not finite and above 0, `loss` is unknown, or x and y do not fit
        the net.

    Notes
    -----
    $B_l = -\frac1\lambda\, \partial C / \partial A_l$, where C is the data term alone. For Euler
    steps they are the theory's momenta; for exponential ones `mechanics.step_momenta` makes them
    so. The cost is that of one forward and one backward pass.

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, Hamiltonian formulation.
    """
    check_number("weight_decay", weight_decay, above=0)
    x, y, loss = as_problem(model, x, y, loss)
    if n_total is not None:
        check_count("n_total", n_total, 1)
    x, y = x.to(model.input_map), y.to(model.input_map) if of_outputs(loss) else y
    with torch.enable_grad():
        path = model.path_from((x @ model.input_map).detach().requires_grad_())
        C = data_term_of_tensors(path[-1] @ model.output_map, y, loss, n_total=n_total)
        gradients = torch.autograd.grad(C, path)
    return [A.detach() for A in path], [-g / weight_decay for g in gradients]
