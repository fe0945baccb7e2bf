"""A verdict: which layers to try without, and how well a ranking by movement foretells harm."""

from loadpath.diagnosis.judging.ranking import verdict
from loadpath.diagnosis.judging.tables import (
    HEADINGS,
    layer_table,
    shown_columns,
    table_cells,
    table_lines,
)
from loadpath.diagnosis.judging.verdicts import Verdict

__all__ = [
    "HEADINGS",
    "Verdict",
    "layer_table",
    "shown_columns",
    "table_cells",
    "table_lines",
    "verdict",
]
