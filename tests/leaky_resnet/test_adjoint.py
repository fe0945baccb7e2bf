"""The hand-written adjoint against autograd."""

import copy
import itertools
import math

import pytest
import torch
from exact_paths import random
from uneven_nets import LOSSES, N_IN, N_OUT, N, batch, uneven_net

from loadpath import LeakyResNet
from loadpath.leaky_resnet import Adjoint, data_term, layer_steps
from loadpath.record import ACTIVATIONS


def autograd(net, x, y, weight_decay, loss):
    """Data term, regularizer and gradients by name, by autograd on a copy."""
    net = copy.deepcopy(net)
    C, R = data_term(net(x), y, loss), net.regularizer()
    (C + weight_decay * R).backward()
    gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
    return float(C.detach()), float(R.detach()), gradients


def assert_same(net, value, expected, *, rtol=1e-12):
    C, R, gradients = expected
    assert value == pytest.approx((C, R), rel=rtol)
    for name, parameter in net.named_parameters():
        scale = float(gradients[name].abs().max())
        # Entries that cancel are as exact as the largest one is.
        torch.testing.assert_close(
            parameter.grad, gradients[name], rtol=rtol, atol=rtol * scale, msg=name
        )


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("step", ["euler", "exponential"])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_value_and_gradient_are_autograds(activation, step, loss, threads):
    x, y = batch(loss)
    kinds = ["orthonormal", "learned"]
    for bias, input_map, output_map in itertools.product([True, False], kinds, kinds):
        net = uneven_net(
            activation=activation, step=step, bias=bias, input_map=input_map, output_map=output_map
        )
        adjoint = Adjoint(net, N, loss=loss, threads=threads)
        adjoint.load(x, y)
        value = adjoint.evaluate(0.3)
        assert_same(net, value, autograd(net, x, y, 0.3, loss))  # float64, sums of a few terms


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("loss", LOSSES)
def test_blocks_of_samples_add_up(loss, threads, monkeypatch):
    # Blocks of two sizes: 13 = 4 + 4 + 5.
    monkeypatch.setattr("loadpath.leaky_resnet.adjoint.BLOCK", 5)
    x, y = batch(loss)
    net = uneven_net(input_map="learned", output_map="learned")
    adjoint = Adjoint(net, N, loss=loss, threads=threads)
    adjoint.load(x, y)
    for _ in range(2):  # the second evaluation finds the first one's numbers in every buffer
        value = adjoint.evaluate(0.3)
        assert_same(net, value, autograd(net, x, y, 0.3, loss))
    smooth = Adjoint(net, N, loss=loss, threads=threads)
    smooth.load(x, y)
    smooth.smoothing = [0.1] * net.depth
    in_blocks = smooth.evaluate(0.3), net.weights.grad.clone()
    monkeypatch.undo()
    whole = Adjoint(net, N, loss=loss, threads=1)
    whole.load(x, y)
    whole.smoothing = [0.1] * net.depth
    assert whole.evaluate(0.3) == pytest.approx(in_blocks[0], rel=1e-14)
    torch.testing.assert_close(net.weights.grad, in_blocks[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
def test_without_leakage_too(loss):
    net = uneven_net(effective_depth=0.0)
    x, y = batch(loss)
    adjoint = Adjoint(net, N, loss=loss, threads=2)
    adjoint.load(x, y)
    assert_same(net, adjoint.evaluate(0.3), autograd(net, x, y, 0.3, loss))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (40, 2, 1)])
def test_the_smallest_sizes_too(loss, shape):
    n, width, depth = shape
    net = uneven_net(width=width, depth=depth, effective_depth=0.9)
    x, y = batch(loss, n=n)
    adjoint = Adjoint(net, n, loss=loss, threads=3)
    adjoint.load(x, y)
    assert_same(net, adjoint.evaluate(0.3), autograd(net, x, y, 0.3, loss))


@pytest.mark.parametrize("loss", LOSSES)
def test_value_is_data_term_and_regularizer(loss):
    net = uneven_net()
    x, y = batch(loss)
    adjoint = Adjoint(net, N, loss=loss, threads=1)
    adjoint.load(x, y)
    C, R = adjoint.evaluate(123.0)  # whatever the weight decay
    assert pytest.approx(float(data_term(net(x), y, loss).detach()), rel=1e-13) == C
    assert pytest.approx(float(net.regularizer().detach()), rel=1e-14) == R


def test_sums_of_a_float32_net_are_taken_in_float64():
    net = uneven_net(torch.float32, effective_depth=3.0, depth=8)
    x, y = batch("mse", n=4000)
    adjoint = Adjoint(net, 4000, threads=2)
    adjoint.load(x, y)  # float64 data are made to fit
    C, R = adjoint.evaluate(0.3)
    double = copy.deepcopy(net).double()
    # The regularizer has no float32 arithmetic in it; the data term has the path's, 1e-7 a layer.
    assert pytest.approx(float(double.regularizer().detach()), rel=1e-12) == R
    expected = autograd(net.double(), x, y, 0.3, "mse")
    assert expected[0] == pytest.approx(C, rel=1e-6)
    scale = float(expected[2]["weights"].abs().max())
    torch.testing.assert_close(
        net.weights.grad.double(), expected[2]["weights"], rtol=0, atol=1e-5 * scale
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("threads", [1, 2])
def test_buffers_hold_nothing_of_an_earlier_batch_or_mesh(loss, threads):
    net = uneven_net(input_map="learned")
    adjoint = Adjoint(net, N, loss=loss, threads=threads)
    for seed, a in ((0, 0.7), (10, 0.7), (20, 0.0)):
        x, y = batch(loss, seed=seed)
        net.set_layer_steps(layer_steps.irregular(net.depth, a))
        net.weights.data += random(*net.weights.shape, seed=seed)
        adjoint.load(x, y)
        first = adjoint.evaluate(0.3)
        gradient = net.weights.grad.clone()
        assert_same(net, first, autograd(net, x, y, 0.3, loss))
        assert adjoint.evaluate(0.3) == first  # bit for bit
        assert torch.equal(net.weights.grad, gradient)


def test_gradients_that_an_optimizer_dropped_come_back():
    net = uneven_net(output_map="learned")
    x, y = batch("mse")
    adjoint = Adjoint(net, N, threads=2)
    adjoint.load(x, y)
    net.zero_grad(set_to_none=True)
    assert_same(net, adjoint.evaluate(0.3), autograd(net, x, y, 0.3, "mse"))


def test_it_leaves_the_number_of_threads_alone():
    before = torch.get_num_threads()
    net = uneven_net()
    adjoint = Adjoint(net, N, threads=2)
    adjoint.load(*batch("mse"))
    adjoint.evaluate(0.3)
    assert torch.get_num_threads() == before
    adjoint.shards[1].blocks[0].y = torch.zeros(N_OUT, 2)  # a fault in another thread
    with pytest.raises(RuntimeError):
        adjoint.evaluate(0.3)
    assert torch.get_num_threads() == before


def test_weights_that_are_not_finite_give_values_that_are_not():
    net = uneven_net()
    adjoint = Adjoint(net, N, threads=1)
    adjoint.load(*batch("mse"))
    net.weights.data[1, 0, 0] = math.nan
    C, R = adjoint.evaluate(0.3)
    assert math.isnan(C) and math.isnan(R)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (
            lambda: Adjoint(uneven_net(), N, loss="l1"),
            "loss must be one of mse, cross-entropy, got",
        ),
        (lambda: Adjoint(uneven_net(), 0), "n_samples must be a whole number of at least 1, not 0"),
        (lambda: Adjoint(uneven_net(), N, threads=0), "threads must be a whole number .* not 0"),
    ],
)
def test_bad_arguments_are_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize(
    "loss, x_shape, y_shape, sentence",
    [
        ("mse", (N - 1, N_IN), (N, N_OUT), r"x must be of shape \(13, 4\), got \(12, 4\)"),
        ("mse", (N, N_IN + 1), (N, N_OUT), r"x must be of shape \(13, 4\), got \(13, 5\)"),
        ("mse", (N, N_IN), (N, 1), r"y must be of shape \(13, 3\), got \(13, 1\)"),
        ("mse", (N, N_IN), (N,), r"y must be of shape \(13, 3\), got \(13,\)"),
        ("cross-entropy", (N, N_IN), (N, N_OUT), r"y must be of shape \(13,\), got \(13, 3\)"),
    ],
)
def test_batches_of_another_shape_are_refused(loss, x_shape, y_shape, sentence):
    adjoint = Adjoint(uneven_net(), N, loss=loss, threads=1)
    with pytest.raises(ValueError, match=sentence):
        adjoint.load(torch.zeros(x_shape), torch.zeros(y_shape))


@pytest.mark.parametrize("threads", [1, 2])
def test_rounded_kinks_have_the_gradient_of_their_own_objective(threads):
    # Objective and gradient of a net whose relu is (z + t)^2 / 4t for |z| < t, by autograd.
    model = LeakyResNet(3, 2, width=5, depth=4, effective_depth=2.0, dtype=torch.float64)
    x, y = random(40, 3, seed=0), random(40, 2, seed=1)
    adjoint = Adjoint(model, 40, threads=threads)
    adjoint.load(x, y)
    adjoint.smoothing = [0.0, 0.1, 0.2, 0.3]
    C, R = adjoint.evaluate(0.1)
    found = model.weights.grad.clone()

    def rounded(z, tau):
        if tau == 0:
            return torch.relu(z)
        return torch.where(z.abs() < tau, (z + tau) ** 2 / (4 * tau), torch.relu(z))

    model.weights.grad = None
    A = x @ model.input_map
    near = 0
    for W, tau in zip(model.weights, adjoint.smoothing, strict=True):
        near += int((A.detach().abs() < tau).sum())
        S = torch.cat([rounded(A, tau), torch.ones(40, 1, dtype=torch.float64)], 1)
        A = (1 - 0.5) * A + 0.25 * S @ W.T
    expected = (A @ model.output_map - y).square().sum() / 40
    (expected + 0.1 * model.regularizer()).backward()
    assert near > 20  # or rounding would not be tested
    # The same sums in another order: rounding of float64.
    assert pytest.approx(expected.item(), rel=1e-12) == C
    torch.testing.assert_close(found, model.weights.grad, rtol=1e-10, atol=1e-12)
