"""Files of one's own: what is read from them, and what is refused before or while reading."""

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from loadpath.data import as_data, load
from loadpath.data.sources import load_training

RNG = np.random.default_rng(1)
# Numbers of many sizes, so that a reader that is off by the last bit shows.
X = RNG.normal(size=(30, 2)) * 10.0 ** RNG.integers(-20, 20, size=(30, 2))
FRAME = pd.DataFrame({"a": X[:, 0], "price": X[:, 1], "b": X[:, 0] > 0})
KINDS = FRAME.assign(kind=np.where(np.arange(30) % 3, "x", "y"))

NEEDS_PYARROW = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="needs the extra parquet, as `test` has it"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def same(one, other):
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("x_train", "y_train", "x_test", "y_test")
    )


@pytest.mark.parametrize("ending", ["csv", "CSV", pytest.param("parquet", marks=NEEDS_PYARROW)])
def test_tables_are_read_to_the_last_bit(folder, ending):
    write = FRAME.to_parquet if ending == "parquet" else FRAME.to_csv
    write(f"mine.{ending}", index=False)
    data = load(f"mine.{ending}", target="price", seed=2)
    assert same(data, as_data((FRAME, "price"), seed=2))
    assert data.provenance["source"] == f"mine.{ending}" and data.provenance["target"] == "price"


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_seen(folder, separator):
    FRAME.to_csv("mine.csv", index=False, sep=separator)
    assert same(load("mine.csv", target="price"), as_data((FRAME, "price")))


def test_targets_are_classes_or_several_outputs(folder):
    KINDS.to_csv("mine.csv", index=False)
    classes = load(folder / "mine.csv", target="kind")
    assert classes.task == "classification" and classes.provenance["classes"] == "x, y"
    KINDS.drop(columns="kind").to_csv("mine.csv", index=False)
    assert load("mine.csv", target=["a", "price"]).out_features == 2


def test_archives_are_read_by_the_names_of_their_arrays(folder):
    x, y = X, X[:, :1] ** 2 / 1e20
    np.savez("pair.npz", x=x, y=y)
    assert same(load("pair.npz"), as_data((x, y)))
    np.savez("other.npz", pixels=x, digit=np.arange(30) % 2)
    assert load("other.npz", target="digit").task == "classification"
    np.savez("split.npz", x_train=x, y_train=y, x_test=x[:3], y_test=y[:3])
    assert len(load("split.npz").x_test) == 3


def test_all_samples_are_used_where_none_is_for_testing(folder):
    FRAME.to_csv("mine.csv", index=False)
    x, y = load_training("mine.csv", target="price", normalize=False)
    np.testing.assert_array_equal(x[:, 0].numpy(), FRAME["a"])
    np.testing.assert_array_equal(y[:, 0].numpy(), FRAME["price"])
    scaled, _ = load_training("mine.csv", target="price")
    torch.testing.assert_close(scaled.mean(0), torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize(
    "text, target, message",
    [
        ("", "y", "the file 'mine.csv' is empty"),
        ("x,y\n", "y", "the file 'mine.csv' has no rows"),
        ("x,y\n1,2\n", None, "target must name the column of 'mine.csv' to learn, got nothing"),
        ("x,y\n1,2\n", "z", "target must name a column of the file 'mine.csv', got 'z'; .* x, y"),
        ("1,2\n3,4\n", "y", "must begin with a line of column names, got 1"),
        (",x,y\n0,1,2\n", "y", "must have a name for every column, and one has none; if it is an"),
        ("x,y\n1,2\n1,2,3\n", "y", "is no table: .*Expected 2 fields in line 3, saw 3"),
        (
            "x,y\n1,2\n3\n5,6\n7,8\n",
            "y",
            r"y of data must be finite, .* \(1,\) is nan",
        ),
        (
            "x,y\n1,2\n,2\n5,6\n7,8\n",
            "y",
            "column 'x' of data must be finite, .* 1 is nan",
        ),
        ("x,y\n1,2\nred,2\n5,6\n7,8\n", "y", "column 'x' of data must hold numbers, got '1'"),
        ("y\n1\n2\n", "y", "must have columns beside the target, got y alone"),
        (b"x,y\n\xff\xfe,2\n", "y", "the file 'mine.csv' is no text in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_learnt_from_is_one_sentence(folder, text, target, message):
    path = folder / "mine.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message):
        load("mine.csv", target=target)


@NEEDS_PYARROW
def test_a_damaged_parquet_file_is_one_sentence(folder):
    (folder / "mine.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match="'mine.parquet' is no whole Parquet file"):
        load("mine.parquet", target="y")


def test_damaged_and_absent_files_are_one_sentence(folder):
    with pytest.raises(FileNotFoundError, match="there is no file 'none.csv'"):
        load("none.csv", target="y")
    np.savez("mine.npz", z=X)
    with pytest.raises(ValueError, match="must hold the arrays x and y, or .*, and it holds z"):
        load("mine.npz")
    with pytest.raises(ValueError, match="target must name one of two arrays of 'mine.npz'"):
        load("mine.npz", target="z")


@NEEDS_PYARROW
def test_a_parquet_file_that_would_fill_the_memory_is_refused(folder):
    pd.DataFrame({"a": np.zeros(40_000_000, dtype=np.int8)}).to_parquet("zeros.parquet")
    with pytest.raises(ValueError, match="unpack to 320,000,000"):
        load("zeros.parquet", target="a")


def test_without_pyarrow_one_line_says_what_to_install(folder, monkeypatch):
    (folder / "mine.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"needs pyarrow: pip install 'loadpath\[parquet\]'"):
        load("mine.parquet", target="price")
