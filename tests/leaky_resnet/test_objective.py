"""The data term against its printed formula, momenta against differences and their recursion."""

import math

import pytest
import torch
from exact_paths import random
from uneven_nets import LOSSES, N, batch, uneven_net

from loadpath.leaky_resnet import data_term, momenta


@pytest.mark.parametrize("loss", LOSSES)
def test_the_data_term_is_the_printed_formula(loss):
    x, y = batch(loss)
    out = uneven_net()(x).detach()
    if loss == "mse":
        by_hand = sum(((out[i] - y[i]) ** 2).sum() for i in range(N)) / N
    else:
        by_hand = -sum(out[i, y[i]] - out[i].exp().sum().log() for i in range(N)) / N
    assert float(data_term(out, y, loss)) == pytest.approx(float(by_hand), rel=1e-14)


def test_other_losses_are_refused():
    sentence = "loss must be one of mse, cross-entropy, got 'l1'"
    with pytest.raises(ValueError, match=sentence):
        data_term(torch.zeros(2, 1), torch.zeros(2, 1), "l1")


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
    net = uneven_net(activation=activation, step=step).requires_grad_(False)
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
    net = uneven_net(step=step).requires_grad_(False)
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
    net = uneven_net()
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
    net = uneven_net()
    x, y = batch("mse")
    with torch.no_grad():
        path, B = momenta(net, x, y, weight_decay=0.3)
    assert not any(t.requires_grad for t in (*path, *B))
    assert net.weights.grad is None


@pytest.mark.parametrize("weight_decay", [0.0, -1.0, math.nan, math.inf])
def test_momenta_need_a_positive_weight_decay(weight_decay):
    sentence = f"weight_decay must be finite and above 0, got {weight_decay}"
    with pytest.raises(ValueError, match=sentence):
        momenta(uneven_net(), *batch("mse"), weight_decay=weight_decay)
