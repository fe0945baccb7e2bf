"""What was reproduced: no figure without its row, and no number that its page does not say."""

import re
import shlex

import pytest
from doc_code import ROOT

from loadpath.cli.options import parse

PAGE = ROOT / "docs" / "reproduction.md"
COLUMNS = 6
VERDICTS = ("reproduced", "with a condition", "not reproduced", "not tried")
OF_THE_PAPERS = ("figure_", "network_", "chain_")
"""How pictures about the papers begin; the others are of models of the user's own."""
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")


def rows_of(text):
    """The rows of the tables of a page, as lists of cells."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    heads = {i for i, line in enumerate(lines) if set(line) <= set("|-")}
    return [row for i, row in enumerate(rows) if i not in heads and i + 1 not in heads]


ROWS = rows_of(PAGE.read_text(encoding="utf-8"))
IDS = [row[0][:50] for row in ROWS]


def numbers(text):
    """The numbers in a text, as they are written there."""
    return {found.rstrip(",") for found in NUMBER.findall(text.replace("−", "-"))}


def test_every_picture_of_the_papers_has_its_row():
    pictures = {p.name for p in (ROOT / "docs" / "figures").glob("*.png")}
    wanted = {name for name in pictures if name.startswith(OF_THE_PAPERS)}
    assert len(wanted) > 20
    named = {name for row in ROWS for name in re.findall(r"\(figures/([^)]+)\)", row[0])}
    assert sorted(wanted - named) == []
    assert sorted(named - pictures) == []


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_row_is_whole(row):
    assert len(row) == COLUMNS and all(row)
    verdict = row[1]
    assert any(verdict.startswith(word) for word in VERDICTS), verdict
    if verdict == "not tried":
        assert row[2:5] == ["none"] * 3
    else:
        assert "none" not in row[2:5]
        if verdict.startswith("with a condition"):
            assert len(verdict) > len("with a condition")  # it says which


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_its_command_can_be_run(row):
    command = row[3]
    if command == "none":
        return
    words = shlex.split(command.strip("`"))
    assert command == f"`{command.strip('`')}`"
    if words[0] == "loadpath":
        parse(words[1:])
        return
    assert words[0] in ("pytest", "python")
    assert (ROOT / words[1]).exists(), words[1]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_its_numbers_and_costs_are_those_of_the_page_that_it_names(row):
    (page, anchor), *others = re.findall(r"\(([\w-]+\.md)#([\w-]+)\)", row[5])
    assert not others
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    said = numbers(text)
    assert sorted(numbers(row[2] + " " + row[4]) - said) == []
    slugs = {
        re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-")
        for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    assert anchor in {re.sub(r"-+", "-", slug) for slug in slugs}


def test_the_rows_about_the_papers_are_counted():
    text = PAGE.read_text(encoding="utf-8")
    verdicts = [row[1] for row in rows_of(text[: text.index("## Beside the papers")])]
    counts = [sum(verdict.startswith(word) for verdict in verdicts) for word in VERDICTS]
    assert sum(counts) == len(verdicts)
    first, second, third, fourth = counts
    assert (
        f"Of the {len(verdicts)} rows about the papers {first} are reproduced, {second} with a "
        f"condition, {third} not reproduced and {fourth} not tried."
    ) in text


def test_a_number_that_no_page_says_and_a_row_that_lacks_a_cell_are_found():
    assert numbers("at 10: -0.12 (3.06 to 1,000), x_3 and a2") == {"10", "-0.12", "3.06", "1,000"}
    text = "| a | b |\n|---|---|\n| 1 | 2 |\n| only |\n"
    assert rows_of(text) == [["1", "2"], ["only"]]
