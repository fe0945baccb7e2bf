"""`composition`: whether the blocks of a net go together as steps of a path, or as an ensemble."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import xarray as xr
from torch import nn

from loadpath import results
from loadpath.checks import as_dataset, as_device, check_count, check_dataset, check_seed
from loadpath.laws.composing.blocks import blocks_of_batch
from loadpath.laws.composing.costs import Costs, order_of_convergence
from loadpath.laws.composing.weights import roughness
from loadpath.leaky_resnet import LeakyResNet
from loadpath.record import (
    Batch,
    Layers,
    Loader,
    Site,
    Split,
    device_of,
    select,
    unwrapped,
    visit,
)

Kind = Literal["like an ODE", "like a random walk", "like an ensemble", "undecided"]
"""How the blocks of a net go together."""
SMOOTH_STEPS = 0.8
"""Cosine of neighbouring steps from which the steps of a path are smooth."""
UNRELATED_STEPS = 0.3
"""Cosine of neighbouring steps up to which they have little to do with each other."""
SMOOTH_WEIGHTS = 0.7
"""Roughness below which weights of neighbours are alike; independent ones have 1."""
FIRST_ORDER = 0.75
"""Order of convergence that parts 1, of a differential equation, from 1/2, of a random walk."""
ORDER_FREE = 0.12
"""Cost of shuffling all blocks up to which their order does not matter."""
ORDER_MATTERS = 0.25
"""Cost of shuffling all blocks from which it does."""
STILL = 1e-3
"""Share of the representation that all blocks must move it by for anything to be said."""
SCALARS = {
    "near_cosine": "mean cosine between neighbouring steps",
    "far_cosine": "mean cosine between steps half the depth apart or more",
    "shuffle_cost": "cost of putting all blocks in a random order",
    "parallel_cost": "cost of letting all blocks read what the first does",
    "coarse_order": "order of convergence from a quarter of the steps to all",
    "fine_order": "order of convergence from half of the steps to twice as many",
    "roughness": "mean distance between the weights of neighbours, 1 if independent",
    "reach": "distance from the first representation to the last, over the size of the first",
}
"""The numbers of a whole net."""


@dataclass(frozen=True, eq=False, repr=False)
class Composition(results.Shown):
    """How the blocks of a net go together, as `loadpath.laws.composition` found it."""

    dataset: xr.Dataset
    """`swap_cost`, `skip_cost` and `weight_step` over `block` (of a block and the next, but for the
    skipping), `shuffle_cost` and the other numbers of the whole net, and `mesh_change`."""

    def __post_init__(self) -> None:
        """Refuse what is no such Dataset."""
        ds = as_dataset("dataset", self.dataset)
        object.__setattr__(self, "dataset", ds)
        check_dataset("dataset", ds, "skip_cost(block)", "swap_cost(block)", *SCALARS)

    @property
    def verdict(self) -> Kind:
        """How the blocks go together.

        Notes
        -----
        - "like an ODE": neighbouring steps point one way (cosine of at least 0.8), weights of
          neighbours are alike where they can be compared, and coarser meshes converge with an order
          above 0.75.
        - "like an ensemble": the order of the blocks does not matter (a cost of at most 0.12),
          and weights of neighbours are not alike.
        - "like a random walk": the order matters (a cost of at least 0.25), neighbouring steps
          have little in common (a cosine of at most 0.3), neither have their weights, and coarser
          meshes converge with an order below 0.75.
        - "undecided": anything else, and blocks that together move the representation by less than
          a thousandth of its size.

        The thresholds were chosen on 40 draws of each of three kinds of nets that are known by
        construction, in `tests/helpers/depth_controls.py`, and tried on 100 others.
        """
        near, order, rough, shuffle = (
            self._number(n) for n in ("near_cosine", "coarse_order", "roughness", "shuffle_cost")
        )
        if not self._number("reach") >= STILL:
            return "undecided"
        alike = rough < SMOOTH_WEIGHTS  # False where they cannot be compared
        first_order = math.isnan(order) or order > FIRST_ORDER
        if near >= SMOOTH_STEPS and (alike or math.isnan(rough)) and first_order:
            return "like an ODE"
        if shuffle <= ORDER_FREE and not alike:
            return "like an ensemble"
        slow = math.isnan(order) or order < FIRST_ORDER
        if shuffle >= ORDER_MATTERS and near <= UNRELATED_STEPS and not alike and slow:
            return "like a random walk"
        return "undecided"

    def summary(self) -> tuple[str, ...]:
        """Say in plain sentences what was found.

        Returns
        -------
        tuple of str
            The verdict, and the numbers that it rests on.
        """
        near, far, shuffle, order, rough = (
            self._number(n)
            for n in ("near_cosine", "far_cosine", "shuffle_cost", "coarse_order", "roughness")
        )
        kind = self.verdict
        first = (
            "It is undecided how the blocks go together."
            if kind == "undecided"
            else f"The blocks go together {kind}."
        )
        swap, skip = (float(self.dataset[f"{n}_cost"].mean()) for n in ("swap", "skip"))
        weights = (
            "The weights of neighbours cannot be compared."
            if math.isnan(rough)
            else f"The weights of neighbours are {rough:.2g} apart, where independent ones are 1."
        )
        meshes = (
            "Coarser meshes change nothing that rounding would not."
            if math.isnan(order)
            else f"Coarser meshes converge with order {order:.2g}: a differential equation has 1, "
            "a random walk 1/2."
        )
        return (
            first,
            f"Neighbouring steps have a cosine of {near:.2g}, and far ones of {far:.2g}.",
            f"A random order of all blocks costs {shuffle:.2g} of what they do together; swapping "
            f"two neighbours costs {swap:.2g} in the mean, and skipping one {skip:.2g}.",
            meshes,
            weights,
        )

    def _number(self, name: str) -> float:
        return float(self.dataset[name])

    def _overview(self) -> results.Overview:
        """Return the verdict and its numbers."""
        numbers = {name.replace("_", " "): f"{self._number(name):.3g}" for name in SCALARS}
        facts = {"verdict": self.verdict, "blocks": f"{self.dataset.sizes['block']}", **numbers}
        return results.Overview(facts, sentences=self.summary())


def composition(
    model: nn.Module,
    loader: Loader,
    *,
    layers: Layers = None,
    n_shuffles: int = 4,
    seed: int = 0,
    device: torch.device | str | None = None,
    max_batches: int | None = None,
    split: Split | None = None,
    pass_labels: bool = False,
) -> Composition:
    r"""Say whether the residual blocks of a net are steps of a path, a random walk or an ensemble.

    Blocks are swapped with their neighbours, skipped, put in random orders, merged into steps of 2
    and of 4 that read one representation, and split into two half steps each. What that changes is
    measured where the last block ends.

    Parameters
    ----------
    model : nn.Module
        A net of residual blocks, $F_l(A) = A + f_l(A)$, or a `LeakyResNet`. It is left as it was.
    loader : iterable
        Batches, as in `loadpath.record.stream`; labels are not used.
    layers : str, class, sequence of these
        The blocks, as in `loadpath.record.select`: at least 4 that follow each other. Left out for
        a `LeakyResNet`.
    n_shuffles : int, default 4
        How many random orders of all blocks.
    seed : int
        Seed of these orders.
    device, max_batches, split, pass_labels
        As in `loadpath.record.stream`.

    Returns
    -------
    Composition
        The numbers, a verdict and sentences.

    Raises
    ------
    ValueError
        If an option is out of range, or layers are no residual blocks that follow each other.

    Notes
    -----
    A cost is $\|A_L' - A_L\|_F / \|A_L - A_0\|_F$. For L blocks it takes some 4 L + 20 passes
    through all of them. What skipping does to loss and output is `loadpath.diagnosis.skip_layers`.

    The order of convergence is $\log_2$ of the ratio of the change from a quarter of the steps to
    half of them, to that from half of them to all. Euler's method for a differential equation has
    1; steps that are independent of each other have 1/2, as the Euler-Maruyama method does.

    Examples
    --------
    Blocks that each turn the plane by a small angle:

    >>> class Turn(nn.Module):
    ...     def forward(self, A):
    ...         return A + 0.05 * torch.stack([-A[:, 1], A[:, 0]], 1)
    >>> net = nn.Sequential(*(Turn() for _ in range(16)))
    >>> found = composition(net, [torch.randn(20, 2)], layers=Turn)
    >>> found.verdict
    'like an ODE'
    """
    check_count("n_shuffles", n_shuffles, 1)
    check_seed("seed", seed)
    inner = unwrapped(model)
    leaky = isinstance(inner, LeakyResNet)
    if leaky and layers is not None:
        raise ValueError(f"layers must be left out for a LeakyResNet, got {layers!r}.")
    if not leaky and layers is None:
        raise ValueError("layers must name the residual blocks of the model, got None.")
    sites: list[Site] = [] if leaky or layers is None else select(inner, layers)[0]
    where = device_of(inner) if device is None else as_device("device", device)
    costs = Costs(int(n_shuffles), int(seed))
    size = [0.0]

    def measure(batch: Batch, first: int) -> None:
        blocks = blocks_of_batch(inner, sites, batch)
        size[0] += float(blocks.start.double().square().sum())
        costs.add(blocks)

    passes = visit(
        inner,
        loader,
        measure,
        device=where,
        max_batches=max_batches,
        split=split,
        pass_labels=pass_labels,
    )
    for _ in passes:
        pass
    n_blocks = len(costs.cosines())
    names = [site.name for site in sites] or [f"step {l + 1}" for l in range(n_blocks)]
    ds = _dataset(costs, size[0], roughness(inner, sites), names)
    return Composition(
        results.stamp(
            ds,
            model=type(inner).__name__,
            n_samples=costs.count,
            n_shuffles=n_shuffles,
            seed=seed,
        )
    )


def _dataset(costs: Costs, size: float, rough: list[float], names: list[str]) -> xr.Dataset:
    """Return all numbers in one Dataset."""
    cosines, L = costs.cosines(), len(names)
    apart = np.abs(np.subtract.outer(np.arange(L), np.arange(L)))
    changes = costs.cost("meshes")
    coarse, fine = order_of_convergence(changes)
    known = [each for each in rough if not math.isnan(each)]
    scalars: dict[str, float] = {
        "near_cosine": float(cosines[apart == 1].mean()),
        "far_cosine": float(cosines[apart >= L / 2].mean()),
        "shuffle_cost": float(costs.cost("shuffle").mean()),
        "parallel_cost": float(costs.cost("parallel")[0]),
        "coarse_order": coarse,
        "fine_order": fine,
        "roughness": float(np.mean(known)) if known else math.nan,
        "reach": math.sqrt(costs.reach / size) if size > 0 else math.nan,
    }
    units = {"units": "1"}

    def over_blocks(values: Any, meaning: str) -> tuple[str, Any, dict[str, str]]:
        padded = np.append(np.asarray(values, dtype=float), [math.nan] * (L - len(values)))
        return ("block", padded, {"long_name": meaning, **units})

    return xr.Dataset(
        {
            "skip_cost": over_blocks(costs.cost("skip"), "cost of skipping the block"),
            "swap_cost": over_blocks(costs.cost("swap"), "cost of swapping it with the next"),
            "weight_step": over_blocks(rough, "distance of its weights from those of the next"),
            "mesh_change": ("finer", changes, {"long_name": "change to the finer mesh", **units}),
            **{n: ((), v, {"long_name": SCALARS[n], **units}) for n, v in scalars.items()},
        },
        coords={
            "block": np.array(names, dtype=object),
            "finer": np.array(["half", "plain", "double"], dtype=object),
        },
    )
