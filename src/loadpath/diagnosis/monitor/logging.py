"""Where a monitor's numbers go: a function of a dict, with a step or without, or TensorBoard."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Sink = Callable[[dict[str, float], int], None]
"""A function that is handed finite numbers by name, and the training step that they belong to."""

PREFIX = "loadpath"
"""What the names of all logged numbers begin with."""
STEP = f"{PREFIX}/step"
"""Name of the training step, where it stands among the numbers."""


def logged_name(measure: str, layer: str | None = None) -> str:
    """Return the name that a number is logged under.

    wandb, TensorBoard and Lightning's loggers draw one chart for each name, and put those that
    agree before the first slash into one section. So each measure has a section with one chart a
    layer, and what is of the whole model has another.

    Parameters
    ----------
    measure : str
        What the number is.
    layer : str, optional
        The layer that it is of; the whole model if left out.

    Returns
    -------
    str
        Such as "loadpath_load/blocks.3", or "loadpath/alarms" for the whole model.
    """
    name = f"{PREFIX}/{measure}" if layer is None else f"{PREFIX}_{measure}/{layer}"
    # MLflow takes no other characters in a name; "#2" of a module's second call has one.
    return re.sub(r"[^\w./ -]", "-", name)


def sink_for(log: Any) -> Sink:
    """Return the function that writes to `log`, according to what `log` is.

    - None: nothing is written.
    - It has `add_scalar`, as a TensorBoard SummaryWriter has: one call for each number.
    - A function of a dict and `step`, as mlflow.log_metrics, trackio.log and the `log_metrics` of
      Lightning's loggers are: one call with both.
    - A function of a dict and an optional `step` that counts its rows by itself, as wandb.log does,
      which is told by its `commit` or by the name `data` of the dict: one call without `step`, with
      the training step in the dict as "loadpath/step". It would refuse a step that is lower than
      its own number of rows, which a loop that logs twice a step makes twice as high.
    - A function of a dict: one call, with the step in the dict as "loadpath/step".

    Parameters
    ----------
    log : object
        Where the numbers are to go.

    Returns
    -------
    callable
        A function of the numbers and the step. It can be pickled where `log` can.

    Raises
    ------
    ValueError
        If `log` is none of these.
    """
    if log is None:
        return _nowhere
    if callable(getattr(log, "add_scalar", None)):
        return _Writer(log)
    if callable(log) and _accepts_dict(log, step=0):
        if not _counts_rows(log):
            return _WithStep(log)
        return _Rows(log) if _accepts_dict(log, commit=False) else _StepAmong(log)
    if callable(log) and _accepts_dict(log):
        return _StepAmong(log)
    raise ValueError(
        "log must be a function of a dict, or of a dict and step=, or have add_scalar as a "
        f"TensorBoard SummaryWriter has, got {log!r}."
    )


def _nowhere(numbers: dict[str, float], step: int) -> None:
    """Write nothing."""


@dataclass
class _Writer:
    """Writes to a TensorBoard writer."""

    log: Any

    def __call__(self, numbers: dict[str, float], step: int) -> None:
        for name, value in numbers.items():
            self.log.add_scalar(name, value, step)


@dataclass
class _WithStep:
    """Calls a function of a dict and a step."""

    log: Callable[..., object]

    def __call__(self, numbers: dict[str, float], step: int) -> None:
        self.log(numbers, step=step)


@dataclass
class _StepAmong:
    """Calls a function of a dict, with the step among the numbers."""

    log: Callable[..., object]

    def __call__(self, numbers: dict[str, float], step: int) -> None:
        self.log({**numbers, STEP: float(step)})


@dataclass
class _Rows:
    """Calls a function that counts its rows, as wandb.log does, with the step among the numbers.

    Where others have logged since the last look, numbers go into the row that is open: to end it
    would make the others' next call for the same step one that goes back.
    """

    log: Callable[..., object]
    rows: int | None = None
    """How many rows there were after the last look, where that can be known."""
    is_open: bool = False
    """Whether the last look stands in a row that was left open."""

    def __call__(self, numbers: dict[str, float], step: int) -> None:
        row = {**numbers, STEP: float(step)}
        rows = self._count()
        if rows is not None and rows != self.rows:
            self.log(row, commit=False)
            self.is_open = True
        else:
            if self.is_open:  # another look must not take the place of that one
                self.log({}, commit=True)
            self.log(row)
            self.is_open = False
        self.rows = self._count()

    def _count(self) -> int | None:
        """Return the number of rows, which wandb's runs have as `step`."""
        rows = getattr(getattr(self.log, "__self__", None), "step", None)
        return rows if isinstance(rows, int) else None


def _counts_rows(log: Callable[..., object]) -> bool:
    """Whether a function of a dict and a step has a count of its own, and refuses lower steps."""
    parameters: Mapping[str, inspect.Parameter] = inspect.signature(log).parameters
    step = parameters.get("step")
    if step is None or step.default is inspect.Parameter.empty:
        return False
    return "commit" in parameters or next(iter(parameters)) == "data"


def _accepts_dict(log: Callable[..., Any], **named: object) -> bool:
    """Whether a function can be called with a dict and these named arguments."""
    try:
        inspect.signature(log).bind({}, **named)
    except TypeError:
        return False
    except ValueError:  # written in C without a signature
        return not named
    return True
