"""What users reported of commands elsewhere: loaders without a length, `~`, and entry points."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import loadpath as lp
from loadpath import cli, results
from loadpath.cli.options import COMMANDS, PATHS, with_homes

MODULE = """
import argparse
import sys
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

def net():
    return nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))

X = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))

class Stream(IterableDataset):
    def __iter__(self):
        return iter(X)

class Shy(Stream):
    def __len__(self):
        raise NotImplementedError("nobody knows")

class Batches:
    def __iter__(self):
        return iter(torch.arange(60).split(20))

class Own:
    def __iter__(self):
        return iter(X.split(20))

def stream():
    return net(), DataLoader(Stream(), batch_size=20)

def shy():
    return net(), DataLoader(Shy(), batch_size=20)

def batch_sampler():
    return net(), DataLoader(TensorDataset(X), batch_sampler=Batches())

def own():
    return net(), Own()

def known():
    return net(), list(X.split(20))

def parsed():
    options = argparse.ArgumentParser()
    options.add_argument("--width", type=int, default=4)
    assert options.parse_args().width == 4
    return net(), list(X.split(20))

def late():
    class Late:
        def __iter__(self):
            assert sys.argv[1:] == [], sys.argv
            return iter(X.split(20))
    return net(), Late()

def wanting():
    options = argparse.ArgumentParser()
    options.add_argument("data")
    options.parse_args()

def needy(path, *, width):
    return net(), path

async def later():
    return known()

class Nested:
    @staticmethod
    def load():
        return known()
"""
QUICK = ("--measures", "[steps]", "--layers", "[0,1,2]")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A folder with a module of the user's to run commands in, and a home elsewhere."""
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    home.mkdir()
    (work / "theirs.py").write_text(MODULE)
    (work / "leaving.py").write_text("import sys\nsys.exit('no GPU here')\n")
    (work / "pack").mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield home
    for name in ("theirs", "leaving", "pack"):
        sys.modules.pop(name, None)


class Terminal:
    """Takes what is written to a terminal."""

    def __init__(self, stream):
        self.stream, self.said = stream, ""

    def isatty(self):
        return True

    def write(self, text):
        self.said += text

    def flush(self):
        pass


@pytest.fixture
def no_page(monkeypatch):
    """Leave the page out, whose pictures take most of the time."""
    monkeypatch.setattr("loadpath.cli.diagnose.write_page", lambda folder: folder)


@pytest.mark.parametrize("loader", ["stream", "shy", "batch_sampler", "own", "known"])
def test_a_loader_without_a_length_has_a_bar_without_a_total(loader, monkeypatch, no_page):
    """ignite 932, transformers 5990: a bar asked an IterableDataset for its length."""
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))
    assert cli.main(["diagnose", f"theirs:{loader}", *QUICK, "--out", "out"]) == 0
    said = sys.stderr.said
    looking = [line for line in said.split("\r") if line.startswith("looking")][-1]
    assert ("3/3" if loader == "known" else "3batch") in looking
    assert "skipping" in said
    # The numbers do not depend on who knows how many batches there are.
    found = results.load("out/diagnosis.nc")
    torch.manual_seed(0)
    model, known = sys.modules["theirs"].known()
    wanted = lp.diagnose(model, known, layers=["0", "1", "2"], measures=["steps"])
    np.testing.assert_array_equal(found["relative_step"], wanted["relative_step"])
    assert found.attrs["n_samples"] == 60


def test_the_users_code_sees_only_its_own_words(no_page):
    """Parsers of entry points choked on the options of the command."""
    before = list(sys.argv)
    for name in ("parsed", "late"):
        words = ["diagnose", f"theirs:{name}", *QUICK, "--out", name, "--skip-batches", "0"]
        assert cli.main(words) == 0
        assert sys.argv == before


def test_a_function_inside_a_class_is_an_entry(no_page):
    words = ["diagnose", "theirs:Nested.load", *QUICK, "--out", "out", "--skip-batches", "0"]
    assert cli.main(words) == 0


@pytest.mark.parametrize(
    "entry, said",
    [
        ("theirs.py:known", "without .py, got 'theirs.py:known': did you mean theirs:known?"),
        ("theirs.py", "did you mean theirs:load?"),
        ("./theirs.py:known", "did you mean theirs:known?"),
        ("nets/theirs.py:known", "did you mean theirs:known in 'nets'?"),
        (".theirs:known", "entry must name a module as import does"),
        ("theirs..net:known", "entry must name a module as import does"),
        ("their model:known", "entry must name a module as import does"),
        ("pack.inner:load", "names a module that is not found"),
        ("theirs:", "entry must be module:function, such as my_model:load, got 'theirs:'."),
        ("theirs:Nested.absent", "must name a function, and theirs has none such"),
        ("theirs:X", "must name a function, and theirs has none such"),
        ("theirs:needy", "that takes no arguments: missing a required argument: 'path'."),
        ("theirs:later", "entry 'theirs:later' must not name an async function"),
        ("theirs:net", "must return a model and a loader, and it returns Sequential"),
        ("theirs:wanting", "entry 'theirs:wanting' ends the program, with exit code 2"),
        ("leaving:load", "entry 'leaving:load' ends the program, with exit code 'no GPU here'"),
    ],
)
def test_a_wrong_entry_point_is_one_sentence(entry, said, capsys):
    assert cli.main(["diagnose", entry, "--out", "out"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]  # argparse of the user's has its own lines
    assert last.startswith("loadpath diagnose: ") and said in last and last.count(". ") == 0
    assert not Path("out").exists()


def test_a_home_is_expanded_in_every_option_that_is_a_path(home):
    """HistoQC 198: a folder named ~ in some random place, and removing it is no fun."""
    for name, command in COMMANDS.items():
        own = command.__dataclass_fields__
        like = [field for field in own if any(w in field for w in ("out", "folder", "file"))]
        like = [field for field in like if field != "output"]  # a key, of diagnose
        assert set(like) <= set(PATHS), name
    values = {**dict.fromkeys(PATHS, "~/a"), "beside": ("~/a", "b"), "label": "~/a"}
    found = with_homes(values)
    assert {found[name] for name in PATHS if name != "beside"} == {f"{home}/a"}
    assert found["beside"] == (f"{home}/a", "b") and found["label"] == "~/a"


def test_commands_write_to_the_home_and_read_from_it(home, capsys):
    quick = {"n_steps": 20, "n_blocks": 3}
    (home / "mine.yaml").write_text(yaml.safe_dump({**quick, "out": "~/one"}))
    assert cli.main(["chain", "--config", "~/mine.yaml"]) == 0
    assert cli.main(["chain", "--config=~/one/config.yaml", "--out", "~/two"]) == 0
    words = ["--n-steps", "20", "--n-blocks", "3", "--out", "three"]
    assert cli.main(["chain", *words, "--beside", "[~/one,~/two]"]) == 0
    assert cli.main(["report", "~/one", "--out", "~/pages/one.html"]) == 0
    assert cli.main(["report", "~/absent"]) == 2
    assert f"{home}/absent" in capsys.readouterr().err
    assert (home / "pages" / "one.html").is_file() and (home / "two" / "chain.nc").is_file()
    assert not Path("~").exists() and sorted(os.listdir(".")) == [
        "leaving.py", "pack", "theirs.py", "three",
    ]  # fmt: skip


def test_a_home_that_nobody_has_is_one_sentence_before_any_work(capsys):
    assert cli.main(["diagnose", "theirs:known", "--out", "~nobody-here/out"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "loadpath diagnose: out must begin with a home that is known, got '~nobody-here/out'.\n"
    )
    assert "theirs" not in sys.modules
