r"""Theorem 4 [LR] on solved geodesics: where its bounds are tight, and where they say nothing.

[LR] is Jacot and Kaiser, arXiv:2405.17573. The theorem is about any path with dA = L~ (K B - A).
A stationary net with exponential steps has $W_l = \tilde L r_l B_l^\top S_{l-1}$ with r = g / rho =
(1 - e^{-rho L~}) / (rho L~), so it is one at every node: with the velocity
$-\tilde L A_{l-1} + S_{l-1} W_l^\top$ of its own flow there, and the momenta $r_l B_l$.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from loadpath import data as sources
from loadpath import results
from loadpath.leaky_resnet import LeakyResNet, geodesic, mechanics
from loadpath.papers.experiment import Experiment
from loadpath.sweep import Cell

WIDTH, DEPTH, SAMPLES = 40, 32, 200
EFFECTIVE_DEPTHS = (2.0, 4.0, 8.0, 16.0, 32.0)
CONTINUED = 16.0
"""From this L~ on, each descent starts from the solution at the L~ before."""
GAMMA0S = (1e-2, 1e-3, 1e-4)
STABILIZERS = ("constant", "per layer")
WEIGHT_DECAY = 0.3
"""0.01 per output, as everywhere."""
UNITS = {
    "dimension": "-(2/L~) H of (A_{l-1}, r_l B_l)",
    "momentum_norm": "||r_l B_l||",
    "gain_ratio": "r = g / rho",
    "gamma": "gamma",
    "cost_of_identity": "cost of identity",
    "speed": "||dA|| in the norm weighted by (K + gamma)^{-1}",
    "expected_speed": "L~ sqrt(max(0, cost of identity + (2/L~) H))",
    "cross_term": "|<dA, A>| / (||dA|| ||A||)",
    "path_length": "integral of the speed",
    "lower": "lower bound of the dimension less min COI",
    "upper": "upper bound of the dimension less min COI",
    "vacuous": "1 where the lower bound allows a dimension of 0",
    "speed_slack": "L~ sqrt(gamma c): speed - expected lies between -1 and 2 of it",
    "speed_vacuous": "1 where the speed may be 0",
    "residual": "||W - c (g/rho) B^T S|| / ||W||, smallest subgradient found",
    "bottleneck_rank": "bottleneck rank",
    "objective": "data term + weight decay * action",
    "data_term": "data term",
    "seconds": "time spent solving",
    "identity_error": "difference between the sides of the on-shell identity / cost of identity",
}
"""What the variables of an audit are; dimensionless but for those in `OTHER_UNITS`."""
OTHER_UNITS = {
    "gamma": "units of K",
    "momentum_norm": "inverse units of A",
    "objective": "squared output, summed over outputs",
    "data_term": "squared output, summed over outputs",
    "seconds": "s",
}


def audit(*, seed: int) -> xr.Dataset:
    """Solve the 30-3-30 teacher with exponential steps, and measure both sides of Theorem 4.

    Where L~ is large, the descent from random weights ends far from stationary, hence `CONTINUED`.

    Parameters
    ----------
    seed : int
        Seed of the data and the initial weights.

    Returns
    -------
    xr.Dataset
        Both sides over `effective_depth`, and what enters them.
    """
    data = sources.teacher((30, 3, 30), n_train=SAMPLES, seed=seed)
    parts: list[xr.Dataset] = []
    before = None
    for leak in EFFECTIVE_DEPTHS:
        found = geodesic.solve(
            data.x_train,
            data.y_train,
            effective_depth=leak,
            weight_decay=WEIGHT_DECAY,
            width=WIDTH,
            depth=DEPTH,
            step="exponential",
            start=before if leak >= CONTINUED else None,
            seed=seed,
            threads=1,
            progress=False,
        )
        before = found.model
        ds = measure_bounds(found.model, found.A, found.B)
        certificate = found.certificate
        ds["residual"] = "step", certificate.residual.numpy()
        ds["bottleneck_rank"] = float(mechanics.bottleneck_rank(list(found.A)).rank)
        ds["objective"], ds["data_term"] = found.objective, certificate.data_term
        ds["seconds"], ds["status"] = found.seconds, found.status
        for name, said in UNITS.items():
            ds[name].attrs.update(long_name=said, units=OTHER_UNITS.get(name, "1"))
        parts.append(ds.expand_dims(effective_depth=[leak]))
    settings = {k: v for k, v in found.model.settings().items() if k != "effective_depth"}
    return results.stamp(
        xr.concat(parts, "effective_depth"),
        weight_decay=WEIGHT_DECAY,
        n_samples=SAMPLES,
        seed=seed,
        teacher_rank=3,
        **settings,
    )


def measure_bounds(
    model: LeakyResNet,
    A: Float[Tensor, "node sample width"],
    B: Float[Tensor, "node sample width"],
    *,
    gamma0s: Sequence[float] = GAMMA0S,
) -> xr.Dataset:
    r"""Measure both sides of Theorem 4 on a net's path A with momenta B.

    $\gamma$ is $\gamma_0 \|S_{l-1}\|_{op}^2$ "per layer", and "constant" at the median of these
    over the steps.

    Parameters
    ----------
    model : LeakyResNet
        The net; its layer steps and activation count.
    A, B : Tensor
        (node, sample, width) representations and momenta along the path.
    gamma0s : sequence of float, optional
        Stabilizers relative to the kernel.

    Returns
    -------
    xr.Dataset
        Both sides over stabilizer and gamma0.
    """
    leak, steps = model.effective_depth, model.layer_steps
    kind: dict[str, Any] = dict(activation=model.activation, bias=model.bias)
    starts = list(A[:-1])
    momenta = mechanics.step_momenta(model, list(B))[1:]
    with torch.no_grad():
        velocities = [
            model.features(A_l) @ W.T - leak * A_l
            for A_l, W in zip(starts, model.weights, strict=True)
        ]
    H = [
        mechanics.hamiltonian(A_l, B_l, effective_depth=leak, **kind)
        for A_l, B_l in zip(starts, momenta, strict=True)
    ]
    tops = [mechanics.kernel_gamma(A_l, 1.0, **kind) for A_l in starts]
    top = torch.tensor(tops, dtype=torch.float64)
    parts = []
    for stabilizer in STABILIZERS:
        scale = top if stabilizer == "per layer" else torch.full_like(top, float(top.median()))
        for gamma0 in gamma0s:
            one = _bounds(starts, velocities, momenta, steps, leak, (gamma0 * scale).tolist(), kind)
            parts.append(one.expand_dims(stabilizer=[stabilizer], gamma0=[gamma0]))
    ds = xr.combine_by_coords(parts, combine_attrs="drop")
    assert isinstance(ds, xr.Dataset)  # it would give arrays back for arrays
    ds["dimension"] = "step", (-2 / leak * torch.stack(H)).numpy()
    ds["momentum_norm"] = "step", torch.stack([B_l.norm() for B_l in momenta]).numpy()
    ds["gain_ratio"] = "step", model.gain_ratios().numpy()
    ds["layer_step"] = "step", steps.double().cpu().numpy()
    ds = ds.assign_coords(p_step=("step", model.p[:-1].double().cpu().numpy()))
    return ds.sel(stabilizer=list(STABILIZERS), gamma0=list(gamma0s))


def _bounds(
    A: list[Tensor],
    dA: list[Tensor],
    B: list[Tensor],
    steps: Tensor,
    leak: float,
    gammas: list[float],
    kind: dict[str, Any],
) -> xr.Dataset:
    """Return `mechanics.theorem_bounds` and what enters it, for one choice of gamma."""
    bounds = mechanics.theorem_bounds(A, dA, B, steps, effective_depth=leak, gamma=gammas, **kind)
    rows = []
    for A_l, dA_l, B_l, gamma in zip(A, dA, B, gammas, strict=True):
        of_step: dict[str, Any] = dict(effective_depth=leak, gamma=gamma, **kind)
        parts = mechanics.energies(A_l, dA_l, **of_step)
        left, right = mechanics.on_shell_identity(A_l, dA_l, B_l, **of_step)
        cost, speed = float(parts.cost_of_identity), (2 * leak * float(parts.kinetic_energy)) ** 0.5
        product = speed * cost**0.5
        rows.append(
            {
                "cost_of_identity": cost,
                "speed": speed,
                "cross_term": abs(float(parts.cross_term)) / product if product else 0.0,
                "identity_error": abs(float(left - right)) / cost if cost else 0.0,
            }
        )
    over = {name: ("step", np.array([row[name] for row in rows])) for name in rows[0]}
    over["gamma"] = "step", np.array(gammas)
    over["expected_speed"] = "step", over["speed"][1] - bounds.speed_middle.numpy()
    over["speed_vacuous"] = "step", bounds.speed_vacuous.numpy().astype(np.int8)
    scalars = {
        "path_length": (steps.double().cpu().numpy() * over["speed"][1]).sum(),
        "lower": float(bounds.lower),
        "upper": float(bounds.upper),
        "vacuous": int(bounds.vacuous),
        "speed_slack": float(bounds.speed_upper) / 2,
    }
    return xr.Dataset({**over, **scalars}, {"step": np.arange(1, len(A) + 1)})


def _cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the cells for some seeds."""
    return [{"seed": seed} for seed in seeds]


AUDITS = {"audit": Experiment("audit", audit, _cells)}
