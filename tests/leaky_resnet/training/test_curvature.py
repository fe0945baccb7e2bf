"""The coordinates of L-BFGS against the Gauss-Newton Hessian that they claim to whiten."""

import pytest
import torch

from loadpath import LeakyResNet
from loadpath.leaky_resnet import adjoint, data_term
from loadpath.leaky_resnet.training.curvature import Coordinates

SEED, DECAY = 0, 0.05


def one_layer_net(loss, step="euler", bias=True):
    """One layer, fixed maps: its Gauss-Newton Hessian is exactly a Kronecker product for mse."""
    net = LeakyResNet(
        4,
        3,
        width=5,
        depth=1,
        effective_depth=0.7,
        step=step,
        bias=bias,
        seed=SEED,
        dtype=torch.float64,
    )
    generator = torch.Generator().manual_seed(SEED)
    x = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    if loss == "mse":
        y = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    else:
        y = torch.randint(0, 3, (60,), generator=generator)
    return net, x, y


@pytest.mark.parametrize("step", ["euler", "exponential"])
@pytest.mark.parametrize("bias", [True, False])
def test_coordinates_whiten_the_hessian_of_one_layer(step, bias, monkeypatch):
    # With one layer outputs are linear in W: the Hessian of the mse objective is Gauss-Newton's,
    # and the Kronecker form is exact but for the random estimate of Gamma.
    monkeypatch.setattr("loadpath.leaky_resnet.training.curvature.PROBES", 4000)
    net, x, y = one_layer_net("mse", step, bias)
    coordinates = Coordinates(
        net, x, weight_decay=DECAY, loss="mse", generator=torch.Generator().manual_seed(SEED)
    )

    def objective(V):
        W = coordinates.U @ (V * coordinates.D) @ coordinates.Q.mT
        outputs = torch.func.functional_call(net, {"weights": W}, (x,))
        R = (net.layer_steps * W.square().sum((1, 2))).sum() / (2 * net.coupling)
        return data_term(outputs, y, "mse") + DECAY * R

    n = coordinates.V.numel()
    H = torch.autograd.functional.hessian(objective, coordinates.V.detach()).reshape(n, n)
    # 4000 x 60 probes estimate Gamma to about 1 / sqrt(240,000) = 0.2 %; 3 % is beyond chance.
    torch.testing.assert_close(H, torch.eye(n, dtype=H.dtype), rtol=0, atol=0.03)


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_gamma_is_the_mean_curvature_by_the_layer_s_output(loss, monkeypatch):
    monkeypatch.setattr("loadpath.leaky_resnet.training.curvature.PROBES", 4000)
    net, x, y = one_layer_net(loss)
    coordinates = Coordinates(
        net, x, weight_decay=DECAY, loss=loss, generator=torch.Generator().manual_seed(SEED)
    )
    A = net.path(x)[-1].detach()

    def of_one(a, target):
        # The sum over samples of one sample is its own data term.
        return data_term((a @ net.output_map)[None], target[None], loss)

    each = [
        torch.autograd.functional.hessian(lambda a, i=i: of_one(a, y[i]), A[i])
        for i in range(len(A))
    ]
    exact = torch.stack(each).mean(0)
    S = net.features(net.path(x)[0]).detach()
    q = torch.linalg.eigvalsh(S.T @ S / len(x))
    gain, eta = float(net.coefficients()[1]), DECAY / net.coupling
    # D^-2 = g^2 u q + eta, from which u comes back at the largest q.
    u = (coordinates.D[0, :, -1] ** -2 - eta) / (gain**2 * q[-1])
    Gamma = coordinates.U[0] @ torch.diag(u) @ coordinates.U[0].T
    torch.testing.assert_close(Gamma, exact, rtol=0, atol=0.03 * float(exact.abs().max()))


def test_coordinates_give_back_the_weights_and_the_gradient():
    net, x, y = one_layer_net("mse")
    weights = net.weights.detach().clone()
    coordinates = Coordinates(
        net, x, weight_decay=DECAY, loss="mse", generator=torch.Generator().manual_seed(SEED)
    )
    coordinates.write_weights()
    torch.testing.assert_close(net.weights.detach(), weights, rtol=1e-12, atol=1e-12)
    a = adjoint.Adjoint(net, len(x))
    a.load(x, y)
    a.evaluate(DECAY)
    coordinates.read_gradient()
    # The derivative along V is the derivative along W that it makes.
    move = torch.randn(weights.shape, generator=torch.Generator().manual_seed(1)).double()
    along_W = coordinates.U @ (move * coordinates.D) @ coordinates.Q.mT
    left = (coordinates.V.grad * move).sum()
    right = (net.weights.grad * along_W).sum()
    torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-12)
