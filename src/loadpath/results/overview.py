"""How results show themselves: one line in a terminal, a small table in a notebook."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from loadpath.checks import shown

BRIEF = 5
"""How many facts a line in a terminal has: what comes first tells most."""
MOST_ROWS = 60
"""Rows of a table in a notebook; what holds all of them is the result itself."""

# No colours but the page's own, and grey that shows on black and on white.
_LINE = "border-top:1px solid rgba(128,128,128,0.35)"
_CELL = f"text-align:left;vertical-align:top;padding:0.15em 1.2em 0.15em 0;{_LINE}"
_NAME = f"{_CELL};font-weight:normal;white-space:nowrap;opacity:0.8"
_NUMBER = f"text-align:right;padding:0.15em 0 0.15em 1.2em;white-space:nowrap;{_LINE}"


@dataclass(frozen=True)
class Table:
    """A table of an overview: a name and numbers in each row."""

    header: Sequence[str]
    """Heading of each column."""
    rows: Sequence[Sequence[str]]
    """Texts of each row, as many as there are columns."""


@dataclass(frozen=True)
class Overview:
    """What is worth seeing of a result at once."""

    facts: Mapping[str, str]
    """Values in words, by their names; the first few are all that a terminal gets."""
    warning: str = ""
    """Why the result must not be read, if it must not."""
    sentences: Sequence[str] = ()
    """What the result says, in whole sentences."""
    tables: Mapping[str, Table] = field(default_factory=dict)
    """Tables that unfold, by their headings."""


class Shown:
    """A result that shows itself by its overview, and not by all of its numbers.

    A dataclass that is one has `repr=False`.
    """

    def _overview(self) -> Overview:
        """Return what is worth seeing: the fields, with arrays by their shapes."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]  # most are dataclasses
        return Overview({each.name: _text(getattr(self, each.name)) for each in fields})

    def __repr__(self) -> str:
        overview = self._overview()
        facts = list(overview.facts.items())
        said = [
            *([f"not to be read: {overview.warning}"] if overview.warning else []),
            *(f"{name}: {value}" for name, value in facts[:BRIEF]),
        ]
        return f"{type(self).__name__}({'; '.join(said)})"

    def _repr_html_(self) -> str:
        """Return the overview as a notebook shows it: no script, nothing from elsewhere."""
        overview = self._overview()
        parts = [f"<strong>{escape(type(self).__name__)}</strong>"]
        if overview.warning:
            parts.append(
                "<div style='border-left:4px solid #D55E00;padding-left:0.6em;margin:0.3em 0'>"
                f"<strong>Not to be read:</strong> {escape(overview.warning)}</div>"
            )
        rows = "".join(
            f"<tr><th scope='row' style='{_NAME}'>"
            f"{escape(name)}</th><td style='{_CELL}'>{escape(value)}</td></tr>"
            for name, value in overview.facts.items()
        )
        parts.append(_table_html(rows))
        if overview.sentences:
            said = "".join(f"<li>{escape(each)}</li>" for each in overview.sentences)
            parts.append(f"<ul style='margin:0.3em 0;padding-left:1.4em'>{said}</ul>")
        parts += [_folded(heading, table) for heading, table in overview.tables.items()]
        return f"<div style='max-width:60em;line-height:1.35'>{''.join(parts)}</div>"


def _text(value: object) -> str:
    """Return a field in words."""
    if hasattr(value, "data_vars"):
        return f"Dataset of {len(value.data_vars)} variables"
    return f"{value:.4g}" if isinstance(value, float) else shown(value)


def _folded(heading: str, table: Table) -> str:
    """Return a table under a heading that unfolds it."""
    head = f"<tr style='font-weight:bold'>{_cells(table.header)}</tr>"
    rows = "".join(f"<tr>{_cells(row)}</tr>" for row in table.rows[:MOST_ROWS])
    left = len(table.rows) - MOST_ROWS
    rest = f"<div>and {left} more</div>" if left > 0 else ""
    return (
        f"<details><summary style='cursor:pointer'>{escape(heading)}</summary>"
        f"{_table_html(head + rows)}{rest}</details>"
    )


def _cells(row: Iterable[str]) -> str:
    """Return the cells of a row: a name, then numbers."""
    return "".join(
        f"<td style='{_NUMBER if place else _CELL}'>{escape(text)}</td>"
        for place, text in enumerate(row)
    )


def _table_html(rows: str) -> str:
    """Return rows as a table that scrolls where it is wider than the page."""
    return (
        "<div style='overflow-x:auto'><table style='border-collapse:collapse;margin:0.3em 0'>"
        f"{rows}</table></div>"
    )
