"""Docstrings: tools parse them, their parameters are the function's, and their examples run."""

import doctest
import importlib
import logging
import warnings
from pathlib import Path

import griffe
import pytest
import torch

from tests.test_docs import ENTRIES
from tests.test_house import MODULES

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NEEDS = {"loadpath.diagnosis.lightning": "lightning"}
"""Modules that only import with an extra."""


@pytest.fixture(scope="module")
def package():
    return griffe.load("loadpath", search_paths=["src"], docstring_parser="numpy")


@pytest.mark.parametrize("name", sorted(MODULES))
def test_examples_run_and_print_what_they_say(name, tmp_path, monkeypatch):
    if name.endswith("__main__"):
        return
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    module = importlib.import_module(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        failed, _ = doctest.testmod(module, optionflags=FLAGS)
    assert failed == 0


def described(thing):
    """A module, class or function and all that is inside, but what it only imports."""
    yield thing
    for member in thing.members.values():
        if not member.is_alias and (member.is_module or member.is_class or member.is_function):
            yield from described(member)


SECTION_WORDS = ("Parameters:", "Returns:", "Raises:", "Source:", "Args:", "Example:")


def test_docstrings_are_numpydoc(package, caplog):
    """No section of another style, and no parameter that the function does not have."""
    wrong = []
    with caplog.at_level(logging.WARNING, logger="griffe"):
        for thing in described(package):
            if thing.docstring is None:
                continue
            text = thing.docstring.value
            thing.docstring.parse("numpy")
            wrong += [
                f"{thing.path}: {line.strip()}"
                for line in text.splitlines()
                if line.strip().startswith(SECTION_WORDS)
            ]
            if text.startswith("Of "):
                wrong.append(f"{thing.path}: {text.splitlines()[0]}")
    assert wrong == []
    assert [record.getMessage() for record in caplog.records] == []


def parameters_of(function):
    return {p.name for p in function.parameters} - {"self", "cls"}


def documented(thing):
    """Names in the Parameters section of a docstring, or None if it has none."""
    sections = thing.docstring.parse("numpy") if thing.docstring else []
    for section in sections:
        if section.kind is griffe.DocstringSectionKind.parameters:
            return {name.strip(" *`") for p in section.value for name in p.name.split(",")}
    return None


def test_a_parameters_section_names_every_parameter(package):
    wrong = []
    for thing in described(package):
        if not thing.is_function or thing.name.startswith("_"):
            continue
        told = documented(thing)
        if told is not None and told != parameters_of(thing):
            wrong.append((thing.path, sorted(told ^ parameters_of(thing))))
    assert wrong == []


def unexplained(thing):
    """Fields of a class that neither a docstring nor a Parameters section tells of."""
    if not thing.is_class or documented(thing) is not None:
        return []
    fields = [m for m in thing.members.values() if not m.is_alias and m.is_attribute]
    return [m.name for m in fields if m.is_public and m.docstring is None]


def test_fields_of_public_classes_are_explained(package):
    classes = {path: package[path.removeprefix("loadpath.")] for path in ENTRIES}
    left = {path: unexplained(a.final_target if a.is_alias else a) for path, a in classes.items()}
    assert {path: names for path, names in left.items() if names} == {}


def test_a_field_without_words_is_found():
    code = 'class A:\n    """A."""\n\n    x: int\n    y: int\n    """Why."""\n'
    module = griffe.visit("made_up", filepath=Path("made_up.py"), code=code)
    assert unexplained(module["A"]) == ["x"]
