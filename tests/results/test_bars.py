"""Bars on terminals and in notebooks, and nowhere else unless one is asked for."""

import sys
from types import SimpleNamespace

import pytest

from loadpath.results import bar_shows, progress_bar
from loadpath.results.bars import in_notebook


def notebook(monkeypatch, kernel):
    shell = SimpleNamespace(kernel=kernel) if kernel else SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


@pytest.mark.parametrize("kernel, shows", [("its kernel", True), (None, False)])
def test_a_kernel_makes_a_notebook_and_a_shell_in_a_terminal_does_not(monkeypatch, kernel, shows):
    notebook(monkeypatch, kernel)
    assert in_notebook() == bar_shows(None) == shows
    assert bar_shows(True) and not bar_shows(False)


def test_without_ipython_there_is_no_notebook(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not in_notebook()


@pytest.mark.parametrize("terminal", [True, False])
def test_on_a_terminal_a_bar_shows_by_itself(monkeypatch, capsys, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    with progress_bar(None, total=3, unit="it") as bar:
        bar.update(3)
    assert ("3/3" in capsys.readouterr().err) == terminal
