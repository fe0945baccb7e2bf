"""Tell whether the built pages of the explorer are those of its sources, and build them anew.

Beside the pages stands a manifest: the digest of every source that they were built from, and of
every page. `python explorer/manifest.py` compares files with it. Where sources are as they were
it builds nothing, and needs no node. Where they changed it builds them into a temporary folder,
and compares the bytes. `make explorer` builds them into the package. Only a build writes the
manifest, so that it never speaks for pages that were not built from these sources.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

SOURCES = Path(__file__).parent
PAGES = SOURCES.parent / "src" / "loadpath" / "report" / "explorer"
MANIFEST = "manifest.json"
NOT_SOURCES = {"node_modules", "__pycache__", ".DS_Store"}


class BuildError(Exception):
    """Pages cannot be built; says why in a sentence."""


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


def build(source_folder: Path, page_folder: Path) -> dict[str, str]:
    """Build the pages of some sources into a folder; return the digests of these sources.

    A copy is built, so that sources may change meanwhile, and no installed package is in the way.
    Raises BuildError where npm is missing or fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError("npm is missing, so install node 20")
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / "explorer"
        shutil.copytree(source_folder, copy, ignore=shutil.ignore_patterns(*NOT_SOURCES))
        digests = sources(copy)
        for command in (["ci"], ["run", "build", "--", str(page_folder.resolve())]):
            done = subprocess.run([npm, *command], cwd=copy, capture_output=True, text=True)
            if done.returncode:
                said = " | ".join((done.stdout + done.stderr).split("\n")[-20:])
                raise BuildError(f"`npm {command[0]}` failed, which said: {said.strip()}")
    return digests


def faults(source_folder: Path = SOURCES, page_folder: Path = PAGES) -> list[str]:
    """Return a sentence for each way in which pages and sources do not belong together."""
    path = page_folder / MANIFEST
    if not path.exists():
        return [f"{path.name} is missing beside the built pages: run `make explorer`."]
    kept = json.loads(path.read_text(encoding="utf-8"))
    changed = differing(kept["sources"], sources(source_folder))
    if changed:
        return stale(changed, source_folder, page_folder)
    touched = differing(kept["pages"], pages(page_folder))
    if touched:
        return [
            f"Built pages of the explorer were changed by hand ({', '.join(touched)}): change the "
            "sources in explorer/ instead, and run `make explorer`."
        ]
    return []


def stale(changed: list[str], source_folder: Path, page_folder: Path) -> list[str]:
    """Build sources that changed, and return a sentence if the pages are not what they give."""
    since = f"its sources changed since they were built ({', '.join(changed)})"
    with TemporaryDirectory() as fresh:
        try:
            build(source_folder, Path(fresh))
        except BuildError as error:
            return [f"Pages of the explorer may be stale: {since}, and no build can tell: {error}."]
        other = differing(pages(page_folder), pages(Path(fresh)))
    if not other:
        return []
    return [
        f"Pages of the explorer are stale ({', '.join(other)}): {since}, and now give other bytes; "
        "to renew them, run `make explorer`."
    ]


def renew(source_folder: Path = SOURCES, page_folder: Path = PAGES) -> None:
    """Build the pages of some sources into the package, with the manifest that says so."""
    with TemporaryDirectory() as fresh:
        digests = build(source_folder, Path(fresh))
        for page in pages(page_folder):
            (page_folder / page).unlink()
        built = pages(Path(fresh))
        for page in built:
            shutil.copyfile(Path(fresh) / page, page_folder / page)
    text = json.dumps({"sources": digests, "pages": built}, indent=1)
    (page_folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def differing(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return the names that only one side has, or whose digests differ."""
    return sorted(name for name in before | now if before.get(name) != now.get(name))


def main() -> int:
    """Compare pages and sources, or build the pages anew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", action="store_true", help="build the pages into the package")
    if parser.parse_args().build:
        try:
            renew()
        except BuildError as error:
            print(f"The explorer's pages cannot be built: {error}.", file=sys.stderr)
            return 1
        return 0
    found = faults()
    for sentence in found:
        print(sentence, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
