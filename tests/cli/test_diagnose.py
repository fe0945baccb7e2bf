"""`loadpath diagnose`: what it writes and says, and what it refuses."""

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from loadpath import cli, diagnosis, results
from loadpath.cli.folders import DIAGNOSIS_FILES
from tests.cli.test_cli import contents
from tests.report.test_page import text_of

MODULE = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)
    def forward(self, h):
        return h + self.linear(h.relu())

def load():
    model = nn.Sequential(Block(), Block(), Block(), Block(), nn.Linear(6, 3))
    y = torch.arange(120) % 3
    x = torch.randn(120, 6) + 2 * torch.eye(3, 6)[y]
    return model, list(zip(x.split(40), y.split(40)))

def once():
    model, loader = load()
    return model, iter(loader)

def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3)), load()[1]

class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks, self.head = nn.ModuleList([Block(), Block()]), nn.Linear(6, 3)
        self.others = nn.ModuleList(nn.Sequential(nn.Linear(6, 6), nn.Tanh()) for _ in range(2))
    def forward(self, x):
        x.requires_grad_(True)
        for block in (*self.blocks, *self.others):
            x = block(x)
        torch.autograd.grad(x.sum(), self.head.weight, allow_unused=True)
        return x, self.head(x)

def pair():
    return Pair(), load()[1]

def alone():
    return load()[0]

def broken():
    raise RuntimeError("inside of it")

number = 3
"""


@pytest.fixture(autouse=True)
def entry(tmp_path, monkeypatch):
    """A folder with a module of the user's, which commands are run in."""
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "lacking.py").write_text("import not_installed_anywhere\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("mine", "lacking"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield
    sys.modules.pop("mine", None)


def test_it_writes_results_and_a_page_and_says_what_it_found(capsys):
    assert cli.main(["diagnose", "mine:load", "--out", "out", "--kept", "100"]) == 0
    said = capsys.readouterr().out
    ds, skipped = (results.load(f"out/{name}.nc") for name in ("diagnosis", "skipped"))
    assert set(contents(Path("out"))) == set(DIAGNOSIS_FILES)
    assert ds["layer"].values.tolist() == ["input", "0", "1", "2", "3"]
    assert skipped["layer"].values.tolist() == ["0", "1", "2", "3"]
    assert "5 layers" in said and "4 of 4 layers were skipped" in said
    lines = said.splitlines()
    assert lines[0] == diagnosis.verdict(ds, skipped).sentences[0]  # what to try without, first
    (heading,) = [l for l, line in enumerate(lines) if line.startswith("layer ")]
    assert "parameters  multiply-adds" in lines[heading] and heading < 4
    assert "accuracy, points" in lines[heading]
    (first,) = [line for line in lines if line.startswith(("0 ", "0 * ".strip()))][:1]
    assert " 42 " in first and " 36 " in first  # a Linear of 6 x 6 with biases
    assert said.endswith("report: out/report.html\n")
    page = text_of(Path("out/report.html"))
    assert "Diagnosis of Sequential" in page and "What could go" in page
    assert int(ds.attrs["kept"]) == 100


def test_a_config_file_starts_it_again_with_the_same_numbers(capsys):
    options = ["--measures", "[steps,ranks]", "--layers", "[1,2,3]", "--skip-batches", "0"]
    assert cli.main(["diagnose", "mine:load", *options, "--seed", "5", "--out", "first"]) == 0
    config = yaml.safe_load(Path("first/config.yaml").read_text())
    assert config["layers"] == [1, 2, 3] and config["seed"] == 5
    assert cli.main(["diagnose", "--config", "first/config.yaml", "--out", "second"]) == 0
    first, second = (results.load(f"{name}/diagnosis.nc") for name in ("first", "second"))
    for name in first:
        if first[name].dtype != object:
            np.testing.assert_array_equal(first[name], second[name])
    assert "load" not in first and "relative_step" in first
    assert first["layer"].values.tolist() == ["input", "1", "2", "3"]
    assert (
        cli.main(["diagnose", "mine:load", *options[:2], "--layers", "**.linear", *options[4:]])
        == 0
    )
    found = results.load("diagnosis/diagnosis.nc")["layer"].values.tolist()
    assert found == ["input", *(f"{l}.linear" for l in range(4))]
    capsys.readouterr()


def test_earlier_results_are_kept_unless_told(capsys):
    quick = ("--measures", "[steps]", "--skip-batches", "0", "--out", "out")
    assert cli.main(["diagnose", "mine:load", *quick]) == 0
    assert cli.main(["diagnose", "mine:load", *quick]) == 2
    assert "holds earlier results (config.yaml, report.html, diagnosis.nc)" in (
        capsys.readouterr().err
    )
    assert cli.main(["diagnose", "mine:load", *quick, "--overwrite"]) == 0


@pytest.mark.parametrize(
    "options, ranked_by",
    [
        ((), "predicted harm: change of the"),
        (("--rank", "prediction"), "predicted harm: change of the"),
        (("--rank", "movement"), "own step, which takes no pass of its own"),
    ],
)
def test_layers_are_ranked_by_predicted_harm_or_as_is_asked_for(options, ranked_by, capsys):
    arguments = ["--measures", "[steps]", *options, "--out", "out"]
    assert cli.main(["diagnose", "mine:load", *arguments]) == 0
    assert f"- Layers are ranked by {ranked_by}" in capsys.readouterr().out
    ds = results.load("out/diagnosis.nc")
    predicted = "movement" not in options
    assert ("predicted_harm_low" in ds) == predicted
    assert not predicted or float(ds["predicted_harm_low"].notnull().sum()) > 0
    assert f"Layers are ranked by {ranked_by}" in text_of(Path("out/report.html"))


def test_a_loader_that_is_read_once_is_enough_unless_layers_are_ranked_by_prediction(capsys):
    options = ["--measures=[steps]", "--skip-batches=0", "--out=out"]
    assert cli.main(["diagnose", "mine:once", *options]) == 0
    assert results.load("out/diagnosis.nc").attrs["ranked_by"].startswith("prediction: ")
    assert cli.main(["diagnose", "mine:once", *options, "--rank=prediction", "--overwrite"]) == 2
    said = capsys.readouterr().err
    assert "can be read only once, and harm is predicted in a second pass" in said


def test_a_model_without_layers_to_skip_is_diagnosed_all_the_same(capsys):
    assert cli.main(["diagnose", "mine:plain", "--measures", "[ranks]", "--out", "out"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("no layer was skipped: layers has none that can be skipped")
    assert "What could go" not in text_of(Path("out/report.html"))


def test_answer_and_gradients_are_options_and_what_is_left_out_is_said(capsys):
    options = ["--measures=[steps]", "--skip-batches=0", "--grad=true", "--answer=0"]
    assert cli.main(["diagnose", "mine:pair", *options]) == 0
    said = capsys.readouterr().out
    assert "there are 6 outputs, labels are 0 to 2" in said and "is taken for its" not in said
    assert "This is left out: others.* (2 Sequential beside the Block that are taken" in said
    assert cli.main(["diagnose", "mine:pair", "--out=none"]) == 2
    assert "pass grad=True" in capsys.readouterr().err


def test_the_page_can_be_written_again(capsys):
    assert cli.main(["diagnose", "mine:load", "--measures", "[steps]", "--out", "out"]) == 0
    first = Path("out/report.html").read_text()
    assert cli.main(["report", "out", "--overwrite"]) == 0
    assert Path("out/report.html").read_text() == first
    capsys.readouterr()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("mine",), "entry must be module:function, such as my_model:load, got 'mine'."),
        (("absent:load",), "entry 'absent:load' names a module that is not found"),
        (("mine:absent",), "entry 'mine:absent' must name a function, and mine has none such."),
        (("mine:number",), "entry 'mine:number' must name a function"),
        (("mine:alone",), "entry 'mine:alone' must return a model and a loader, and it returns S"),
        (("mine:once",), "the loader of 'mine:once' can be read only once, and layers are skipped"),
        (("mine:load", "--layers", "[blok.*]"), "layers has the pattern 'blok.*', which matches"),
        (("mine:load", "--kept", "0"), "kept must be"),
        (("mine:load", "--skip-batches", "-1"), "skip_batches must be"),
        (("mine:load", "--max-batches", "0"), "max_batches must be"),
        (("mine:load", "--measures", "[step]"), "measures"),
        (("mine:load", "--level", "2"), "level must be between 0 and 1, got 2.0."),
        (("mine:load", "--gamma0", "0"), "gamma0 must be finite and above 0, got 0.0."),
        (("mine:load", "--config-version", "9"), "config_version must be 1"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(arguments, said, capsys):
    assert cli.main(["diagnose", *arguments, "--out", "out"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not Path("out").exists()


def test_a_loader_that_can_be_read_once_is_enough_without_skipping(capsys):
    quick = ("--measures", "[steps]", "--skip-batches", "0", "--out", "out")
    assert cli.main(["diagnose", "mine:once", *quick]) == 0


def test_what_goes_wrong_in_the_users_own_code_is_shown_as_it_is():
    with pytest.raises(RuntimeError, match="inside of it"):
        cli.main(["diagnose", "mine:broken", "--out", "out"])
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        cli.main(["diagnose", "lacking:load", "--out", "out"])
