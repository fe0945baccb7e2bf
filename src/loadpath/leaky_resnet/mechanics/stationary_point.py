"""How near a net is to a stationary point: residuals of its layers, balance of its weights [LR]."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import (
    as_layer_steps,
    as_small_rows,
    as_tensor,
    check_choice,
    check_flag,
    check_number,
)
from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.leaky_resnet.mechanics.metric import (
    PerStep,
    Scalar,
    coupling,
    safe_ratio,
    with_features,
)
from loadpath.record import ActivationLike


def stationarity(
    W: Float[Tensor, "width feature"],
    A: Float[Tensor, "sample width"],
    B: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    gain_ratio: float = 1.0,
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Return the stationarity residual of one layer: 0 at a stationary point of the objective.

    Parameters
    ----------
    W : Tensor
        (width, feature): the weights of layer l.
    A : Tensor
        (sample, width): $A_{l-1}$, on which they act.
    B : Tensor
        (sample, width): the derivatives $-\frac1\lambda\, \partial C / \partial A_l$ by what they
        produce, or `step_momenta` and a `gain_ratio` of 1.
    effective_depth : float
        The leakage $\tilde L$, at least 0.
    gain_ratio : float
        $g_l / \rho_l$: 1 for an Euler step, $(1 - e^{-\rho\tilde L}) / (\rho\tilde L)$ for an
        exponential one.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The net's activation.
    bias : bool
        Whether S has a column of ones.

    Returns
    -------
    Tensor
        $\|W - c\,(g/\rho)\,B^\top S\|_F / \|W\|_F$ with c the effective depth (1 where that is 0);
        0-d, float64, dimensionless. Zero weights without momenta count as stationary.

    Raises
    ------
    ValueError
        If shapes do not match or entries are not finite.

    Notes
    -----
    It is the gradient of the objective by $W_l$, relative to that of the regularizer. The cost is
    O(N w^2).

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, Hamiltonian formulation.
    """
    S, A, B = with_features(A, B=B, activation=activation, bias=bias)
    check_number("gain_ratio", gain_ratio, above=0)
    W = as_small_rows("W", W, shape=(B.shape[1], S.shape[1]))
    return stationarity_of_product(W, B.T @ S, coupling(effective_depth) * gain_ratio)


def stationarity_of_product(W: Tensor, BtS: Tensor, factor: float) -> Scalar:
    r"""Return the `stationarity` from $B^\top S$ (width, feature), a sum over batches.

    `factor` is $c\,g/\rho$.
    """
    return safe_ratio((W - factor * BtS).norm(), W.norm())


def balancedness(
    weights: Float[Tensor, "step width feature"],
    layer_steps: Float[Tensor, " step"],
    *,
    effective_depth: float,
    bias: bool = True,
    step: str = "euler",
) -> PerStep:
    r"""Return the relative error of the balance of weights and biases, step by step.

    Parameters
    ----------
    weights : Tensor
        (step, width, feature): the weights of all layers, with the bias as last column.
    layer_steps : Tensor
        (step,): the layer steps.
    effective_depth : float
        The leakage $\tilde L$, at least 0.
    bias : bool
        Whether the last column is a bias.
    step : {"euler", "exponential"}
        The kind of step.

    Returns
    -------
    Tensor
        (step,): $(\|W_l\|^2 - P_l) / P_l$, where the prediction $P_l$ starts at $\|W_1\|^2$ and
        integrates over the distance between the middles of the steps. It is 0 at step 1, and 0
        for zero weights; float64, dimensionless.

    Raises
    ------
    ValueError
        If `weights` is not finite and (step, width, feature) for `layer_steps`, or `step` is
        unknown.

    Notes
    -----
    At a stationary point of the continuous problem, with an activation that is homogeneous (relu,
    leaky relu, identity), $\|W_p\|^2 = \|W_0\|^2 + 2 \tilde L \int_0^p \|b_q\|^2 dq$, where b is
    the bias column of W. The reason is that $\mathrm{Tr}[B^\top A]$ grows by $\|b\|^2 / \tilde L$
    per unit of p, exactly so even in the discrete net, and that
    $\|W\|^2 = 2\tilde L(H + \tilde L\,\mathrm{Tr}[B^\top A])$. As H is conserved to first order in
    the layer steps, so is this balance.

    With exponential steps $\mathrm{Tr}[B^\top A]$ of backpropagation's B grows by
    $\rho \|b\|^2 / \tilde L$ a step, and
    $\|W_l\|^2 = 2 \tilde L r_l (H_l + \tilde L\,\mathrm{Tr}[B_l^\top A_{l-1}])$ with
    $r_l = g_l / \rho_l$. So $\|W / r\|^2$ is predicted, which goes on smoothly where r jumps from
    one step to the next, and grows by $2 \tilde L \rho \|b\|^2 / r$ a step. Where the steps are
    equal that is the balance above with $g_l$ in place of $\rho_l$.

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, balancedness. The factor 2 is derived here.
    """
    coupling(effective_depth)
    check_flag("bias", bias)
    check_choice("step", step, ("euler", "exponential"))
    weights, layer_steps = (
        as_tensor("weights", weights),
        as_layer_steps("layer_steps", layer_steps),
    )
    if weights.ndim != 3 or layer_steps.shape != weights.shape[:1]:
        raise ValueError(
            "weights must be (step, width, feature) for as many layer_steps, got "
            f"{tuple(weights.shape)} and {tuple(layer_steps.shape)}."
        )
    W = as_small_rows("weights", weights.flatten(1)).reshape(weights.shape)
    rho = layer_steps.to(W)
    r = meshes.gain_ratios(rho, effective_depth=effective_depth, kind=step)
    squares = W.square().sum((1, 2)) / r**2
    growth = rho * W[:, :, -1].square().sum(1) / r if bias else torch.zeros_like(rho)
    between = (growth[1:] + growth[:-1]) / 2
    predicted = squares[0] + 2 * effective_depth * torch.cat([rho.new_zeros(1), between.cumsum(0)])
    return safe_ratio(squares - predicted, predicted)
