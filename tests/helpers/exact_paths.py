"""Leaky ResNets whose mechanics is known exactly, for the tests to compare with."""

import torch
from torch import Tensor

from loadpath import LeakyResNet
from loadpath.record import features


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def square_net(width: int, depth: int, **options) -> LeakyResNet:
    """A float64 net whose input and output maps are the identity, so that A_0 = x, out = A_L."""
    net = LeakyResNet(width, width, width=width, depth=depth, dtype=torch.float64, **options)
    net.input_map.copy_(torch.eye(width))
    net.output_map.copy_(torch.eye(width))
    return net


def target_with_momenta(A_last: Tensor, B_last: Tensor, *, weight_decay: float) -> Tensor:
    """The y for which the squared error gives the last layer the momenta `B_last`."""
    return A_last + weight_decay * len(A_last) / 2 * B_last


def stationary_net(
    A: Tensor,
    B: Tensor,
    *,
    depth: int,
    effective_depth: float,
    bias: bool = True,
    activation: str = "relu",
    weight_decay: float = 0.1,
    **options,
) -> tuple[LeakyResNet, Tensor, list[Tensor], list[Tensor]]:
    """An exact stationary point of the discrete objective: (net, y, path, momenta).

    Shoots from A_0 and B_0: W_l = c (g_l / rho_l) B_l^T S_{l-1} and
    B_{l-1} = d_l B_l + g_l phi'(A_{l-1}) * (B_l V_l), which gives B_l by fixed point. `options`
    are the net's: layer steps and the kind of step.
    """
    w = A.shape[1]
    net = square_net(
        w, depth, effective_depth=effective_depth, bias=bias, activation=activation, **options
    )
    coefficients = (c.tolist() for c in (*net.coefficients(), net.layer_steps))
    path, momenta = [A], [B]
    for l, (keep, gain, rho) in enumerate(zip(*coefficients, strict=True)):
        S = features(A, activation=activation, bias=bias)
        slope = (A > 0).double() if activation == "relu" else 1.0
        start = B
        for _ in range(200):
            W = net.coupling * gain / rho * B.T @ S
            before, B = B, (start - gain * slope * (B @ W[:, :w])) / keep
            if float((B - before).norm()) <= 1e-15 * float(B.norm()):
                break
        net.weights.data[l] = W
        A = keep * A + gain * S @ W.T
        path.append(A)
        momenta.append(B)
    return net, target_with_momenta(A, B, weight_decay=weight_decay), path, momenta


def relu_stationary_net(depth: int, *, seed: int, effective_depth: float = 2.0, bias: bool = True):
    """A stationary relu net of width 4 on 30 samples which keeps crossing relu kinks."""
    A = random(30, 4, seed=seed) + 1
    S = features(A, bias=bias)
    # Weights near the leakage, so that the path neither dies nor blows up.
    wanted = 1.3 * torch.eye(S.shape[1], 4) + 0.2 * random(S.shape[1], 4, seed=seed + 1)
    B = torch.linalg.pinv(S).T @ wanted
    return stationary_net(A, B, depth=depth, effective_depth=effective_depth, bias=bias)


def smooth_stationary_net(depth: int, *, seed: int, effective_depth: float = 2.0, **options):
    """A stationary linear net with biases, neither commuting nor with any kink."""
    A = 1 + random(20, 3, seed=seed)
    S = features(A, activation="identity")
    B = torch.linalg.pinv(S).T @ (torch.eye(4, 3) + 0.3 * random(4, 3, seed=seed + 1))
    options = {"effective_depth": effective_depth, "activation": "identity", **options}
    return stationary_net(A, B, depth=depth, **options)


def commuting_net(
    s0: Tensor,
    log_ratio: Tensor,
    *,
    depth: int,
    effective_depth: float,
    seed: int,
    weight_decay: float = 0.1,
    n_samples: int = 12,
    step: str = "euler",
) -> tuple[LeakyResNet, Tensor, Tensor]:
    """The linear commuting geodesic W = log(s1 / s0) + L~, and its (x, y)."""
    w = len(s0)
    Q = torch.linalg.qr(random(n_samples, w, seed=seed))[0]
    V = torch.linalg.qr(random(w, w, seed=seed + 1))[0]
    W = V @ torch.diag(log_ratio + effective_depth) @ V.T
    options = dict(activation="identity", bias=False, step=step)
    net = square_net(w, depth, effective_depth=effective_depth, **options)
    net.weights.data[:] = W
    x = Q @ torch.diag(s0) @ V.T
    with torch.no_grad():
        *_, before, last = net.path(x)
    ratio = float(net.coefficients()[1][-1]) * depth  # g / rho
    B = torch.linalg.pinv(before).T @ W.T / (effective_depth * ratio)
    return net, x, target_with_momenta(last, B, weight_decay=weight_decay)
