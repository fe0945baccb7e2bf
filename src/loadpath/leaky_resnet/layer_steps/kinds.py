"""The two kinds of step: what a layer keeps of its representation, and what it adds."""

from __future__ import annotations

from loadpath.leaky_resnet.layer_steps.rules import Steps


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
