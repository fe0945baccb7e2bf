"""A path whose end is free: it pays the data term for where it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from torch import Tensor

from loadpath.checks import as_small_rows, as_tensor, check_above_zero, check_number
from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.leaky_resnet.geodesic import phases as plan
from loadpath.leaky_resnet.geodesic.architecture import Architecture
from loadpath.leaky_resnet.geodesic.certificate import Certificate
from loadpath.leaky_resnet.geodesic.descent import Descent, Phase
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import Loss, check_loss
from loadpath.leaky_resnet.training import default_weight_decay
from loadpath.results import Status

MOST_CLASSES = 99_999
"""The largest class number: a stray one would ask for an output for each below it."""


@dataclass(frozen=True)
class FreeEnd:
    r"""An end that is free, and that a data term pulls towards y.

    The path minimizes $C(A_L, y) + \lambda\,\frac{1}{2c}\sum_l \rho_l \|W_l\|_F^2$, C the mean
    over the samples of the squared error (a sum over outputs) or of the cross-entropy.

    Parameters
    ----------
    weight_decay : float, optional
        lambda, in the units of the data term. None takes 0.01 for each output of "mse", and 0.01
        for "cross-entropy".
    loss : {"mse", "cross-entropy"}
        The data term C.
    scale : float
        Size of the representations against the 1 that multiplies the bias, as for `LeakyResNet`.

    Raises
    ------
    ValueError
        If a number is not finite and above 0, or the loss is unknown.

    Examples
    --------
    >>> import loadpath as lp
    >>> lp.geodesic.FreeEnd(weight_decay=0.1)
    FreeEnd(weight_decay=0.1, loss='mse', scale=0.3)
    """

    weight_decay: float | None = None
    """lambda; None is the default that depends on the outputs."""
    loss: Loss = "mse"
    """The data term."""
    scale: float = 0.3
    """Size of the representations."""

    name: ClassVar[Literal["fit"]] = "fit"
    """The word for it."""

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        check_loss(self.loss)
        check_above_zero("weight_decay", self.weight_decay)
        check_number("scale", self.scale, above=0)

    def targets(self, y: Tensor) -> Tensor:
        """Return y in float64, or class numbers as they are, once they are known to be such."""
        if self.loss == "mse":
            return as_small_rows("y", y)
        y = as_tensor("y", y)
        if y.ndim != 1 or y.is_floating_point() or y.numel() == 0 or int(y.min()) < 0:
            raise ValueError(
                "y must be (sample,) class numbers of at least 0 for loss 'cross-entropy', got "
                f"{tuple(y.shape)} of {y.dtype}."
            )
        if int(y.max()) > MOST_CLASSES:
            raise ValueError(
                f"y must be class numbers of at most {MOST_CLASSES}, got {int(y.max())}."
            )
        return y.long()

    def build(self, architecture: Architecture, x: Tensor, y: Tensor) -> LeakyResNet:
        """Return a net of random weights between x and y."""
        outputs = y.shape[1] if self.loss == "mse" else int(y.max()) + 1
        return architecture.build(x.shape[1], outputs, scale=self.scale)

    def coarsened(self, model: LeakyResNet, architecture: Architecture) -> LeakyResNet:
        """Return a net of random weights on half the layers, where that serves to begin with."""
        half = architecture.halved(model.layer_steps.cpu())
        if half is None:
            return model
        return half.build(model.in_features, model.out_features, scale=self.scale)

    def weight_decay_for(self, model: LeakyResNet, y: Tensor) -> float:
        """Return lambda."""
        if self.weight_decay is None:
            return default_weight_decay(model, self.loss)
        return self.weight_decay

    def descend(self, descent: Descent, steps: Tensor, *, warm: bool) -> Iterator[int]:
        """Run all phases; yield the iterations done.

        A warm start begins from random weights, on some of the samples where there are many, and
        leads to the mesh `steps` unless the mesh adapts.
        """
        stride = max(1, len(descent.x) // plan.SUBSET)
        fine: tuple[Phase, ...] = plan.FINE
        if warm:
            yield from _approach(descent, steps, slice(None, None, stride))
        if warm and stride > 1:
            if descent.model.activation == "relu":
                some = slice(None, None, stride)
                for phase in (*fine[:2], plan.SAMPLED):
                    yield from descent.run(phase, some)
                fine = fine[2:]
            yield from _take_in_samples(descent, stride)
        yield from _finish(descent, fine)

    def refine(self, descent: Descent, y: Tensor) -> Iterator[int]:
        """Run the phases on a finer mesh, from the coarser one's solution."""
        return _finish(descent, plan.REFINING)

    def objective(self, data_term: float, action: float, weight_decay: float) -> float:
        """Return what is minimized."""
        return data_term + weight_decay * action

    def error(self, end: Tensor, y: Tensor) -> float:
        """Return 0: wherever a free path ends is right."""
        return 0.0

    def corrected(
        self, certificate: Certificate, action: float, weight_decay: float
    ) -> Certificate:
        """Return the certificate as it is, for its continuum value is the objective's."""
        return certificate

    def outcome(self, status: Status, certificate: Certificate, error: float) -> Status:
        """Return the status, but for a trivial minimum, which is one whatever else it is."""
        trivial = certificate.trivial and status != Status.DIVERGED
        return Status.TRIVIAL_MINIMUM if trivial else status


def _approach(descent: Descent, steps: Tensor, some: slice) -> Iterator[int]:
    """From random weights into the right valley: on half the layers first, then on all."""
    yield from descent.warm_start(plan.WARM_START, some)
    for phase in plan.COARSE:
        yield from descent.run(phase, some)
    if descent.model.depth < len(steps) and descent.status == Status.RUNNING:
        now = descent.model.layer_steps
        descent.change_mesh(meshes.split(now) if descent.adaptive else steps)
    for phase in plan.BETWEEN:
        yield from descent.run(phase, some)


def _take_in_samples(descent: Descent, stride: int) -> Iterator[int]:
    """From every `stride`-th sample to all of them, a few times as many at each step."""
    while stride > 1 and descent.status == Status.RUNNING:
        descent.forget_best()  # it was lowest on fewer samples
        stride //= plan.GROWTH
        yield from descent.run(plan.GROWN, slice(None, None, max(1, stride)))


def _finish(descent: Descent, fine: tuple[Phase, ...]) -> Iterator[int]:
    """Round the kinks less and less; without kinks, search until the path is stationary."""
    if descent.model.activation == "relu":
        for phase in fine:
            yield from descent.run(phase)
        return
    phase = replace(fine[-1], width=0.0)
    for _ in range(plan.FRESH_STARTS):
        yield from descent.run(phase)
        if descent.residual <= descent.tolerance:
            return
