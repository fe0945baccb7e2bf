"""What every test shares."""

import gc
from pathlib import Path

import blank_pictures
import pytest
import torch
import typechecking  # noqa: F401, before the package, whose functions it has checked

from loadpath import cli

LONG = ("attack", "sweep", "test_docs.py", "test_examples.py", "test_notebooks.py")
"""Tests of up to ten seconds: begun last, one of them would keep a worker busy alone."""


def pytest_collection_modifyitems(items):
    """Begin with what takes long, in random order otherwise."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] not in LONG)


def pytest_collection_finish():
    """Spare the garbage collector the modules and the tests, which stay until the end.

    Looking through them again and again took a tenth of a run of the tests of plots and papers.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Torch on one thread: test nets are small, and threads that wait for each other slow them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def same_draws():
    """Torch's draws begin alike in every test: else they would hang on what ran before it."""
    torch.manual_seed(4321)  # a seed that no test asks for


BLANK = ("cli", "papers")
"""Folders of tests whose pictures are not drawn, but where `pictures` is asked for."""


@pytest.fixture(scope="module", autouse=True)
def no_pictures(request):
    """Pictures stay blank in some folders."""
    if request.path.relative_to(Path(__file__).parent).parts[0] not in BLANK:
        yield
        return
    with blank_pictures.not_drawn():
        yield


@pytest.fixture
def pictures(no_pictures):
    """Pictures are drawn."""
    with blank_pictures.drawn():
        yield


@pytest.fixture
def refusal(capsys):
    """Run a command line that is refused, and return the one line that says why."""

    def run(*arguments):
        capsys.readouterr()
        assert cli.main([str(argument) for argument in arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.count("\n") == 1
        assert captured.err.startswith("loadpath") and captured.err.endswith((".\n", ")\n"))
        return captured.err

    return run
