"""A loss of the user's own as the data term of the objective: its checks, its curvature."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from loadpath.data import Task

TRIED = 16
"""The most samples on which a function is tried."""


@dataclass(frozen=True)
class OwnLoss:
    """A function of outputs and targets that is a mean over samples."""

    function: Callable[[Tensor, Tensor], Tensor]
    """Takes outputs (sample, out) and targets, and returns the mean loss, 0-d."""
    task: Task
    """Whether its targets are outputs or class numbers."""
    n_outputs: int
    """Number of outputs that it is given."""

    def __str__(self) -> str:
        """Return what results call it."""
        name = getattr(self.function, "__name__", None) or repr(self.function)
        return f"{name} (a function)"

    def mean(self, outputs: Tensor, y: Tensor, *, n_total: int | None = None) -> Tensor:
        """Return the loss of some of `n_total` samples, as a share of the mean over all.

        Parameters
        ----------
        outputs : Tensor
            (sample, out).
        y : Tensor
            Targets.
        n_total : int, optional
            The number of samples to divide by; that of `outputs` if left out.

        Returns
        -------
        Tensor
            0-d.
        """
        y = y.to(outputs.dtype) if y.is_floating_point() else y
        return self.function(outputs, y) * (len(outputs) / (n_total or len(outputs)))

    def value_and_slope(self, outputs: Tensor, y: Tensor, *, n_total: int) -> tuple[Tensor, Tensor]:
        """Return the mean loss in float64, and its derivative by the outputs.

        Parameters
        ----------
        outputs : Tensor
            (sample, out).
        y : Tensor
            Targets.
        n_total : int
            The number of samples to divide by.

        Returns
        -------
        value : Tensor
            0-d.
        slope : Tensor
            (sample, out), float64.
        """
        with torch.enable_grad():
            at = outputs.detach().double().requires_grad_()
            value = self.mean(at, y, n_total=n_total)
            (slope,) = torch.autograd.grad(value, at)
        return value.detach(), slope

    def with_curvature(self, noise: Tensor, outputs: Tensor, y: Tensor) -> Tensor:
        """Give white noise the second derivative of each sample's loss as its covariance.

        Where that is 0, as for absolute errors, the square of the first derivative takes its place.
        What curves downwards is left out.

        Parameters
        ----------
        noise, outputs : Tensor
            (sample, out).
        y : Tensor
            Targets.

        Returns
        -------
        Tensor
            (sample, out).
        """
        with torch.enable_grad():
            at = outputs.detach().double().requires_grad_()
            total = self.mean(at, y) * len(at)
            (slope,) = torch.autograd.grad(total, at, create_graph=True)
            rows = []
            for j in range(at.shape[1] if slope.requires_grad else 0):
                (row,) = torch.autograd.grad(
                    slope[:, j].sum(), at, retain_graph=True, allow_unused=True
                )
                rows.append(torch.zeros_like(at) if row is None else row.detach())
        slope = slope.detach()
        if not rows or not any(bool(row.any()) for row in rows):
            return (noise[:, :1] * slope).to(noise)
        values, vectors = torch.linalg.eigh(torch.stack(rows, 1))
        root = vectors * values.clamp_min(0).sqrt()[:, None, :] @ vectors.mT
        return (root @ noise.double()[:, :, None])[:, :, 0].to(noise)

    def of_best_constant(self, y: Tensor) -> float:
        """Return the lowest loss that was found of one answer to all samples.

        Parameters
        ----------
        y : Tensor
            Targets.

        Returns
        -------
        float
            The loss after a descent from 0, and from the mean of the targets if these are as many.
        """
        starts = [torch.zeros(self.n_outputs, dtype=torch.float64, device=y.device)]
        if y.ndim == 2 and y.is_floating_point() and y.shape[1] == self.n_outputs:
            starts.append(y.double().mean(0))
        return min((self._descended(start, y) for start in starts), default=math.inf)

    def _descended(self, start: Tensor, y: Tensor) -> float:
        """Return the lowest loss on the way down from one answer."""
        answer = start.clone().requires_grad_()
        search = torch.optim.LBFGS([answer], max_iter=100, line_search_fn="strong_wolfe")
        seen: list[float] = []

        def closure() -> Tensor:
            answer.grad = None
            value = self.mean(answer.expand(len(y), -1), y)
            value.backward()
            seen.append(float(value.detach()))
            return value

        with torch.enable_grad():
            search.step(closure)
        return min((value for value in seen if math.isfinite(value)), default=math.inf)

    def digest(self) -> str:
        """Return what tells functions of one name apart: a hash of its value to six digits.

        Returns
        -------
        str
            8 hexadecimal digits.
        """
        value = float(self.mean(*_trial(self.n_outputs, self.task, None)))
        return hashlib.sha256(f"{value:.5e}".encode()).hexdigest()[:8]


def own_loss(function: Callable[[Tensor, Tensor], Tensor], y: Tensor, n_outputs: int) -> OwnLoss:
    """Return a function as a data term, once it is known to be a mean over samples with a slope.

    Parameters
    ----------
    function : callable
        Takes outputs (sample, out) and targets, and returns the mean loss, 0-d.
    y : Tensor
        Targets, some of which it is tried on.
    n_outputs : int
        Number of outputs.

    Returns
    -------
    OwnLoss
        The data term.

    Raises
    ------
    ValueError
        If it fails, is no finite number, has no slope, or is no mean over samples.
    """
    task: Task = "regression" if y.is_floating_point() else "classification"
    loss = OwnLoss(function, task, n_outputs)
    said = f"loss must be a mean over samples of outputs and targets, and {loss} "
    outputs, targets = _trial(n_outputs, task, y)
    half = len(outputs) // 2
    try:
        value = function(outputs, targets)
        if not isinstance(value, Tensor) or value.shape != ():
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"it returns {shape} where one number is wanted")
        value = value.detach()
        _, slope = loss.value_and_slope(outputs, targets, n_total=len(outputs))
        parts = [(outputs[:half], targets[:half]), (outputs[half:], targets[half:])]
        mean = sum(float(function(*part).detach()) * len(part[0]) for part in parts) / len(outputs)
    except Exception as error:  # of whatever kind: it is the user's function
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{said}fails on some: {reason[:300]}.") from None
    if not (math.isfinite(float(value)) and slope.isfinite().all()):
        raise ValueError(f"{said}is {float(value):g} on some, with a slope that may not be finite.")
    if not math.isclose(float(value), mean, rel_tol=1e-6, abs_tol=1e-12):
        raise ValueError(
            f"{said}is none: {float(value):g} on {len(outputs)} samples, of which two halves give "
            f"{mean:g} on average."
        )
    return loss


def _trial(n_outputs: int, task: Task, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return made-up outputs, with some of the targets or with made-up ones; an even number."""
    n = TRIED if y is None else max(2, min(TRIED, len(y)) // 2 * 2)
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(n, n_outputs, generator=generator, dtype=torch.float64)
    if y is not None:
        # Spread over all, so that samples sorted by class are not all of one.
        chosen = torch.linspace(0, len(y) - 1, n).long()
        targets = y.detach().cpu()[chosen]
        return outputs, targets.double() if targets.is_floating_point() else targets
    if task == "classification":
        return outputs, torch.arange(n) % n_outputs
    return outputs, torch.randn(n, n_outputs, generator=generator, dtype=torch.float64)
