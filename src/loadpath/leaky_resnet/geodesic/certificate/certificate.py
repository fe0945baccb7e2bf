"""How near a LeakyResNet is to a representation geodesic, in numbers and in words."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from loadpath.checks import check_number
from loadpath.leaky_resnet import objective
from loadpath.leaky_resnet.geodesic.certificate import wording
from loadpath.leaky_resnet.geodesic.certificate.conservation import conservation
from loadpath.leaky_resnet.geodesic.certificate.kinks import KINKS
from loadpath.leaky_resnet.geodesic.certificate.measured import Measured
from loadpath.leaky_resnet.geodesic.certificate.step_costs import step_costs
from loadpath.leaky_resnet.geodesic.certificate.subgradient import ITERATIONS, by_width
from loadpath.leaky_resnet.geodesic.certificate.survey import survey
from loadpath.leaky_resnet.mechanics import HOMOGENEOUS, balancedness, hamiltonian_spread
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.training import is_trivial
from loadpath.results import Overview

TOLERANCE = 0.01
"""Residual of the worst layer that counts as stationary."""
STABLE = 0.01
"""Share of a bottleneck's norm that may be negative in a path that counts as stable."""


@dataclass(frozen=True, repr=False)
class Certificate(Measured):
    """What is known of a net on its samples, in numbers and in words; made by `certify`."""

    def _overview(self) -> Overview:
        """Return the residual and the Hamiltonian, and the sentences."""
        return Overview(
            {
                "worst residual": f"{float(self.residual.max()):.3g}",
                "tolerance": f"{self.tolerance:g}",
                "spread of the Hamiltonian": f"{self.hamiltonian_spread:.3g}",
                "not explained by the mesh": f"{self.unexplained:.3g}",
                "objective": f"{self.objective:.6g}",
            },
            sentences=self.words(),
        )

    def words(self, tolerance: float | None = None, *, free_end: bool = True) -> list[str]:
        """Return what is known of the net, in sentences for someone new to it.

        Parameters
        ----------
        tolerance : float, optional
            Residual that counts as stationary; the certificate's own if left out.
        free_end : bool
            Whether the end is free, and a sentence about the data term has its place.

        Returns
        -------
        list of str
            The sentences, each with its number.

        Raises
        ------
        ValueError
            If `tolerance` is not above 0.
        """
        tolerance = self.tolerance if tolerance is None else tolerance
        check_number("tolerance", tolerance, above=0)
        return wording.sentences(self, tolerance, free_end=free_end)

    def dataset(self) -> xr.Dataset:
        """Return the certificate over the layers, to merge with what `mechanics.profile` returns.

        Returns
        -------
        xarray.Dataset
            Dimensions are layer 0..L, step 1..L and kink_width. The verdict is an attribute of
            `least_norm_residual`. Variables that were not measured are absent.
        """
        on_layers = torch.cat([self.on_kink, self.on_kink.new_zeros(1)])
        between = torch.cat([self.between, self.between.new_zeros(1)])
        values: dict[str, object] = {
            "gradient_residual": self.gradient_residual,
            "least_norm_residual": self.residual,
            "on_kink": on_layers,
            "between_slopes": between,
            "worst_by_kink_width": np.array(self.worst_by_width),
            "least_norm_hamiltonian": self.hamiltonian,
            "predicted_hamiltonian": self.hamiltonian_predicted,
            "unexplained_hamiltonian": self.unexplained,
            "trivial_loss": self.trivial_loss,
            "negative_share": self.negative_share,
            "most_negative": self.most_negative,
            "waist": self.waist.to(torch.int8),
            "overshoot": self.overshoot,
            "step_cost": self.step_costs,
            "continuum_predicted": self.continuum_predicted,
        }
        if self.refinement:
            values["refined_objective"] = np.array([value for _, value in self.refinement])
        if self.continuum_objective is not None:
            values["continuum_objective"] = self.continuum_objective
        variables = {
            name: (
                wording.LABELS[name][0],
                value.numpy() if isinstance(value, Tensor) else value,
                {"long_name": wording.LABELS[name][1], "units": wording.LABELS[name][2]},
            )
            for name, value in values.items()
        }
        coords: dict[str, object] = {
            "layer": np.arange(len(self.residual) + 1),
            "step": np.arange(1, len(self.residual) + 1),
            "kink_width": np.array(self.widths),
        }
        if self.refinement:
            coords["depth"] = np.array([depth for depth, _ in self.refinement])
        ds = xr.Dataset(variables, coords=coords)
        ds["least_norm_residual"].attrs.update(
            verdict=self.verdict, tolerance=self.tolerance, kink_width=self.kink_width
        )
        return ds


def certify(
    model: LeakyResNet,
    x: Any,
    y: Any = None,
    *,
    weight_decay: float,
    loss: objective.LossLike | None = None,
    kink_width: float = 1e-3,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
    threads: int | None = None,
) -> Certificate:
    r"""Measure how far a net is from a minimizer, and from what theory says of one.

    Residuals are those of the plain gradient, and of the smallest subgradient with activations
    within `kink_width` of a kink (`least_norm`). The model is left alone; all runs on a float64
    copy on the CPU.

    Parameters
    ----------
    model : LeakyResNet
        The net.
    x : array_like or DataFrame, or both halves in one
        (sample, in) inputs: all that the objective is of; or inputs and targets in one, as
        `loadpath.data.as_pair` takes them.
    y : array_like, Series or str, optional
        (sample, out) outputs for "mse", (sample,) class numbers for "cross-entropy". For a fixed
        end it is the shifted target, whose momenta are the multipliers.
    weight_decay : float
        lambda, in the units of the data term.
    loss : {"mse", "cross-entropy"} or callable, optional
        The data term, or a function of your own as for `fit`; if left out, "cross-entropy" for
        class numbers and "mse" for outputs.
    kink_width : float
        Activations with |A_ij| <= kink_width * rms(A_l) count as on a kink. A tenth of it and ten
        times it are tried too.
    tolerance : float
        Residual of the worst layer that counts as stationary.
    iterations : int
        The most iterations of the search for the subgradient, at each of the three widths.
    threads : int, optional
        CPU threads; None is torch's own number. They do not change a digit.

    Returns
    -------
    Certificate
        What was found.

    Raises
    ------
    ValueError
        If `weight_decay`, `kink_width` or `tolerance` is not above 0, `iterations` is not a whole
        number of at least 0, or x and y do not fit the model.

    Notes
    -----
    It costs up to 3 `iterations` passes of 8 N w (w + 1) L operations: all samples take part, for
    a subgradient of some of them says nothing about the rest. Memory holds N (w + 1) L numbers: at
    N = 1e5, w = 100, L = 20 that is 1.6 GB.

    References
    ----------
    .. [1] Jacot and Kaiser, arXiv:2405.17573. `least_norm` and `conservation` have the rest.

    Examples
    --------
    A net of random weights is nowhere near a minimizer:

    >>> import torch, loadpath as lp
    >>> data = lp.data.teacher((4, 2, 4), n_train=20, n_test=10, seed=0)
    >>> net = lp.LeakyResNet(4, 4, width=4, depth=4, effective_depth=1.0, dtype=torch.float64)
    >>> found = lp.geodesic.certify(net, data.x_train, data.y_train, weight_decay=0.1)
    >>> found.verdict
    'not converged'
    >>> bool(found.residual.max() <= found.gradient_residual.max())
    True
    """
    check_number("kink_width", kink_width, above=0)
    check_number("tolerance", tolerance, above=0)
    check_number("weight_decay", weight_decay, above=0)
    x, y, loss = objective.as_problem(model, x, y, loss)
    widths = (kink_width / 10, kink_width, 10 * kink_width)
    model = copy.deepcopy(model).cpu().double().requires_grad_(False)
    x, y = x.cpu(), y.cpu()
    found = by_width(
        model,
        x,
        y,
        weight_decay=weight_decay,
        loss=loss,
        widths=widths if model.activation in KINKS else (kink_width,),
        iterations=iterations,
        threads=threads,
    )
    least = found[len(found) // 2]
    energy = conservation(model, least)
    seen = survey(model, x, y, loss)
    stable = None
    if model.activation == "relu" and bool(seen.waist.any()):
        stable = float(seen.negative_share[seen.waist].max()) <= STABLE
    balance = torch.full((model.depth,), math.nan, dtype=torch.float64)
    if model.activation in HOMOGENEOUS:
        balance = balancedness(
            model.weights,
            model.layer_steps,
            effective_depth=model.effective_depth,
            bias=model.bias,
            step=model.step,
        )
    action = float(model.regularizer())
    objective_here = seen.data_term + weight_decay * action
    costs = step_costs(model, least, weight_decay=weight_decay)
    return Certificate(
        gradient_residual=least.gradient_residual,
        residual=least.residual,
        tolerance=float(tolerance),
        kink_width=float(kink_width),
        on_kink=least.on_kink.double() / (len(x) * model.width),
        between=least.between,
        widths=tuple(one.kink_width for one in found),
        worst_by_width=tuple(float(one.residual.max()) for one in found),
        hamiltonian=energy.hamiltonian,
        hamiltonian_predicted=energy.predicted,
        symmetric_hamiltonian=energy.symmetric,
        hamiltonian_spread=energy.spread,
        predicted_spread=energy.predicted_spread,
        unexplained=energy.unexplained,
        symmetric_spread=float(hamiltonian_spread(energy.symmetric)),
        balancedness=balance,
        data_term=seen.data_term,
        objective=objective_here,
        trivial_loss=seen.trivial_loss,
        trivial=is_trivial(seen.data_term, weight_decay * action, seen.trivial_loss),
        negative_share=seen.negative_share,
        most_negative=seen.most_negative,
        waist=seen.waist,
        stable=stable,
        least_norm=least,
        overshoot=seen.overshoot,
        step_costs=costs,
        continuum_predicted=objective_here - float(costs.sum()),
    )
