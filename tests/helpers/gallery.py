"""The pictures of docs/gallery.md, drawn by the code on it.

`python tests/helpers/gallery.py FOLDER` draws them into FOLDER/gallery.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import torch
from doc_code import ROOT, blocks_of, printed

PAGE = ROOT / "docs" / "gallery.md"
SHOWN = re.compile(r"!\[([^\]]+)\]\((gallery/[\w.]+)\)")
"""Pictures on the page: what is said of each, and its file."""


def draw(folder):
    """Run the code of the page, and bring its pictures to a folder."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        try:
            torch.manual_seed(0)
            for _ in printed(blocks_of(PAGE.read_text(encoding="utf-8")), str(PAGE)):
                pass
            for picture in sorted(Path("gallery").iterdir()):
                to = Path(folder, "gallery", picture.name)
                to.parent.mkdir(exist_ok=True)
                to.write_bytes(picture.read_bytes())
        finally:
            os.chdir(before)


if __name__ == "__main__":
    draw(Path(sys.argv[1]).resolve())
