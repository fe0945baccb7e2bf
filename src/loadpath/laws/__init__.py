"""Laws of depth on one net: what several theories say of its layers, each against its nulls.

`measure` takes any model and a loader, `measure_representations` features that are at hand. Each
`Law` has its statistic, nulls with their draws, and a verdict in words. `composition` says whether
the blocks of a residual net are steps of a path at all.
"""

from loadpath.laws.composing import Composition, DepthPower, composition, depth_power
from loadpath.laws.definitions import DEFINITIONS, Definition
from loadpath.laws.law import Law, Null
from loadpath.laws.laws import Laws
from loadpath.laws.laws import check_laws as check_laws
from loadpath.laws.measuring import measure, measure_representations
from loadpath.laws.recording import record
from loadpath.laws.representations import Representations

__all__ = [
    "DEFINITIONS",
    "Composition",
    "Definition",
    "DepthPower",
    "Law",
    "Laws",
    "Null",
    "Representations",
    "composition",
    "depth_power",
    "measure",
    "measure_representations",
    "record",
]
