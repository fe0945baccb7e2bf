"""Where layers stand on the path, as far as the mechanics of [LR] asks for it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from loadpath.record import ActivationLike, PathNet, is_path_net

_NODE = re.compile(r"^(?:(?P<net>.+)\.)?path\.(?P<node>\d+)$")


@dataclass(frozen=True)
class Node:
    """How S = [phi(A), 1] of a layer is made."""

    activation: ActivationLike
    """Name of the nonlinearity phi."""
    bias: bool
    """Whether S has its column of ones."""


@dataclass(frozen=True)
class Step:
    """What leads from one layer to the next."""

    rho: float
    """What a difference is divided by for a velocity: the share of the path that the step takes;
    of exponential steps the sum of their gains, which is a little less."""
    effective_depth: float
    """Leakage L~; 0 where the net has no path of its own."""
    decay: float
    """Factor that the step itself puts on the stream; 1 where the net has no path of its own."""


@dataclass(frozen=True)
class Mesh:
    """All layers and the steps between neighbours."""

    nodes: dict[str, Node]
    """The layers by name."""
    steps: dict[str, Step]
    """The steps, by the layer that each leads to."""
    words: str
    """How to read kinetic energies, in a sentence."""


def mesh_of(model: nn.Module, names: Sequence[str], *, activation: ActivationLike) -> Mesh:
    """Return the mesh of a model's recorded layers: that of the model's own path, or L equal steps.

    Between two representations of one `PathNet`, neighbours or not, the step, the leakage and the
    decay are those of the net, and so are activation and bias.

    Parameters
    ----------
    model : nn.Module
        The model.
    names : sequence of str
        Its layers, in the order of running.
    activation : str
        The nonlinearity that stands, with bias, for whatever the model has elsewhere.

    Returns
    -------
    Mesh
        A step outside a path is 1/L for L + 1 layers, without leakage.
    """
    places = {name: _place(model, name) for name in names}
    nodes, steps = {}, {}
    for name, place in places.items():
        nodes[name] = (
            Node(activation, True) if place is None else Node(place[0].activation, place[0].bias)
        )
    for first, second in pairwise(names):
        start, end = places[first], places[second]
        if start is None or end is None or start[0] is not end[0] or start[1] >= end[1]:
            steps[second] = Step(1 / (len(names) - 1), 0.0, 1.0)
            continue
        net, (i, j) = start[0], (start[1], end[1])
        decay = net.coefficients()[0][i:j].prod()
        steps[second] = Step(_duration(net, i, j), net.effective_depth, float(decay))
    kinds = list(dict.fromkeys(type(place[0]).__name__ for place in places.values() if place))
    words = (
        f"between representations of a {' or '.join(kinds)}: its own steps, leakage and activation"
        if kinds
        else f"equal steps of 1/{max(1, len(names) - 1)}, no leakage, S = [{activation}(A), 1]"
    )
    return Mesh(nodes, steps, words)


def _duration(net: PathNet, i: int, j: int) -> float:
    """Return what A_j - A_i is divided by for the velocity of the net's flow where steps start.

    A step moves by its gain times S W^T - L~ A, if its decay is 1 - L~ gain.
    """
    decay, gain = net.coefficients()
    length, total = float(net.p[j] - net.p[i]), float(gain[i:j].sum())
    if not torch.allclose(1 - decay, net.effective_depth * gain, rtol=1e-6, atol=1e-9):
        return length
    return length if math.isclose(total, length, rel_tol=1e-9) or total <= 0 else total


def _place(model: nn.Module, name: str) -> tuple[PathNet, int] | None:
    """Return the net and the node that a layer's name stands for; None if it is no node."""
    found = _NODE.match(name)
    if found is None:
        return None
    try:
        net = model.get_submodule(found["net"] or "")
    except AttributeError:
        return None
    return (net, int(found["node"])) if is_path_net(net) else None
