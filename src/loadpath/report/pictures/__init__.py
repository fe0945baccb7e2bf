"""Pictures of pages for those who hear them, and on light and dark grounds."""

from loadpath.report.pictures.dark import for_both_grounds
from loadpath.report.pictures.telling import alt_text, number, place

__all__ = ["alt_text", "for_both_grounds", "number", "place"]
