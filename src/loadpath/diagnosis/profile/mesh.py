"""Where layers stand on the path, as far as the mechanics of [LR] asks for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from loadpath.record import PathNet

_NODE = re.compile(r"^(?:(?P<net>.+)\.)?path\.(?P<node>\d+)$")


@dataclass(frozen=True)
class Node:
    """A layer's S = [phi(A), 1]."""

    activation: str
    bias: bool


@dataclass(frozen=True)
class Step:
    """What leads from one layer to the next."""

    rho: float
    """Its share of the path."""
    effective_depth: float
    """Leakage L~; 0 but in a LeakyResNet."""
    decay: float
    """Factor that the step itself puts on the stream; 1 but in a LeakyResNet."""


@dataclass(frozen=True)
class Mesh:
    """All layers and the steps between neighbours."""

    nodes: dict[str, Node]
    steps: dict[str, Step]
    """By the layer that the step leads to."""
    words: str
    """How to read kinetic energies, in a sentence."""


def mesh_of(model: nn.Module, names: Sequence[str], *, activation: str) -> Mesh:
    """The mesh of a model's recorded layers: a LeakyResNet's own, or L equal steps.

    Between two representations of a LeakyResNet, neighbours or not, the step, the leakage and the
    decay are its own, as are activation and bias; else steps are 1/L each for L + 1 layers, without
    leakage, and `activation` with bias stands for whatever the model has.
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
        steps[second] = Step(float(net.p[j] - net.p[i]), net.effective_depth, float(decay))
    leaky = sum(place is not None for place in places.values())
    words = (
        "between representations of a LeakyResNet: its own steps, leakage and activation"
        if leaky
        else f"equal steps of 1/{max(1, len(names) - 1)}, no leakage, S = [{activation}(A), 1]"
    )
    return Mesh(nodes, steps, words)


def _place(model: nn.Module, name: str) -> tuple[PathNet, int] | None:
    found = _NODE.match(name)
    if found is None:
        return None
    try:
        net = model.get_submodule(found["net"] or "")
    except AttributeError:
        return None
    return (net, int(found["node"])) if isinstance(net, PathNet) else None
