"""One labelled Dataset over the layers of a LeakyResNet: everything that `mechanics` measures."""

from __future__ import annotations

import copy

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from loadpath import results
from loadpath.checks import check_above_zero
from loadpath.leaky_resnet import objective
from loadpath.leaky_resnet.mechanics.bottleneck import (
    bottleneck_from_spectra,
    stable_rank_of_spectrum,
)
from loadpath.leaky_resnet.mechanics.dynamics import (
    balancedness,
    hamiltonian_of_products,
    hamiltonian_spread,
    stationarity_of_product,
)
from loadpath.leaky_resnet.mechanics.energies import (
    energies_of_rows,
    gamma_of_rows,
    inner_product,
    safe_ratio,
)
from loadpath.leaky_resnet.mechanics.labels import LABELS
from loadpath.leaky_resnet.mechanics.paths import evenly_spaced, path_projection, slow_steps
from loadpath.leaky_resnet.mechanics.streaming import Sums, check_data, stream
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.threads import torch_threads

HOMOGENEOUS = ("relu", "leaky_relu", "identity")
"""Activations with phi(c A) = c phi(A), c > 0, for which weights and biases balance."""
N_PROJECTED = 64
"""Samples whose path is projected on a plane."""


@torch_threads(1)
def profile(
    model: LeakyResNet,
    x: Float[Tensor, "sample in"],
    y: Tensor,
    *,
    weight_decay: float,
    loss: objective.Loss = "mse",
    gamma0: float = 1e-2,
    batch_size: int = 4096,
) -> xr.Dataset:
    r"""Mechanics of a LeakyResNet on the samples x, y: energies, momenta, ranks, bottleneck.

    Runs a float64 copy of the model; the model itself is left alone. `y` is (sample, out) for
    loss "mse", and (sample,) class numbers for "cross-entropy". `weight_decay` is the lambda
    that the model was trained with: momenta are $B = -\frac1\lambda \partial C/\partial A$.

    Dimensions: layer 0..L (coordinate p, the position), step 1..L (coordinate p_step, where the
    step starts), mode 1..w. Step l pairs dA = (A_l - A_{l-1}) / rho_l with K and gamma of
    A_{l-1}; gamma = `gamma0` ||S||_op^2 layer by layer. Every variable carries long_name and
    units. `dimension` is absent at effective depth 0, where it is not defined, and
    `balancedness` for activations that are not homogeneous.

    The Hamiltonian of step l pairs A_{l-1} with B_l. With this pairing a stationary point of the
    discrete Euler objective satisfies dA = L~ (K B - A), and all that follows from it, exactly.
    It drifts along the path to first order in rho; the mean over the pairs (A_{l-1}, B_l) and
    (A_l, B_l), `symmetric_hamiltonian`, is conserved to second order, and `hamiltonian_spread`
    is how far it is from constant.

    Streams x in batches: memory O(L w^2) and the path of one batch, whatever the number N of
    samples. Cost O(N w^2 L) + O(L w^3).

    Raises: ValueError if `weight_decay`, `gamma0` or `batch_size` is not positive, or x and y
    are not finite, not of the model's sizes or not equally many.
    Source: Jacot and Kaiser, arXiv:2405.17573.
    """
    check_above_zero("weight_decay", weight_decay)
    check_above_zero("gamma0", gamma0)
    check_data(model, x, y, loss, batch_size)
    model = copy.deepcopy(model).double().requires_grad_(False)
    sums = stream(model, x, y, weight_decay=weight_decay, loss=loss, batch_size=batch_size)
    layers, steps = _over_layers(model, sums, gamma0), _over_steps(model, sums, gamma0)
    bottleneck = bottleneck_from_spectra(
        layers["centred_spectrum" if model.bias else "representation_spectrum"]
    )
    action = model.regularizer()
    scalars = {
        "path_length": (
            steps["layer_step"] * (2 * model.coupling * steps["kinetic_energy"]).sqrt()
        ).sum(),
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
        loss=loss,
        gamma0=gamma0,
        **model.settings(),
    )


def _over_layers(model: LeakyResNet, sums: Sums, gamma0: float) -> dict[str, Tensor]:
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
    table: dict[str, list[Tensor]] = {}
    rho, leak = model.layer_steps, model.effective_depth
    decay, gain = model.coefficients()
    for l, W in enumerate(model.weights):
        S, A, _ = sums.moments[l].rows()
        # The forward difference is linear in A and S, so the rows that stand for them give it too,
        # and free of the cancellation in A_l - A_{l-1}.
        dA = ((decay[l] - 1) * A + gain[l] * S @ W.T) / rho[l]
        parts = energies_of_rows(S, A, dA, effective_depth=leak, gamma=gamma_of_rows(S, gamma0))
        end = sums.moments[l + 1].rows().A.norm()
        factor = model.coupling * float(gain[l] / rho[l])
        H = hamiltonian_of_products(sums.BtS_across[l], sums.BtA_across[l], leak)
        H_after = hamiltonian_of_products(sums.BtS[l + 1], sums.BtA[l + 1], leak)
        row = {
            "hamiltonian": H,
            "symmetric_hamiltonian": (H + H_after) / 2,
            "kinetic_energy": parts.kinetic_energy,
            "cross_term": parts.cross_term,
            "stable_hamiltonian": parts.stable_hamiltonian,
            "speed": safe_ratio(dA.norm(), end),
            "weight_norm": W.norm(),
            "weight_spectrum": torch.linalg.svdvals(W),
            "stationarity": stationarity_of_product(W, sums.BtS_across[l], factor),
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
            model.weights, rho, effective_depth=leak, bias=model.bias
        )
    return variables


def _spectrum(A: Tensor, n_modes: int) -> Tensor:
    """Singular values of rows that stand for samples: as many as columns, with zeros if need be."""
    s = A.new_zeros(n_modes)
    if len(A):
        values = torch.linalg.svdvals(A)
        s[: len(values)] = values
    return s


def _coords(model: LeakyResNet) -> dict[str, object]:
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
    dims, long_name, units = LABELS[name]
    attrs = {"long_name": long_name, "units": units}
    return xr.DataArray(value.cpu().numpy(), dims=dims, attrs=attrs)
