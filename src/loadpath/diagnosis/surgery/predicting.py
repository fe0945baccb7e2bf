"""The harm of leaving out each layer by itself, predicted from gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from torch import nn

from loadpath import results
from loadpath.checks import check_level, check_seed
from loadpath.diagnosis.skipping import LossFunction, RatioSums
from loadpath.diagnosis.surgery.search import (
    DRAWS,
    Calling,
    Gradients,
    Harm,
    NoGradientsError,
    Subject,
    batches_in_memory,
)
from loadpath.record import (
    Batch,
    Layers,
    Loader,
    Output,
    Split,
    TokenMask,
    unwrapped,
    visit,
    with_bar,
)

PASSES = f"one forward and {1 + DRAWS} backward passes over the samples"
"""What a prediction takes, whatever the number of layers."""


def predict_harm(
    model: nn.Module,
    loader: Loader,
    *,
    layers: Layers = None,
    loss: LossFunction | None = None,
    tokens_first: bool = False,
    device: torch.device | str | None = None,
    max_batches: int | None = None,
    split: Split | None = None,
    pass_labels: bool = False,
    output: Output = None,
    answer: Output = None,
    class_scores: bool | None = None,
    token_mask: TokenMask | None = None,
    level: float = 0.95,
    seed: int = 0,
    progress: bool | None = None,
) -> xr.Dataset:
    r"""Predict from gradients what leaving out each layer does to the loss.

    Parameters
    ----------
    model : nn.Module
        Any module; it is left as it was.
    loader : iterable
        Batches, as in `loadpath.diagnosis.skip_layers`. It is begun twice: the first batch shows
        which layers there are.
    layers, loss, tokens_first, device, max_batches, split, pass_labels
        As in `skip_layers`.
    output, answer, class_scores, token_mask
        As in `skip_layers`.
    level : float, default 0.95
        Confidence level of the intervals, each for itself.
    seed : int, default 0
        The seed of the draws behind the curvature.
    progress : bool, optional
        Whether a bar shows how far the pass is; if left out it does on a terminal and in a
        notebook.

    Returns
    -------
    xarray.Dataset
        Over `layer`: `predicted_harm`, with its ends `_low` and `_high`, and `_status`, which is
        "estimated" or says why there is no number. The attrs `harm_kind` and `passes` say what the
        harm is and what the prediction took.

    Raises
    ------
    ValueError
        If no layer can go, if the model allows no gradients at its layers, if `loader` can be
        read only once; for batches as `skip_layers`.

    Notes
    -----
    To leave out layer l moves its output by $\delta = A_{in} - A_{out}$. To second order, with the
    curvature of Gauss and Newton, the loss changes by $\langle g, \delta \rangle + \tfrac12 \langle
    J \delta, H J \delta \rangle$, with g the gradient of the loss at that output, J the Jacobian of
    the model's answer there and H the Hessian of the loss in the answer. The second term is a mean
    over draws v with covariance H of $\langle J^\top v, \delta \rangle^2$, so that one forward and
    three backward passes predict all layers at once. Without a loss it is the squared change of the
    outputs over their spread. Intervals are t intervals over samples, of the prediction: a layer
    whose step is long may do other harm than second order says.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    >>> for layer, scale in zip(model, (1.0, 3.0)):
    ...     _ = layer.weight.data.copy_(scale * torch.eye(4))
    >>> x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    >>> found = lp.diagnosis.predict_harm(model, [(x, 3 * x)], layers="?")
    >>> float(found["predicted_harm"].sel(layer="0"))
    0.0
    >>> bool(found["predicted_harm"].sel(layer="1") > 1), found.attrs["passes"]
    (True, 'one forward and 3 backward passes over the samples')
    """
    check_level(level)
    check_seed("seed", seed)
    check_readable_twice(loader)
    calling = Calling(
        layers,
        loss,
        tokens_first,
        device,
        max_batches,
        split,
        pass_labels,
        output,
        answer,
        class_scores,
        token_mask,
    )
    subject = _first_look(model, loader, calling)
    return _predicted(subject, loader, calling, level, seed, progress)


class NoLossError(ValueError):
    """There is no loss whose change could be predicted; the message says why."""


def predict_loss_change(
    model: nn.Module,
    loader: Loader,
    calling: Calling,
    *,
    no_scores: str = "",
    level: float,
    seed: int,
    progress: bool | None,
) -> xr.Dataset:
    """Do what `predict_harm` does where there is a loss, and no more than look where there is none.

    Parameters
    ----------
    model, loader, level, seed, progress
        As for `predict_harm`.
    calling : Calling
        How the model is called.
    no_scores : str, optional
        Why its answers are no scores of classes, where that is known; they have no cross-entropy
        then.

    Returns
    -------
    xarray.Dataset
        As `predict_harm`.

    Raises
    ------
    NoLossError
        If there is no loss.
    ValueError
        As `predict_harm`.
    """
    subject = _first_look(model, loader, calling)
    scoring = subject.scoring
    assert scoring is not None  # the first look has chosen it
    if scoring.losses is None:
        raise NoLossError(scoring.words.removeprefix("none: "))
    if no_scores and scoring.by_scores and scoring.scores is not None:
        raise NoLossError(no_scores)
    return _predicted(subject, loader, calling, level, seed, progress)


def _first_look(model: nn.Module, loader: Loader, calling: Calling) -> Subject:
    """Return the model with its layers and its loss, as the first batch shows them."""
    inner, first = unwrapped(model), replace(calling, max_batches=1)
    return Subject(inner, first, batches_in_memory(inner, loader, first))


def _predicted(
    subject: Subject,
    loader: Loader,
    calling: Calling,
    level: float,
    seed: int,
    progress: bool | None,
) -> xr.Dataset:
    """Go through the loader, batch by batch, and return the predictions."""
    inner, max_batches = subject.model, calling.max_batches
    harm = Harm(subject)
    pieces = tuple((layer,) for layer in range(len(subject.calls)))
    gradients = Gradients(subject, harm, pieces, None, torch.Generator().manual_seed(int(seed)))
    sums = [RatioSums() for _ in pieces]

    def run(batch: Batch, number: int) -> int:
        slope, draws, weight, count = gradients.measure(batch)
        found = slope + sum(drawn.square() for drawn in draws) / (2 * len(draws))
        losses = harm.plain.pop(batch.number)[0]  # of a long loader only sums are kept
        weights = torch.full((count,), weight / count) if losses is None else losses.weight.cpu()
        if len(weights) != count:  # one loss a batch
            found, weights = found.sum(0, keepdim=True), weights.sum()[None]
        for column, each in zip(sums, found.T, strict=True):
            column.update(each, weights)
        return count

    options = calling.visiting(subject.device, grad=True)
    passes = visit(inner, loader, run, max_batches=max_batches, **options)
    bar = with_bar(passes, loader, desc="predicting", progress=progress, max_batches=max_batches)
    try:
        n_samples = sum(bar)
    except NoGradientsError as error:
        raise ValueError(
            "model must allow gradients at its layers for a prediction, and it does not."
        ) from error
    return _dataset(subject, harm, sums, n_samples, level, seed)


def check_readable_twice(loader: object) -> None:
    """Refuse what can be gone through only once."""
    if isinstance(loader, Iterator):
        raise ValueError(
            "loader must be one that can be read twice for a prediction, such as a list or a "
            f"DataLoader, and it is a {type(loader).__name__}."
        )


def _dataset(
    subject: Subject, harm: Harm, sums: list[RatioSums], n_samples: int, level: float, seed: int
) -> xr.Dataset:
    """Return the predictions, stamped."""
    found = [each.estimate(level=level) for each in sums]
    finite = [not any(map(math.isinf, (each.value, each.low, each.high))) for each in found]
    stay = list(subject.kept.values())
    names = np.array([*subject.names, *subject.kept], dtype=object)
    ds = xr.Dataset(coords={"layer": names})
    words = "predicted change of the loss without the layer"
    if not harm.by_loss:
        words = "predicted squared change of the outputs without the layer, over their spread"
    for end, field in (("", "value"), ("_low", "low"), ("_high", "high")):
        values = [
            float(getattr(each, field)) if is_finite else math.nan
            for each, is_finite in zip(found, finite, strict=True)
        ]
        ds[f"predicted_harm{end}"] = (
            "layer",
            [*values, *[math.nan] * len(stay)],
            {"long_name": words, "units": harm.units},
        )
    status = [
        str(each.status) if is_finite else "not finite"
        for each, is_finite in zip(found, finite, strict=True)
    ] + [f"stays: {why}" for why in stay]
    ds["predicted_harm_status"] = ("layer", np.array(status, dtype=object))
    return results.stamp(
        ds,
        model=type(subject.model).__name__,
        n_samples=n_samples,
        level=level,
        seed=seed,
        harm_kind=harm.words,
        by_loss=int(harm.by_loss),
        passes=PASSES,
    )
