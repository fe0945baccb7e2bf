"""From the flat words of `solve` to an end as a value."""

from __future__ import annotations

from loadpath.leaky_resnet.geodesic.endpoints.fixed import FixedEnd
from loadpath.leaky_resnet.geodesic.endpoints.free import FreeEnd
from loadpath.leaky_resnet.objective import Loss, check_loss

End = FreeEnd | FixedEnd


def as_end(endpoint: str | End, *, weight_decay: float | None, loss: Loss, scale: float) -> End:
    """Return the end that was asked for, by its word and flat options or as a value."""
    check_loss(loss)
    if isinstance(endpoint, FreeEnd | FixedEnd):
        if (weight_decay, loss, scale) != (None, FreeEnd.loss, FreeEnd.scale):
            raise ValueError(
                "weight_decay, loss and scale must be left to the endpoint where that is a value, "
                f"got {weight_decay}, {loss!r} and {scale} beside {endpoint}."
            )
        return endpoint
    if endpoint == "fixed":
        if loss != FixedEnd.loss:
            raise ValueError(f"loss must be 'mse' where endpoint='fixed', got {loss!r}.")
        return FixedEnd(weight_decay)
    if endpoint == "fit":
        return FreeEnd(weight_decay, loss, scale)
    raise ValueError(f"endpoint must be 'fit' or 'fixed', got {endpoint!r}.")
