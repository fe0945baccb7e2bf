"""`loadpath laws`: what it writes and says, and what it refuses."""

import pytest
import yaml

import loadpath as lp
from loadpath import cli
from loadpath.cli.folders import LAW_FILES
from tests.report.test_page import text_of

MODULE = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 5)
    def forward(self, h):
        return h + self.linear(h.relu())

def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(*(Block() for _ in range(4)))

def load():
    y = torch.arange(60) % 3
    x = torch.randn(60, 5) + 2 * torch.eye(3, 5)[y]
    return net(), list(zip(x.split(20), y.split(20)))

def once():
    model, loader = load()
    return model, iter(loader)

def own():
    model, loader = load()
    model.scale = nn.Parameter(torch.ones(1))
    return model, loader
"""
QUICK = ("--layers", "[0,1,2,3]", "--n-untrained", "2", "--n-orders", "2")


@pytest.fixture(autouse=True)
def entry(tmp_path, monkeypatch):
    (tmp_path / "nets_of_laws.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)


def test_table_figure_and_page_are_written_and_can_be_written_again(tmp_path, capsys):
    # The model has a parameter that no reset reaches: untrained ones are the user's own.
    words = ["laws", "nets_of_laws:own", "--untrained", "nets_of_laws:net", *QUICK]
    assert cli.main([*words, "--out", "out", "--seed", "3"]) == 0
    said, out = capsys.readouterr().out, tmp_path / "out"
    assert "equal separation" in said and "- Equal separation" in said and "report: out/" in said
    assert {path.name for path in out.iterdir()} >= set(LAW_FILES)
    found = lp.laws.Laws(lp.load(out / "laws.nc"))
    assert len(found["slow middle"].nulls[0].values) == 2
    text = text_of(out / "report.html")
    assert "Laws of depth in Sequential" in text and found["slow middle"].verdict in text
    (out / "report.html").unlink()
    assert cli.main(["report", "out"]) == 0
    assert text_of(out / "report.html") == text
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["seed"] == 3 and config["layers"] == [0, 1, 2, 3]
    assert cli.main(["laws", "--config", "out/config.yaml", "--out", "again"]) == 0
    again = lp.load("again/laws.nc")
    assert again["null_statistic"].identical(found.dataset["null_statistic"])


@pytest.mark.parametrize(
    "words, said",
    [
        (["nets_of_laws:own"], "untrained must be a function from a seed to a net for this model"),
        (["nets_of_laws:once"], "every untrained model reads it again: return a DataLoader"),
        (["nets_of_laws:load", "--untrained", "nets_of_laws:load"], "that takes seed"),
        (["nets_of_laws:load", "--untrained", "nets_of_laws"], "untrained must be module:function"),
        (["nets_of_laws:load", "--layers", "[0,1]"], "layers must be at least 3"),
        (["nets_of_laws:load", "--kept", "3"], "kept must be a whole number of at least 4"),
        (["nets_of_laws:load", "--level", "95"], "level must be between 0 and 1"),
    ],
)
def test_what_does_not_go_is_said_in_a_sentence(words, said, refusal, tmp_path):
    quick = [] if "--layers" in words else QUICK[:2]
    assert said in refusal("laws", *words, *quick, "--out", "out")
    assert not (tmp_path / "out" / "laws.nc").exists()
