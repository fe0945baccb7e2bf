"""All that `mechanics` measures on a LeakyResNet, as one labelled Dataset over its layers."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from loadpath import results
from loadpath.checks import check_number
from loadpath.leaky_resnet.mechanics.bottleneck import bottleneck_from_spectra
from loadpath.leaky_resnet.mechanics.hamiltonians import (
    hamiltonian_of_products,
    hamiltonian_spread,
)
from loadpath.leaky_resnet.mechanics.labels import LABELS
from loadpath.leaky_resnet.mechanics.metric import gamma_of_rows, inner_product, safe_ratio
from loadpath.leaky_resnet.mechanics.paths import evenly_spaced, path_projection, slow_steps
from loadpath.leaky_resnet.mechanics.stationary_point import balancedness, stationarity_of_product
from loadpath.leaky_resnet.mechanics.step_energies import energies_of_rows
from loadpath.leaky_resnet.mechanics.streaming import Sums, check_data, stream
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import LossLike
from loadpath.measures import stable_rank_of_spectrum
from loadpath.threads import torch_threads

HOMOGENEOUS = ("relu", "leaky_relu", "identity")
"""Activations with phi(c A) = c phi(A) for c > 0, for which weights and biases balance."""
N_PROJECTED = 64
"""The most samples whose path is projected on a plane."""


@torch_threads(1)
def profile(
    model: LeakyResNet,
    x: Any,
    y: Any = None,
    *,
    weight_decay: float,
    loss: LossLike | None = None,
    gamma0: float = 1e-3,
    batch_size: int = 4096,
) -> xr.Dataset:
    r"""Measure the mechanics of a LeakyResNet: energies, momenta, ranks and the bottleneck.

    Parameters
    ----------
    model : LeakyResNet
        The net. A float64 copy of it is run; the net itself is left alone.
    x : array_like or DataFrame, or both halves in one
        (sample, in): inputs. With y left out, inputs and targets in one: a pair (x, y), a Bunch, a
        Data, of which the training samples are taken, or what else `loadpath.data.as_pair` takes.
    y : array_like, Series or str, optional
        (sample, out) outputs, (sample,) class numbers, or the column of x that is the target.
    weight_decay : float
        The $\lambda$ that the net was trained with, above 0; it divides the momenta.
    loss : {"mse", "cross-entropy"} or callable, optional
        The data term C, or a function of your own; if left out, "cross-entropy" for class numbers
        and "mse" for outputs; all as `fit` has it.
    gamma0 : float
        The stabilizer of every layer as a share of its kernel, above 0:
        $\gamma = \gamma_0 \|S\|_{op}^2$.
    batch_size : int
        Number of samples that are run at once.

    Returns
    -------
    xarray.Dataset
        Variables over layer 0..L (coordinate p, the position), step 1..L (coordinate p_step, where
        the step starts) and mode 1..w, each with long_name and units. `dimension` is absent at
        effective depth 0, where it is not defined, and `balancedness` for activations that are not
        homogeneous.

    Raises
    ------
    ValueError
        If `weight_decay` or `gamma0` is not finite and above 0, `batch_size` is below 1, or x and y
        are not finite, not of the model's sizes or not equally many.

    Notes
    -----
    B are the momenta of the path, which `step_momenta` gives: the derivatives
    $-\frac1\lambda \partial C/\partial A_l$ times $r_l$, which is 1 for Euler steps.

    Step l pairs the velocity at its start, $dA_l = S_{l-1} W_l^\top - \tilde L A_{l-1}$, with K and
    gamma of $A_{l-1}$, and its Hamiltonian pairs $A_{l-1}$ with $B_l$. That velocity is
    $(A_l - A_{l-1}) / g_l$ with the step's gain g, which is $\rho_l$ for Euler steps. With this
    pairing a stationary point of the discrete objective satisfies $dA = \tilde L (K B - A)$, and
    all that follows from it, exactly, for both kinds of step. The Hamiltonian drifts along the path
    to first order in $\rho$. The mean over the pairs $(A_{l-1}, B_l)$ and $(A_l, B_l)$,
    `symmetric_hamiltonian`, is conserved to second order where the steps are equal, and
    `hamiltonian_spread` is how far it is from constant.

    The samples are streamed in batches. The memory is O(L w^2) and the path of one batch, whatever
    the number N of samples; the cost is O(N w^2 L) + O(L w^3).

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573.

    Examples
    --------
    >>> import loadpath as lp
    >>> data = lp.data.teacher(dims=(6, 2, 6), n_train=50, n_test=20, seed=0)
    >>> net = lp.LeakyResNet(6, 6, width=8, depth=4, effective_depth=2.0)
    >>> ds = lp.mechanics.profile(net, data, weight_decay=0.1)
    >>> dict(ds.sizes)["layer"], dict(ds.sizes)["step"]
    (5, 4)
    >>> ds["cost_of_identity"].attrs["units"]
    '1'
    """
    check_number("weight_decay", weight_decay, above=0)
    check_number("gamma0", gamma0, above=0)
    x, y, loss = check_data(model, x, y, loss, batch_size)
    x, y = x.detach(), y.detach()
    batch_size = int(batch_size)
    model = copy.deepcopy(model).double().requires_grad_(False)
    sums = stream(model, x, y, weight_decay=weight_decay, loss=loss, batch_size=batch_size)
    layers, steps = _over_layers(model, sums, gamma0), _over_steps(model, sums, gamma0)
    bottleneck = bottleneck_from_spectra(
        layers["centred_spectrum" if model.bias else "representation_spectrum"]
    )
    action = model.regularizer()
    speed = (2 * model.coupling * steps["kinetic_energy"]).sqrt()
    scalars = {
        # A step moves by its gain times the velocity at its start.
        "path_length": (model.coefficients()[1].to(speed) * speed).sum(),
        "bottleneck_rank": torch.tensor(bottleneck.rank),
        "action": action,
        "regularizer": action,
        "data_term": sums.data_term,
        "objective": sums.data_term + weight_decay * action,
        "hamiltonian_spread": hamiltonian_spread(steps["symmetric_hamiltonian"]),
    }
    chosen = x[evenly_spaced(len(x), N_PROJECTED)].to(model.weights)
    projection = path_projection(model.path(chosen), N_PROJECTED)

    variables = {**layers, **steps, **scalars, "projection": projection.coordinates}
    ds = xr.Dataset(
        {name: _labelled(name, value) for name, value in variables.items()}, coords=_coords(model)
    )
    ds["projection"].attrs["explained_variance"] = projection.explained
    ds["bottleneck_rank"].attrs.update(
        layer=bottleneck.layer, gap=bottleneck.gap, clear=int(bottleneck.clear)
    )
    return results.stamp(
        ds,
        n_samples=len(x),
        weight_decay=weight_decay,
        loss=str(loss),
        gamma0=gamma0,
        **model.settings(),
    )


def _over_layers(model: LeakyResNet, sums: Sums, gamma0: float) -> dict[str, Tensor]:
    """Return what is measured at every layer."""
    table: dict[str, list[Tensor]] = {}
    for l, moments in enumerate(sums.moments):
        S, A, _ = moments.rows()
        s = _spectrum(A, model.width)
        gamma = gamma_of_rows(S, gamma0)
        row = {
            "cost_of_identity": inner_product(S, A, A, gamma=gamma),
            "gamma": torch.tensor(gamma, dtype=torch.float64),
            "stable_rank_nuclear": stable_rank_of_spectrum(s, "nuclear"),
            "stable_rank_operator": stable_rank_of_spectrum(s, "operator"),
            "representation_spectrum": s,
            "centred_spectrum": _spectrum(moments.centred_rows(), model.width),
            "representation_norm": A.norm(),
            "momentum_norm": sums.BtB[l].sqrt(),
            "momentum_activation_norm": sums.BtS[l].norm(),
            "negative_fraction": safe_ratio(sums.negative[l], A.square().sum()),
        }
        for name, value in row.items():
            table.setdefault(name, []).append(value)
    return {name: torch.stack(values) for name, values in table.items()}


def _over_steps(model: LeakyResNet, sums: Sums, gamma0: float) -> dict[str, Tensor]:
    """Return what is measured of every step."""
    table: dict[str, list[Tensor]] = {}
    rho, leak = model.layer_steps, model.effective_depth
    decay, gain = model.coefficients()
    for l, W in enumerate(model.weights):
        S, A, _ = sums.moments[l].rows()
        # The velocity is linear in A and S, so the rows that stand for them give it too, and
        # without the cancellation in A_l - A_{l-1}.
        move = (decay[l] - 1) * A + gain[l] * S @ W.T
        dA = move / gain[l]
        parts = energies_of_rows(S, A, dA, effective_depth=leak, gamma=gamma_of_rows(S, gamma0))
        end = sums.moments[l + 1].rows().A.norm()
        H = hamiltonian_of_products(sums.BtS_across[l], sums.BtA_across[l], leak)
        H_after = hamiltonian_of_products(sums.BtS[l + 1], sums.BtA[l + 1], leak)
        row = {
            "hamiltonian": H,
            "symmetric_hamiltonian": (H + H_after) / 2,
            "kinetic_energy": parts.kinetic_energy,
            "cross_term": parts.cross_term,
            "stable_hamiltonian": parts.stable_hamiltonian,
            "speed": safe_ratio((move / rho[l]).norm(), end),
            "weight_norm": W.norm(),
            "weight_spectrum": torch.linalg.svdvals(W),
            "stationarity": stationarity_of_product(W, sums.BtS_across[l], model.coupling),
        }
        if leak > 0:
            row["dimension"] = -2 / leak * H
        for name, value in row.items():
            table.setdefault(name, []).append(value)
    variables = {name: torch.stack(values) for name, values in table.items()}
    variables["layer_step"] = rho
    variables["slow"] = slow_steps(variables["speed"], rho).to(torch.int8)
    if model.activation in HOMOGENEOUS:
        variables["balancedness"] = balancedness(
            model.weights, rho, effective_depth=leak, bias=model.bias, step=model.step
        )
    return variables


def _spectrum(A: Tensor, n_modes: int) -> Tensor:
    """Return the singular values of rows that stand for samples, with zeros up to `n_modes`."""
    s = A.new_zeros(n_modes)
    if len(A):
        values = torch.linalg.svdvals(A)
        s[: len(values)] = values
    return s


def _coords(model: LeakyResNet) -> dict[str, object]:
    """Return the coordinates: numbers of layers, steps and modes, and positions on the path."""
    p = model.p.numpy()
    position = {"long_name": "position on the path", "units": "1"}
    start = {"long_name": "position on the path where the step starts", "units": "1"}
    return {
        "layer": np.arange(model.depth + 1),
        "step": np.arange(1, model.depth + 1),
        "mode": np.arange(1, model.width + 1),
        "p": ("layer", p, position),
        "p_step": ("step", p[:-1], start),
    }


def _labelled(name: str, value: Tensor) -> xr.DataArray:
    """Return a variable with its dimensions, long name and units."""
    dims, long_name, units = LABELS[name]
    attrs = {"long_name": long_name, "units": units}
    return xr.DataArray(value.cpu().numpy(), dims=dims, attrs=attrs)
