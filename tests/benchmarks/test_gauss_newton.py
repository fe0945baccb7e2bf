"""The Gauss-Newton matrix of the benchmark's opponent against that of autograd."""

import pytest
import torch
from gauss_newton import Curvature
from opponents import Task

from loadpath import LeakyResNet

DECAY = 0.02


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_gauss_newton_has_the_matrix_of_autograd(loss):
    torch.manual_seed(0)
    net = LeakyResNet(3, 2, width=3, depth=2, effective_depth=1.0, dtype=torch.float64)
    x = torch.randn(5, 3, dtype=torch.float64)
    y = torch.randn(5, 2, dtype=torch.float64) if loss == "mse" else torch.tensor([0, 1, 1, 0, 1])
    task, shape = Task(net, x, y, DECAY, loss), net.weights.shape

    def outputs(weights):
        return torch.func.functional_call(net, {"weights": weights}, x)

    J = torch.autograd.functional.jacobian(outputs, net.weights.detach()).reshape(10, -1)
    F = outputs(net.weights.detach())

    def data_term(f):
        f = f.view(5, 2)
        if loss == "mse":
            return (f - y).square().sum() / 5
        return torch.nn.functional.cross_entropy(f, y)

    by_outputs = torch.autograd.functional.hessian(data_term, F.reshape(-1))
    whole = J.T @ by_outputs @ J + DECAY / 2 * torch.eye(J.shape[1], dtype=J.dtype)
    own = torch.zeros_like(whole)
    for l in range(2):
        part = slice(l * 12, (l + 1) * 12)
        own[part, part] = whole[part, part]
    for layerwise, expected in ((False, whole), (True, own)):
        curvature = Curvature(task, layerwise=layerwise)
        found = torch.stack(
            [curvature.times(e.view(shape)).reshape(-1) for e in torch.eye(24, dtype=J.dtype)]
        )
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
        # The whole net's diagonal is estimated by four random vectors.
        within = 1e-10 if layerwise else 1.0
        torch.testing.assert_close(
            curvature.diagonal.reshape(-1), expected.diagonal(), rtol=within, atol=1e-12
        )
