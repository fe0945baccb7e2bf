"""Formulas as MathML, which browsers draw by themselves; and what `--help` prints, as it is."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from typing import Any

from latex2mathml.converter import convert

_NARROW = {**os.environ, "COLUMNS": "78"}
INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


HELP = re.compile(r"<!-- help: *([a-z-]*) *-->")


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
