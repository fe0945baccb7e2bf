"""The predictions of docs/registered/laws.md, read from its table, and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from loadpath.statistics import wilson

PAGE = Path(__file__).parents[1] / "docs" / "registered" / "laws.md"
RELU = ("0.0", "0.2", "0.6")
LINES: dict[str, tuple[str, tuple[str, ...]]] = {
    "geodesic 0, 1": ("geodesic", ("0", "1")),
    "geodesic 3": ("geodesic", ("3",)),
    "geodesic 7, 10": ("geodesic", ("7", "10")),
    "leaky 0, 1": ("leaky", ("0", "1")),
    "leaky 3": ("leaky", ("3",)),
    "leaky 7, 10": ("leaky", ("7", "10")),
    "mlp bn, slope 0 to 0.6, dropout 0": ("mlp bn", tuple(f"{s} 0.0" for s in RELU)),
    "mlp bn, slope 0 to 0.6, dropout 0.1, 0.3": (
        "mlp bn",
        tuple(f"{s} {d}" for s in RELU for d in ("0.1", "0.3")),
    ),
    "mlp bn, slope 1": ("mlp bn", ("1.0 0.0", "1.0 0.1", "1.0 0.3")),
    "mlp plain": ("mlp plain", tuple(f"{s} {d}" for s in (*RELU, "1.0") for d in (0.0, 0.1, 0.3))),
    "residual mlp": ("residual mlp", ("8", "16", "32")),
    "cnn": ("cnn", ("8",)),
    "transformer": ("transformer", ("8",)),
    "gpt": ("gpt", ("6",)),
    "minilm": ("minilm", ("as it comes",)),
}
"""What each line of the table stands for."""
BENDS = tuple(f"equal load, bend, {kind}" for kind in ("fuzziness", "trace_ratio", "inverse"))
ENOUGH = 0.8
"""Share of the nets of a variant, four of five, that make a law hold or be contradicted."""


def predicted() -> dict[str, dict[str, str]]:
    """The predictions by line and law: H, C or N; those of "-" are left out."""
    text = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text if "|" in line]
    start = next(i for i, row in enumerate(rows) if row[0] == "kind, variants")
    header, found = rows[start], {}
    for row in rows[start + 2 : start + 2 + len(LINES)]:
        laws = {}
        for column, letter in zip(header[1:], row[1:], strict=True):
            names = BENDS if column.startswith("equal load") else (column,)
            laws |= {name: letter for name in names if letter != "-"}
        found[row[0]] = laws
    assert found.keys() == LINES.keys(), sorted(found.keys() ^ LINES.keys())
    return found


def outcome(standings: list[str]) -> str | None:
    """What the nets of a variant say of a law; None if it was measured in none."""
    measured = [each for each in standings if each != "not measured"]
    if not measured:
        return None
    for letter, word in (("H", "holds"), ("C", "contradicted")):
        if measured.count(word) >= ENOUGH * len(measured):
            return letter
    return "N"


def worth(standings: Mapping[tuple[str, str, str], list[str]]) -> str:
    """Score the predictions against "always N", in words.

    `standings` has those of all nets by kind, variant and law.
    """
    right: dict[str, list[tuple[bool, bool]]] = {}
    for line, laws in predicted().items():
        kind, variants = LINES[line]
        for variant in variants:
            for law, letter in laws.items():
                came = outcome(standings.get((kind, variant, law), []))
                if came is not None:
                    right.setdefault(line, []).append((came == letter, came == "N"))
    if not right:
        return "No prediction can be scored yet."
    each = [np.array(pairs) for pairs in right.values()]
    whole = np.concatenate(each)
    rng, drawn = np.random.default_rng(0), []
    for _ in range(2000):
        part = np.concatenate([each[i] for i in rng.integers(0, len(each), len(each))])
        drawn.append(part[:, 0].mean() - part[:, 1].mean())
    low, high = wilson(int(whole[:, 0].sum()), len(whole))
    less, more = np.quantile(drawn, [0.025, 0.975])
    return (
        f"{whole[:, 0].sum()} of {len(whole)} predictions are right "
        f"({whole[:, 0].mean():.0%}, {low:.0%} to {high:.0%}), and 'always N' would be in "
        f"{whole[:, 1].mean():.0%}; the difference is {less:+.0%} to {more:+.0%} over lines."
    )
