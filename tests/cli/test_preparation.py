"""`--data FILE --target COLUMN` on the command line: what each command makes of a file."""

import numpy as np
import pandas as pd
import pytest
import yaml

from loadpath import cli, data
from loadpath.cli import options
from loadpath.cli.geodesic import load_pair
from loadpath.cli.preparation import load_data

RNG = np.random.default_rng(2)
X = RNG.normal(size=(24, 3))
FRAME = pd.DataFrame(X, columns=["a", "b", "c"]).assign(
    price=X[:, 0] ** 2, kind=np.where(np.arange(24) % 2, "x", "y")
)
ENTRY = """
import torch

def load():
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))

def both():
    return load(), None
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FRAME.drop(columns="kind").to_csv("prices.csv", index=False)
    FRAME.drop(columns="price").to_csv("kinds.csv", index=False)
    FRAME.to_csv("words.csv", index=False)
    (tmp_path / "own_entry.py").write_text(ENTRY)
    return tmp_path


def said(capsys, *words):
    code = cli.main([*map(str, words)])
    return code, capsys.readouterr().err.strip()


def test_training_learns_the_file_that_load_reads(capsys):
    chosen = options.TrainOptions(data="prices.csv", target="price", n_train=10, seed=3)
    read = load_data(chosen)
    expected = data.load("prices.csv", target="price", n_train=10, seed=3)
    assert np.array_equal(read.x_train, expected.x_train) and len(read.x_test) == 4
    tiny = "--width 4 --depth 3 --effective-depth 1 --adam-steps 2 --lbfgs-steps 0 --threads 1"
    code, _ = said(
        capsys, "train", "--data", "kinds.csv", "--target", "kind", *tiny.split(), "--out", "run"
    )
    assert code in (0, 3)  # two steps teach next to nothing, which is said
    with open("run/config.yaml") as file:
        config = yaml.safe_load(file)
    assert (config["data"], config["target"]) == ("kinds.csv", "kind")


def test_a_geodesic_takes_all_samples_and_a_fixed_end_takes_them_as_they_are():
    free = options.GeodesicOptions(data="prices.csv", target="price")
    x, y, loss = load_pair(free)
    assert (tuple(x.shape), tuple(y.shape), loss) == ((24, 3), (24, 1), "mse")
    assert abs(x.mean(0)).max() < 1e-12  # rounding of sums of 24 numbers of order one
    fixed = options.GeodesicOptions(data="prices.csv", target="price", endpoint="fixed")
    np.testing.assert_array_equal(load_pair(fixed)[0], X)
    kinds = options.GeodesicOptions(data="kinds.csv", target="kind")
    _, labels, loss = load_pair(kinds)
    assert loss == "cross-entropy" and labels.tolist() == [1, 0] * 12  # y is 1: x comes first
    onehot = options.GeodesicOptions(data="kinds.csv", target="kind", targets="onehot")
    assert load_pair(onehot)[1].shape == (24, 2)


def test_a_diagram_of_networks_learns_the_classes_of_a_file(capsys):
    words = "--panel dropout --slopes [0] --noise [0] --seeds 1 --epochs 1 --width 4 --depth 3"
    code, err = said(
        *(capsys, "phase-diagram", "--data", "kinds.csv", "--target", "kind"),
        *(*words.split(), "--out", "diagram"),
    )
    assert code == 0, err


@pytest.mark.parametrize("entry", ["load", "both"])
def test_a_diagnosis_reads_the_file_in_place_of_a_loader(capsys, entry):
    words = ("diagnose", f"own_entry:{entry}", "--data", "kinds.csv", "--target", "kind")
    code, err = said(capsys, *words, "--measures", "[steps]", "--out", "found")
    assert code == 0, err


@pytest.mark.parametrize(
    "words, message",
    [
        ("train --data prices.csv", "--target must name the column of 'prices.csv' to learn"),
        ("train --data prices.csv --target prize", "got 'prize'; it has a, b, c, price"),
        (
            "train --data words.csv --target price",
            "column 'kind' of data must hold numbers, got",
        ),
        ("train --data prices.xls", "--data must be one of teacher, .* or a file of yours"),
        ("train --data digit", "got 'digit' .did you mean digits"),
        ("train --target price", "--target is for files of your own, and --data is 'teacher'"),
        ("train --task regression", "--task is for files of your own, and --data is 'teacher'"),
        ("train --data none.csv --target y", "there is no file 'none.csv'"),
        ("train --data prices.csv --target price --image-size 3", "image_size must not be set"),
        ("geodesic --data prices.csv", "--target must name the column"),
        ("geodesic --data arrays --file p.npz --target y", "--target is for files of your own"),
        ("phase-diagram --data kinds.csv", "--target must name the column"),
        ("phase-diagram --data kinds.csv --target 3", "must be the name of a column for networks"),
        ("phase-diagram --chain --target kind", "target must be a number, got 'kind'"),
        ("diagnose own_entry:load --target kind", "--target is for --data, a file of yours"),
        ("diagnose own_entry:load --data mnist", "--data must be a file of yours that ends in"),
        ("diagnose own_entry:load", "must return a model and a loader, and it returns Sequential"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_before_any_work(capsys, folder, words, message):
    before = sorted(folder.iterdir())
    code, err = said(capsys, *words.split())
    assert code == 2 and err.count("\n") == 0
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(err)
    assert [p for p in sorted(folder.iterdir()) if p.name != "__pycache__"] == before


def test_the_target_of_a_chain_stays_a_number():
    assert options.PhaseDiagramOptions(chain=True).target == 1.0
    assert options.PhaseDiagramOptions(chain=True, target=2.5).settings()["target"] == 2.5
