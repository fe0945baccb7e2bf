"""How smoothly the weights of blocks change from one to the next."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import Tensor, nn

from loadpath.leaky_resnet import LeakyResNet
from loadpath.record import Site


def roughness(model: nn.Module, sites: Sequence[Site]) -> list[float]:
    r"""Return how far the weights of each block are from those of the next.

    Parameters
    ----------
    model : nn.Module
        The net; the steps of a `LeakyResNet` are its blocks.
    sites : sequence of Site
        The blocks of any other.

    Returns
    -------
    list of float
        $\sqrt{\sum \|W_{l+1} - W_l\|^2 / \sum (\|W_l\|^2 + \|W_{l+1}\|^2)}$ over the matrices
        of a block, for every two neighbours: 0 for equal weights, about 1 for independent ones of
        mean 0. NaN where the two have other matrices, or none.

    Notes
    -----
    Vectors are left out: scales of normalizations begin at 1 in all blocks. The hidden units of a
    block may stand in any order, so that a net that is smooth as a function may be rough here.
    """
    if isinstance(model, LeakyResNet):
        held = [{"": W} for W in model.weights.detach().double()]
    else:
        held = [_matrices(site.module) for site in sites]
    return [_between(first, second) for first, second in itertools.pairwise(held)]


def _matrices(module: nn.Module) -> dict[str, Tensor]:
    named = module.named_parameters()
    return {name: W.detach().double() for name, W in named if W.ndim > 1}


def _between(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    shapes = [{name: tuple(W.shape) for name, W in each.items()} for each in (first, second)]
    if shapes[0] != shapes[1] or not first:
        return math.nan
    apart = sum(float((second[name] - W).square().sum()) for name, W in first.items())
    size = sum(float(W.square().sum()) for each in (first, second) for W in each.values())
    return math.sqrt(apart / size) if size > 0 else math.nan
