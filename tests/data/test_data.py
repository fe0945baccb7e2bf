import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from loadpath import data as lp_data
from loadpath.data import Data, from_arrays, from_npz, teachers

MNIST_10K = Path(__file__).parents[3] / "shared" / "data" / "mnist10k.npz"


def outer_teacher(dims, kind, seed):
    """The function inside `teacher`, and the generator left as `teacher` has it then."""
    part, _ = teachers.part_of_kind(kind, 100, None, None)
    generator = torch.Generator().manual_seed(seed)
    return teachers.random_function(dims, part, generator), generator


# Teachers.


@pytest.mark.parametrize("kind", ["fully-connected", "leaky-resnet"])
@pytest.mark.parametrize("dims", [(30, 3, 30), (30, 6, 3, 30), (8, 8)])
def test_the_jacobian_of_a_teacher_has_exactly_the_bottleneck_rank(kind, dims):
    function, generator = outer_teacher(dims, kind, seed=1)
    x = torch.randn(40, dims[0], dtype=torch.float64, generator=generator)
    jacobian = torch.func.vmap(torch.func.jacrev(function))(x)
    values = torch.linalg.svdvals(jacobian)
    relative = values / values[:, :1]
    rank = min(dims)
    assert (relative[:, rank - 1] > 1e-5).all()
    assert (relative[:, rank:] < 1e-12).all()
    # and the used dimensions are no mere corner of the input space: most carry a fair share
    assert relative[:, rank - 1].median() > 1e-2


@pytest.mark.parametrize("kind", ["fully-connected", "leaky-resnet"])
def test_a_teacher_labels_its_samples_by_that_function(kind):
    data = lp_data.teacher((10, 2, 7), kind=kind, n_train=50, n_test=60, seed=5)
    function, generator = outer_teacher((10, 2, 7), kind, seed=5)
    x_test = torch.randn(60, 10, dtype=torch.float64, generator=generator)
    x_train = torch.randn(50, 10, dtype=torch.float64, generator=generator)
    y = function(x_train)
    expected = (function(x_test) - y.mean(0)) / y.std(0, correction=0)
    torch.testing.assert_close(data.y_test, expected, rtol=1e-10, atol=1e-10)
    expected = (x_test - x_train.mean(0)) / x_train.std(0, correction=0)
    torch.testing.assert_close(data.x_test, expected, rtol=1e-10, atol=1e-10)


def test_a_teacher_is_not_linear():
    data = lp_data.teacher(n_train=1000, seed=0)
    ones = torch.ones(1000, 1, dtype=torch.float64)
    coefficients = torch.linalg.lstsq(torch.cat([data.x_train, ones], 1), data.y_train).solution
    residual = data.y_train - torch.cat([data.x_train, ones], 1) @ coefficients
    assert residual.square().mean() > 0.2  # of a variance of 1


def test_the_inner_representation_of_a_teacher_is_standardized():
    function, generator = outer_teacher((30, 3), "leaky-resnet", seed=2)
    h = function(torch.randn(20_000, 30, dtype=torch.float64, generator=generator))
    assert h.mean(0).abs().max() < 0.05
    assert (h.std(0) - 1).abs().max() < 0.05


def test_teacher_data_are_normalized_by_training_statistics():
    data = lp_data.teacher((12, 2, 9), n_train=200, n_test=70, seed=3)
    assert data.task == "regression"
    assert (data.in_features, data.out_features) == (12, 9)
    assert data.labels_train is None
    for t in (data.x_train, data.y_train):
        assert t.dtype == torch.float64
        assert t.mean(0).abs().max() < 1e-12
        assert (t.std(0, correction=0) - 1).abs().max() < 1e-12
    assert data.x_test.shape == (70, 12)
    assert data.provenance["bottleneck_rank"] == 2
    assert data.provenance["dims"] == "12-2-9"


def test_the_same_seed_gives_the_same_teacher_and_another_another():
    first, again, other = (lp_data.teacher((6, 2, 5), n_train=20, seed=s) for s in (7, 7, 8))
    assert torch.equal(first.y_train, again.y_train)
    assert not torch.allclose(first.y_train, other.y_train)


def test_more_training_samples_leave_the_function_and_the_test_samples_alone():
    few = lp_data.teacher((6, 2, 5), n_train=20, n_test=30, seed=7)
    many = lp_data.teacher((6, 2, 5), n_train=500, n_test=30, seed=7)
    # Each is normalized by its own statistics: equal up to an affine map a coordinate.
    for a, b in ((few.x_test, many.x_test), (few.y_test, many.y_test)):
        for column in range(a.shape[1]):
            assert torch.corrcoef(torch.stack([a[:, column], b[:, column]]))[0, 1] > 1 - 1e-12


def test_noise_is_on_the_training_outputs_alone_and_of_the_stated_size():
    clean = lp_data.teacher((6, 2, 5), n_train=4000, seed=1)
    noisy = lp_data.teacher((6, 2, 5), n_train=4000, noise=0.5, seed=1)
    # y = (clean + 0.5 e) / sqrt(1.25): its correlation with the clean outputs is 1 / sqrt(1.25)
    correlation = (clean.y_train * noisy.y_train).mean(0)
    assert (correlation - 1.25**-0.5).abs().max() < 0.02
    scale = noisy.y_test.std(0) / clean.y_test.std(0)
    assert (scale - 1.25**-0.5).abs().max() < 0.02
    for column in range(5):
        pair = torch.stack([clean.y_test[:, column], noisy.y_test[:, column]])
        assert torch.corrcoef(pair)[0, 1] > 1 - 1e-12


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"dims": (30,)}, r"dims must list .* not \(30,\)"),
        ({"dims": (30, 0, 30)}, "every entry of dims must be a whole number of at least 1, not 0"),
        ({"dims": (30, 2.5, 30)}, "every entry of dims .* not 2.5"),
        ({"dims": "30-3"}, "every entry of dims .* not '3'"),
        ({"n_train": 1}, "n_train must be a whole number of at least 2, not 1"),
        ({"n_train": True}, "n_train .* not True"),
        ({"n_test": 0}, "n_test must be a whole number of at least 1, not 0"),
        ({"hidden_width": 29}, "hidden_width must be at least the largest of dims, 30, .* 29"),
        ({"hidden_width": 0}, "hidden_width must be a whole number of at least 1, not 0"),
        ({"hidden_layers": 0}, "hidden_layers must be a whole number of at least 1, not 0"),
        ({"noise": -0.1}, "noise must be .* not -0.1"),
        ({"noise": float("nan")}, "noise must be .* not nan"),
        ({"noise": float("inf")}, "noise must be .* not inf"),
        ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
        ({"kind": "cnn"}, "kind must be 'fully-connected' or 'leaky-resnet', not 'cnn'"),
        ({"effective_depth": 3.0}, "effective_depth is for kind='leaky-resnet', and it is 3.0"),
        (
            {"kind": "leaky-resnet", "effective_depth": 20.0},
            "effective_depth must be above 0 and below 20, .* not 20.0",
        ),
        (
            {"kind": "leaky-resnet", "effective_depth": float("nan")},
            "effective_depth must be .* not nan",
        ),
        (
            {"kind": "leaky-resnet", "hidden_layers": 2},
            "hidden_layers is for kind='fully-connected', and it is 2",
        ),
    ],
)
def test_a_teacher_refuses_bad_arguments_by_name_and_value(arguments, message):
    with pytest.raises(ValueError, match=message):
        lp_data.teacher(**arguments)


# The user's own arrays.


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
        (regression(x_train=np.full((6, 2), "a")), "x_train must be an array of real numbers"),
        (regression(y_train=np.ones((6, 1)) * 1j), "y_train must be an array of real numbers"),
        (
            regression(x_train=np.array([[1e200, 0], [-1e200, 0]] * 3)),
            "entries as large as 1e\\+200 make the variance overflow",
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


# Digits.


def test_the_shipped_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    oracle = load_digits()
    with np.load(Path(lp_data.__file__).with_name("digits.npz"), allow_pickle=False) as shipped:
        np.testing.assert_array_equal(shipped["images"], oracle.images)
        np.testing.assert_array_equal(shipped["labels"], oracle.target)
    assert "CC BY 4.0" in Path(lp_data.__file__).with_name("digits.LICENSE.md").read_text()


def test_digits_are_split_without_overlap_and_share_one_scale():
    from sklearn.datasets import load_digits

    data = lp_data.digits(seed=4)
    assert (data.task, data.in_features, data.out_features) == ("classification", 64, 10)
    assert (len(data.x_train), len(data.x_test)) == (1437, 360)
    assert data.x_train.mean(0).abs().max() < 1e-12
    torch.testing.assert_close(data.x_train.square().sum(1).mean().item(), 64.0)

    # Undo the affine map: every original image must be there exactly once, with its own label.
    oracle = load_digits()
    x = torch.cat([data.x_train, data.x_test])
    labels = torch.cat([data.y_train, data.y_test]).numpy()
    scale = (oracle.data.max(0) - oracle.data.min(0)) / np.ptp(x.numpy(), axis=0).clip(1e-9)
    scale = np.median(scale[np.ptp(oracle.data, axis=0) > 0])
    pixels = np.rint((x.numpy() - x.numpy().min(0)) * scale) + oracle.data.min(0)
    found = sorted(map(tuple, np.column_stack([pixels, labels]).astype(int).tolist()))
    wanted = np.column_stack([oracle.data, oracle.target]).astype(int).tolist()
    assert found == sorted(map(tuple, wanted))


def test_digits_are_shuffled_by_the_seed():
    first, again, other = (lp_data.digits(n_train=100, seed=s) for s in (0, 0, 1))
    assert torch.equal(first.x_train, again.x_train)
    assert not torch.equal(first.y_train, other.y_train)


def test_one_hot_digits_are_normalized_outputs_that_keep_their_labels():
    data = lp_data.digits(targets="onehot")
    labels = lp_data.digits()
    assert (data.task, data.out_features) == ("regression", 10)
    assert torch.equal(data.labels_train, labels.y_train)
    assert torch.equal(data.labels_test, labels.y_test)
    assert torch.equal(data.x_train, labels.x_train)
    assert torch.equal(data.y_train.argmax(1), data.labels_train)
    assert torch.equal(data.y_test.argmax(1), data.labels_test)
    assert data.y_train.mean(0).abs().max() < 1e-12
    assert (data.y_train.std(0, correction=0) - 1).abs().max() < 1e-12


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"targets": "logits"}, "targets must be 'labels' or 'onehot', not 'logits'"),
        ({"n_train": 1797}, "n_train must leave some of the 1797 digits for testing, not 1797"),
        ({"n_train": 1}, "n_train must be a whole number of at least 2, not 1"),
        ({"n_train": 10}, "y_train must hold"),  # too few for two of every class
        ({"seed": 0.5}, "seed must be a whole number of at least 0, not 0.5"),
    ],
)
def test_digits_refuse_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        lp_data.digits(**arguments)


# Images from files: tiny sets of ten classes, written byte by byte.

IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def image_set(n_train=40, n_test=20, side=4):
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (n_train, side, side), dtype=np.uint8),
        "y_train": (np.arange(n_train) % 10).astype(np.uint8),
        "x_test": rng.integers(0, 256, (n_test, side, side), dtype=np.uint8),
        "y_test": (np.arange(n_test) % 10).astype(np.uint8),
    }


def idx_bytes(array):
    return (
        b"\x00\x00\x08" + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape) + bytes(array)
    )


def write_idx(folder, sets, *, gzipped=False, dotted=False):
    for key, array in sets.items():
        name = IDX_NAMES[key].replace("-idx", ".idx") if dotted else IDX_NAMES[key]
        content = idx_bytes(array)
        path = folder / (f"{name}.gz" if gzipped else name)
        path.write_bytes(gzip.compress(content) if gzipped else content)


def assert_holds(data, sets):
    """Training and test samples are those of `sets`, in some order, after one affine map."""
    x_train, x_test = (
        sets[k].reshape(len(sets[k]), -1).astype(float) for k in ("x_train", "x_test")
    )
    mean = x_train.mean(0)
    scale = np.sqrt(np.square(x_train - mean).mean())
    for x, raw, y, labels in (
        (data.x_train, x_train, data.y_train, sets["y_train"]),
        (data.x_test, x_test, data.y_test, sets["y_test"]),
    ):
        found = np.column_stack([x.numpy() * scale + mean, y.numpy()])
        wanted = np.column_stack([raw, labels])
        found, wanted = (rows[np.lexsort(rows.round(6).T)] for rows in (found, wanted))
        np.testing.assert_allclose(found, wanted, atol=1e-9)


@pytest.mark.parametrize("loader", [lp_data.mnist, lp_data.fashion_mnist])
@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("dotted", [False, True])
def test_idx_files_are_read_gzipped_or_not(tmp_path, loader, gzipped, dotted):
    sets = image_set()
    write_idx(tmp_path, sets, gzipped=gzipped, dotted=dotted)
    assert_holds(loader(tmp_path, seed=3), sets)
    assert_holds(loader(str(tmp_path)), sets)


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
        (dict(x=np.array(["a"])), "x must be an array of real numbers"),
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


@pytest.mark.parametrize("as_file", [False, True])
def test_an_npz_archive_of_two_sets_is_read(tmp_path, as_file):
    sets = image_set()
    np.savez_compressed(tmp_path / "mnist.npz", **sets)
    assert_holds(lp_data.mnist(tmp_path / "mnist.npz" if as_file else tmp_path), sets)


def test_an_npz_archive_of_one_set_is_split_by_the_seed(tmp_path):
    sets = image_set(n_train=100)
    np.savez(tmp_path / "one.npz", images=sets["x_train"], labels=sets["y_train"])
    data, again, other = (lp_data.mnist(tmp_path, seed=s) for s in (0, 0, 1))
    assert (len(data.x_train), len(data.x_test)) == (80, 20)
    assert torch.equal(data.x_test, again.x_test)
    assert not torch.equal(data.y_test, other.y_test)
    every = torch.cat([data.y_train, data.y_test])
    assert torch.equal(every.bincount(), torch.full((10,), 10))
    data = lp_data.mnist(tmp_path, n_train=90)
    assert (len(data.x_train), len(data.x_test)) == (90, 10)
    data = lp_data.mnist(tmp_path, n_train=70, n_test=30)
    assert (len(data.x_train), len(data.x_test)) == (70, 30)
    with pytest.raises(ValueError, match="must fit into the 100 samples .* 71 and 30"):
        lp_data.mnist(tmp_path, n_train=71, n_test=30)


def test_a_part_of_a_set_is_drawn_by_the_seed(tmp_path):
    write_idx(tmp_path, image_set(n_train=400))
    data, again, other = (lp_data.mnist(tmp_path, n_train=100, n_test=5, seed=s) for s in (0, 0, 1))
    assert data.x_train.shape == (100, 16) and data.x_test.shape == (5, 16)
    assert torch.equal(data.x_train, again.x_train)
    assert not torch.equal(data.y_train, other.y_train)
    assert data.provenance["n_train"] == 100
    with pytest.raises(
        ValueError, match="n_train must be at most the 400 samples there are, not 401"
    ):
        lp_data.mnist(tmp_path, n_train=401)
    with pytest.raises(ValueError, match="n_test must be at most the 20 samples there are, not 21"):
        lp_data.mnist(tmp_path, n_test=21)


def test_size_averages_blocks_of_pixels(tmp_path):
    sets = image_set(side=4)
    write_idx(tmp_path, sets)
    for part in ("x_train", "x_test"):
        sets[part] = sets[part].reshape(-1, 2, 2, 2, 2).mean((2, 4))
    data = lp_data.mnist(tmp_path, image_size=2)
    assert_holds(data, sets)
    assert data.provenance["size"] == 2
    for size, message in (
        (0, "image_size must be a whole .* 0"),
        (5, "image_size must be at most .* 4, not 5"),
    ):
        with pytest.raises(ValueError, match=message):
            lp_data.mnist(tmp_path, image_size=size)


def test_one_hot_images_from_files(tmp_path):
    write_idx(tmp_path, image_set())
    data = lp_data.fashion_mnist(tmp_path, targets="onehot")
    assert (data.task, data.in_features, data.out_features) == ("regression", 16, 10)
    assert torch.equal(data.y_train.argmax(1), data.labels_train)


def cifar_batches(n=40):
    rng = np.random.default_rng(1)
    batch = rng.integers(0, 256, (6, n, 3073), dtype=np.uint8)
    batch[:, :, 0] = np.arange(n) % 10
    return batch


def write_cifar(folder, batches):
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for name, batch in zip(names, batches, strict=False):
        (folder / f"{name}.bin").write_bytes(batch.tobytes())


def test_the_binary_version_of_cifar_10_is_read(tmp_path):
    batches = cifar_batches()
    write_cifar(tmp_path, batches)
    train = batches[:5].reshape(-1, 3073)
    data = lp_data.cifar10(tmp_path)
    assert data.x_train.shape == (200, 3072)
    sets = {"x_train": train[:, 1:], "y_train": train[:, 0]}
    assert_holds(data, sets | {"x_test": batches[5][:, 1:], "y_test": batches[5][:, 0]})

    # Smaller, each colour on its own.
    colours = batches[5][:, 1:].reshape(-1, 3, 4, 8, 4, 8).mean((3, 5)).reshape(-1, 48)
    small = train[:, 1:].reshape(-1, 3, 4, 8, 4, 8).mean((3, 5)).reshape(-1, 48)
    sets = {"x_train": small, "y_train": train[:, 0], "x_test": colours}
    assert_holds(lp_data.cifar10(tmp_path, image_size=4), sets | {"y_test": batches[5][:, 0]})


@pytest.mark.parametrize(
    "loader, wanted, source",
    [
        (lp_data.mnist, "train-images-idx3-ubyte", "yann.lecun.com/exdb/mnist"),
        (lp_data.fashion_mnist, "t10k-labels-idx1-ubyte", "dataset-fashion-mnist"),
        (lp_data.cifar10, "data_batch_1.bin", "www.cs.toronto.edu/~kriz/cifar.html"),
    ],
)
def test_a_missing_folder_or_file_is_one_sentence_with_the_files_wanted(
    tmp_path, loader, wanted, source
):
    for folder in (tmp_path / "absent", tmp_path):
        with pytest.raises(FileNotFoundError) as caught:
            loader(folder)
        message = str(caught.value)
        assert str(folder) in message and wanted in message and source in message
        assert "\n" not in message and message.endswith(".")


def test_an_incomplete_set_is_a_missing_one(tmp_path):
    sets = image_set()
    del sets["y_test"]
    write_idx(tmp_path, sets)
    with pytest.raises(FileNotFoundError, match="an incomplete set .* t10k-labels-idx1-ubyte"):
        lp_data.mnist(tmp_path)
    write_cifar(tmp_path, cifar_batches()[:5])
    with pytest.raises(FileNotFoundError, match="has no test_batch.bin"):
        lp_data.cifar10(tmp_path)


def test_two_archives_are_not_guessed_between(tmp_path):
    np.savez(tmp_path / "a.npz", **image_set())
    np.savez(tmp_path / "b.npz", **image_set())
    with pytest.raises(FileNotFoundError, match="2 .npz archives"):
        lp_data.mnist(tmp_path)


@given(cut=st.integers(0, 16 + 40 * 16 - 1), gzipped=st.booleans())
def test_a_cut_idx_file_is_named_wherever_it_is_cut(tmp_path_factory, cut, gzipped):
    folder = tmp_path_factory.mktemp("idx")
    sets = image_set()
    write_idx(folder, sets)
    whole = idx_bytes(sets["x_train"])
    path = folder / IDX_NAMES["x_train"]
    if gzipped:
        path.unlink()
        path = path.with_suffix(".gz")
        packed = gzip.compress(whole)
        whole, cut = packed, cut % len(packed)
    path.write_bytes(whole[:cut])
    with pytest.raises(ValueError, match=path.name) as caught:
        lp_data.mnist(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key, content, message",
    [
        ("x_train", b"\x00\x00\x0d\x03" + bytes(12), "not an IDX file .* begins with 00000d03"),
        ("x_train", b"", "not an IDX file .* begins with nothing"),
        ("x_train", b"\x00\x00\x08\x03\x00", "cut short: its IDX header is not whole"),
        ("x_train", b"\x00\x00\x08\x03" + b"\xff" * 12, "its header tells of 792281\\d+ bytes"),
        ("x_train", idx_bytes(np.zeros((40, 4, 4), np.uint8)) + b"0", "has 641"),
        ("x_train", idx_bytes(np.zeros(40, np.uint8)), r"must hold images .* shape \(40,\)"),
        ("x_train", idx_bytes(np.zeros((0, 4, 4), np.uint8)), r"must hold images .* \(0, 4, 4\)"),
        (
            "y_train",
            idx_bytes(np.zeros((40, 2), np.uint8)),
            r"must hold integer labels .*\(40, 2\)",
        ),
        ("y_train", idx_bytes(np.zeros(39, np.uint8)), "holds 40 images, but there are 39 labels"),
        ("y_train", idx_bytes(np.full(40, 7, np.uint8)), "y_train must hold the classes 0 to k-1"),
    ],
)
def test_a_wrong_idx_file_is_one_sentence(tmp_path, key, content, message):
    write_idx(tmp_path, image_set())
    (tmp_path / IDX_NAMES[key]).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        lp_data.mnist(tmp_path)


def test_a_file_that_only_claims_to_be_gzip_is_named(tmp_path):
    write_idx(tmp_path, image_set(), gzipped=True)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(b"plain text")
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte.gz' cannot be read to its end"):
        lp_data.mnist(tmp_path)


@given(fraction=st.floats(0, 1, exclude_max=True))
def test_a_cut_npz_archive_is_named(tmp_path_factory, fraction):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **image_set())
    whole = buffer.getvalue()
    path = tmp_path_factory.mktemp("npz") / "cut.npz"
    path.write_bytes(whole[: int(fraction * len(whole))])
    with pytest.raises(ValueError, match="cut.npz' cannot be read as a whole NumPy .npz archive"):
        lp_data.mnist(path)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"x_train": np.zeros((40, 4))}, r"must hold images .* float64 of shape \(40, 4\)"),
        ({"x_test": np.full((20, 4, 4), np.nan)}, "images with entries that are not finite"),
        ({"y_train": np.zeros(40)}, "must hold integer labels .* float64"),
        ({"y_test": np.zeros(3, dtype=int)}, "holds 20 images, but there are 3 labels"),
        ({"y_test": None}, "cannot be read as a whole NumPy .npz archive of plain arrays"),
    ],
)
def test_a_wrong_npz_archive_is_one_sentence(tmp_path, changes, message):
    path = tmp_path / "wrong.npz"
    np.savez(path, **(image_set() | changes))  # None is stored as a pickled object
    with pytest.raises(ValueError, match=message) as caught:
        lp_data.mnist(path)
    assert str(path) in str(caught.value)


def test_other_keys_and_a_lone_array_are_refused(tmp_path):
    np.savez(tmp_path / "keys.npz", x=np.zeros(3), y=np.zeros(3))
    with pytest.raises(ValueError, match="must hold the arrays images, labels .* it holds x, y"):
        lp_data.mnist(tmp_path / "keys.npz")
    np.save(tmp_path / "lone.npy", np.zeros(3))
    with pytest.raises(ValueError, match="lone.npy' cannot be read as a whole NumPy .npz"):
        lp_data.mnist(tmp_path / "lone.npy")


def test_a_pickle_is_refused_and_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    np.savez(tmp_path / "bomb.npz", images=np.array([Bomb()], dtype=object), labels=np.zeros(1))
    with pytest.raises(ValueError, match="bomb.npz"):
        lp_data.mnist(tmp_path / "bomb.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "0 bytes are not whole records of 3073"),
        (bytes(3073 * 2 - 1), "data_batch_3.bin' is cut short .* 6145 bytes"),
        (b"\x0b" + bytes(3072), "data_batch_3.bin' .* it has a label 11"),
    ],
)
def test_a_wrong_cifar_file_is_one_sentence(tmp_path, content, message):
    write_cifar(tmp_path, cifar_batches())
    (tmp_path / "data_batch_3.bin").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        lp_data.cifar10(tmp_path)


@pytest.mark.skipif(not MNIST_10K.is_file(), reason="real MNIST is not at ../shared/data")
def test_real_mnist():
    data = lp_data.mnist(MNIST_10K, n_train=2560, n_test=1000, image_size=10)
    assert (data.in_features, data.out_features) == (100, 10)
    torch.testing.assert_close(data.x_train.square().sum(1).mean().item(), 100.0)
    # Digits with the right labels: the nearest class mean already tells most of them.
    means = torch.stack([data.x_train[data.y_train == k].mean(0) for k in range(10)])
    accuracy = (torch.cdist(data.x_test, means).argmin(1) == data.y_test).double().mean()
    assert accuracy > 0.75
