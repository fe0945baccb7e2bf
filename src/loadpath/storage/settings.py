"""Settings in YAML files: small and plain, with a digest that says whether they are as written."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from loadpath.checks import as_path
from loadpath.storage.digests import digest_line, note_without_digest
from loadpath.storage.reading import read_bytes
from loadpath.storage.writing import write_atomic

_FIRST = b"# To edit this file, delete this line and the last, which has the digest of the rest.\n"
_LABEL = digest_line(b"", "# ")[:-65]
"""How the last line begins."""
_PARTS = (b"To edit this", b"delete this line", b"the digest of", b"loadpath-sha256", b"-sha256 ")
"""Parts of both lines, wherever damage put them."""
_MOST_BYTES = 2**20
"""Size of the largest file of settings that is read: 1 MiB."""
_DEEPEST = 50
"""Levels of lists and mappings in each other; YAML's reader calls itself at each."""
_LONGEST = 10_000
"""Characters of one value: numbers such as 1:30:00 take time that grows as their square."""


def write_settings_file(
    path: str | os.PathLike[str], settings: Mapping[str, Any], *, overwrite: bool = False
) -> Path:
    """Write settings as YAML, with their digest in a comment at the end, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file.
    settings : mapping
        Plain values.
    overwrite : bool, optional
        Whether an earlier file is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileExistsError
        If `path` exists and `overwrite` is False.
    OSError
        If it cannot be written.
    """
    text = yaml.dump(dict(settings), Dumper=_Plain, sort_keys=False, allow_unicode=True)
    content = _FIRST + text.encode()
    return write_atomic(path, content + digest_line(content, "# "), overwrite=overwrite)


def read_settings_file(path: str | os.PathLike[str]) -> Any:
    """Return what a YAML file holds, once it is known to be as it was written.

    Parameters
    ----------
    path : path-like
        The file. One without a digest, from version 0.1.0 or by hand, is read with a note.

    Returns
    -------
    object
        Plain values.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    ValueError
        For what `check_settings_file` refuses.
    """
    path = as_path("path", path)
    content = read_bytes(path, "file of settings", most=_MOST_BYTES)
    if not _check(path, content):
        note_without_digest(path)
    return _parsed(path, content)


def check_settings_file(path: str | os.PathLike[str]) -> None:
    """Refuse a YAML file that another reader is about to read.

    Parameters
    ----------
    path : path-like
        The file, written by a run or by hand.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    ValueError
        If it is not what was written, if it is no YAML, or if its values are too large, too deeply
        nested or names for each other, so that a small file could hold more than fits into memory.
    """
    path = as_path("path", path)
    content = read_bytes(path, "file of settings", most=_MOST_BYTES)
    _check(path, content)
    _parsed(path, content)


def _check(path: Path, content: bytes) -> bool:
    """Refuse what was changed since it was written; return whether there is a digest to tell."""
    body, _, last = content.removesuffix(b"\n").rpartition(b"\n")
    # What is left of either line says that there should be both: damage to them must not hide more.
    if not (
        _resemble(content[: len(_FIRST)], _FIRST)
        or _resemble(last[: len(_LABEL)], _LABEL)
        or any(part in content for part in _PARTS)
    ):
        return False
    if last + b"\n" != digest_line(body + b"\n", "# ") or not content.startswith(_FIRST):
        raise ValueError(
            f"{str(path)!r} is damaged, or was changed since it was written; if the change is "
            "meant, delete its first and its last line."
        )
    return True


def _resemble(found: bytes, line: bytes) -> bool:
    """Return whether some bytes may be what damage left of a line, or of its beginning."""
    matcher = difflib.SequenceMatcher(None, line[: len(found)], found, autojunk=False)
    return found != b"" and matcher.ratio() > 0.5


def _parsed(path: Path, content: bytes) -> Any:
    """Return what a YAML text holds, if it is small and plain."""
    depth = 0
    try:
        text = content.decode()
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                raise ValueError("it has values that are names for others")
            if depth > _DEEPEST:
                raise ValueError(f"it nests more than {_DEEPEST} lists and mappings")
            if isinstance(event, yaml.ScalarEvent) and len(event.value) > _LONGEST:
                raise ValueError(f"it has a value of more than {_LONGEST:,} characters")
        value = yaml.safe_load(text)
        if value is None:
            raise ValueError("it holds nothing")
        return value
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "it is no YAML" if mark is None else f"it is no YAML at line {mark.line + 1}"
        raise ValueError(f"{str(path)!r} is damaged: {place}.") from None
    except ValueError as error:  # also of text that is not UTF-8, dates and numbers that are none
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise ValueError(f"{str(path)!r} is damaged: {reason.rstrip('.')}.") from None


class _Plain(yaml.SafeDumper):
    """Writes values that stand twice twice, and not the second time as a name for the first."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
