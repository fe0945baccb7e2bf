"""From the flat words of `solve` to an end as a value."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from loadpath.checks import check_above_zero, check_choice, check_number
from loadpath.data import as_pair
from loadpath.leaky_resnet.geodesic.endpoints.fixed import FixedEnd
from loadpath.leaky_resnet.geodesic.endpoints.free import FreeEnd
from loadpath.leaky_resnet.objective import TASKS, Loss, check_loss, loss_for

End = FreeEnd | FixedEnd


def samples_for(
    endpoint: str | End, x: Any, y: Any, loss: Loss | None
) -> tuple[Tensor, Tensor, Loss | None]:
    """Return inputs and targets as tensors, and the loss that an end named by a word has."""
    if loss is not None:
        check_loss(loss)
    by_value = isinstance(endpoint, FreeEnd | FixedEnd)
    own = endpoint.loss if isinstance(endpoint, FreeEnd | FixedEnd) else loss
    if not by_value and endpoint == "fixed":
        own = FixedEnd.loss  # another loss is refused by `as_end`
    x, y = as_pair(x, y, task=None if own is None else TASKS[own])
    return x, y, loss if by_value else loss or own or loss_for(y)


def as_end(
    endpoint: str | End, *, weight_decay: float | None, loss: Loss | None, scale: float
) -> End:
    """Return the end that was asked for, by its word and flat options or as a value."""
    check_above_zero("weight_decay", weight_decay)
    check_number("scale", scale, above=0)
    if isinstance(endpoint, FreeEnd | FixedEnd):
        if (weight_decay, loss or FreeEnd.loss, scale) != (None, FreeEnd.loss, FreeEnd.scale):
            raise ValueError(
                "weight_decay, loss and scale must be left to the endpoint where that is a value, "
                f"got {weight_decay}, {loss!r} and {scale} beside {endpoint}."
            )
        return endpoint
    check_choice("endpoint", endpoint, ("fit", "fixed"))
    if endpoint == "fixed":
        if loss != FixedEnd.loss:
            raise ValueError(f"loss must be 'mse' where endpoint='fixed', got {loss!r}.")
        return FixedEnd(weight_decay)
    return FreeEnd(weight_decay, loss or FreeEnd.loss, scale)
