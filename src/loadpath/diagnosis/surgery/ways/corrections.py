r"""Corrections of a module's weights by ridge regression, from streamed second moments.

With z what the module is given and r what is missing in the output of the layer that it writes to,
the correction is $\arg\min_{V, c} \sum \|r - z V^\top - c\|^2 + \alpha \|V\|^2$: the penalty draws
the weights to what they were, and not to 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from loadpath.diagnosis.surgery.ways.linear import MIDDLE, PENALTIES
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
    if judge is None:
        return _fitted(fit, inputs, MIDDLE, bias)
    found = [_fitted(fit, inputs, penalty, bias, judge) for penalty in PENALTIES]
    best = max(range(len(found)), key=lambda i: found[i].explained)
    whole = _fitted(fit.merge(judge), inputs, PENALTIES[best], bias)
    return Correction(whole.weight, whole.bias, found[best].explained)


def _fitted(
    moments: Moments, inputs: int, penalty: float, bias: bool, judge: Moments | None = None
) -> Correction:
    """Return the ridge regression of r on z with one penalty."""
    rows = moments.centred_rows() if bias else moments.rows().A
    z, r = rows[:, :inputs], rows[:, inputs:]
    gram = z.T @ z
    alpha = penalty * (float(gram.diagonal().mean()) or 1.0)
    eye = torch.eye(inputs, dtype=gram.dtype, device=gram.device)
    weight = torch.linalg.solve(gram + alpha * eye, z.T @ r).T
    offset = None
    if bias:
        mean = moments.mean()
        offset = mean[inputs:] - weight @ mean[:inputs]
    explained = float("nan")
    if judge is not None:
        seen = judge.rows()
        missed = seen.A[:, inputs:] - seen.A[:, :inputs] @ weight.T
        if offset is not None:
            missed = missed - seen.S[:, -1:] * offset
        whole = float(seen.A[:, inputs:].square().sum())
        explained = 1 - float(missed.square().sum()) / whole if whole else 1.0
    return Correction(weight, offset, explained)
