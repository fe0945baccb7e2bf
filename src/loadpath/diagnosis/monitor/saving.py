"""The state of a monitor in plain values, which any format of checkpoints can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from loadpath.diagnosis.monitor.alarms import Alarm, Collapse, CollapseWatch
from loadpath.diagnosis.monitor.history import Look
from loadpath.diagnosis.monitor.snapshot import LayerSnapshot, Snapshot

FORMAT = 2
"""A number that is raised when names in the state change their meaning."""


def plain_looks(looks: Sequence[Look]) -> list[dict[str, Any]]:
    """Return looks as dicts of numbers and text."""
    return [asdict(look) for look in looks]


def looks_from(plain: Sequence[Mapping[str, Any]]) -> list[Look]:
    """Return the looks that `plain_looks` was given."""
    return [
        Look(
            Snapshot(
                _layers_from(each["snapshot"]["layers"]),
                each["snapshot"]["concavity"],
                dict(each["snapshot"]["not_finite"]),
                each["snapshot"]["given"],
            ),
            each["step"],
            each["loss"],
            each["seconds"],
        )
        for each in plain
    ]


def plain_alarms(alarms: Sequence[Alarm]) -> list[dict[str, Any]]:
    """Return alarms as dicts of numbers and text."""
    return [{**asdict(alarm), "others": list(alarm.others)} for alarm in alarms]


def alarms_from(plain: Sequence[Mapping[str, Any]]) -> list[Alarm]:
    """Return the alarms that `plain_alarms` was given."""
    return [Alarm(**{**each, "others": tuple(each["others"])}) for each in plain]


def plain_watch(watch: CollapseWatch) -> dict[str, Any]:
    """Return what a watch has seen and told, without its rule, as dicts of numbers and text."""
    return {
        "first": {layer: asdict(numbers) for layer, numbers in watch.first.items()},
        "first_step": watch.first_step,
        "in_a_row": dict(watch.in_a_row),
        "counted": dict(watch.counted),
        "told": dict(watch.told),
        "told_of_loss": watch.told_of_loss,
    }


def watch_from(plain: Mapping[str, Any], rule: Collapse, apart: int) -> CollapseWatch:
    """Return a watch by this rule that has seen what `plain_watch` was given."""
    return CollapseWatch(
        rule,
        apart,
        _layers_from(plain["first"]),
        plain["first_step"],
        dict(plain["in_a_row"]),
        dict(plain["counted"]),
        dict(plain["told"]),
        plain["told_of_loss"],
    )


def check_same(state: Any, own: Mapping[str, Any]) -> None:
    """Refuse a state that is not one of a monitor of the same layers and samples.

    Parameters
    ----------
    state : object
        What was given.
    own : mapping
        What the monitor has under the names that must agree.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(state, Mapping) or state.get("format") != FORMAT:
        found = f"the format {state.get('format')!r}" if isinstance(state, Mapping) else repr(state)
        raise ValueError(
            f"state must be what state_dict returned, of format {FORMAT}, got {found}."
        )
    for name, mine in own.items():
        if state.get(name) != mine:
            raise ValueError(
                f"state must be of a monitor with the same {name.replace('_', ' ')}, and it has "
                f"{state.get(name)!r} where this one has {mine!r}."
            )


def _layers_from(plain: Mapping[str, Mapping[str, float]]) -> dict[str, LayerSnapshot]:
    return {layer: LayerSnapshot(**numbers) for layer, numbers in plain.items()}
