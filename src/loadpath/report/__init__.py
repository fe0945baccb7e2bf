"""Self-contained HTML pages, about nets or about chains: what was run, and how to read it."""

from loadpath.report.chain import write_chain
from loadpath.report.page import Section, write

__all__ = ["Section", "write", "write_chain"]
