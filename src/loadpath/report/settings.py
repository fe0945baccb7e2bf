"""What was run, as a page tells it: settings with the values that they had, the main ones first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from loadpath.checks import check_text

MAIN = (
    *("data", "entry", "file", "endpoint", "loss", "effective_depth", "weight_decay", "width"),
    *("depth", "layers", "measures", "samples", "n_samples", "n_train", "n_blocks"),
    *("friction_right", "friction_left", "noise", "dynamics", "seed"),
)
"""Settings that say what was run; all others are folded."""
ONLY_WITH = {
    "dims": ("data", ("teacher",)),
    "teacher": ("data", ("teacher",)),
    "image_size": ("data", ("mnist", "fashion-mnist", "cifar10")),
    "irregularity": ("layer_steps", ("irregular",)),
}
"""Settings that mean something only beside some values of another; elsewhere they did nothing."""
NOT_WITH = {"targets": ("data", ("teacher",))}
"""Settings that did nothing beside some values of another."""
NEVER = ("config_version",)
"""What says nothing about the run."""


class Settings(NamedTuple):
    """Rows of both tables: names and values as text."""

    main: list[tuple[str, str]]
    more: list[tuple[str, str]]


def settings(config: Mapping[str, Any], *sources: xr.Dataset | None) -> Settings:
    """Return what was run, each setting with the value that it had.

    A setting that was left open, and so is None in `config`, has the value that the results
    recorded; if they recorded none it was not at work, and is left out. So is what did nothing
    beside the others, such as the dimensions of a teacher beside digits.

    Parameters
    ----------
    config : mapping
        What was asked for, nested or not.
    *sources : Dataset or None
        The results, whose attrs have the values at work.

    Returns
    -------
    Settings
        The rows, in the order of the page.
    """
    known = _recorded(sources)
    asked = {name: value for name, value in config.items() if name not in NEVER}
    asked |= {name: known[name] for name, value in asked.items() if value is None and name in known}
    told = {
        name: value for name, value in asked.items() if value is not None and _at_work(name, asked)
    }
    if told and "loss" in known:  # follows from the data, and is not asked for
        told.setdefault("loss", known["loss"])
    first = [name for name in MAIN if name in told]
    if not first:
        first = list(told)[:8]
    return Settings(
        main=list(rows({name: told[name] for name in first})),
        more=list(rows({name: value for name, value in told.items() if name not in first})),
    )


def rows(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the names of settings, dotted where nested, and their values as text."""
    for name, value in config.items():
        check_text("the names of config", str(name))
        check_text(f"config[{name!r}]", str(value))
        if isinstance(value, Mapping):
            yield from rows(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else _text(value)


def _at_work(name: str, asked: Mapping[str, Any]) -> bool:
    """Tell whether a setting did anything beside the others."""
    other, values = ONLY_WITH.get(name, ("", ()))
    against, excluding = NOT_WITH.get(name, ("", ()))
    return (other not in asked or asked[other] in values) and asked.get(against) not in excluding


def _recorded(sources: tuple[xr.Dataset | None, ...]) -> dict[str, Any]:
    """Return the values that results recorded, of the data too; the first to know is believed."""
    found: dict[str, Any] = {}
    for ds in sources:
        attrs = {} if ds is None else ds.attrs
        parameters = attrs.get("parameters", {})
        if isinstance(parameters, str):
            parameters = _read(parameters)
        of_data = parameters.get("data", {})
        for each in (attrs, parameters, of_data if isinstance(of_data, Mapping) else {}):
            for name, value in each.items():
                whole = isinstance(value, Mapping) or str(value).startswith("{")
                if value is not None and not whole:
                    found.setdefault(str(name), value)
    return found


def _read(text: str) -> dict[str, Any]:
    """Return parameters kept as JSON; none if a hand has changed them to something else."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    """Return a value as JSON writes it."""
    value = value.item() if isinstance(value, np.generic) else value
    return json.dumps(value, default=str, ensure_ascii=False)
