"""Laws of depth on one net: what several theories say of its layers, each against its nulls.

`measure` takes any model and a loader, `measure_representations` features that are at hand. Each
`Law` has its statistic, nulls with their draws, and a verdict in words.
"""

from loadpath.laws.definitions import DEFINITIONS, Definition
from loadpath.laws.law import Law, Null
from loadpath.laws.laws import Laws
from loadpath.laws.laws import check_laws as check_laws
from loadpath.laws.measuring import measure, measure_representations
from loadpath.laws.recording import record
from loadpath.laws.representations import Representations

__all__ = [
    "DEFINITIONS",
    "Definition",
    "Law",
    "Laws",
    "Null",
    "Representations",
    "measure",
    "measure_representations",
    "record",
]
