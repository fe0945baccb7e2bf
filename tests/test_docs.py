"""Pages of the docs: their code runs, files that they name exist, the reference has every name."""

import difflib
import inspect
import pkgutil
import re

import pytest
import torch
from doc_code import PAGES, ROOT, alike, blocks_of, is_slow, printed

import loadpath

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
        if block.output is not None and not alike(said, block.output):
            lines = block.output.splitlines(), said.splitlines()
            pytest.fail("\n".join(difflib.unified_diff(*lines, "page", "printed", lineterm="")))


def test_a_page_that_prints_something_else_is_found(tmp_path):
    text = "```python\nx = 1\nprint(x)\n```\n\n```text\n2\n```\n"
    (block, said), *others = printed(blocks_of(text), "page")
    assert (said, block.output, others) == ("1\n", "2\n", [])


@pytest.mark.parametrize(
    "said, same",
    [
        ("rank: 2 [93.1 29.8  3.8 -0.39]", True),
        ("rank: 2 [93.6 30.3 3.9  -0.40]", True),  # one in the last digit
        ("rank: 2 [93.6 30.3 3.9  -0.38]", True),
        ("rank: 3 [93.6 30.3 3.8 -0.39]", False),  # a count
        ("rank: 2 [93.6 28.0 3.8 -0.39]", False),  # 8 % off
        ("rank: 2 [93.6 30.3 3.8 0.39]", False),  # its sign
        ("rank: 2 [93.6 30.3 -0.39]", False),
        ("rank: 2 [93.6 30.3 3.8 -0.39] nan", False),
    ],
)
def test_printed_numbers_are_compared_as_two_processors_make_them(said, same):
    assert alike(said, "rank: 2 [93.6 30.3 3.8 -0.39]") == same


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


ENTRY = re.compile(r"^::: (\S+)$", re.MULTILINE)
ENTRIES = sorted(
    path
    for page in (ROOT / "docs" / "reference").glob("*.md")
    for path in ENTRY.findall(page.read_text(encoding="utf-8"))
)
"""Dotted names in the reference."""


def home(door, name):
    """Where a door's name comes from: one and the same for every door that hands it on."""
    thing = getattr(door, name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        return f"{thing.__module__}.{thing.__qualname__}"
    return f"{door.__name__}.{name}"  # a constant or a type, which does not know its module


def public_names(package):
    """The shortest name by which each public thing is reached, by its home.

    Public is what stands in `__all__` of the package, and of the doors that stand there.
    """
    found, doors, seen = {}, [(package.__name__, package)], {package}
    for path, door in doors:
        for name in door.__all__:
            thing = getattr(door, name)
            if not inspect.ismodule(thing):
                found.setdefault(home(door, name), f"{path}.{name}")
            elif thing not in seen:
                seen.add(thing)
                doors.append((f"{path}.{name}", thing))
    return found


def home_of_entry(path):
    door, _, name = path.rpartition(".")
    return home(pkgutil.resolve_name(door), name)


def missing_from(entries, package):
    """Public names that no entry tells about."""
    told = {home_of_entry(path) for path in entries}
    return sorted(name for at, name in public_names(package).items() if at not in told)


def test_the_reference_has_every_public_name():
    missing = missing_from(ENTRIES, loadpath)
    assert not missing, (
        f"{', '.join(missing)}: public, but not in the reference. For users: add an entry "
        "`::: loadpath.room.name` to its room's page in docs/reference. For other rooms only: "
        "import it in the door as `from ... import name as name`, and leave it out of `__all__`."
    )


def entries_without_a_name(entries, package):
    """Entries of the reference that are no public names, with what is wrong."""
    homes, wrong = public_names(package), []
    for path in entries:
        try:
            public = home_of_entry(path) in homes
        except (AttributeError, ImportError):
            wrong.append(f"{path}: there is no such name")
        else:
            wrong += [] if public else [f"{path}: not in the `__all__` of a public door"]
    return wrong


def test_every_entry_of_the_reference_is_a_public_name():
    assert entries_without_a_name(ENTRIES, loadpath) == []


def test_the_reference_tells_of_each_name_once():
    homes = [home_of_entry(path) for path in ENTRIES]
    assert sorted(homes) == sorted(set(homes))


def lacking_sections(function):
    """Sections that the docstring of a function ought to have and lacks."""
    if not inspect.isfunction(function):
        return []
    signature, text = inspect.signature(function), inspect.getdoc(function) or ""
    wanted = ["Parameters"] if signature.parameters else []
    if signature.return_annotation not in (None, "None"):
        wanted.append("Yields" if "Yields" in text else "Returns")
    return [each for each in wanted if f"\n{each}\n{'-' * len(each)}\n" not in text]


def test_public_functions_say_what_they_take_and_return():
    things = {path: lacking_sections(pkgutil.resolve_name(path)) for path in ENTRIES}
    assert {path: lacks for path, lacks in things.items() if lacks} == {}


def test_a_name_without_an_entry_and_an_entry_without_a_name_are_found():
    some = [path for path in ENTRIES if path != "loadpath.geodesic.solve"]
    assert "loadpath.geodesic.solve" in missing_from(some, loadpath)
    wrong = ["loadpath.statistics.spearman", "loadpath.geodesic.no_such_name"]
    assert len(entries_without_a_name([*some, *wrong], loadpath)) == 2


def test_a_docstring_without_sections_is_found():
    def bare(x: int) -> int:
        """Return x."""
        return x

    assert lacking_sections(bare) == ["Parameters", "Returns"]
