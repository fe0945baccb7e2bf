"""Code on the pages of the docs: run block by block, and compared with the output printed below it.

Every ```python block of a page runs, in order and in one namespace. A ```text block right after
one is what it prints. A comment before a block changes that:

    <!-- not run: why -->      the next block is only read
    <!-- setup: code -->       code that runs here and is not shown
    <!-- slow -->              the whole page runs with the slow tests

A block whose first line is a comment with a file's name is a script: it is written to that file and
run by a Python of its own. `python tests/helpers/doc_code.py PAGE ...` runs pages and writes what
they print into them.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PART = re.compile(
    r"<!-- not run: (?P<reason>[^>]+) -->\s*```python\n(?P<unrun>.*?)^```$"
    r"|<!-- setup:\n?(?P<setup>.*?)-->"
    r"|^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """Code of a page, and the span of the output that stands below it."""

    code: str
    line: int
    output: str | None
    span: tuple[int, int]


def blocks_of(text):
    """The blocks of a page that run."""
    found = []
    for match in PART.finditer(text):
        if match["unrun"] is None:
            code = match["setup"] if match["code"] is None else match["code"]
            line = text.count("\n", 0, match.start()) + 2
            found.append(Block(code, line, match["output"], match.span("output")))
    return found


def is_slow(text):
    """Whether a page is left to the slow tests."""
    return "<!-- slow -->" in text


def printed(blocks, name):
    """What each block prints, one after the other in one namespace."""
    namespace = {"__name__": "__main__"}
    for block in blocks:
        script = SCRIPT.match(block.code)
        if script:
            said = run_script(Path(script[1]), block.code)
        else:
            out = io.StringIO()
            source = "\n" * (block.line - 1) + block.code
            with contextlib.redirect_stdout(out):
                exec(compile(source, name, "exec"), namespace)
            said = out.getvalue()
        yield block, "".join(line.rstrip() + "\n" for line in said.splitlines())


DECIMAL = re.compile(r"\d+\.(?:\d+|(?=\s+[-\d]|\s*\]))")
"""A number that was rounded to be printed, as `5.` in an array of NumPy is.

A whole number is a count, which is compared as a word.
"""

ALIKE = 0.05
"""Relative difference at which two printed decimals are the same: training and solving amplify the
last digit, which depends on the processor's instructions (3 % were seen between two processors)."""


def alike(said, page):
    """Whether two outputs have the same words, and decimals as close as two processors make them.

    A decimal may also differ by one in its last digit, as rounding alone can do that.
    """

    def words(text):
        return DECIMAL.sub("#", text).split()

    # Outputs of the same words have as many decimals.
    pairs = zip(DECIMAL.findall(said), DECIMAL.findall(page), strict=False)
    return words(said) == words(page) and all(_close(*pair) for pair in pairs)


def _close(one, other):
    digits = min(len(number.partition(".")[2]) for number in (one, other))
    difference = abs(float(one) - float(other))
    return difference <= max(ALIKE * abs(float(other)), 1.001 * 10**-digits)


SCRIPT = re.compile(r"# (\w+\.py)\n")


def run_script(path, code):
    """What a script prints that stands in a file of its own."""
    path.write_text(code, encoding="utf-8")
    command = [sys.executable, path]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def update(page):
    """Write what the blocks of a page print in place of what stands below them."""
    text = page.read_text(encoding="utf-8")
    edits = [(b.span, said) for b, said in printed(blocks_of(text), str(page)) if b.output]
    for (start, stop), said in reversed(edits):
        text = text[:start] + said + text[stop:]
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    pages = [Path(argument).resolve() for argument in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for page in pages:
            torch.manual_seed(0)
            update(page)
