"""The explorer: three pages that run in a browser, built from `explorer/`, shipped whole."""

from loadpath.report.explorer.pages import PAGES, read_page

__all__ = ["PAGES", "read_page"]
