"""The hand-written adjoint against autograd, and momenta against finite differences."""

import copy
import itertools
import math

import pytest
import torch
from exact_paths import random

from loadpath import LeakyResNet
from loadpath.leaky_resnet import adjoint, layer_steps
from loadpath.leaky_resnet.adjoint import Adjoint, data_term, momenta
from loadpath.record.activations import ACTIVATIONS

N, N_IN, N_OUT = 13, 4, 3
LOSSES = ["mse", "cross-entropy"]


def make_net(dtype=torch.float64, **options):
    options = {"width": 6, "depth": 4, "effective_depth": 2.0, **options}
    mesh = layer_steps.irregular(options["depth"], 0.7)
    net = LeakyResNet(N_IN, N_OUT, layer_steps=mesh, dtype=dtype, **options)
    if net.bias:  # the initial biases are 0, which would hide them
        net.weights.data[:, :, -1] = random(net.depth, net.width, seed=99)
    return net


def batch(loss, *, seed=0, n=N):
    x = random(n, N_IN, seed=seed)
    if loss == "mse":
        return x, random(n, N_OUT, seed=seed + 1)
    return x, torch.randint(N_OUT, (n,), generator=torch.Generator().manual_seed(seed))


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


@pytest.mark.parametrize("by_torch", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_either_blas_gives_autograds_gradient(loss, by_torch, monkeypatch):
    monkeypatch.setattr(adjoint, "_mkl_at_home", lambda: by_torch)
    net, (x, y) = make_net(), batch(loss)
    recursion = Adjoint(net, len(x), loss=loss, threads=2)
    assert all(torch.is_tensor(W) == by_torch for W in recursion.W)
    recursion.load(x, y)
    assert_same(net, recursion.evaluate(0.3), autograd(net, x, y, 0.3, loss))


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("step", ["euler", "exponential"])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_value_and_gradient_are_autograds(activation, step, loss, threads):
    x, y = batch(loss)
    kinds = ["orthonormal", "learned"]
    for bias, input_map, output_map in itertools.product([True, False], kinds, kinds):
        net = make_net(
            activation=activation, step=step, bias=bias, input_map=input_map, output_map=output_map
        )
        adjoint = Adjoint(net, N, loss=loss, threads=threads)
        adjoint.load(x, y)
        value = adjoint.evaluate(0.3)
        assert_same(net, value, autograd(net, x, y, 0.3, loss))  # float64, sums of a few terms


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("loss", LOSSES)
def test_blocks_of_samples_add_up(loss, threads, monkeypatch):
    monkeypatch.setattr(
        "loadpath.leaky_resnet.adjoint.BLOCK", 5
    )  # blocks of two sizes: 13 = 4 + 4 + 5
    x, y = batch(loss)
    net = make_net(input_map="learned", output_map="learned")
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
    net = make_net(effective_depth=0.0)
    x, y = batch(loss)
    adjoint = Adjoint(net, N, loss=loss, threads=2)
    adjoint.load(x, y)
    assert_same(net, adjoint.evaluate(0.3), autograd(net, x, y, 0.3, loss))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (40, 2, 1)])
def test_the_smallest_sizes_too(loss, shape):
    n, width, depth = shape
    net = make_net(width=width, depth=depth, effective_depth=0.9)
    x, y = batch(loss, n=n)
    adjoint = Adjoint(net, n, loss=loss, threads=3)
    adjoint.load(x, y)
    assert_same(net, adjoint.evaluate(0.3), autograd(net, x, y, 0.3, loss))


@pytest.mark.parametrize("loss", LOSSES)
def test_value_is_data_term_and_regularizer(loss):
    net = make_net()
    x, y = batch(loss)
    out = net(x).detach()
    if loss == "mse":
        by_hand = sum(((out[i] - y[i]) ** 2).sum() for i in range(N)) / N
    else:
        by_hand = -sum(out[i, y[i]] - out[i].exp().sum().log() for i in range(N)) / N
    assert float(data_term(out, y, loss)) == pytest.approx(float(by_hand), rel=1e-14)
    adjoint = Adjoint(net, N, loss=loss, threads=1)
    adjoint.load(x, y)
    C, R = adjoint.evaluate(123.0)
    assert C == pytest.approx(float(by_hand), rel=1e-13)
    assert pytest.approx(float(net.regularizer().detach()), rel=1e-14) == R


def test_sums_of_a_float32_net_are_taken_in_float64():
    net = make_net(torch.float32, effective_depth=3.0, depth=8)
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
    net = make_net(input_map="learned")
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
    net = make_net(output_map="learned")
    x, y = batch("mse")
    adjoint = Adjoint(net, N, threads=2)
    adjoint.load(x, y)
    net.zero_grad(set_to_none=True)
    assert_same(net, adjoint.evaluate(0.3), autograd(net, x, y, 0.3, "mse"))


def test_it_leaves_the_number_of_threads_alone():
    before = torch.get_num_threads()
    net = make_net()
    adjoint = Adjoint(net, N, threads=2)
    adjoint.load(*batch("mse"))
    adjoint.evaluate(0.3)
    assert torch.get_num_threads() == before
    adjoint.shards[1].blocks[0].y = torch.zeros(N_OUT, 2)  # a fault in another thread
    with pytest.raises(RuntimeError):
        adjoint.evaluate(0.3)
    assert torch.get_num_threads() == before


def test_weights_that_are_not_finite_give_values_that_are_not():
    net = make_net()
    adjoint = Adjoint(net, N, threads=1)
    adjoint.load(*batch("mse"))
    net.weights.data[1, 0, 0] = math.nan
    C, R = adjoint.evaluate(0.3)
    assert math.isnan(C) and math.isnan(R)


def tail(net, A, start):
    """Outputs of the layers after node `start`, from A, written out."""
    decay, gain = net.coefficients()
    for l in range(start, net.depth):
        A = decay[l] * A + gain[l] * net.features(A) @ net.weights[l].T
    return A @ net.output_map


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("step", ["euler", "exponential"])
@pytest.mark.parametrize("activation", ["tanh", "softplus", "identity"])
def test_momenta_are_finite_differences_of_the_data_term(activation, step, loss):
    net = make_net(activation=activation, step=step).requires_grad_(False)
    x, y = batch(loss)
    path, B = momenta(net, x, y, weight_decay=0.3, loss=loss)
    assert len(path) == len(B) == net.depth + 1
    h = 1e-5
    for l, (A, b) in enumerate(zip(path, B, strict=True)):
        V = random(*A.shape, seed=50 + l)
        up, down = (float(data_term(tail(net, A + s * h * V, l), y, loss)) for s in (1, -1))
        slope = -0.3 * float((b * V).sum())
        # Central differences: truncation h^2, rounding 1e-16 / h.
        assert (up - down) / (2 * h) == pytest.approx(slope, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_momenta_obey_the_adjoint_recursion_of_relu(step, loss):
    # B_{l-1} = d_l B_l + g_l relu'(A_{l-1}) * (B_l V_l), V the weights without their bias.
    net = make_net(step=step).requires_grad_(False)
    x, y = batch(loss)
    path, B = momenta(net, x, y, weight_decay=0.3, loss=loss)
    out = path[-1] @ net.output_map
    residual = 2 * (out - y) if loss == "mse" else torch.softmax(out, 1)
    if loss == "cross-entropy":
        residual[torch.arange(N), y] -= 1
    expected = -residual @ net.output_map.T / (0.3 * N)
    decay, gain = net.coefficients()
    for l in range(net.depth, -1, -1):
        torch.testing.assert_close(B[l], expected, rtol=1e-12, atol=1e-13)
        if l:
            back = (path[l - 1] > 0) * (B[l] @ net.weights[l - 1][:, : net.width])
            expected = decay[l - 1] * B[l] + gain[l - 1] * back


@pytest.mark.parametrize("loss", LOSSES)
def test_momenta_of_batches_stack_to_those_of_the_whole(loss):
    net = make_net()
    x, y = batch(loss)
    path, B = momenta(net, x, y, weight_decay=0.3, loss=loss)
    parts = [
        momenta(net, x[s], y[s], weight_decay=0.3, loss=loss, n_total=N)
        for s in (slice(0, 5), slice(5, 6), slice(6, None))
    ]
    for l in range(net.depth + 1):
        stacked = torch.cat([part[1][l] for part in parts])
        torch.testing.assert_close(stacked, B[l], rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(
            torch.cat([part[0][l] for part in parts]), path[l], rtol=1e-13, atol=1e-14
        )
    outputs = path[-1] @ net.output_map
    halves = [data_term(outputs[s], y[s], loss, n_total=N) for s in (slice(0, 5), slice(5, None))]
    assert float(sum(halves)) == pytest.approx(float(data_term(outputs, y, loss)), rel=1e-13)


def test_momenta_work_where_gradients_are_off_and_leave_none_behind():
    net = make_net()
    x, y = batch("mse")
    with torch.no_grad():
        path, B = momenta(net, x, y, weight_decay=0.3)
    assert not any(t.requires_grad for t in (*path, *B))
    assert net.weights.grad is None


@pytest.mark.parametrize("weight_decay", [0.0, -1.0, math.nan, math.inf])
def test_momenta_need_a_positive_weight_decay(weight_decay):
    sentence = f"weight_decay must be finite and above 0, got {weight_decay}"
    with pytest.raises(ValueError, match=sentence):
        momenta(make_net(), *batch("mse"), weight_decay=weight_decay)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: Adjoint(make_net(), N, loss="l1"), "loss must be one of mse, cross-entropy, got"),
        (lambda: Adjoint(make_net(), 0), "n_samples must be a whole number of at least 1, not 0"),
        (lambda: Adjoint(make_net(), N, threads=0), "threads must be a whole number .* not 0"),
        (lambda: data_term(torch.zeros(2, 1), torch.zeros(2, 1), "l1"), "loss must be one of"),
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
    adjoint = Adjoint(make_net(), N, loss=loss, threads=1)
    with pytest.raises(ValueError, match=sentence):
        adjoint.load(torch.zeros(x_shape), torch.zeros(y_shape))


@pytest.mark.parametrize("threads", [1, 2])
def test_rounded_kinks_have_the_gradient_of_their_own_objective(threads):
    # Objective and gradient of a net whose relu is (z + t)^2 / 4t for |z| < t, by autograd.
    torch.manual_seed(0)
    print("seed 0")
    model = LeakyResNet(3, 2, width=5, depth=4, effective_depth=2.0, dtype=torch.float64)
    x, y = torch.randn(40, 3, dtype=torch.float64), torch.randn(40, 2, dtype=torch.float64)
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
