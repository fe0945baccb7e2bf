"""Knobs: what a steered training may turn, such as the rate of all Dropout modules."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from loadpath.checks import (
    check_callable,
    check_choice,
    check_flag,
    check_number,
    check_text,
    check_type,
)

HIGHEST_DROPOUT = 0.5
"""Highest rate that Dropout is steered to, where nothing else is said."""


@dataclass(frozen=True)
class Knob:
    """A number that sets how noisy a training is, and how it is read and set.

    Raises
    ------
    ValueError
        If a field is out of its range.

    Examples
    --------
    The noise on inputs of a training loop, which reads it from a dict:

    >>> noise = {"inputs": 0.1}
    >>> knob = Knob(lambda: noise["inputs"], lambda v: noise.update(inputs=v), 0.0, 1.0)
    >>> knob.set(0.3)
    >>> noise["inputs"], knob.place(0.3)
    (0.3, 0.3)
    """

    get: Callable[[], float]
    """Function that returns the knob's value."""
    set: Callable[[float], object]
    """Function that sets it."""
    low: float
    """Least value that it is set to."""
    high: float
    """Largest value that it is set to."""
    name: str = "knob"
    """What it is called in records."""
    more_is_noisier: bool = True
    """Whether a higher value is more noise; False for the size of batches."""
    spacing: str = "linear"
    """Whether equal steps are equal differences, "linear", or equal ratios, "log"."""

    def __post_init__(self) -> None:
        """Check the fields."""
        check_callable("get", self.get)
        check_callable("set", self.set)
        check_choice("spacing", self.spacing, ("linear", "log"))
        check_number("low", self.low)
        if self.spacing == "log":
            check_number("low", self.low, above=0)
        check_number("high", self.high, above=self.low)
        check_text("name", self.name)
        check_flag("more_is_noisier", self.more_is_noisier)

    def value_at(self, place: float) -> float:
        """Return the value at a place of the range.

        Parameters
        ----------
        place : float
            Place from the calm end, 0, to the noisy one, 1.

        Returns
        -------
        float
            The value, in the knob's units.
        """
        share = place if self.more_is_noisier else 1 - place
        if share in (0.0, 1.0):  # the limits themselves, without rounding
            return self.high if share else self.low
        if self.spacing == "log":
            return float(self.low * (self.high / self.low) ** share)
        return float(self.low + share * (self.high - self.low))

    def place(self, value: float) -> float:
        """Return the place of a value in the range, from the calm end, 0, to the noisy one, 1.

        Parameters
        ----------
        value : float
            A value, in the knob's units; one beyond a limit has the place of the limit.

        Returns
        -------
        float
            The place.
        """
        value = min(max(value, self.low), self.high)
        if self.spacing == "log":
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return share if self.more_is_noisier else 1 - share


def dropout_knob(
    model: nn.Module, *, low: float = 0.0, high: float = HIGHEST_DROPOUT, name: str = "dropout"
) -> Knob:
    """Return the one knob that sets the rate of all Dropout modules of a model.

    Parameters
    ----------
    model : nn.Module
        The model. Dropout that it applies by functions is not found.
    low, high : float
        Limits of the rate, from 0 to below 1.
    name : str
        What the knob is called in records.

    Returns
    -------
    Knob
        The knob; its value is the mean rate of the modules.

    Raises
    ------
    ValueError
        If the model has no Dropout modules, or a limit is out of its range.
    """
    check_type("model", model, nn.Module, "an nn.Module")
    check_number("low", low, least=0, below=1)
    check_number("high", high, above=low, below=1)
    modules = [m for m in model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    if not modules:
        raise ValueError(
            f"model must have Dropout modules to steer, and {type(model).__name__} has none; pass "
            "knobs=[(get, set, (low, high))] for a noise of another kind."
        )

    def mean_rate() -> float:
        return sum(float(m.p) for m in modules) / len(modules)

    def set_all(rate: float) -> None:
        for m in modules:
            m.p = rate

    return Knob(mean_rate, set_all, low, high, name)


def as_knobs(knobs: Any, model: Any) -> tuple[Knob, ...]:
    """Return what was given as knobs, with names that differ.

    Parameters
    ----------
    knobs : object
        None for the Dropout modules of the model; a `Knob`; a triple of a getter, a setter and a
        pair of limits; or a list of these.
    model : object
        The model, whose Dropout modules are meant by None.

    Returns
    -------
    tuple of Knob
        The knobs.

    Raises
    ------
    ValueError
        If there are none, one is malformed, two have one name, or a value is beyond its limits or
        not finite.
    """
    if knobs is None:
        return (dropout_knob(model),)
    alone = isinstance(knobs, Knob) or (isinstance(knobs, tuple) and callable((*knobs, None)[0]))
    given = [knobs] if alone else list(knobs) if isinstance(knobs, Sequence) else None
    if not given:
        raise ValueError(
            f"knobs must be a Knob, a triple (get, set, (low, high)) or a list of them, got "
            f"{knobs!r}."
        )
    found = [_as_knob(each, place, len(given)) for place, each in enumerate(given)]
    names = [knob.name for knob in found]
    if len(set(names)) < len(names):
        raise ValueError(f"knobs must have different names, got {', '.join(names)}.")
    for knob in found:
        value = knob.get()
        if not isinstance(value, int | float | torch.Tensor) or not math.isfinite(float(value)):
            raise ValueError(f"knobs must have a finite value each, got {value!r} of {knob.name}.")
    return tuple(found)


def _as_knob(given: Any, place: int, count: int) -> Knob:
    """Return one knob of what was given at a place."""
    if isinstance(given, Knob):
        return given
    name = "knob" if count == 1 else f"knob {place + 1}"
    if isinstance(given, Sequence) and len(given) == 3 and isinstance(given[2], Sequence):
        if len(given[2]) == 2:
            get, set_, (low, high) = given
            return Knob(get, set_, low, high, name)
    raise ValueError(
        f"knobs must be Knobs or triples (get, set, (low, high)), got {given!r} at place {place}."
    )
