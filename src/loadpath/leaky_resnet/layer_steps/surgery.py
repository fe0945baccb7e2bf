"""Surgery on the layers of a trained net: insert, split, merge, move or drop them.

The weights of a net are taken as a function of the position p on the path, which is constant over
the step of each layer. So layers can be cut anew. New steps come from the rules of `layer_steps`,
or from `split`, `merged` and `refined`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from loadpath.checks import as_layer_steps, as_list, check_count, check_type, check_weights
from loadpath.leaky_resnet.layer_steps.rules import (
    NewSteps,
    Steps,
    check,
    check_guard,
    guarded_speed,
)


@runtime_checkable
class Layered(Protocol):
    """A net whose layers can be exchanged: `LeakyResNet`, or any module with these."""

    effective_depth: float
    """The leakage."""
    layer_steps: Tensor
    """(depth,): positive numbers of sum 1."""
    weights: torch.nn.Parameter
    """(depth, width, feature): one matrix for each layer."""

    @property
    def step(self) -> str:
        """The kind of step: "euler" or another."""
        ...

    def with_layers(
        self: Net, layer_steps: Tensor, weights: Tensor, *, effective_depth: float | None = None
    ) -> Net:
        """Return a copy of the net with other layers.

        Parameters
        ----------
        layer_steps : Tensor
            (depth,): positive numbers of sum 1, one for each new layer.
        weights : Tensor
            (depth, width, feature): the new layers.
        effective_depth : float, optional
            Another leakage; that of the net if left out.

        Returns
        -------
        Net
            The copy.
        """
        ...


Net = TypeVar("Net", bound=Layered)


def check_layered(model: Layered) -> None:
    """Refuse what has no layers that can be exchanged."""
    check_type("model", model, Layered, "a LeakyResNet, or a net with the members of Layered")
    if isinstance(model, nn.Module):
        check_weights("model", model)


@torch.no_grad()
def remesh(model: Net, new_steps: Tensor) -> Net:
    r"""Return a copy of a trained net with its layers on other steps, as many or not.

    Parameters
    ----------
    model : LeakyResNet
        The net, or any module with the members of `Layered`; it is left as it is.
    new_steps : Tensor
        (depth,): positive numbers of sum 1.

    Returns
    -------
    LeakyResNet
        The copy, with the effective depth, kind of step, maps (learned ones too), dtype and device
        of `model`. It wants some training: see the notes.

    Raises
    ------
    ValueError
        If `new_steps` are not finite positive numbers of sum 1, break the Euler condition
        $\rho_l \tilde L < 1$ of an Euler net, or if the weights of `model` are not finite.

    Notes
    -----
    W(p) are the old weights, constant over their steps. A new layer gets the mean of W(p) over its
    own step: $W'_k = \frac{1}{\rho'_k} \int_{I_k} W(p)\, dp$. The cost is O(L' L w^2) for L layers
    made into L'.

    Some things are kept exactly. The old steps give the old weights; splitting layers and merging
    the parts again gives them back; $\int W\, dp$ never changes. Splitting keeps the regularizer,
    and merging lowers it, by the variance of the weights that are averaged.

    The outputs are not kept. The parts of a split layer see activations that the part before them
    has moved on already, so a split moves A_L by O(rho) in all, and the leakage of an Euler step
    becomes $(1 - \rho\tilde L/n)^n$ instead of $1 - \rho\tilde L$; that of an exponential step
    stays. Layers at rest, $S W^\top = \tilde L A$, stay at rest. Refined without end, the net
    computes the flow $\partial_p A = -\tilde L A + S W(p)^\top$, of which every depth is a
    discretization of first order.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> net = lp.LeakyResNet(3, 2, width=8, depth=4, effective_depth=2.0)
    >>> deeper = lp.layer_steps.remesh(net, lp.layer_steps.split(net.layer_steps))
    >>> deeper.depth
    8
    >>> bool(torch.equal(deeper.weights[0], deeper.weights[1]))
    True
    """
    check_layered(model)
    new_steps = as_layer_steps("new_steps", new_steps)
    steps = check(
        new_steps,
        depth=len(new_steps),
        effective_depth=model.effective_depth,
        step=model.step,
        largest_leak=getattr(model, "largest_leak", 1.0),
        name="new_steps",
    )
    shares = overlaps(model.layer_steps.detach().double().cpu(), steps)
    weights = torch.tensordot(shares.to(model.weights.device), model.weights.double(), 1)
    return model.with_layers(steps, weights)


def overlaps(old: Steps, new: NewSteps) -> Float[Tensor, "new_depth depth"]:
    """Return how much of each new step lies in each old one.

    Parameters
    ----------
    old, new : Tensor
        Two sets of layer steps, each of sum 1.

    Returns
    -------
    Tensor
        (new, old): shares that add up to 1 over the old steps.
    """
    old, new = as_layer_steps("old", old), as_layer_steps("new", new)
    p, q = (torch.cat([s.new_zeros(1), s.cumsum(0)]) / s.sum() for s in (old, new))
    # A node that equals an old one but for rounding is put there, so that no sliver of the
    # neighbouring layer's weights leaks over it.
    apart, nearest = (q[:, None] - p).abs().min(1)
    tolerance = 1e-6 * torch.minimum(old.min(), new.min())
    q = torch.where(apart < tolerance, p[nearest], q)
    ends = torch.minimum(p[1:], q[1:, None])
    starts = torch.maximum(p[:-1], q[:-1, None])
    common = (ends - starts).clamp_min(0)
    return common / common.sum(1, keepdim=True)


@torch.no_grad()
def without(model: Net, layers: Iterable[int]) -> Net:
    r"""Return a copy of a net that skips some of its layers; the others do exactly what they did.

    Parameters
    ----------
    model : LeakyResNet
        The net, or any module with the members of `Layered`; it is left as it is.
    layers : iterable of int
        Which layers, as indices into `layer_steps` from 0.

    Returns
    -------
    LeakyResNet
        The copy, in which $A_l = A_{l-1}$ at the skipped layers.

    Raises
    ------
    ValueError
        If `layers` are not different indices of layers, or are all of them.

    Notes
    -----
    For a Leaky ResNet this is a shorter path, stretched to [0, 1] again. With $\sigma$ the sum of
    the steps that are left, the copy has steps $\rho_l / \sigma$, effective depth
    $\sigma \tilde L$ and weights $\sigma W_l$, for either kind of step. Its regularizer is the old
    one less the share of the dropped layers.

    Examples
    --------
    >>> import loadpath as lp
    >>> net = lp.LeakyResNet(3, 2, width=8, depth=4, effective_depth=2.0)
    >>> shorter = lp.layer_steps.without(net, [0])
    >>> shorter.depth, shorter.effective_depth
    (3, 1.5)
    """
    check_layered(model)
    depth, dropped = len(model.layer_steps), as_list("layers", layers, "numbers of layers")
    for each in dropped:
        check_count("layers", each, 0)
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


def split(steps: Steps, parts: int = 2) -> NewSteps:
    """Return steps, each cut into equal parts.

    Parameters
    ----------
    steps : Tensor
        (depth,): layer steps.
    parts : int
        Number of parts of each.

    Returns
    -------
    Tensor
        (depth * parts,), float64.

    Raises
    ------
    ValueError
        If `parts` is not a whole number of at least 1, or `steps` are no layer steps.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> lp.layer_steps.split(torch.tensor([0.75, 0.25]))
    tensor([0.3750, 0.3750, 0.1250, 0.1250], dtype=torch.float64)
    """
    check_count("parts", parts, 1)
    steps = as_layer_steps("steps", steps)
    return (steps / parts).repeat_interleave(parts)


def merged(steps: Steps, layers: int = 2) -> NewSteps:
    """Return steps in which neighbours are made one: half as many for `layers` of 2.

    Parameters
    ----------
    steps : Tensor
        (depth,): layer steps.
    layers : int
        Number of neighbours that are made one.

    Returns
    -------
    Tensor
        (depth / layers,), float64.

    Raises
    ------
    ValueError
        If `layers` is not a whole number of at least 1 that divides the depth.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> lp.layer_steps.merged(torch.tensor([0.5, 0.25, 0.125, 0.125]))
    tensor([0.7500, 0.2500], dtype=torch.float64)
    """
    check_count("layers", layers, 1)
    steps = as_layer_steps("steps", steps)
    if len(steps) % layers:
        raise ValueError(f"layers must divide the depth, {len(steps)}, got {layers}.")
    return steps.reshape(-1, layers).sum(1)


@torch.no_grad()
def refined(steps: Steps, path: list[Tensor], count: int, *, guard: float = 0.1) -> NewSteps:
    r"""Return steps with more layers, inserted where the path of a net is fast.

    One after another, the layer in which the path moves farthest is cut into halves of half the
    move each. Old nodes stay, so that `remesh` onto these steps splits layers and merges none.

    Parameters
    ----------
    steps : Tensor
        (depth,): the steps that the path was run on.
    path : list of Tensor
        A_0, ..., A_L, each (sample, width).
    count : int
        Number of layers to insert.
    guard : float
        Least speed, as a share of the mean one, in (0, 1].

    Returns
    -------
    Tensor
        (depth + count,), float64. If the path does not move, or is not finite, the longest layers
        are cut.

    Raises
    ------
    ValueError
        If `count` is not a whole number of at least 0, `guard` is outside (0, 1], or `path` has
        not one step between every two A.

    Notes
    -----
    A layer moves the path by $\rho_l c_l$, with the speed $c_l$ and the guard of `adapted`. The
    cost is O(N w L).

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> steps = lp.layer_steps.equidistant(2)
    >>> path = [torch.tensor([[1.0, y]]) for y in (0.0, 0.3, 0.4)]
    >>> lp.layer_steps.refined(steps, path, 1)
    tensor([0.2500, 0.2500, 0.5000], dtype=torch.float64)
    """
    check_count("count", count, 0)
    check_guard(guard)
    old = as_layer_steps("steps", steps)
    speed = guarded_speed(old, path, guard)
    new = old.tolist()
    moves = (old if speed is None else old * speed).tolist()
    for _ in range(count):
        l = max(range(len(new)), key=moves.__getitem__)
        new[l : l + 1] = [new[l] / 2] * 2
        moves[l : l + 1] = [moves[l] / 2] * 2
    return torch.tensor(new, dtype=torch.float64)
