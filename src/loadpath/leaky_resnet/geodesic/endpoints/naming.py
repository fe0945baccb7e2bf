"""From the flat words of `solve` to an end as a value."""

from __future__ import annotations

from loadpath.checks import check_above_zero, check_choice, check_number
from loadpath.leaky_resnet.geodesic.endpoints.fixed import FixedEnd
from loadpath.leaky_resnet.geodesic.endpoints.free import FreeEnd
from loadpath.leaky_resnet.objective import Loss, check_loss

End = FreeEnd | FixedEnd


def as_end(endpoint: str | End, *, weight_decay: float | None, loss: Loss, scale: float) -> End:
    """Return the end that was asked for, by its word and flat options or as a value."""
    check_loss(loss)
    check_above_zero("weight_decay", weight_decay)
    check_number("scale", scale, above=0)
    if isinstance(endpoint, FreeEnd | FixedEnd):
        if (weight_decay, loss, scale) != (None, FreeEnd.loss, FreeEnd.scale):
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
    return FreeEnd(weight_decay, loss, scale)
