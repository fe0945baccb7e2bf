"""Self-contained HTML pages, about nets, chains or any model: what was run, how to read it."""

from loadpath.report.chain import write_chain
from loadpath.report.diagnosis import write_diagnosis
from loadpath.report.page import Section, write
from loadpath.report.verdict import judge as judge
from loadpath.report.verdict import warning as warning

__all__ = ["Section", "write", "write_chain", "write_diagnosis"]
