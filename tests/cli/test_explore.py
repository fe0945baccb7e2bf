"""`loadpath explore`: whole pages, never over others without being told, opened where it can be."""

import webbrowser

import pytest

from loadpath import cli
from loadpath.cli import explore
from loadpath.report.explorer import PAGES, pages, read_page
from loadpath.storage import digest_line


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def opened(monkeypatch):
    """A display and a browser; gives what it was asked to open."""
    asked = []
    monkeypatch.setenv("DISPLAY", ":1")
    monkeypatch.setattr(webbrowser, "get", lambda: None)
    monkeypatch.setattr(webbrowser, "open", asked.append)
    return asked


def test_the_pages_are_written_whole(folder, capsys):
    assert cli.main(["explore"]) == 0
    written = sorted(path.name for path in (folder / "explorer").glob("*.html"))
    assert written == sorted(f"{name}.html" for name in PAGES)
    for name in PAGES:
        page = (folder / "explorer" / f"{name}.html").read_text(encoding="utf-8")
        content = read_page(name)
        assert page == content + digest_line(content.encode(), "<!-- ", " -->").decode()
        assert page.startswith("<!DOCTYPE html>") and len(page) < 1.5e6
        for other in PAGES:  # they lead to each other in one folder
            assert other == name or f"{other}" in page
    assert capsys.readouterr().out.count(".html: ") == 3


def test_pages_are_only_replaced_when_told(folder, refusal):
    assert cli.main(["explore", "--out", "a"]) == 0
    (folder / "a" / "networks.html").write_text("mine")
    (folder / "a" / "chain.html").unlink()
    assert "networks.html' exists already: --overwrite" in refusal("explore", "--out", "a")
    assert not (folder / "a" / "chain.html").exists()  # nothing is written
    assert (folder / "a" / "networks.html").read_text() == "mine"
    assert cli.main(["explore", "--out", "a", "--overwrite"]) == 0
    assert (folder / "a" / "networks.html").stat().st_size > 100_000


def test_a_page_is_opened_where_there_is_a_browser(folder, opened):
    assert cli.main(["explore", "--open", "geodesic"]) == 0
    assert opened == [(folder / "explorer" / "geodesic.html").as_uri()]


@pytest.mark.parametrize("lacks", ["display", "browser"])
def test_without_a_display_or_a_browser_nothing_is_opened_or_written(
    lacks, folder, opened, monkeypatch, refusal
):
    if lacks == "display":
        monkeypatch.setattr(explore.sys, "platform", "linux")
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
            monkeypatch.delenv(name, raising=False)
    else:

        def none():
            raise webbrowser.Error("could not locate runnable browser")

        monkeypatch.setattr(webbrowser, "get", none)
    assert "--open needs a display and a browser" in refusal("explore", "--open", "chain")
    assert opened == [] and not list(folder.rglob("*.html"))


def test_a_checkout_without_built_pages_is_told_how(folder, monkeypatch, refusal):
    monkeypatch.setattr(pages, "files", lambda package: folder)
    said = refusal("explore")
    assert "lacks the explorer's page chain.html: `make explorer` builds it." in said


def test_other_pages_are_refused(refusal):
    assert "--open must be one of chain, networks, geodesic" in refusal("explore", "--open", "x")
