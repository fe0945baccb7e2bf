"""The momenta of a path, from those of backpropagation, for both kinds of step."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_path_of_rows, check_type, check_weights
from loadpath.leaky_resnet.model import LeakyResNet


def step_momenta(
    model: LeakyResNet,
    B: Sequence[Float[Tensor, "sample width"]] | Float[Tensor, "node sample width"],
) -> list[Float[Tensor, "sample width"]]:
    r"""Return the momenta of a net's path at every node, $r_l B_l$, for either kind of step.

    Parameters
    ----------
    model : LeakyResNet
        The net, whose layer steps and kind of step count.
    B : sequence of Tensor
        $B_0, \dots, B_L$, each (sample, width): the derivatives
        $-\frac1\lambda\, \partial C / \partial A_l$ that `loadpath.leaky_resnet.momenta` and
        `Geodesic.B` have, or one (node, sample, width) tensor of them.

    Returns
    -------
    list of Tensor
        As many, float64: $r_l B_l$ with $r_l = g_l / \rho_l$ for l = 1..L, and $r_1 B_0$.

    Raises
    ------
    ValueError
        If `model` is no LeakyResNet, or B is not one finite (sample, width) matrix for each node.

    Notes
    -----
    A stationary net has $W_l = c\, r_l B_l^\top S_{l-1}$, while the theory's relation of weights
    and momenta is $W = c\, B^\top S$. So $r_l B_l$ are the momenta of the path: with them and the
    velocity of the flow at the start of a step, $\partial_p A = S W^\top - \tilde L A =
    (A_l - A_{l-1}) / g_l$, the relation $\partial_p A = \tilde L (K B - A)$ and all that follows
    from it hold exactly at every node. The reason is that an exponential net is an Euler net with
    the steps $g_l$ and a weight decay of $\lambda / r_l$.

    For Euler steps, and where $\tilde L = 0$, r is 1 and nothing changes. For exponential steps r
    is $(1 - e^{-\rho\tilde L}) / (\rho\tilde L)$: 0.79 at $\rho\tilde L = 0.5$.

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, Hamiltonian formulation. The factor is derived here.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> net = lp.LeakyResNet(2, 2, width=2, depth=2, effective_depth=1.0, step="exponential")
    >>> scaled = lp.mechanics.step_momenta(net, torch.ones(3, 1, 2))
    >>> round(float(scaled[1][0, 0]), 4)  # (1 - exp(-1/2)) / (1/2)
    0.7869
    """
    check_type("model", model, LeakyResNet, "a LeakyResNet")
    check_weights("model", model)
    return step_momenta_of_tensors(model, as_path_of_rows("B", B, length=model.depth + 1))


def step_momenta_of_tensors(
    model: LeakyResNet, B: Sequence[Float[Tensor, "sample width"]]
) -> list[Float[Tensor, "sample width"]]:
    """Return the `step_momenta` of matrices that have been checked, in their own type."""
    ratios = model.gain_ratios().tolist()
    return [r * B_l for r, B_l in zip([ratios[0], *ratios], B, strict=True)]
