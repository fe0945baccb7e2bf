"""Notebooks: pages of the docs as notebooks, and what a kernel makes of the cells of one.

`python tests/helpers/notebooks.py PAGE ...` writes the notebook of each page into this folder.
"""

import sys
from pathlib import Path

import nbformat
from doc_code import PART
from nbclient import NotebookClient

SECONDS = 600
"""The most that a cell may take."""


def notebook_of(text):
    """The notebook of a page: its prose in cells of Markdown, its code in cells that run.

    What the page says that the code prints is left out: the cell prints it.
    """
    cells, end = [], 0
    for match in PART.finditer(text):
        prose = text[end : match.start()].strip()
        if prose:
            cells.append(nbformat.v4.new_markdown_cell(prose))
        code = match["setup"] if match["code"] is None else match["code"]
        if match["unrun"] is not None:
            cells.append(nbformat.v4.new_markdown_cell(match[0]))
        else:
            cells.append(nbformat.v4.new_code_cell(code.rstrip("\n")))
        end = match.end()
    if text[end:].strip():
        cells.append(nbformat.v4.new_markdown_cell(text[end:].strip()))
    return nbformat.v4.new_notebook(cells=cells)


def with_cells(notebook, *codes):
    """The notebook with more cells of code at its end."""
    more = [nbformat.v4.new_code_cell(code) for code in codes]
    return nbformat.v4.new_notebook(cells=[*notebook.cells, *more])


def executed(notebook, folder):
    """The notebook with what its cells put out, run in order in a folder by a kernel of its own."""
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources)
    return client.execute()


def printed(cell, stream="stdout"):
    """What a cell printed, each line as its last return to the beginning left it."""
    parts = [out for out in cell.outputs if out.output_type == "stream" and out.name == stream]
    lines = "".join(part.text for part in parts).split("\n")
    return "\n".join(line.rpartition("\r")[2].rstrip() for line in lines)


def shown(cell):
    """What a cell shows besides what it prints: a dict from mime types to contents for each."""
    return [out.data for out in cell.outputs if "data" in out]


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        page = Path(argument)
        nbformat.write(notebook_of(page.read_text(encoding="utf-8")), f"{page.stem}.ipynb")
