"""The user's own arrays: what becomes of them, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from loadpath.data import Data, from_arrays, from_npz


def classification(**changes):
    values = {
        "x_train": np.arange(12.0).reshape(6, 2),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": np.ones((2, 2)),
        "y_test": np.array([2, 0]),
    }
    return values | changes


def regression(**changes):
    values = {
        "x_train": np.arange(12.0).reshape(6, 2),
        "y_train": np.arange(6.0).reshape(6, 1) ** 2,
        "x_test": np.ones((2, 2)),
        "y_test": np.zeros((2, 1)),
    }
    return values | changes


def test_arrays_become_tensors_of_the_promised_types():
    data = from_arrays(**classification(y_train=np.array([0, 1, 2, 0, 1, 2], dtype=np.uint8)))
    assert (data.task, data.in_features, data.out_features) == ("classification", 2, 3)
    assert data.x_train.dtype == torch.float64 and data.y_train.dtype == torch.int64
    assert data.labels_train is data.y_train and data.labels_test is data.y_test

    data = from_arrays(**regression(x_train=torch.arange(12).reshape(6, 2)))
    assert (data.task, data.in_features, data.out_features) == ("regression", 2, 1)
    assert data.x_train.dtype == data.y_train.dtype == torch.float64
    assert data.labels_train is None and data.labels_test is None


def test_without_normalization_the_numbers_stay_and_the_memory_is_its_own():
    given = regression()
    data = from_arrays(**given, normalize=False)
    for name, array in given.items():
        np.testing.assert_array_equal(getattr(data, name).numpy(), array)
    given["x_train"][:] = np.nan
    assert data.x_train.isfinite().all()


@given(
    arrays(np.float64, (5, 3), elements=st.floats(-1e6, 1e6)),
    arrays(np.float64, (4, 3), elements=st.floats(-1e6, 1e6)),
)
def test_normalization_gives_mean_zero_and_variance_one_or_zero_and_never_nan(x_train, x_test):
    y_train, y_test = np.arange(5.0)[:, None], np.arange(4.0)[:, None]
    data = from_arrays(x_train, y_train, x_test, y_test)
    assert data.x_test.isfinite().all()
    variance = data.x_train.var(0, correction=0)
    for column in range(3):
        values = x_train[:, column]
        if np.ptp(values) == 0:
            assert variance[column] < 1e-18  # of values up to 1e6: rounding of the mean
        elif np.ptp(values) > max(1e-3 * np.abs(values).max(), 1e-100):  # below, squares are 0
            assert abs(data.x_train[:, column].mean()) < 1e-9
            assert abs(variance[column] - 1) < 1e-9


def test_a_constant_coordinate_is_divided_by_one():
    x_train = np.column_stack([np.full(6, 0.1), np.arange(6.0)])
    x_test = np.array([[0.1, 0.0], [0.6, 0.0]])
    data = from_arrays(**regression(x_train=x_train, x_test=x_test))
    assert data.x_train[:, 0].abs().max() < 1e-15
    np.testing.assert_allclose(data.x_test[:, 0].numpy(), [0.0, 0.5], atol=1e-15)


@pytest.mark.parametrize(
    "given, message",
    [
        (regression(x_train=np.arange(6.0)), r"x_train must be .* shape \(6,\)"),
        (regression(x_train=np.ones((6, 0))), r"x_train must be .* shape \(6, 0\)"),
        (
            regression(x_train=np.ones((1, 2)), y_train=np.ones((1, 1))),
            r"x_train must have at least 2 sample\(s\), and it has 1",
        ),
        (
            regression(x_test=np.ones((0, 2)), y_test=np.ones((0, 1))),
            r"x_test must have at least 1 sample\(s\), and it has 0",
        ),
        (
            regression(x_train=np.array([[0.0, 1], [2, np.nan]] * 3)),
            r"x_train must be finite, and its entry \(1, 1\) is nan",
        ),
        (
            regression(x_test=np.array([[0.0, 1], [-np.inf, 1]])),
            r"x_test must be finite, and its entry \(1, 0\) is -inf",
        ),
        (
            regression(y_train=np.full((6, 1), np.inf)),
            r"y_train must be finite, and its entry \(0, 0\) is inf",
        ),
        (regression(y_test=np.full((2, 1), np.nan)), "y_test must be finite"),
        (regression(x_test=np.ones((2, 3))), "x_test has 3 features and x_train has 2"),
        (regression(y_test=np.ones((2, 4))), "y_test has 4 outputs and y_train has 1"),
        (regression(y_train=np.ones((5, 1))), r"y_train must be .*\(6, outputs\).* shape \(5, 1\)"),
        (regression(y_test=np.ones((2, 0))), r"y_test must be .* shape \(2, 0\)"),
        (regression(y_train=np.arange(6.0)), r"y_train and y_test must both .*\(6,\).*float64"),
        (regression(y_test=np.array([0, 1])), r"y_train and y_test must both .*\(2,\).*int64"),
        (regression(x_train=np.full((6, 2), "a")), "x_train must hold real numbers"),
        (regression(y_train=np.ones((6, 1)) * 1j), "y_train must hold real numbers"),
        (
            regression(x_train=np.array([[1e200, 0], [-1e200, 0]] * 3)),
            "numbers of at most 1e.70 in size, got 1e.200",
        ),
        (classification(y_train=np.array([0, 1, 2])), r"y_train must be .*\(6,\).* shape \(3,\)"),
        (classification(y_test=np.array([0.0, 1.0])), "y_test must be int64 class labels"),
        (
            classification(y_train=np.array([0, 1, 3, 0, 1, 3])),
            "y_train must hold the classes 0 to k-1 .* 3 classes, and a class 3",
        ),
        (
            classification(y_train=np.array([-1, 1, 0, -1, 1, 0])),
            "y_train must hold the classes 0 to k-1 .* a class -1",
        ),
        (
            classification(y_train=np.array([0, 1, 2, 0, 1, 1])),
            "y_train must hold at least 2 samples of every class, and it has 1 of class 2",
        ),
        (
            classification(y_train=np.zeros(6, dtype=int), y_test=np.array([0, 0])),
            "y_train must hold at least 2 classes",
        ),
        (
            classification(y_test=np.array([0, 3])),
            "y_test must hold classes of y_train, 0 to 2, and it has a class 3",
        ),
    ],
)
def test_bad_arrays_are_refused_by_name_and_value(given, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(**given)


def test_data_refuse_an_unknown_task_and_half_given_labels():
    x, y = torch.ones(4, 2), torch.ones(4, 1)
    with pytest.raises(ValueError, match="task must be .* 'ranking'"):
        Data(x, y, x, y, task="ranking", provenance={})
    with pytest.raises(ValueError, match="labels_train and labels_test must be given together"):
        Data(x, y, x, y, task="regression", provenance={}, labels_train=torch.tensor([0, 1, 0, 1]))
    with pytest.raises(ValueError, match="labels_test must be int64"):
        labels = torch.tensor([0, 1, 0, 1])
        Data(x, y, x, y, "regression", {}, labels_train=labels, labels_test=labels[:3])


def test_a_pair_is_read_as_it_is(tmp_path):
    x, y = np.arange(6, dtype=np.float32).reshape(3, 2), np.arange(9).reshape(3, 3)
    np.savez(tmp_path / "pair.npz", x=x, y=y, more=np.ones(1))
    read = from_npz(tmp_path / "pair.npz")
    assert [t.dtype for t in read] == [torch.float64] * 2
    np.testing.assert_array_equal(read[0], x)
    np.testing.assert_array_equal(read[1], y)
    np.savez(tmp_path / "classes.npz", x=x, y=np.array([0, 1, 1], dtype=np.uint8))
    labels = from_npz(str(tmp_path / "classes.npz"))[1]
    assert labels.dtype == torch.int64 and labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(x=np.ones(3)), r"holds shapes \(3,\) and \(3, 2\)"),
        (dict(y=np.ones(3)), r"holds shapes \(3, 2\) and \(3,\)"),
        (dict(y=np.ones((4, 2))), "x must be .sample, feature. and y as many"),
        (dict(x=np.ones((3, 0))), "x must be .sample, feature. and y as many"),
        (dict(x=np.array([[1, np.inf]] * 3)), r"x must be finite, and its entry \(0, 1\) is inf"),
        (dict(x=np.array(["a"])), "x must hold real numbers"),
        (dict(x=np.array([{}])), "cannot be read as a whole NumPy .npz archive of plain arrays"),
    ],
)
def test_a_bad_pair_is_one_sentence(tmp_path, changes, message):
    np.savez(tmp_path / "pair.npz", **{"x": np.ones((3, 2)), "y": np.ones((3, 2)), **changes})
    with pytest.raises(ValueError, match=message):
        from_npz(tmp_path / "pair.npz")


def test_a_pair_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        from_npz(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", x=np.ones((3, 2)))
    with pytest.raises(ValueError, match="must hold the arrays x and y, and it holds x"):
        from_npz(tmp_path / "other.npz")
