"""What a checkpoint must hold for a run to go on from it: checked before anything is changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from loadpath.leaky_resnet.training.history import COLUMNS
from loadpath.leaky_resnet.training.stages import Stage
from loadpath.results import Status


def check_parts(state: Any, fresh: Mapping[str, Any]) -> None:
    """Refuse a tree that has not the parts of a run's state.

    Parameters
    ----------
    state : object
        What was read.
    fresh : mapping
        The state of a run that has just begun.

    Raises
    ------
    ValueError
        If a part is missing, or there is one too many; the words go on from "the checkpoint".
    """
    if not isinstance(state, dict) or not isinstance(state.get("identity"), dict):
        raise ValueError("does not hold the state of a run")
    for name in fresh:
        if name not in state:
            raise ValueError(f"has no {name!r}")


def check_state(
    state: Mapping[str, Any],
    fresh: Mapping[str, Any],
    stages: Sequence[Stage],
    optimizers: Sequence[torch.optim.Optimizer | None],
) -> None:
    """Refuse a state that this run cannot go on from.

    Parameters
    ----------
    state : mapping
        What was read, with all its parts.
    fresh : mapping
        The state of this run when it has just begun.
    stages : sequence of Stage
        The stages of this run.
    optimizers : sequence of Optimizer or None
        A fresh optimizer for each of them.

    Raises
    ------
    ValueError
        If a part is not what it should be; the words go on from "the checkpoint".
    """
    for name in ("model", "last_finite"):
        _check_tensors(name, state[name], fresh[name])
    stage = _check_place(state["place"], stages)
    _check_optimizer(state["optimizer"], optimizers[stage])
    _check_mesh(state["mesh"], fresh["mesh"])
    _check_rows(state["history"], len(fresh["model"]["layer_steps"]))
    seconds = state["seconds"]
    if not _is_number(seconds) or not 0 <= seconds < math.inf:
        raise ValueError(f"has seconds={seconds!r}")
    if state["status"] not in list(Status):
        raise ValueError(f"has a status that is none, {state['status']!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check_tensors(name: str, found: Any, wanted: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights under other names, of another shape or another type."""
    if not isinstance(found, dict) or found.keys() != wanted.keys():
        raise ValueError(f"has a {name!r} with other tensors than this net's")
    for key, tensor in wanted.items():
        its = found[key]
        alike = isinstance(its, torch.Tensor) and (its.shape, its.dtype) == (
            tensor.shape,
            tensor.dtype,
        )
        if not alike:
            raise ValueError(f"has a {name!r} in which {key!r} is not this net's")


def _check_place(place: Any, stages: Sequence[Stage]) -> int:
    """Return the stage that a run was at, if the place is one that it can be at."""
    if isinstance(place, list) and len(place) == 3 and all(map(_is_count, place)):
        stage, done, iteration = place
        if stage < len(stages) and done <= stages[stage].steps and done <= iteration:
            return int(stage)
    raise ValueError(f"has a place that this run does not come by, {place!r}")


def _check_optimizer(found: Any, fresh: torch.optim.Optimizer | None) -> None:
    """Refuse the state of an optimizer that is not this stage's, or is of other weights."""
    if fresh is None:
        if found is not None:
            raise ValueError("has an optimizer at a stage that has none")
        return
    wanted = fresh.state_dict()
    fault = "has an 'optimizer' that is not this stage's"
    if not isinstance(found, dict) or found.keys() != wanted.keys():
        raise ValueError(fault)
    groups, state = found["param_groups"], found["state"]
    if not isinstance(groups, list) or len(groups) != len(wanted["param_groups"]):
        raise ValueError(fault)
    for its, mine in zip(groups, wanted["param_groups"], strict=True):
        if (
            not isinstance(its, dict)
            or its.keys() != mine.keys()
            or its["params"] != mine["params"]
        ):
            raise ValueError(fault)
        # The rate follows the schedule; all else is this stage's own.
        for key in mine.keys() - {"lr"}:
            value = list(mine[key]) if isinstance(mine[key], tuple) else mine[key]
            if its[key] != value:
                raise ValueError(f"{fault}: {key} is {its[key]!r}, not {mine[key]!r}")
    known = wanted["state"]  # empty of an optimizer that has not stepped
    weights = [weight for group in fresh.param_groups for weight in group["params"]]
    if not isinstance(state, dict) or not state.keys() <= set(range(len(weights))):
        raise ValueError(fault)
    for index, moments in state.items():
        shapes = {torch.Size(), weights[index].shape}
        if index in known:
            shapes |= {t.shape for t in known[index].values() if isinstance(t, torch.Tensor)}
        if not isinstance(moments, dict) or not all(
            each is None
            or (isinstance(each, torch.Tensor) and each.shape in shapes)
            or (index in known and type(each) is type(known[index].get(name)))
            for name, each in moments.items()
        ):
            raise ValueError(fault)


def _check_mesh(found: Any, wanted: Mapping[str, Any] | None) -> None:
    """Refuse the record of a mesh of other steps."""
    if wanted is None or found is None:
        fits = found is wanted
    else:
        fits = (
            isinstance(found, dict)
            and found.keys() == wanted.keys()
            and _is_count(found["calls"])
            and _is_number(found["longest"])
            and all(isinstance(found[name], torch.Tensor) for name in ("when", "steps"))
            and found["when"].dtype == wanted["when"].dtype
            and found["steps"].dtype == wanted["steps"].dtype
            and found["steps"].shape == (len(found["when"]), *wanted["steps"].shape[1:])
        )
    if not fits:
        raise ValueError("has a 'mesh' that is not this net's")


def _check_rows(rows: Any, depth: int) -> None:
    """Refuse a history whose rows are not those of training."""
    texts = {"stage"}
    numbers = {*COLUMNS, "iteration"}
    for row in rows if isinstance(rows, list) else [None]:
        fits = (
            isinstance(row, dict)
            and row.keys() == numbers | texts | {"layer_steps"}
            and all(_is_number(row[name]) for name in numbers)
            and isinstance(row["stage"], str)
            and isinstance(row["layer_steps"], list)
            and len(row["layer_steps"]) == depth
            and all(map(_is_number, row["layer_steps"]))
        )
        if not fits:
            raise ValueError("has a 'history' with rows that are not of training")
