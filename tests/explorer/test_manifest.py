"""Built pages belong to their sources, and the manifest that says so is not fooled."""

import shutil

import pytest

from explorer import manifest


def test_the_built_pages_are_those_of_the_sources():
    # Where sources are not those of the manifest, this builds them.
    assert manifest.faults() == []


# Stands for npm: notes what it is asked for, and builds a page of the text of a source.
NPM = """#!/bin/sh
echo "$@" >> "$NPM_LOG"
case "$1" in
  ci) test ! -e node_modules && mkdir node_modules ;;
  run)
    test -d node_modules || exit 3
    if grep -q broken chain/page.ts; then echo "chain/page.ts(1,1): error TS1005"; exit 2; fi
    tr a-z A-Z < chain/page.ts > "$4/chain.html" ;;
esac
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """What npm was asked for so far: a stand-in is the only npm there is."""
    log, folder = tmp_path / "asked", tmp_path / "bin"
    folder.mkdir()
    log.touch()
    (folder / "npm").write_text(NPM)
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("NPM_LOG", str(log))
    return lambda: [line.split()[0] for line in log.read_text().splitlines()]


@pytest.fixture
def folders(tmp_path, asked):
    """Sources and pages that were built from them."""
    sources, pages = tmp_path / "sources", tmp_path / "pages"
    (sources / "chain").mkdir(parents=True)
    (sources / "node_modules").mkdir()
    pages.mkdir()
    (sources / "chain" / "page.ts").write_text("const a = 1;\n")
    (sources / "node_modules" / "a.js").write_text("installed")
    (sources / "manifest.py").write_text("# builds nothing\n")
    (pages / "gone.html").write_text("of a page that is no more")
    manifest.renew(sources, pages)
    assert asked() == ["ci", "run"] and not (pages / "gone.html").exists()
    assert (pages / "chain.html").read_text() == "CONST A = 1;\n"
    return sources, pages


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda s, p: None, None),
        (lambda s, p: (s / "node_modules" / "a.js").write_text("other"), None),
        (lambda s, p: (s / "manifest.py").write_text("other"), None),
        (lambda s, p: (p / "chain.html").write_text("<p>2</p>\n"), "by hand (chain.html)"),
        (lambda s, p: (p / "more.html").write_text(""), "by hand (more.html)"),
        (lambda s, p: (p / "manifest.json").unlink(), "manifest.json is missing"),
    ],
)
def test_nothing_is_built_where_sources_are_as_they_were(folders, asked, spoil, said):
    spoil(*folders)
    found = manifest.faults(*folders)
    assert asked() == ["ci", "run"]  # the build that the pages are of, and no other
    assert len(found) == (said is not None)
    for sentence in found:
        assert said in sentence and sentence.endswith("run `make explorer`.")


@pytest.mark.parametrize(
    "change, said",
    [
        (
            lambda s, p: (s / "chain" / "page.ts").write_text("const a = 2;\n"),
            "stale (chain.html): its sources changed since they were built (chain/page.ts), and",
        ),
        (lambda s, p: (s / "chain" / "new.ts").write_text("x"), None),  # no page needs it
        (lambda s, p: (s / "chain" / "page.ts").write_text("const A = 1;\n"), None),
        (
            lambda s, p: [
                (s / "chain" / "new.ts").write_text("x"),
                (p / "chain.html").write_text("by hand"),
            ],
            "stale (chain.html): its sources changed since they were built (chain/new.ts), and",
        ),
    ],
)
def test_sources_that_changed_are_built_and_the_bytes_compared(folders, asked, change, said):
    change(*folders)
    before = manifest.pages(folders[1])
    found = manifest.faults(*folders)
    assert asked() == ["ci", "run"] * 2
    assert manifest.pages(folders[1]) == before  # only `make explorer` writes them
    assert len(found) == (said is not None)
    for sentence in found:
        assert said in sentence and sentence.endswith("run `make explorer`.")
    manifest.renew(*folders)
    assert manifest.faults(*folders) == []
    assert asked() == ["ci", "run"] * 3


def test_it_is_said_why_sources_that_changed_cannot_be_built(folders, asked, monkeypatch, tmp_path):
    sources, pages = folders
    kept = (pages / "manifest.json").read_bytes()
    (sources / "chain" / "page.ts").write_text("broken\n")
    (sentence,) = manifest.faults(sources, pages)
    assert "may be stale: its sources changed since they were built (chain/page.ts), " in sentence
    assert "and no build can tell: `npm run` failed, which said:" in sentence
    assert "error TS1005" in sentence
    with pytest.raises(manifest.BuildError, match="error TS1005"):
        manifest.renew(sources, pages)
    monkeypatch.setenv("PATH", str(tmp_path))
    (sentence,) = manifest.faults(sources, pages)
    assert sentence.endswith(
        "(chain/page.ts), and no build can tell: npm is missing, so install node 20."
    )
    with pytest.raises(manifest.BuildError, match="npm is missing"):
        manifest.renew(sources, pages)
    # What was not built is not written.
    assert (pages / "manifest.json").read_bytes() == kept


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs node and npm to build the pages")
def test_a_new_build_gives_the_same_bytes(tmp_path):
    assert manifest.build(manifest.SOURCES, tmp_path) == manifest.sources()
    assert manifest.pages(tmp_path) == manifest.pages()
