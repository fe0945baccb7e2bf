"""How to cite Loadpath and the papers whose theory it computes, from CITATION.cff.

That file is the one place where version, date and repository stand; it is part of the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PLACES = (HERE / "CITATION.cff", HERE.parents[1] / "CITATION.cff")
"""Where the file is: in an installed package, and in a checkout."""


def cite() -> None:
    """Print how to cite Loadpath and the two papers whose theory it computes, as BibTeX.

    Examples
    --------
    >>> import loadpath as lp
    >>> lp.cite()
    @software{loadpath,
    ...
    """
    print(bibtex())


def bibtex() -> str:
    """Return BibTeX of the software and of the two papers.

    Returns
    -------
    str
        Three entries; date and repository of the software stand in it once its owner has written
        them into CITATION.cff.

    Raises
    ------
    FileNotFoundError
        If the package lacks that file.
    """
    import yaml

    for place in PLACES:
        if place.is_file():
            known = yaml.safe_load(place.read_text(encoding="utf-8"))
            break
    else:
        raise FileNotFoundError(f"There is no file {str(PLACES[0])!r} to cite from.")
    software = {
        "author": _authors(known),
        "title": f"{{{known['title']}}}",
        "version": known["version"],
        "year": str(known["date-released"])[:4] if "date-released" in known else None,
        "url": known.get("repository-code"),
        "doi": known.get("doi"),
    }
    entries = [_entry("software", "loadpath", software)]
    for paper in known["references"]:
        number = next(each["value"] for each in paper["identifiers"]).removeprefix("arXiv:")
        first = paper["authors"][0]["family-names"].lower()
        fields = {
            "author": _authors(paper),
            "title": f"{{{paper['title']}}}",
            "year": paper["year"],
            "eprint": number,
            "archivePrefix": "arXiv",
            "url": paper["url"],
        }
        entries.append(_entry("misc", f"{first}{paper['year']}", fields))
    return "\n\n".join(entries)


def _authors(work: Mapping[str, Any]) -> str:
    """Return the authors of a work; a name that is not a person's in braces of its own."""
    names = (
        f"{each['family-names']}, {each['given-names']}"
        if "family-names" in each
        else f"{{{each['name']}}}"
        for each in work["authors"]
    )
    return " and ".join(names)


def _entry(kind: str, key: str, fields: Mapping[str, object]) -> str:
    """Return an entry with the fields that are known."""
    known = (f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    return f"@{kind}{{{key},\n{''.join(known)}}}"
