"""Teachers: functions of known rank, the same for the same seed."""

import pytest
import torch

from loadpath import data as lp_data
from loadpath.data import teachers


def outer_teacher(dims, kind, seed):
    """The function inside `teacher`, and the generator left as `teacher` has it then."""
    part, _ = teachers.part_of_kind(kind, 100, None, None)
    generator = torch.Generator().manual_seed(seed)
    return teachers.random_function(dims, part, generator), generator


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
        ({"dims": "30-3"}, "dims must be a list of numbers, got '30-3'"),
        ({"n_train": 1}, "n_train must be a whole number of at least 2, not 1"),
        ({"n_train": True}, "n_train .* not True"),
        ({"n_test": 0}, "n_test must be a whole number of at least 1, not 0"),
        ({"hidden_width": 29}, "hidden_width must be at least the largest of dims, 30, .* 29"),
        ({"hidden_width": 0}, "hidden_width must be a whole number of at least 1, not 0"),
        ({"hidden_layers": 0}, "hidden_layers must be a whole number of at least 1, not 0"),
        ({"noise": -0.1}, "noise must be .* got -0.1"),
        ({"noise": float("nan")}, "noise must be .* got nan"),
        ({"noise": float("inf")}, "noise must be .* got inf"),
        ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
        ({"kind": "cnn"}, "kind must be one of fully-connected, leaky-resnet, got 'cnn'"),
        ({"effective_depth": 3.0}, "effective_depth is for kind='leaky-resnet', and it is 3.0"),
        (
            {"kind": "leaky-resnet", "effective_depth": 20.0},
            "effective_depth must be above 0 and below 20, .* not 20.0",
        ),
        (
            {"kind": "leaky-resnet", "effective_depth": float("nan")},
            "effective_depth must be .* got nan",
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
