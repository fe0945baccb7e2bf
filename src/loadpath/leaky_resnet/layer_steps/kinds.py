"""The two kinds of step: what a layer keeps of its representation, and what it adds."""

from __future__ import annotations

import torch

from loadpath.leaky_resnet.layer_steps.rules import Steps

SERIES_BELOW = 1e-2
"""Below this rho L~ the lag of an exponential step comes from its series, whose next term is then
3e-15, for the difference of two large numbers has lost as much."""


def coefficients(steps: Steps, *, effective_depth: float, kind: str) -> tuple[Steps, Steps]:
    r"""Return the decay and the gain of every layer, $A_l = d_l A_{l-1} + g_l S_{l-1} W_l^\top$.

    Parameters
    ----------
    steps : Tensor
        (depth,): layer steps that the net can take; float64.
    effective_depth : float
        The leakage $\tilde L$, at least 0.
    kind : {"euler", "exponential"}
        The kind of step.

    Returns
    -------
    decay, gain : Tensor
        (depth,) each; $1 - d_l = \tilde L g_l$ for both kinds.
    """
    if kind == "euler" or effective_depth == 0:
        return 1 - steps * effective_depth, steps
    leak = -steps * effective_depth
    return leak.exp(), -leak.expm1() / effective_depth


def gain_ratios(steps: Steps, *, effective_depth: float, kind: str) -> Steps:
    r"""Return $r_l = g_l / \rho_l$ of every layer.

    Parameters
    ----------
    steps, effective_depth, kind
        As for `coefficients`.

    Returns
    -------
    Tensor
        (depth,): $(1 - e^{-\rho_l \tilde L}) / (\rho_l \tilde L)$ for exponential steps; exactly 1
        for Euler steps, and where $\tilde L = 0$.
    """
    return coefficients(steps, effective_depth=effective_depth, kind=kind)[1] / steps


def lags(steps: Steps, *, effective_depth: float, kind: str) -> Steps:
    r"""Return how far into each step the activations count on average, as a share of the step.

    A layer holds the activations that its step begins with. The path that it stands for lets them
    change on the way, and what they do late has leaked away less at the end of the step.

    Parameters
    ----------
    steps, effective_depth, kind
        As for `coefficients`.

    Returns
    -------
    Tensor
        (depth,): $1/(1 - e^{-x}) - 1/x$ with $x = \rho_l \tilde L$ for exponential steps, the mean
        of t in [0, 1] under the weight $e^{-x(1-t)}$: from 1/2 where x is small to 1 where it is
        large. Exactly 1/2 for Euler steps, whose leakage counts apart.
    """
    if kind == "euler" or effective_depth == 0:
        return torch.full_like(steps, 0.5)
    leak = steps * effective_depth
    small = leak < SERIES_BELOW
    series = 0.5 + leak / 12 - leak**3 / 720
    leak = torch.where(small, 1.0, leak)  # so that no 0/0 is computed
    return torch.where(small, series, -1 / torch.expm1(-leak) - 1 / leak)
