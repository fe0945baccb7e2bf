"""Built pages belong to their sources, and the manifest that says so is not fooled."""

import json
import shutil
import subprocess

import pytest

from explorer import manifest


def test_the_built_pages_are_those_of_the_sources():
    assert manifest.faults() == []


@pytest.fixture
def folders(tmp_path):
    """Sources and pages that belong together."""
    sources, pages = tmp_path / "sources", tmp_path / "pages"
    (sources / "chain").mkdir(parents=True)
    (sources / "node_modules").mkdir()
    pages.mkdir()
    (sources / "chain" / "page.ts").write_text("const a = 1;\n")
    (sources / "node_modules" / "a.js").write_text("installed")
    (sources / "manifest.py").write_text("# builds nothing\n")
    (pages / "chain.html").write_text("<p>1</p>\n")
    kept = {"sources": manifest.sources(sources), "pages": manifest.pages(pages)}
    (pages / "manifest.json").write_text(json.dumps(kept))
    return sources, pages


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda s, p: None, None),
        (lambda s, p: (s / "node_modules" / "a.js").write_text("other"), None),
        (lambda s, p: (s / "manifest.py").write_text("other"), None),
        (lambda s, p: (s / "chain" / "page.ts").write_text("const a = 2;\n"), "(chain/page.ts)"),
        (lambda s, p: (s / "chain" / "new.ts").write_text("x"), "(chain/new.ts)"),
        (lambda s, p: (s / "chain" / "page.ts").unlink(), "(chain/page.ts)"),
        (lambda s, p: (p / "chain.html").write_text("<p>2</p>\n"), "by hand (chain.html)"),
        (lambda s, p: (p / "more.html").write_text(""), "by hand (more.html)"),
        (lambda s, p: (p / "manifest.json").unlink(), "manifest.json is missing"),
    ],
)
def test_what_does_not_belong_together_is_named_in_a_sentence(folders, spoil, said):
    spoil(*folders)
    found = manifest.faults(*folders)
    assert len(found) == (said is not None)
    for sentence in found:
        assert said in sentence and sentence.endswith("run `make explorer`.")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs node and npm to build the pages")
def test_a_new_build_gives_the_same_bytes(tmp_path):
    sources = tmp_path / "explorer"
    shutil.copytree(manifest.SOURCES, sources, ignore=shutil.ignore_patterns("node_modules"))
    quiet = dict(cwd=sources, check=True, capture_output=True, timeout=600)
    subprocess.run(["npm", "ci"], **quiet)
    subprocess.run(["npm", "run", "build", "--", str(tmp_path / "pages")], **quiet)
    assert manifest.pages(tmp_path / "pages") == manifest.pages()
