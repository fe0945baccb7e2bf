"""What `diagnose` can be asked for, and what its numbers depend on beside the samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from loadpath.checks import (
    as_list,
    check_count,
    check_level,
    check_number,
    check_seed,
    shown,
)
from loadpath.diagnosis.labels import LabelKind
from loadpath.record import ActivationLike, as_activation

Measure = Literal[
    "separation",
    "collapse",
    "energies",
    "steps",
    "ranks",
    "alignment",
    "dimension",
    "probes",
    "costs",
    "next_token",
]
"""Names of what `diagnose` can measure."""
MEASURES: tuple[Measure, ...] = get_args(Measure)
"""All measures that `diagnose` can be asked for."""
CLASS_MEASURES: tuple[Measure, ...] = ("collapse", "probes")
"""Measures that need one class for each sample; separation takes real targets too."""


@dataclass(frozen=True)
class Options:
    """What the numbers depend on beside the samples."""

    gamma0: float
    """Stabilizer of the energies, relative to ||S||_op^2."""
    level: float
    """Confidence level of the intervals."""
    seed: int
    """Seed of the groups and of the splits of probes."""
    done: Callable[[], object] = lambda: None
    """Called whenever a layer has one more of its measures."""


def check_options(
    measures: Sequence[str] | None,
    *,
    activation: ActivationLike,
    gamma0: float,
    kept: int,
    level: float,
    seed: int,
) -> None:
    """Refuse options that `diagnose` cannot take, before anything runs.

    Parameters
    ----------
    measures, activation, gamma0, kept, level, seed
        As in `diagnose`.

    Raises
    ------
    ValueError
        If an option is out of range, or a measure or activation is unknown.
    """
    if isinstance(measures, str):
        raise ValueError(f"measures must be a sequence of names, got the string {measures!r}.")
    for name in [] if measures is None else as_list("measures", measures, "names"):
        if not isinstance(name, str) or name not in MEASURES:
            raise ValueError(f"measures must be of {', '.join(MEASURES)}, got {shown(name)}.")
    if measures is not None and not measures:
        raise ValueError("measures must name at least one measure, got none.")
    as_activation(activation)
    check_number("gamma0", gamma0, above=0)
    check_count("kept", kept, 1)
    check_seed("seed", seed)
    check_level(level)


def allowed_measures(
    measures: Sequence[Measure] | None, labels: LabelKind, words: str
) -> tuple[Measure, ...]:
    """Return the measures to take: all that the labels allow, or those asked for."""
    without: set[Measure] = set()
    if labels != "classes":
        without |= set(CLASS_MEASURES)
    if labels not in ("classes", "values"):
        without.add("separation")
    if measures is None:
        return tuple(name for name in MEASURES if name not in without)
    for name in measures:
        if name in without:
            need = "labels" if name == "separation" else "class labels"
            raise ValueError(f"measures has {name!r}, which needs {need}, and the loader: {words}.")
    return tuple(dict.fromkeys(measures))
