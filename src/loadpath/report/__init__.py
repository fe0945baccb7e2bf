"""Self-contained HTML pages about nets, chains, laws, cuts, any model: what was run, and found."""

from loadpath.report.chain import write_chain
from loadpath.report.cuts import write_cuts
from loadpath.report.diagnosis import write_diagnosis
from loadpath.report.laws import write_laws
from loadpath.report.page import Section, write
from loadpath.report.surgery import write_surgery
from loadpath.report.tuning import write_tuning
from loadpath.report.verdict import judge as judge
from loadpath.report.verdict import warning as warning

__all__ = [
    "Section",
    "write",
    "write_chain",
    "write_cuts",
    "write_diagnosis",
    "write_laws",
    "write_surgery",
    "write_tuning",
]
