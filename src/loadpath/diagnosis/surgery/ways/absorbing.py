r"""A linear map taken up by the weights beside it.

With $A \mapsto A M^\top + c$ behind a module that puts out $x W^\top + b$, the weights $M W$ and
the bias $M b + c$ do both at once; with the map before it, $W M$ and $W c + b$. A convolution mixes
its channels by a matrix at each place of its kernel, and an embedding has a row for each token.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from loadpath.diagnosis.surgery.ways.recipe import add_bias

Side = Literal["before", "behind"]
"""Whether the module runs before the map or behind it."""
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Convolutions, whose weights are (out, in, *kernel)."""
ABSORBING = (nn.Linear, *CONVOLUTIONS)
"""Classes that take a map up from either side; an embedding takes up one that runs behind it."""


def why_not_absorbed(part: nn.Module, side: Side, width: int) -> str:
    """Return why a module cannot take up a map of some width, in words; empty if it may.

    Whether it also does what both do is for the whole model to tell.
    """
    # A subclass may do more than its class says.
    if type(part) not in ABSORBING and not (type(part) is nn.Embedding and side == "before"):
        return f"is a {type(part).__name__}, into which no linear map goes"
    if getattr(part, "groups", 1) != 1:
        return "is a convolution in groups, which does not mix all channels"
    if getattr(part, "max_norm", None) is not None:
        return "is an embedding whose rows are kept short, by its max_norm"
    weight = part.weight
    assert isinstance(weight, Tensor)
    has = weight.shape[1 if side == "behind" or type(part) is nn.Embedding else 0]
    if has != width:
        return f"has {has} features on that side, and the map {width}"
    return ""


@torch.no_grad()
def absorb(part: nn.Module, side: Side, weight: Tensor, bias: Tensor) -> bool:
    """Have a module do what it does and what a map beside it does.

    Parameters
    ----------
    part : nn.Module
        The module, for which `why_not_absorbed` has no words; it is changed.
    side : {"before", "behind"}
        Whether it runs before the map or behind it.
    weight : Tensor
        M, (width, width).
    bias : Tensor
        c, (width,).

    Returns
    -------
    bool
        Whether it was given a bias that it had not.
    """
    own = part.weight
    assert isinstance(own, nn.Parameter)
    W, M, c = own.double(), weight.double(), bias.double()
    if type(part) is nn.Embedding:
        own.copy_((W @ M.T + c).to(own))
        return False
    added = part.bias is None
    assert isinstance(part, ABSORBING)
    b = add_bias(part)
    if side == "before":
        new, offset = torch.tensordot(M, W, dims=1), M @ b.double() + c
    else:
        new = torch.movedim(torch.tensordot(W, M, dims=([1], [0])), -1, 1)
        offset = b.double() + W.flatten(2).sum(-1) @ c if W.ndim > 2 else b.double() + W @ c
    own.copy_(new.to(own))
    b.copy_(offset.to(b))
    return added
