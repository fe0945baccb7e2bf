"""Tell whether the built pages of the explorer are those of its sources, without building them.

`make explorer` builds the pages into the package, and then writes a manifest beside them: the
digest of every source and of every page. `python explorer/manifest.py` compares files with it. So
whoever changes a source and does not build, or changes a page by hand, is told so by `make test`,
and needs no node for that.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

SOURCES = Path(__file__).parent
PAGES = SOURCES.parent / "src" / "loadpath" / "report" / "explorer"
MANIFEST = "manifest.json"
NOT_SOURCES = {"node_modules", "__pycache__", ".DS_Store"}


def sources(folder: Path = SOURCES) -> dict[str, str]:
    """Return the digest of each file that pages are built from, by its path in the folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".py"]
    kept = [path for path in files if not NOT_SOURCES & set(path.relative_to(folder).parts)]
    return {path.relative_to(folder).as_posix(): digest(path) for path in sorted(kept)}


def pages(folder: Path = PAGES) -> dict[str, str]:
    """Return the digest of each built page, by its name."""
    return {path.name: digest(path) for path in sorted(folder.glob("*.html"))}


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def faults(source_folder: Path = SOURCES, page_folder: Path = PAGES) -> list[str]:
    """Return a sentence for each way in which pages and sources do not belong together."""
    path = page_folder / MANIFEST
    if not path.exists():
        return [f"{path.name} is missing beside the built pages: run `make explorer`."]
    kept = json.loads(path.read_text(encoding="utf-8"))
    found = []
    stale = differing(kept["sources"], sources(source_folder))
    if stale:
        found.append(
            "The pages are not those of the explorer's sources, which changed since they were "
            f"built ({', '.join(stale)}): run `make explorer`."
        )
    touched = differing(kept["pages"], pages(page_folder))
    if touched:
        found.append(
            f"Built pages of the explorer were changed by hand ({', '.join(touched)}): change the "
            "sources in explorer/ instead, and run `make explorer`."
        )
    return found


def differing(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return the names that only one side has, or whose digests differ."""
    return sorted(name for name in before | now if before.get(name) != now.get(name))


def write() -> None:
    """Write the manifest of what is there now."""
    text = json.dumps({"sources": sources(), "pages": pages()}, indent=1)
    (PAGES / MANIFEST).write_text(text + "\n", encoding="utf-8")


def main() -> int:
    """Compare, or with --write write the manifest anew: only `make explorer` does that."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="after a build: keep its digests")
    if parser.parse_args().write:
        write()
        return 0
    found = faults()
    for sentence in found:
        print(sentence, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
