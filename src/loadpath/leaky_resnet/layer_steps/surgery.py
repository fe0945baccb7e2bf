"""Surgery on the layers of a trained net: insert, split, merge, move or drop them.

A net's weights are read as a function of the position p on the path, constant over each layer's
step, so that layers can be cut anew. New steps come from the rules of `layer_steps`, or from
`split`, `merged` and `refined`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import check_count
from loadpath.leaky_resnet.layer_steps.rules import Steps, check, guarded_speed


class Layered(Protocol):
    """A net whose layers can be exchanged: `LeakyResNet`, or any module with these."""

    effective_depth: float
    layer_steps: Tensor
    weights: torch.nn.Parameter

    @property
    def step(self) -> str:
        """Kind of step: "euler" or another."""
        ...

    def with_layers(
        self: Net, layer_steps: Tensor, weights: Tensor, *, effective_depth: float | None = None
    ) -> Net:
        """Return a copy of the net with other layers."""
        ...


Net = TypeVar("Net", bound=Layered)


@torch.no_grad()
def remesh(model: Net, new_steps: Tensor) -> Net:
    r"""Return a copy of a trained net with its layers on other steps, of the same depth or not.

    With W(p) the old weights, constant over their steps, a new layer has the mean of W(p) over its
    own: $W'_k = \frac{1}{\rho'_k} \int_{I_k} W(p)\, dp$. `model` is left as it is; the copy has its
    effective depth, kind of step, maps (learned ones too), dtype and device.

    What is kept exactly. Old steps give the old weights; splitting layers and merging the parts
    again gives them back; $\int W\, dp$ never changes. Splitting keeps the regularizer, and a
    merger lowers it, by the variance of the weights that it averages.
    What is not. The outputs: the parts of a split layer see activations that the layer before
    them has moved on already, so that a split moves A_L by O(rho) in all, and the leakage of an
    Euler step is $(1 - \rho\tilde L/n)^n$ after it, not $1 - \rho\tilde L$ (that of an exponential
    step stays). Layers at rest, $S W^\top = \tilde L A$, stay at rest. Refined without end, the net
    computes the flow $\partial_p A = -\tilde L A + S W(p)^\top$, of which every depth is a
    discretization of first order. So a net wants some training after surgery.

    Cost O(L' L w^2) for L layers made L'.

    Raises: ValueError if `new_steps` are not finite positive numbers of sum 1, break the Euler
    condition rho L~ < 1 of an Euler net, or if the weights of `model` are not finite.
    """
    new_steps = torch.as_tensor(new_steps)
    if new_steps.ndim != 1:
        raise ValueError(f"new_steps must be (depth,), got shape {tuple(new_steps.shape)}.")
    steps = check(
        new_steps,
        depth=len(new_steps),
        effective_depth=model.effective_depth,
        step=model.step,
        name="new_steps",
    )
    if not bool(torch.isfinite(model.weights).all()):
        raise ValueError("model has weights that are not finite.")
    shares = overlaps(model.layer_steps.detach().double().cpu(), steps)
    weights = torch.tensordot(shares.to(model.weights.device), model.weights.double(), 1)
    return model.with_layers(steps, weights)


def overlaps(old: Steps, new: Steps) -> Float[Tensor, "new old"]:
    """Fraction of each new step that lies in each old one."""
    p, q = (torch.cat([s.new_zeros(1), s.cumsum(0)]) / s.sum() for s in (old, new))
    # A node that is an old one but for rounding is that one, so that nothing leaks over it.
    apart, nearest = (q[:, None] - p).abs().min(1)
    tolerance = 1e-6 * torch.minimum(old.min(), new.min())
    q = torch.where(apart < tolerance, p[nearest], q)
    ends = torch.minimum(p[1:], q[1:, None])
    starts = torch.maximum(p[:-1], q[:-1, None])
    common = (ends - starts).clamp_min(0)
    return common / common.sum(1, keepdim=True)


@torch.no_grad()
def without(model: Net, layers: Iterable[int]) -> Net:
    r"""Return a copy of a net that skips some of its layers: $A_l = A_{l-1}$ there.

    `layers` are indices into `layer_steps`, from 0. The other layers do exactly what they did. In
    the terms of a Leaky ResNet that is a shorter path, stretched to [0, 1] again: with sigma the
    sum of the steps that are left, the copy has steps $\rho_l / \sigma$, effective depth
    $\sigma \tilde L$ and weights $\sigma W_l$, for either kind of step. Its regularizer is the old
    one less the dropped layers' share.

    Raises: ValueError if `layers` are not different indices of layers, or are all of them.
    """
    depth, dropped = len(model.layer_steps), list(layers)
    if len(set(dropped)) < len(dropped) or not set(dropped) < set(range(depth)):
        raise ValueError(
            f"layers must be different numbers from 0 to {depth - 1}, not all, got {dropped}."
        )
    kept = [l for l in range(depth) if l not in set(dropped)]
    steps = model.layer_steps.detach().double().cpu()[kept]
    sigma = float(steps.sum())
    # Without leakage the gain is rho itself, and the same rule holds.
    return model.with_layers(
        steps / sigma, sigma * model.weights[kept], effective_depth=sigma * model.effective_depth
    )


def split(steps: Steps, parts: int = 2) -> Steps:
    """Return steps with each cut into `parts` equal ones.

    Raises: ValueError if `parts` is not a whole number of at least 1.
    """
    check_count("parts", parts, 1)
    return (torch.as_tensor(steps).double() / parts).repeat_interleave(parts)


def merged(steps: Steps, layers: int = 2) -> Steps:
    """Return steps with every `layers` neighbours made one: half as many for 2.

    Raises: ValueError if `layers` is not a whole number of at least 1 that divides the depth.
    """
    check_count("layers", layers, 1)
    if len(steps) % layers:
        raise ValueError(f"layers must divide the depth, {len(steps)}, got {layers}.")
    return torch.as_tensor(steps).double().reshape(-1, layers).sum(1)


@torch.no_grad()
def refined(steps: Steps, path: list[Tensor], count: int, *, guard: float = 0.1) -> Steps:
    r"""Return steps with `count` layers more, inserted where the path of a net on `steps` is fast.

    One after another, the layer in which the path moves farthest, $\rho_l c_l$ with the speed
    $c_l$ and guard of `adapted`, is cut into halves of half the move each. Old nodes stay, so
    that `remesh` onto these steps splits layers and merges none. A path that does not move, or is
    not finite, has the longest layers cut.

    `path`: [A_0, ..., A_L], each (sample, width). float64, (depth + count,). Cost O(N w L).

    Raises: ValueError if `count` is not a whole number of at least 0, `guard` is outside (0, 1],
    or `path` has not one step between every two A.
    """
    check_count("count", count, 0)
    if not 0 < guard <= 1:
        raise ValueError(f"guard must lie in (0, 1], got {guard}.")
    old = torch.as_tensor(steps).detach().double().cpu()
    speed = guarded_speed(old, path, guard)
    new = old.tolist()
    moves = (old if speed is None else old * speed).tolist()
    for _ in range(count):
        l = max(range(len(new)), key=moves.__getitem__)
        new[l : l + 1] = [new[l] / 2] * 2
        moves[l : l + 1] = [moves[l] / 2] * 2
    return torch.tensor(new, dtype=torch.float64)
