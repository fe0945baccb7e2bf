"""All looks of a monitor, as one Dataset over (look, layer)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from loadpath.diagnosis.monitor.alarms import Alarm
from loadpath.diagnosis.monitor.snapshot import LOGGED, LayerSnapshot, Snapshot


@dataclass(frozen=True)
class Look:
    """One look of a monitor: what it found, when, and how long it took."""

    snapshot: Snapshot
    """The numbers of all layers."""
    step: int
    """Number of training steps that had been made."""
    loss: float
    """The loss that was passed to the look, NaN if there was none."""
    seconds: float
    """Time that measuring took."""


def history_dataset(looks: Sequence[Look], alarms: Sequence[Alarm]) -> xr.Dataset:
    """Return the numbers of all looks.

    Parameters
    ----------
    looks : sequence of Look
        At least one; the first has all layers, in their order.
    alarms : sequence of Alarm
        All alarms of these looks.

    Returns
    -------
    xarray.Dataset
        Every measure over (look, layer), NaN where a number is missing, and `step`, `loss`,
        `concavity` and `seconds` over `look`. What was told is there in words, empty where there
        was nothing to tell: `collapse` over (look, layer) has the kind, and `alarm` over `look`
        the sentences.
    """
    names = list(looks[0].snapshot.layers)
    missing = LayerSnapshot()
    variables: dict[str, Any] = {}
    for measure, attrs in LOGGED.items():
        table = [
            [getattr(look.snapshot.layers.get(name, missing), measure) for name in names]
            for look in looks
        ]
        variables[measure] = (("look", "layer"), np.array(table), attrs)
    for name, long_name, units, values in (
        (
            "concavity",
            "concavity of the load curve, over its fall",
            "1",
            [look.snapshot.concavity for look in looks],
        ),
        ("loss", "loss that was passed to the look", "as passed", [look.loss for look in looks]),
        ("seconds", "time that measuring took", "s", [look.seconds for look in looks]),
    ):
        variables[name] = ("look", np.array(values), {"long_name": long_name, "units": units})
    steps = np.array([look.step for look in looks])
    collapse, alarm = _told(names, steps, alarms)
    words = {"long_name": "kind of collapse that was told at the look", "units": "words"}
    variables["collapse"] = (("look", "layer"), collapse, words)
    words = {"long_name": "what was told at the look", "units": "words"}
    variables["alarm"] = ("look", alarm, words)
    return xr.Dataset(
        variables,
        coords={
            "layer": np.array(names, dtype=object),
            "step": ("look", steps, {"long_name": "training steps made", "units": "1"}),
        },
    )


def _told(
    names: list[str], steps: np.ndarray, alarms: Sequence[Alarm]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the kinds that were told, (look, layer), and the sentences, (look,)."""
    kinds = np.full((len(steps), len(names)), "", dtype=object)
    sentences = np.full(len(steps), "", dtype=object)
    for alarm in alarms:
        look = int(np.flatnonzero(steps == alarm.step)[-1])
        sentences[look] = f"{sentences[look]}\n{alarm}".strip()
        for layer in (alarm.layer, *alarm.others):
            # The loss is told of under a name of its own. Alarms come with the worst kind first.
            if layer in names and not kinds[look, names.index(layer)]:
                kinds[look, names.index(layer)] = alarm.kind
    return kinds, sentences
