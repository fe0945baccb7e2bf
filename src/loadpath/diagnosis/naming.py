"""How sentences call layers, list them, and say which were left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import xarray as xr

LISTED = 8
"""How many layers a sentence lists at most."""
_CALL = re.compile(r"^(?P<name>.*)#(?P<call>\d+)$")


def listed(parts: Sequence[str], word: str = "and") -> str:
    """Return parts in a row, the last ones as a number where there are many.

    Parameters
    ----------
    parts : sequence of str
        What is listed.
    word : str, default "and"
        The word before the last part.

    Returns
    -------
    str
        The list, "none" if it is empty.
    """
    shown = list(parts[:LISTED])
    if len(parts) > LISTED:
        shown.append(f"{len(parts) - LISTED} more")
    return _joined(shown, word)


def from_both_ends(parts: Sequence[str]) -> str:
    """Return parts in a row, those in the middle as a number where there are many."""
    if len(parts) <= LISTED:
        return _joined(parts)
    half = LISTED // 2
    middle = f"{len(parts) - 2 * half} between these"
    return _joined([*parts[:half], middle, *parts[-half:]])


def _joined(shown: Sequence[str], word: str = "and") -> str:
    if len(shown) < 2:
        return "".join(shown) or "none"
    return f"{', '.join(shown[:-1])} {word} {shown[-1]}"


@dataclass(frozen=True)
class LayerNames:
    """What sentences call the layers of a model: "block 3" for `encoder.layer.3`."""

    kinds: Mapping[str, str]
    """By the name of each layer "block" or "layer"; of the model's input "input"."""
    labels: Mapping[str, str]
    """By the name of each layer what tells it from the others of its kind."""
    key: str
    """Which names are shortened, as "block N stands for encoder.layer.N"; empty if none is."""

    def one(self, name: str) -> str:
        """Return what a sentence calls a layer."""
        kind = self.kinds.get(name, "layer")
        return "the input" if kind == "input" else f"{kind} {self.labels.get(name, name)}"

    def several(self, names: Sequence[str], word: str = "and") -> str:
        """Return what a sentence calls some layers, in a row.

        Parameters
        ----------
        names : sequence of str
            Names of the layers.
        word : str, default "and"
            The word before the last of them.

        Returns
        -------
        str
            Such as "blocks 3, 1 and 2", or "block 3, 1 or 2", where all are of one kind.
        """
        kinds = {self.kinds.get(name, "layer") for name in names}
        if len(names) < 2 or len(kinds) > 1 or "input" in kinds:
            return listed([self.one(name) for name in names], word)
        kind = kinds.pop() if word == "or" else f"{kinds.pop()}s"
        return f"{kind} {listed([self.labels.get(name, name) for name in names], word)}"


def names_in_sentences(ds: xr.Dataset) -> LayerNames:
    """Return what sentences call the layers of a result over `layer`.

    A layer is a "block" if the variable `layer_kind` says so. Where all numbered layers are of one
    chain, such as `encoder.layer.3`, the number alone tells them apart.

    Parameters
    ----------
    ds : xarray.Dataset
        What `diagnose` or `skip_layers` returned.

    Returns
    -------
    LayerNames
        The names, by those of the model.
    """
    names = [str(name) for name in ds["layer"].values]
    words = dict(zip(names, map(str, ds["layer_kind"].values), strict=True)) if (
        "layer_kind" in ds and ds["layer_kind"].dims == ("layer",)
    ) else {}  # fmt: skip
    kinds = {
        name: "block" if words.get(name, "").startswith("block") else "layer" for name in names
    }
    kinds |= {name: "input" for name in names if name == "input"}
    found = {name: _numbered(_call_of(name)[0]) for name in names}
    numbered = {name: pair for name, pair in found.items() if pair is not None}
    patterns = {pattern for pattern, _ in numbered.values()}
    short = len(patterns) == 1
    labels = {}
    for name in names:
        plain, call = _call_of(name)
        label = numbered[name][1] if short and name in numbered else plain
        labels[name] = label if call is None else f"{label} (call {call})"
    pattern = patterns.pop() if short else "N"
    kind = kinds[next(iter(numbered))] if numbered else "layer"
    key = "" if pattern == "N" else f"{kind} N stands for {pattern}"
    return LayerNames(kinds, labels, key)


def _call_of(name: str) -> tuple[str, str | None]:
    """Return the name of a module, and which of its calls a layer is, None for the first."""
    found = _CALL.match(name)
    return (name, None) if found is None else (found["name"], found["call"])


def _numbered(name: str) -> tuple[str, str] | None:
    """Return a name with N in place of its only number, and the number; None without just one."""
    parts = name.split(".")
    at = [i for i, part in enumerate(parts) if part.isdigit()]
    if len(at) != 1:
        return None
    number = parts[at[0]]
    parts[at[0]] = "N"
    return ".".join(parts), number


def left_out_sentences(ds: xr.Dataset) -> Iterator[str]:
    """Say which layers are not in a result though they are layers, and why.

    Parameters
    ----------
    ds : xarray.Dataset
        What `diagnose` or `skip_layers` returned.

    Yields
    ------
    str
        One sentence; none where nothing was left out.
    """
    parts = [part.partition(": ") for part in str(ds.attrs.get("layers_left_out", "")).split("; ")]
    if parts[0][0]:
        are = "This is" if len(parts) == 1 else "These are"
        yield f"{are} left out: {listed([f'{name} ({why})' for name, _, why in parts])}."
