"""One way in for data of one's own: every form gives the same samples, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from sklearn.datasets import load_diabetes, load_iris
from sklearn.utils import Bunch
from torch.utils.data import TensorDataset

from loadpath.data import Data, as_data, as_pair

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X @ RNG.normal(size=(3, 2))
LABELS = np.arange(40) % 2
WORDS = np.where(LABELS, "up", "down")
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
WHOLE = FRAME.assign(price=Y[:, 0], kind=WORDS)


def same(one, other):
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("x_train", "y_train", "x_test", "y_test")
    )


@pytest.mark.parametrize(
    "given",
    [
        (X, Y),
        [X, Y],
        (X.tolist(), Y.tolist()),
        (torch.tensor(X), torch.tensor(Y)),
        (torch.tensor(X, requires_grad=True), torch.tensor(Y)),
        {"x": X, "y": Y},
        {"X": X, "y": Y},
        Bunch(data=X, target=Y),
        TensorDataset(torch.tensor(X), torch.tensor(Y)),
        (FRAME, pd.DataFrame(Y, index=range(100, 140))),
        (FRAME.assign(one=Y[:, 0], two=Y[:, 1]), ["one", "two"]),
    ],
)
def test_every_form_of_one_set_gives_the_same_samples(given):
    assert same(as_data(given), as_data(X, Y))
    x, y = as_pair(given)
    np.testing.assert_array_equal(x.detach().numpy(), X)
    np.testing.assert_array_equal(y.numpy(), Y)


@pytest.mark.parametrize(
    "given",
    [
        ((X[:30], Y[:30]), (X[30:], Y[30:])),
        dict(x_train=X[:30], y_train=Y[:30], x_test=X[30:], y_test=Y[30:]),
    ],
)
def test_what_is_split_already_stays_so(given):
    data = as_data(given, normalize=False)
    np.testing.assert_array_equal(data.x_train.numpy(), X[:30])
    np.testing.assert_array_equal(data.y_test.numpy(), Y[30:])


def test_one_sample_in_five_is_held_back_and_none_twice():
    data = as_data((X, Y), normalize=False, seed=3)
    assert (len(data.x_train), len(data.x_test)) == (32, 8)
    both = torch.cat([data.x_train, data.x_test])
    assert {tuple(row) for row in both.tolist()} == {tuple(row) for row in X.tolist()}
    assert same(data, as_data((X, Y), normalize=False, seed=3))
    assert not same(data, as_data((X, Y), normalize=False, seed=4))
    some = as_data((X, Y), n_train=7, n_test=5)
    assert (len(some.x_train), len(some.x_test)) == (7, 5)


def test_data_pass_as_they_are_and_train_on_their_own_statistics():
    data = as_data((X, Y))
    assert as_data(data) is data
    torch.testing.assert_close(data.x_train.mean(0), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(
        data.y_train.std(0, correction=0), torch.ones(2, dtype=torch.float64)
    )
    x, y = as_pair(data)
    assert x is data.x_train and y is data.y_train


def test_later_changes_of_the_arrays_change_no_data():
    x, y = X.copy(), Y.copy()
    data = as_data(((x, y), (x, y)), normalize=False)
    x[:], y[:] = np.nan, np.nan
    assert data.x_train.isfinite().all() and data.y_test.isfinite().all()


@pytest.mark.parametrize(
    "classes, names",
    [
        (LABELS, None),
        (LABELS.astype(np.uint8), None),
        (torch.tensor(LABELS), None),
        (LABELS + 3, "3, 4"),
        (LABELS * 2 - 1, "-1, 1"),
        (LABELS == 1, "False, True"),
        (WORDS, "down, up"),
        (WORDS.tolist(), "down, up"),
        (pd.Series(WORDS, dtype="category"), "down, up"),
        (pd.Series(LABELS, dtype="Int64"), None),
    ],
)
def test_classes_are_numbered_in_order_and_keep_their_names(classes, names):
    data = as_data((X, classes), normalize=False)
    assert data.task == "classification" and data.out_features == 2
    assert data.provenance.get("classes") == names
    number = {tuple(row): label for row, label in zip(X.tolist(), LABELS.tolist(), strict=True)}
    rows = torch.cat([data.x_train, data.x_test]).tolist()
    assert torch.cat([data.y_train, data.y_test]).tolist() == [number[tuple(row)] for row in rows]


def test_two_samples_of_every_class_are_kept_for_training():
    labels = np.array([0] * 36 + [1] * 2 + [2] * 2)
    for seed in range(20):
        data = as_data((X, labels), seed=seed)
        assert data.y_train.bincount().min() == 2 and len(data.y_test) == 8


def test_whole_numbers_are_outputs_where_the_task_says_so():
    counts = np.arange(40)
    assert as_data((X, counts), task="regression").out_features == 1
    assert as_pair(X, counts, task="regression")[1].shape == (40, 1)
    with pytest.raises(ValueError, match="class '0'; if these are outputs, pass task='regression'"):
        as_data((X, counts))
    labels = as_data((X, LABELS.astype(float)), task="classification")
    assert labels.y_train.dtype == torch.int64


def test_flags_are_numbers_among_the_inputs():
    data = as_data((FRAME.assign(flag=X[:, 0] > 0), Y), normalize=False)
    assert set(data.x_train[:, 3].tolist()) == {0.0, 1.0}
    assert as_pair(X > 0, Y)[0].dtype == torch.uint8


def test_onehot_outputs_keep_the_classes():
    data = as_data((X, WORDS), targets="onehot", normalize=False)
    assert data.task == "regression" and data.y_train.shape == (32, 2)
    assert torch.equal(data.y_train.argmax(1), data.labels_train)


@pytest.mark.parametrize("read", [load_iris, load_diabetes])
def test_bunches_of_scikit_learn_are_data(read):
    plain, frame = as_data(read()), as_data(read(as_frame=True))
    assert same(plain, frame)
    assert plain.task == ("classification" if read is load_iris else "regression")


NAN = X.copy()
NAN[3, 1] = np.nan
PASS = r"a pair \(x, y\), a mapping or Bunch .*"


@pytest.mark.parametrize(
    "given, message",
    [
        (3, f"data must be {PASS}, got 3"),
        (None, f"data must be {PASS}, got None"),
        (X, f"data must be {PASS}, got ndarray of shape .40, 3. alone"),
        (Data, "got the class Data"),
        ("a.csv", "got 'a.csv'; lp.data.load reads files"),
        ({"z": X}, "got a mapping that holds z"),
        ((X, Y, X), "got a tuple of 3 parts"),
        ((X, Y[:, 0], X, Y[:, 0]), r"which of its four parts is which: pass \(\(x_train"),
        ({"x_train": X, "y_train": Y, "x_test": X}, "must hold all of .*; no y_test"),
        (FRAME, "which column is the target, .* got a frame of a, b, c alone"),
        ((WHOLE, "prize"), "target must name a column of the frame, got 'prize'; it has a, b, c"),
        ((FRAME, ["a", "b", "c"]), "must have columns beside the target"),
        ((X, "price"), "data must hold a target for each sample, got 'price'; only a DataFrame"),
        ((WHOLE, "price"), "column 'kind' of data must hold numbers, got '(up|down)'"),
        ((FRAME.set_axis(["a", "a", "c"], axis=1), "c"), "different name for every column"),
        ((FRAME.mask(FRAME > 2), Y), "column '.' of data must be finite, and its entry .* is nan"),
        ((NAN, Y), r"x of data must be finite, and its entry \(3, 1\) is nan"),
        ((X, NAN), r"y of data must be finite, and its entry \(3, 1\) is nan"),
        ((X, NAN[:, 1]), r"y of data must be finite, and its entry \(3,\) is nan"),
        (
            (X, pd.Series([1, None] * 20, dtype="Int64")),
            "y of data must be finite, .* .1,. is",
        ),
        (
            (X, [*WORDS[:39], None]),
            "a target for every sample, and sample 39 has none",
        ),
        ((X, [*WORDS[:39], 1]), "class names or numbers and not both, got '.*' and 1"),
        ((X, [*WORDS[:39], "other"]), "at least 2 samples of every class, and it has 1 of .*other"),
        ((X, WORDS[:1].repeat(40)), "at least 2 classes, got 'down' alone"),
        ((X, Y[:39]), "x of data and y of data must be of as many samples, got 40 and 39"),
        ((X, LABELS[:39]), "x of data and y of data must be of as many samples, got 40 and 39"),
        (
            (scipy.sparse.csr_matrix(X), Y),
            r"x of data must be a dense .* pass x.toarray\(\)",
        ),
        (
            (X, scipy.sparse.csr_matrix(Y)),
            r"y of data must be a dense .* pass y.toarray\(\)",
        ),
        ((X[:, 0], Y), r"x of data must be \(sample, feature\), got \(40,\); .*reshape\(-1, 1\)"),
        ((X.reshape(40, 3, 1), Y), r"got \(40, 3, 1\); flatten samples by x.reshape"),
        ((X, Y.reshape(40, 2, 1)), r"y of data must be \(sample, output\), got \(40, 2, 1\)"),
        ((X[:0], Y[:0]), "x of data must hold samples, got none"),
        ((X[:2], Y[:2]), "data must have at least 3 samples, one of them for testing, got 2"),
        ((X, np.array(["2020-01-01"] * 40, dtype="datetime64[D]")), "got dates"),
        (((X, WORDS), (X, WORDS[:39].tolist() + ["new"])), "classes of y_train, down, up, got new"),
        (
            ((FRAME, Y), (FRAME[["b", "a", "c"]], Y)),
            "x_test of data must have the columns of",
        ),
        ((X, Y * 1e80), "numbers of at most 1e.70 in size"),
    ],
)
def test_what_cannot_be_learnt_from_is_one_sentence(given, message):
    with pytest.raises(ValueError, match=message) as error:
        as_data(given)
    assert str(error.value).count(". ") == 0 and str(error.value).endswith(".")


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(task="ranking"), "task must be one of regression, classification, got 'ranking'"),
        (dict(task="classification"), "y of data must hold one class for each sample"),
        (dict(targets="onehot"), "targets must be 'labels' for a regression, got 'onehot'"),
        (dict(n_train=39, n_test=2), "n_train and n_test must fit into the 40 samples"),
        (dict(n_test=0), "n_test must be a whole number of at least 1"),
        (dict(normalize="no"), "normalize must be True or False, got 'no'"),
        (dict(seed=-1), "seed must be"),
    ],
)
def test_options_out_of_range_are_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        as_data((X, Y), **options)


def test_words_have_no_number_that_one_part_of_the_samples_could_tell():
    with pytest.raises(ValueError, match="got words such as 'down': lp.data.as_data numbers them"):
        as_pair(X, WORDS)
    assert as_pair(X, LABELS + 3)[1].tolist() == (LABELS + 3).tolist()
    with pytest.raises(ValueError, match="y must be left out beside a Data"):
        as_pair(as_data((X, Y)), Y)
