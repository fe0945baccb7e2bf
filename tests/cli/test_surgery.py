"""`loadpath surgery`: what it writes and says, and what it refuses."""

import sys

import pytest
import torch
import yaml

import loadpath as lp
from loadpath import cli
from loadpath.cli.folders import SURGERY_FILES
from tests.report.test_page import text_of

MODULE = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.linear = nn.Linear(5, 5)
        self.linear.weight.data.mul_(scale)
        self.linear.bias.data.mul_(scale)
    def forward(self, h):
        return h + self.linear(h.relu())

def load():
    torch.manual_seed(0)
    model = nn.Sequential(*map(Block, (1.0, 0.0, 1.0)), nn.Linear(5, 3))
    x = torch.randn(120, 5)
    return model, list(zip(x.split(20), model(x).argmax(1).split(20)))

def bare():
    model, loader = load()
    return model, [x for x, _ in loader]
"""


@pytest.fixture(autouse=True)
def entry(tmp_path, monkeypatch):
    (tmp_path / "nets_to_cut.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)


LINEAR = """
import torch
from torch import nn

def load():
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(5, 5) for _ in range(4)), nn.Tanh(), nn.Linear(5, 3))
    x = torch.randn(120, 5)
    return model, list(zip(x.split(20), model(x).argmax(1).split(20)))
"""


def test_linear_maps_are_folded_and_the_page_says_so(tmp_path, capsys):
    (tmp_path / "linear_nets.py").write_text(LINEAR)
    words = [
        "surgery",
        "linear_nets:load",
        "--drop",
        "2",
        "--ways",
        "linear",
        "--layers",
        "[1,2,3]",
    ]
    assert cli.main([*words, "--out", "out"]) == 0
    said = capsys.readouterr().out
    assert "was folded into '" in said
    smaller = lp.surgery.load(sys.modules["linear_nets"].load()[0], tmp_path / "out" / "smaller")
    # Two of four Linears are gone, and nothing stands in their place.
    assert [type(part).__name__ for part in smaller] == ["Linear", "Linear", "Tanh", "Linear"]
    assert "was folded into" in text_of(tmp_path / "out" / "report.html")


def test_plan_proof_page_and_model_are_written_and_the_page_again(tmp_path, capsys):
    words = ["surgery", "nets_to_cut:load", "--drop", "1", "--out", "out", "--seed", "3"]
    assert cli.main(words) == 0
    said, out = capsys.readouterr().out, tmp_path / "out"
    assert "- Drop 1: 1 of 3 layers that may go." in said and "report: out/" in said
    assert "not written: huggingface, mergekit.yaml, prune-layers.txt, as it is no model" in said
    assert {path.name for path in out.iterdir()} >= {*SURGERY_FILES, "smaller"}
    model, loader = sys.modules["nets_to_cut"].load()
    smaller = lp.surgery.load(model, out / "smaller")
    x = loader[0][0]
    assert len(smaller) == 3 and torch.equal(smaller(x), model(x))
    assert bool(lp.load(out / "plan.nc")["goes"].sel(layer="1"))
    assert float(lp.load(out / "proof.nc")["value"].sel(change="loss_change")) == 0
    text = text_of(out / "report.html")
    assert "Surgery on Sequential" in text and "smaller, batch 64" in text
    (out / "report.html").unlink()
    assert cli.main(["report", "out"]) == 0
    assert text_of(out / "report.html") == text
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["drop"] == 1 and config["seed"] == 3
    assert cli.main(words) == 2 and "holds earlier results" in capsys.readouterr().err
    assert (
        cli.main([*words, "--overwrite", "--heal", "2", "--refit", "1", "--ways", "[drop,linear]"])
        == 0
    )
    said = capsys.readouterr().out
    assert "was healed in 2 steps" in said and "Least squares refitted" in said


@pytest.mark.parametrize(
    "words, said",
    [
        ([], "--drop or --budget must be given, and not both"),
        (["--drop", "0"], "drop must be a whole number of at least 1"),
        (["--drop", "7"], "drop must be at most 3, the layers that can go"),
        (["--drop", "1", "--layers", "3"], "layers has none that can be removed: 3 stays"),
        (["--budget", "0", "--layers", "0"], "budget is met by no cut"),
        (["--drop", "1", "--share", "1"], "share must lie in (0, 1)"),
        (["--drop", "1", "--max-batches", "1"], "max_batches must be a whole number of at least 2"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(words, said, refusal):
    assert said in refusal("surgery", "nets_to_cut:load", *words)


def test_a_budget_of_accuracy_needs_labels(refusal):
    words = ("--budget", "1", "--budget-in", "accuracy")
    assert "no classes to be right on" in refusal("surgery", "nets_to_cut:bare", *words)
