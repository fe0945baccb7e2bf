"""In notebooks bars show, results show themselves, figures show once; the tutorials run there."""

import base64

import nbformat
import pytest
from doc_code import ROOT, alike, blocks_of
from notebooks import executed, notebook_of, printed, shown, with_cells

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
SMALL = [
    """
import torch
from torch import nn
import loadpath as lp
torch.manual_seed(0)
data = lp.data.teacher(dims=(4, 2, 4), n_train=60, n_test=20, seed=0)
model = lp.LeakyResNet(4, 4, width=8, depth=4, effective_depth=2.0)
run = lp.fit(model, data, stages=[lp.training.Adam(20)], threads=1)
""",
    "net = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(3)))",
    "diagnosis = lp.diagnose(net, [data.x_train.float()], measures=['steps', 'ranks'])",
    "skipped = lp.diagnosis.skip_layers(net, [data.x_train.float()])",
    "quiet = lp.diagnose(net, [data.x_train.float()], measures=['steps'], progress=False)",
    "run",
    "data",
    "diagnosis",
    "run.plot('ranks')",
    "lp.plots.energies(run.profile())",
    "diagnosis.plot()",
    """
from matplotlib import pyplot as plt
figure, ax = plt.subplots()
_ = lp.plots.energies(run.profile(), ax)
""",
    "lp.plots.energies(run.profile())",
    "run.plot('ranks')",
]


pytestmark = pytest.mark.xdist_group("notebooks")  # what they share takes seconds to make


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    notebook = with_cells(nbformat.v4.new_notebook(), *SMALL)
    return executed(notebook, tmp_path_factory.mktemp("notebook")).cells


def test_bars_show_by_themselves(cells):
    assert "100%" in printed(cells[0], "stderr") and "20/20" in printed(cells[0], "stderr")
    said = printed(cells[2], "stderr")
    assert "looking: 100%" in said and "measuring: 100%" in said
    assert "skipping: 100%" in printed(cells[3], "stderr")
    assert printed(cells[4], "stderr") == ""
    assert not any("ipywidgets" in printed(cell, "stderr") for cell in cells)


@pytest.mark.parametrize("at, name", [(5, "Run"), (6, "Data"), (7, "Diagnosis")])
def test_results_show_themselves(cells, at, name):
    (data,) = shown(cells[at])
    assert f"<strong>{name}</strong>" in data["text/html"]
    assert data["text/plain"].startswith(f"{name}(") and len(data["text/plain"]) < 1000


@pytest.mark.parametrize("at", [8, 9, 10, 11, 12, 13])
def test_a_figure_shows_once(cells, at):
    """With pyplot, whose inline backend shows its own figures, and before it is imported."""
    pictures = [data["image/png"] for data in shown(cells[at]) if "image/png" in data]
    assert len(pictures) == len(shown(cells[at])) == 1
    assert base64.b64decode(pictures[0])[:4] == b"\x89PNG"


def names_of(text):
    """Names of results that the code of a page defines."""
    known = ("data", "run", "path", "diagnosis", "verdict")
    return [name for name in known if any(f"\n{name} = " in f"\n{b.code}" for b in blocks_of(text))]


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_runs_as_a_notebook(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    notebook, names = notebook_of(text), names_of(text)
    first = len(notebook.cells)
    done = executed(with_cells(notebook, *names), tmp_path).cells
    code = [cell for cell in done[:first] if cell.cell_type == "code"]
    for cell, block in zip(code, blocks_of(text), strict=True):
        assert cell.source == block.code.strip("\n")
        assert block.output is None or alike(printed(cell), block.output)
    assert len(names) >= 2
    for cell, name in zip(done[first:], names, strict=True):
        (data,) = shown(cell)
        assert "<table" in data["text/html"] and len(data["text/plain"]) < 1000, name


def test_a_page_becomes_cells_in_its_order():
    text = "# A\n\n```python\nx = 1\n```\n\n```text\n1\n```\n\nB\n\n<!-- setup: y = 2 -->\n"
    cells = notebook_of(text).cells
    kinds = [(cell.cell_type, cell.source.strip()) for cell in cells]
    assert kinds == [("markdown", "# A"), ("code", "x = 1"), ("markdown", "B"), ("code", "y = 2")]
