"""Where a monitor's numbers go: a function of a dict, with a step or without, or TensorBoard."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

Sink = Callable[[dict[str, float], int], None]
"""A function that is handed finite numbers by name, and the training step that they belong to."""

PREFIX = "loadpath/"
"""What the names of all logged numbers begin with."""


def sink_for(log: Any) -> Sink:
    """Return the function that writes to `log`, according to what `log` is.

    - None: nothing is written.
    - It has `add_scalar`, as a TensorBoard SummaryWriter has: one call for each number.
    - A function of a dict and `step`, as wandb.log, mlflow.log_metrics, trackio.log and the
      `log_metrics` of Lightning's loggers are: one call with both.
    - A function of a dict: one call, with the step in the dict as "loadpath/step".

    Parameters
    ----------
    log : object
        Where the numbers are to go.

    Returns
    -------
    callable
        A function of the numbers and the step.

    Raises
    ------
    ValueError
        If `log` is none of these.
    """
    if log is None:
        return lambda numbers, step: None
    if callable(getattr(log, "add_scalar", None)):

        def add(numbers: dict[str, float], step: int) -> None:
            for name, value in numbers.items():
                log.add_scalar(name, value, step)

        return add
    if callable(log) and _accepts_dict(log, step=0):
        return lambda numbers, step: log(numbers, step=step)
    if callable(log) and _accepts_dict(log):
        return lambda numbers, step: log({**numbers, f"{PREFIX}step": float(step)})
    raise ValueError(
        "log must be a function of a dict, or of a dict and step=, or have add_scalar as a "
        f"TensorBoard SummaryWriter has, got {log!r}."
    )


def _accepts_dict(log: Callable[..., Any], **named: int) -> bool:
    """Whether a function can be called with a dict and these named arguments."""
    try:
        inspect.signature(log).bind({}, **named)
    except TypeError:
        return False
    except ValueError:  # written in C without a signature
        return not named
    return True
