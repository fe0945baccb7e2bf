r"""Corrections of a module's weights by ridge regression, from streamed second moments.

With z what the module is given and r what is missing in the output of the layer that it writes to,
the correction is $\arg\min_{V, c} \sum \|r - z V^\top - c\|^2 + \alpha \|V\|^2$: the penalty draws
the weights to what they were, and not to 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from loadpath.diagnosis.surgery.ways.ridge import best_ridge, ridge
from loadpath.record import Moments

REFITTABLE = (nn.Linear, nn.Conv2d)
"""Classes whose weights can be corrected; a convolution by the patches that it sees."""


@dataclass(frozen=True, eq=False)
class Correction:
    """What is added to the weights of a module."""

    weight: Tensor
    """V, (out, in)."""
    bias: Tensor | None
    """c, (out,); None for a module that has no bias."""
    explained: float
    """The share of the mean square of r that it makes up for on samples that it was not fitted to;
    NaN where there are none."""

    @torch.no_grad()
    def add_to(self, part: nn.Module) -> None:
        """Add it to the weights of a module."""
        weight, bias = part.weight, part.bias
        assert isinstance(weight, nn.Parameter)
        weight.add_(self.weight.reshape(weight.shape).to(weight))
        if self.bias is not None:
            assert isinstance(bias, nn.Parameter)
            bias.add_(self.bias.to(bias))


def why_not_refitted(part: nn.Module) -> str:
    """Return why the weights of a module cannot be corrected, in words; empty if they can."""
    # A subclass may do more than its class says.
    if type(part) not in REFITTABLE:
        return f"is a {type(part).__name__}, and only a Linear or a Conv2d is refitted"
    if isinstance(part, nn.Conv2d) and (part.groups != 1 or part.padding_mode != "zeros"):
        return "is a convolution in groups, or one that does not pad with zeros"
    return ""


def rows_into(part: nn.Module, given: Tensor) -> Tensor:
    """Return what a module is given as rows (..., in), one for each place that it puts out."""
    if not isinstance(part, nn.Conv2d):
        return given
    assert not isinstance(part.padding, str) or part.padding in ("same", "valid")
    kernel, dilation = part.kernel_size, part.dilation
    padding = part.padding
    if isinstance(padding, str):
        reach = [
            d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)
        ]
        ends = (reach[1] // 2, reach[1] - reach[1] // 2, reach[0] // 2, reach[0] - reach[0] // 2)
        given, padding = nn.functional.pad(given, ends), (0, 0)
    patches = nn.functional.unfold(given, kernel, dilation, padding, part.stride)
    return patches.transpose(1, 2)  # (sample, place, in)


def correction(fit: Moments, judge: Moments | None, inputs: int, *, bias: bool) -> Correction:
    """Return the correction that does best on other samples, fitted to all.

    Parameters
    ----------
    fit, judge : Moments
        Moments of [z, r] on the samples to fit to, and on others if there are any.
    inputs : int
        Features of z.
    bias : bool
        Whether the module has a bias.
    """
    best = best_ridge(fit, judge, inputs, bias=bias)
    if judge is None:
        return Correction(best.weight, best.bias, best.explained)
    whole = ridge(fit.merge(judge), inputs, best.penalty, bias=bias)
    return Correction(whole.weight, whole.bias, best.explained)
