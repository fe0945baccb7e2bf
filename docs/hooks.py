"""Render the formulas of a page as MathML, which browsers draw by themselves, without scripts."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def on_page_content(page_html: str, **_: Any) -> str:
    """Replace what the Markdown extension marks as formulas, in pages and docstrings alike."""
    page_html = BLOCK.sub(lambda m: _mathml(m[1], "block"), page_html)
    return INLINE.sub(lambda m: _mathml(m[1], "inline"), page_html)


def _mathml(formula: str, display: str) -> str:
    return convert(html.unescape(formula.strip()), display=display)
