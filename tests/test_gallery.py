"""The gallery shows every figure, and its code draws the pictures that stand on it."""

import inspect
import re

import gallery
import pytest
from gallery import PAGE, SHOWN

from loadpath import plots

NOT_DRAWN = {  # of runs or fits that take minutes; the page says where they are
    name
    for name in plots.__all__
    if re.match(r"figure_([123]|audit|digits|growth|scale|surgery)", name)
}
HELPERS = {"Film", "STYLE", "pdf", "png", "save", "svg"}
LARGEST = 100_000
"""Bytes of a picture on the page."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    gallery.draw(folder)
    return {path.name: path for path in (folder / "gallery").iterdir()}


def words_of(svg):
    """What is written on a picture, but for numbers, which depend on the processor."""
    said = re.findall(r"<(?:text|tspan)[^>]*>([^<]*)<", svg)
    return {text for text in said if re.search(r"[A-Za-z]{3}", text) and not re.search(r"\d", text)}


@pytest.mark.slow  # that each figure is drawn is tested in tests/plots
def test_the_code_draws_the_pictures_that_are_shown(drawn):
    shown = SHOWN.findall(PAGE.read_text(encoding="utf-8"))
    names = [path.removeprefix("gallery/") for _, path in shown]
    assert sorted(names) == sorted(drawn) and len(names) == len(set(names)) >= 30
    kept = {path.name: path for path in (PAGE.parent / "gallery").iterdir()}
    assert sorted(kept) == sorted(drawn), "run make gallery"
    for name, path in kept.items():
        assert path.stat().st_size < LARGEST and drawn[name].stat().st_size < LARGEST, name
        if path.suffix == ".svg":
            old, new = (each.read_text(encoding="utf-8") for each in (path, drawn[name]))
            assert words_of(new) and words_of(old) == words_of(new), f"{name}: run make gallery"


def test_every_figure_is_in_the_gallery_or_named_with_its_page():
    text = PAGE.read_text(encoding="utf-8")
    wanted = [
        name
        for name in plots.__all__
        if name not in HELPERS | NOT_DRAWN and inspect.isfunction(getattr(plots, name))
    ]
    assert len(wanted) >= 35
    assert [name for name in wanted if not re.search(rf"\b{name}\b", text)] == []


def test_every_picture_says_what_it_shows():
    shown = SHOWN.findall(PAGE.read_text(encoding="utf-8"))
    assert all(len(words.split()) >= 4 for words, _ in shown)
    assert len({words for words, _ in shown}) == len(shown)
