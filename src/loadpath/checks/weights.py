"""The check of a net: that its weights are numbers that can be computed with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from loadpath.checks.values import LARGEST

if TYPE_CHECKING:
    from torch import nn


def check_weights(name: str, model: nn.Module) -> None:
    """Refuse a net without weights in memory, in half precision, or with weights not finite.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    model : nn.Module
        The net, whose parameters and buffers are looked at.

    Raises
    ------
    ValueError
        If one of them is on the device meta, in half precision, NaN, or above 1e70 in size.
    """
    import torch

    for key, t in (*model.named_parameters(), *model.named_buffers()):
        if t.is_meta:
            raise ValueError(f"{name} must have weights in memory, and {key!r} is on meta.")
        if not t.is_floating_point():
            continue
        if t.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"{name} must be of float32 or float64, and {key!r} is {t.dtype}.")
        largest = float(t.detach().abs().max()) if t.numel() else 0.0
        if LARGEST < largest < math.inf:
            raise ValueError(
                f"{name} must have weights of at most {LARGEST:g}, and {key!r} has {largest:g}."
            )
        if not largest < math.inf:
            raise ValueError(
                f"{name} must have finite weights, and {key!r} has some that are NaN or infinite."
            )
