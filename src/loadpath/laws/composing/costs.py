r"""What it costs to swap, skip, shuffle, merge and split the blocks of a net.

Every cost is how far the representation behind the last block moves, over how far all blocks
together carry it, $\|A_L' - A_L\| / \|A_L - A_0\|$ over all samples: 1 is as much as the blocks do.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loadpath.laws.composing.blocks import Blocks, Map

Array = NDArray[np.float64]
MESHES = ("quarter", "half", "plain", "double")
"""Meshes of the same net: groups of 4 and of 2 blocks as one step, the blocks, their halves."""


@dataclass
class Costs:
    """Sums of squares over batches, of everything that is tried."""

    n_shuffles: int
    """How many random orders of all blocks."""
    seed: int
    """Seed of the orders."""
    reach: float = 0.0
    r"""$\|A_L - A_0\|^2$."""
    moved: dict[str, Array] = field(default_factory=dict)
    r"""$\|A_L' - A_L\|^2$ of every variant, by its kind."""
    products: Array | None = None
    """(block, block) inner products of steps."""
    count: int = 0
    """Number of samples."""

    def add(self, blocks: Blocks) -> None:
        """Try every variant on one batch.

        Parameters
        ----------
        blocks : Blocks
            The blocks on that batch.
        """
        path = [A.double() for A in blocks.path()]
        steps = torch.stack([(b - a).flatten() for a, b in itertools.pairwise(path)])
        gram = (steps @ steps.T).cpu().numpy()
        self.products = gram if self.products is None else self.products + gram
        self.reach += float((path[-1] - path[0]).square().sum())
        self.count += len(path[0])
        for kind, variants in self._variants(blocks.maps).items():
            ends = [blocks.end(maps).double() for maps in variants]
            self._note(kind, [_squared(end - path[-1]) for end in ends])
        ends = [blocks.end(mesh(blocks.maps, name)).double() for name in MESHES]
        self._note("meshes", [_squared(a - b) for a, b in itertools.pairwise(ends)])

    def _variants(self, maps: tuple[Map, ...]) -> dict[str, list[Sequence[Map]]]:
        """Return what is put in the place of the blocks, by its kind."""
        L, rng = len(maps), np.random.default_rng(self.seed)
        orders = [rng.permutation(L) for _ in range(self.n_shuffles)]
        return {
            "skip": [[*maps[:l], *maps[l + 1 :]] for l in range(L)],
            "swap": [[*maps[:l], maps[l + 1], maps[l], *maps[l + 2 :]] for l in range(L - 1)],
            "shuffle": [[maps[i] for i in order] for order in orders],
            "parallel": [[together(maps)]],
        }

    def _note(self, kind: str, squares: Sequence[float]) -> None:
        self.moved[kind] = self.moved.get(kind, np.zeros(len(squares))) + np.array(squares)

    def cost(self, kind: str) -> Array:
        """Return the cost of each variant of a kind.

        Parameters
        ----------
        kind : {"skip", "swap", "shuffle", "parallel", "meshes"}
            Which.

        Returns
        -------
        Array
            (variant,) dimensionless; of "meshes" the change from each to the next finer one.
        """
        return np.sqrt(self.moved[kind] / self.reach) if self.reach > 0 else self.moved[kind] * 0

    def cosines(self) -> Array:
        """Return the cosines between the steps of all samples, (block, block)."""
        assert self.products is not None
        size = np.sqrt(np.diag(self.products))
        size = np.where(size > 0, size, np.inf)
        return self.products / np.outer(size, size)


def together(maps: Sequence[Map]) -> Map:
    r"""Return several blocks as one, which all read what the first is given.

    Parameters
    ----------
    maps : sequence of callable
        The blocks.

    Returns
    -------
    callable
        $A + \sum_l (F_l(A) - A)$.
    """
    if len(maps) == 1:
        return maps[0]

    def merged(A: Tensor) -> Tensor:
        return A + torch.stack([each(A) - A for each in maps]).sum(0)

    return merged


def halved(block: Map) -> list[Map]:
    """Return two half steps of a block, $A + (F(A) - A) / 2$ each.

    Parameters
    ----------
    block : callable
        The block F.

    Returns
    -------
    list of callable
        The same half step twice.
    """

    def half(A: Tensor) -> Tensor:
        return A + (block(A) - A) / 2

    return [half, half]


def mesh(maps: Sequence[Map], name: str) -> list[Map]:
    """Return the net on a coarser or a finer mesh.

    Parameters
    ----------
    maps : sequence of callable
        The blocks.
    name : {"quarter", "half", "plain", "double"}
        Steps of 4 blocks, of 2, of 1, or of half a block each.

    Returns
    -------
    list of callable
        The steps. What is left over of a number of blocks is a shorter group.
    """
    if name == "double":
        return [half for each in maps for half in halved(each)]
    size = {"quarter": 4, "half": 2, "plain": 1}[name]
    return [together(maps[l : l + size]) for l in range(0, len(maps), size)]


def order_of_convergence(changes: Array) -> tuple[float, float]:
    """Return the order with which the blocks' own flow is approached, coarse and fine.

    Parameters
    ----------
    changes : Array
        (3,) changes from a quarter of the steps to half of them, to all, and to twice as many.

    Returns
    -------
    coarse, fine : float
        Logarithms to base 2 of the ratios of neighbouring changes: near 1 for steps that follow a
        differential equation, near 1/2 where the steps of a group are independent, and NaN where
        changes are within rounding.
    """
    found = []
    for before, after in itertools.pairwise(changes):
        known = min(before, after) > ROUNDING
        found.append(math.log2(before / after) if known else math.nan)
    return found[0], found[1]


ROUNDING = 1e-5
"""Costs below this are rounding of float32, about 1e-7 for each of tens of blocks, with room."""


def _squared(difference: Tensor) -> float:
    return float(difference.square().sum())
