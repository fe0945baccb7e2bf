"""One self-contained HTML page about one net or several: what was run, and how to read it."""

from loadpath.report.page import Section, write

__all__ = ["Section", "write"]
