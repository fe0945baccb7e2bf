"""Pages of the docs: their code runs and prints what they say, and files that they name exist."""

import difflib
import re

import pytest
import torch
from doc_code import PAGES, ROOT, blocks_of, is_slow, printed

LONGEST = 160
"""Characters of a line of prose; tables and addresses cannot be broken."""


def pages():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if blocks_of(text):
            marks = [pytest.mark.slow] if is_slow(text) else []
            yield pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks)


@pytest.mark.parametrize("page", list(pages()))
def test_the_code_of_a_page_prints_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    for block, said in printed(blocks_of(page.read_text(encoding="utf-8")), str(page)):
        if block.output is not None and said != block.output:
            lines = block.output.splitlines(), said.splitlines()
            pytest.fail("\n".join(difflib.unified_diff(*lines, "page", "printed", lineterm="")))


def test_a_page_that_prints_something_else_is_found(tmp_path):
    text = "```python\nx = 1\nprint(x)\n```\n\n```text\n2\n```\n"
    (block, said), *others = printed(blocks_of(text), "page")
    assert (said, block.output, others) == ("1\n", "2\n", [])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_prose_are_short_enough_to_read(page):
    code, long = False, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        code ^= line.startswith("```")
        tied = code or line.startswith(("|", "[", "!")) or "](" in line[:LONGEST] + " "
        if len(line) > LONGEST and not tied:
            long.append(number)
    assert long == []


NAMED = re.compile(r"\b(?:tests|benchmarks|examples|src)/[\w/.*]*\w")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page):
    named = set(NAMED.findall(page.read_text(encoding="utf-8")))
    assert [name for name in sorted(named) if not list(ROOT.glob(name))] == []
