"""A path whose both ends are given: it is moved there by the method of multipliers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from loadpath.checks import as_small_rows, check_above_zero
from loadpath.leaky_resnet.geodesic import phases as plan
from loadpath.leaky_resnet.geodesic.architecture import Architecture
from loadpath.leaky_resnet.geodesic.certificate import Certificate
from loadpath.leaky_resnet.geodesic.descent import Descent
from loadpath.leaky_resnet.geodesic.endpoints.reachable import check_reachable
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import Loss
from loadpath.results import Status

REACHED, EXACT = 1e-4, 1e-7
"""||A_L - y|| / ||y|| of an end that counts as reached, and that ends the search for a better."""


@dataclass(frozen=True)
class FixedEnd:
    r"""An end that is given: the path starts at x and ends at y, both of `width` columns.

    The path minimizes the action alone, $\frac{1}{2c}\sum_l \rho_l \|W_l\|_F^2$, among those with
    $A_0 = x$ and $A_L = y$.

    Parameters
    ----------
    weight_decay : float, optional
        lambda, which only says how softly the end is held between two moves of the target: the
        path does not depend on it. None takes the lambda at which an ordinary path's action costs
        a hundredth of the mean squared size of y.

    Raises
    ------
    ValueError
        If `weight_decay` is not finite and above 0.

    Examples
    --------
    >>> import loadpath as lp
    >>> lp.geodesic.FixedEnd()
    FixedEnd(weight_decay=None)
    """

    weight_decay: float | None = None
    """lambda; None is the default that depends on y."""

    name: ClassVar[Literal["fixed"]] = "fixed"
    """The word for it."""
    loss: ClassVar[Loss] = "mse"
    """The data term that holds the end, with a target that moves."""

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        check_above_zero("weight_decay", self.weight_decay)

    def targets(self, y: Tensor) -> Tensor:
        """Return y in float64, once it is known to be a matrix of finite numbers."""
        return as_small_rows("y", y)

    def build(self, architecture: Architecture, x: Tensor, y: Tensor) -> LeakyResNet:
        """Return a net of random weights that starts at x itself, if some path may reach y."""
        model = architecture.build(x.shape[1], y.shape[1], scale=1.0)
        check_reachable(x, y, width=model.width, activation=model.activation, bias=model.bias)
        for square_map in (model.input_map, model.output_map):
            square_map.copy_(torch.eye(model.width))
        return model

    def coarsened(self, model: LeakyResNet, architecture: Architecture) -> LeakyResNet:
        """Return the net as it is: a fixed end is met on all layers from the start."""
        return model

    def weight_decay_for(self, model: LeakyResNet, y: Tensor) -> float:
        """Return lambda."""
        return self.weight_decay or stiffness(y, model.width, model.effective_depth)

    def descend(self, descent: Descent, steps: Tensor, *, warm: bool) -> Iterator[int]:
        """Run all phases, from random weights where it is `warm`; yield the iterations done."""
        y = descent.y
        if warm:
            yield from descent.warm_start(plan.WARM_START, slice(None))
            for phase in plan.COARSE:
                yield from descent.run(phase)
        yield from _meet(descent, y)

    def refine(self, descent: Descent, y: Tensor) -> Iterator[int]:
        """Run the phases on a finer mesh, from the coarser one's solution and multipliers."""
        return _meet(descent, y)

    def objective(self, data_term: float, action: float, weight_decay: float) -> float:
        """Return what is minimized: the action."""
        return action

    def error(self, end: Tensor, y: Tensor) -> float:
        """Return ||A_L - y|| / ||y||."""
        return end_error(end, y)

    def corrected(
        self, certificate: Certificate, action: float, weight_decay: float
    ) -> Certificate:
        """Return the certificate with costs in units of the action, and not of lambda times it."""
        costs = certificate.step_costs / weight_decay
        return replace(
            certificate, step_costs=costs, continuum_predicted=action - float(costs.sum())
        )

    def outcome(self, status: Status, certificate: Certificate, error: float) -> Status:
        """Return the status, but for a path that was solved and does not end at y."""
        solved = status in (Status.CONVERGED, Status.NOT_CONVERGED)
        return Status.END_NOT_REACHED if solved and error > REACHED else status


def _meet(descent: Descent, y: Tensor) -> Iterator[int]:
    """Bring the end to y by the method of multipliers.

    What the end falls short by is added to the target of a quadratic end, after each phase. Far
    from convex problems need a stiff end for that to converge, so it is stiffened as it goes.
    """
    softest = plan.SOFTEST * descent.weight_decay
    least, kept = math.inf, descent.model.weights.detach().clone()
    before = missed = math.inf
    small = descent.model.activation == "relu"
    small = small and descent.model.weights.numel() <= plan.FEW_WEIGHTS
    for phase, rounds in plan.NEWTON_FIXED if small else plan.FIXED:
        if rounds > 1:  # what the rounding changes is no failure to come nearer
            before = math.inf
        for _ in range(rounds):
            descent.forget_best()  # the target was another
            yield from descent.run(phase)
            if descent.status != Status.RUNNING:
                return
            with torch.no_grad():
                end = descent.model(descent.x)
            missed = end_error(end, y)
            if missed < least:
                least, kept = missed, descent.model.weights.detach().clone()
            if missed <= EXACT and descent.residual <= descent.tolerance:
                break
            offset = descent.y - y + (y - end)
            if missed > before / 2 and descent.weight_decay > softest:
                # The momenta (2 / lambda N) * offset stay what they are.
                descent.weight_decay /= plan.STIFFEN
                offset = offset / plan.STIFFEN
            before = missed
            descent.y = y + offset
    if missed > EXACT and least > REACHED:
        with torch.no_grad():
            descent.model.weights.copy_(kept)
    # With kinks rounded the path ends a hair elsewhere, and so stiff an end would feel it.
    rounded = descent.rounded_end()
    with torch.no_grad():
        descent.y = descent.model(descent.x) + descent.y - rounded


def end_error(end: Tensor, y: Tensor) -> float:
    """Return ||A_L - y|| / ||y||, and the plain norm where y is 0."""
    return float((end - y).norm()) / (float(y.norm()) or 1.0)


def stiffness(y: Tensor, width: int, effective_depth: float) -> float:
    """Return the lambda at which an ordinary path's action costs a hundredth of the mean ||y_i||^2.

    An ordinary path keeps w directions against the leakage: its action is about w L~ / 2.
    """
    size = float(y.double().square().sum(1).mean()) or 1.0
    return 0.02 * size / (width * max(1.0, effective_depth))
