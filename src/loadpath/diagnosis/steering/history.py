"""What steering did, look by look: as plain values, as a Dataset, and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from loadpath.diagnosis.steering.control import Move
from loadpath.diagnosis.steering.knobs import Knob

FORMAT = 1
"""A number that is raised when names in the state change their meaning."""
STRAIGHT = 0.02
"""Concavity up to which a curve is called straight: about two deviations over seeds of nets."""


@dataclass(frozen=True)
class SteeredLook:
    """One look, and what was done."""

    step: int
    """Number of the training step."""
    concavity: float
    """Concavity of the load curve; NaN without one."""
    total: float
    """Fall of the curve, nats."""
    error: float
    """Standard error of the concavity over samples; NaN where it was not measured."""
    log_separation: tuple[float, ...]
    """Log separation of every layer."""
    values: tuple[float, ...]
    """What each knob was set to."""
    moves: tuple[Move, ...]
    """What was done with each knob, in words."""
    seconds: float
    """Time that the look took."""


def plain_looks(looks: Sequence[SteeredLook]) -> list[dict[str, Any]]:
    """Return looks as dicts of numbers and text."""
    return [
        {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(look).items()}
        for look in looks
    ]


def looks_from(plain: Sequence[Mapping[str, Any]]) -> list[SteeredLook]:
    """Return the looks that `plain_looks` was given."""
    looks = []
    for each in plain:
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in each.items()
        }
        looks.append(SteeredLook(**fields))
    return looks


def steering_dataset(
    looks: Sequence[SteeredLook], knobs: Sequence[str], layers: Sequence[str] | None
) -> xr.Dataset:
    """Return looks as a Dataset over (look, knob) and (look, layer).

    Parameters
    ----------
    looks : sequence of SteeredLook
        The looks.
    knobs : sequence of str
        Names of the knobs.
    layers : sequence of str, optional
        Names of the layers; numbers if left out.

    Returns
    -------
    xarray.Dataset
        The numbers, not stamped.
    """
    n = len(looks)
    width = max((len(look.log_separation) for look in looks), default=0)
    D = np.full((n, width), np.nan)
    for row, look in zip(D, looks, strict=True):
        row[: len(look.log_separation)] = look.log_separation
    named = list(layers) if layers is not None and len(layers) == width else None
    return xr.Dataset(
        {
            "step": ("look", np.array([look.step for look in looks], dtype=np.int64)),
            "concavity": ("look", _column(looks, "concavity"), {"units": "1"}),
            "concavity_error": (
                "look",
                _column(looks, "error"),
                {"units": "1", "long_name": "standard error of the concavity over samples"},
            ),
            "total": (
                "look",
                _column(looks, "total"),
                {"units": "nats", "long_name": "fall of the load curve"},
            ),
            "seconds": ("look", _column(looks, "seconds"), {"units": "s"}),
            "value": (
                ("look", "knob"),
                np.array([look.values for look in looks], dtype=float).reshape(n, len(knobs)),
                {"long_name": "what the knob was set to"},
            ),
            "move": (
                ("look", "knob"),
                np.array([look.moves for look in looks], dtype=object).reshape(n, len(knobs)),
            ),
            "log_separation": (
                ("look", "layer"),
                D,
                {"units": "nats", "long_name": "log separation of the probe"},
            ),
        },
        coords={
            "knob": np.array(list(knobs), dtype=object),
            "layer": np.arange(width) if named is None else np.array(named, dtype=object),
        },
    )


def steering_words(looks: Sequence[SteeredLook], knobs: Sequence[Knob], target: float) -> list[str]:
    """Say what steering did, a sentence each.

    Parameters
    ----------
    looks : sequence of SteeredLook
        The looks.
    knobs : sequence of Knob
        The knobs.
    target : float
        Concavity that was steered to.

    Returns
    -------
    list of str
        The sentences.
    """
    if not looks:
        return ["Steering has not looked at the model yet."]
    said = []
    last = looks[-1]
    for i, knob in enumerate(knobs):
        moves = [look.moves[i] for look in looks]
        moved = sum(not move.startswith("held") for move in moves)
        said.append(
            f"{knob.name.capitalize()} was set {moved} times in {len(looks)} looks, and ended at "
            f"{last.values[i]:.3g}."
        )
        for move, where in (("at the calm limit", "less"), ("at the noisy limit", "more")):
            if moves[-1] == move:
                said.append(
                    f"It ended {move}: a straight curve, if there is one, needs {where} noise than "
                    f"the limits allow."
                )
        for move in dict.fromkeys(move for move in moves if move.startswith("held")):
            said.append(f"It was {move} ({moves.count(move)} looks).")
    if math.isnan(last.concavity):
        said.append("At the last look the model had no load curve that is finite.")
    else:
        how = "straight" if abs(last.concavity - target) <= STRAIGHT else "not straight"
        said.append(
            f"At the last look the curve was {how}, with a concavity of {last.concavity:.3f}."
        )
    return said


def _column(looks: Sequence[SteeredLook], name: str) -> np.ndarray:
    """Return one number of every look."""
    return np.array([getattr(look, name) for look in looks], dtype=float)
