r"""What removing layers is predicted to cost, from gradients alone.

To leave out layer l moves its output by $\delta_l = A_{l-1} - A_l$, and to put a map M in the place
of a run moves that of its last layer by $M(A_{in}) - A_{out}$. Call either a piece. To second
order, and with the curvature of Gauss and Newton, a set S of pieces changes the mean loss by

$$ \sum_{l \in S} b_l + \tfrac12 \sum_{l, m \in S} Q_{lm}, \qquad b_l = \langle g_l, \delta_l
\rangle, \quad Q_{lm} = \langle J_l \delta_l, H J_m \delta_m \rangle, $$

with $g_l$ the gradient of the loss at that output, $J_l$ the Jacobian of the model's answer
there and H the Hessian of the loss in the answer. Q needs no Jacobian: where v is drawn with
$\mathrm{E}[v v^\top] = H$, the products $a_l = \langle J_l^\top v, \delta_l \rangle$ have
$\mathrm{E}[a_l a_m] = Q_{lm}$. So one forward and two backward passes give b and the interactions
of all pairs of layers at once, whatever their number. For the cross-entropy v is the gradient for a
label drawn from the model's own probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loadpath.diagnosis.answers import own_loss
from loadpath.diagnosis.surgery.search.harm import Harm
from loadpath.diagnosis.surgery.search.subject import Subject
from loadpath.record import Batch, OwnRandomness, mapped

Piece = tuple[int, ...]
"""A run of layers by their numbers; of one layer where each is left out by itself."""
Maps = Callable[[Piece], Callable[[Tensor], Tensor]]
"""What takes the place of a run."""
DRAWS = 2
"""Draws of v on each batch, a backward pass each."""


@dataclass(frozen=True)
class Prediction:
    """The predicted change of the mean loss when sets of pieces go."""

    pieces: tuple[Piece, ...]
    """The pieces, as runs of numbers of layers."""
    slope: NDArray[np.float64]
    """b, (piece,)."""
    curvature: NDArray[np.float64]
    """Q, (piece, piece), symmetric and positive semidefinite."""
    weight: float = math.inf
    """How many samples or tokens b is a mean over."""

    def harm(
        self, sets: NDArray[np.bool_], corrections: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the predicted harm of sets of pieces, (set,).

        Parameters
        ----------
        sets : ndarray
            (set, piece), True for a piece that goes.
        corrections : ndarray
            (piece,): what is added to b.
        """
        chosen = sets.astype(float)
        return np.asarray(chosen @ (self.slope + corrections) + self._quadratic(chosen) / 2)

    def doubt(self, sets: NDArray[np.bool_]) -> NDArray[np.float64]:
        r"""Return the standard error of the slope of sets of pieces, (set,).

        Where errors are as the model expects, the products $a_S$ of samples vary by their mean
        square, which is $q_S = \sum_{l, m \in S} Q_{lm}$; so the standard error is the root of
        $q_S$ over the number of samples.
        """
        return np.sqrt(self._quadratic(sets.astype(float)).clip(0) / self.weight)

    def _quadratic(self, chosen: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.einsum("sl,lm,sm->s", chosen, self.curvature, chosen))


def predict(
    subject: Subject,
    harm: Harm,
    numbers: Sequence[int],
    seed: int,
    pieces: Sequence[Piece],
    maps: Maps | None = None,
) -> Prediction | None:
    """Return the prediction from some batches.

    Parameters
    ----------
    subject : Subject
        The model and the samples.
    harm : Harm
        How it is scored.
    numbers : sequence of int
        The batches.
    seed : int
        The seed of the draws of v.
    pieces : sequence of tuple
        The runs of layers.
    maps : callable, optional
        What takes the place of each; what a run is given goes on where it is left out.

    Returns
    -------
    Prediction or None
        None where the model allows no gradients at its layers, or they are not finite.
    """
    generator = torch.Generator().manual_seed(int(seed))
    slope = torch.zeros(len(pieces), dtype=torch.float64)
    curvature = torch.zeros(len(pieces), len(pieces), dtype=torch.float64)
    weight = 0.0
    pass_of = Gradients(subject, harm, tuple(pieces), maps, generator)
    try:
        for first, draws, units, count in subject.passes(numbers, pass_of.measure, grad=True):
            slope += first.sum(0)
            for drawn in draws:
                curvature += drawn.T @ drawn / len(draws)
            weight += units
            subject.count_passes(count, 1 + 2 * (1 + len(draws)))
    except NoGradientsError:  # of a model that runs under no_grad, for one
        return None
    if weight == 0 or not bool(slope.isfinite().all() & curvature.isfinite().all()):
        return None
    found = (slope / weight).numpy(), (curvature / weight).numpy()
    return Prediction(tuple(pieces), *found, weight)


class NoGradientsError(Exception):
    """There are no gradients at the outputs of some layers."""


@dataclass
class Gradients:
    """A forward pass with its graph, and backward passes from what the model answers."""

    subject: Subject
    harm: Harm
    pieces: tuple[Piece, ...]
    maps: Maps | None
    generator: torch.Generator

    def measure(self, batch: Batch) -> tuple[Tensor, list[Tensor], float, int]:
        """Return the products of gradients and steps on a batch.

        Returns
        -------
        first : Tensor
            (sample, piece), products with the gradient of the summed loss.
        draws : list of Tensor
            (sample, piece) each, with the gradient of a draw of v.
        weight : float
            What sums are divided by.
        count : int
            Samples in the batch.
        """
        parameters = [p for p in self.subject.model.parameters() if p.is_floating_point()]
        learned = [p.requires_grad for p in parameters]
        try:
            for parameter in parameters:
                parameter.requires_grad_(True)  # which tensors of inference mode refuse
            return self._measure(batch)
        except RuntimeError as error:  # autograd's, of what has no gradient
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise NoGradientsError from error
        finally:
            for parameter, flag in zip(parameters, learned, strict=True):
                parameter.requires_grad_(flag)

    def _measure(self, batch: Batch) -> tuple[Tensor, list[Tensor], float, int]:
        subject = self.subject
        inputs: dict[int, Tensor] = {}
        outputs: dict[int, Tensor] = {}

        def see(layer: int, before: Tensor, after: Tensor) -> None:
            inputs[layer], outputs[layer] = before.detach(), after

        with subject.watch(batch, see):
            output = subject.run(batch, OwnRandomness(subject.device))
        answer = subject.reading.answer(output)
        ends = sorted({piece[-1] for piece in self.pieces})
        wanted = [outputs[layer] for layer in ends]
        if answer is None or not all(each.requires_grad for each in (answer, *wanted)):
            raise NoGradientsError
        steps = [self._step(piece, inputs, outputs) for piece in self.pieces]

        def products(seed: Tensor) -> Tensor:
            found = torch.autograd.grad(answer, wanted, seed, retain_graph=True, allow_unused=True)
            gradients = dict(zip(ends, found, strict=True))
            columns = [
                _by_sample(gradients[piece[-1]], step, self._axis(piece[-1]), batch.count)
                for piece, step in zip(self.pieces, steps, strict=True)
            ]
            return torch.stack(columns, dim=1)

        self.harm.note_plain(mapped(output, Tensor.detach), batch)
        losses, _, rows, _ = self.harm.plain[batch.number]
        if losses is None:  # the harm is a squared distance of outputs, whose Hessian is 2
            assert rows is not None
            v = torch.randn(answer.shape, generator=self.generator).to(answer) * 2**0.5
            first = torch.zeros(batch.count, len(self.pieces), dtype=torch.float64)
            spread = float((rows.double() - rows.double().mean(0)).square().sum())
            return first, [products(v)], spread, batch.count
        total = _summed_loss(subject, output, batch)
        (slope,) = torch.autograd.grad(total, answer, retain_graph=True)
        draws = [products(_drawn(subject, answer, slope, self.generator)) for _ in range(DRAWS)]
        return products(slope), draws, float(losses.weight.sum()), batch.count

    def _step(self, piece: Piece, inputs: dict[int, Tensor], outputs: dict[int, Tensor]) -> Tensor:
        """Return how far the output of a piece moves when it goes."""
        A = inputs[piece[0]]
        return (A if self.maps is None else self.maps(piece)(A)) - outputs[piece[-1]].detach()

    def _axis(self, layer: int) -> int:
        """Return the axis of the samples in what a layer puts out."""
        call = self.subject.calls[layer]
        place = self.subject.layout.places.get((call.site.name, call.times))
        return 0 if place is None else place.axis


def _summed_loss(subject: Subject, output: object, batch: Batch) -> Tensor:
    """Return the summed loss of a batch with its graph."""
    scoring = subject.scoring
    assert scoring is not None and scoring.losses is not None
    total = scoring.losses(output, batch).total
    if total.requires_grad:
        return total.sum()
    own = own_loss(output)  # what scoring makes of it has no graph
    if subject.calling.loss is not None:
        answer, labels = subject.reading.answer(output), batch.labels
        assert labels is not None  # or the scoring has refused
        labels = labels if answer is None else labels.to(answer.device)
        own = torch.as_tensor(subject.calling.loss(answer, labels))
    if own is None or not own.requires_grad:
        raise NoGradientsError
    return own.sum() if own.ndim else own * batch.count


def _drawn(subject: Subject, answer: Tensor, slope: Tensor, generator: torch.Generator) -> Tensor:
    """Return v of the shape of the answer, with the Hessian of the summed loss as its covariance.

    Where the Hessian is not known, as of a loss of the user's own, v is the gradient itself. Over
    samples its covariance is near the Hessian where the model's errors are those it expects.
    """
    scoring = subject.scoring
    assert scoring is not None
    detached = answer.detach()
    if scoring.units == "nats" and "probabilities" not in scoring.words:
        p = detached.float().softmax(-1)
        drawn = torch.multinomial(p.flatten(0, -2).cpu(), 1, generator=generator)
        hot = torch.zeros_like(p).flatten(0, -2).scatter_(1, drawn.to(p.device), 1.0)
        counted = slope.abs().sum(-1, keepdim=True) > 0  # places without a label have none
        return ((p - hot.reshape(p.shape)) * counted).to(slope)
    if scoring.units == "units of the labels, squared":
        noise = torch.randn(detached.shape, generator=generator).to(slope)
        return noise * (2 / detached[0].numel()) ** 0.5
    return slope


def _by_sample(gradient: Tensor | None, step: Tensor, axis: int, count: int) -> Tensor:
    """Return the product of a gradient and a step for each sample, (sample,), in float64."""
    if gradient is None:
        return torch.zeros(count, dtype=torch.float64)
    products = (gradient.double() * step.double()).movedim(axis, 0)
    if len(products) != count:  # samples are not along this axis: all belong together
        whole = torch.zeros(count, dtype=torch.float64)
        whole[0] = products.sum().cpu()
        return whole
    return products.reshape(count, -1).sum(1).cpu()
