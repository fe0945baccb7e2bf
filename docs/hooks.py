"""Formulas as MathML, which browsers draw by themselves; what `--help` prints; the explorer.

The explorer's pages are those that the package ships, and go to explorer/ as they are.
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_NARROW = {**os.environ, "COLUMNS": "78"}
INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


EXPLORER = Path(__file__).parents[1] / "src" / "loadpath" / "report" / "explorer"
HELP = re.compile(r"<!-- help: *([a-z-]*) *-->")


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Put the explorer's pages among the files of the site, so that links to them are checked."""
    for page in sorted(EXPLORER.glob("*.html")):
        files.append(File.generated(config, f"explorer/{page.name}", abs_src_path=str(page)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put what a command's `--help` prints in place of the comment that asks for it."""
    return HELP.sub(lambda m: f"```text\n{_help(m[1])}\n```", markdown)


def _help(command: str) -> str:
    words = [sys.executable, "-m", "loadpath", *([command] if command else []), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=_NARROW)
    # A backspace, which a terminal shows as nothing, stands before what an option may carry.
    return done.stdout.replace(" \b", "").replace("\b", "").rstrip()


def on_page_content(page_html: str, **_: Any) -> str:
    """Replace what the Markdown extension marks as formulas, in pages and docstrings alike."""
    page_html = BLOCK.sub(lambda m: _mathml(m[1], "block"), page_html)
    return INLINE.sub(lambda m: _mathml(m[1], "inline"), page_html)


def _mathml(formula: str, display: str) -> str:
    return convert(html.unescape(formula.strip()), display=display)
