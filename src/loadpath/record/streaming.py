"""The one pass over a loader that records what every layer puts out, batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from loadpath.record.batches import Batch, Loader, Split
from loadpath.record.blocks import find_blocks
from loadpath.record.hooks import watching
from loadpath.record.recorded import Description, Recorded
from loadpath.record.reduction import Reduction, runs_along_one_axis
from loadpath.record.selection import Layers, Site, select, unwrapped
from loadpath.record.structures import tensor_of
from loadpath.record.sums import WIDE, Moments
from loadpath.record.visiting import device_of, visit

INPUT = "input"
"""Name of the layer that is the model's input."""


def stream(
    model: nn.Module,
    loader: Loader,
    *,
    layers: Layers = None,
    reduction: Reduction | None = None,
    device: torch.device | str | None = None,
    max_batches: int | None = None,
    split: Split | None = None,
    pass_labels: bool = False,
) -> Iterator[Recorded]:
    """Run `model` over `loader` and yield what every layer put out on each batch, as rows.

    The model runs in evaluation mode and without gradients, inside DataParallel,
    DistributedDataParallel and torch.compile. Whatever happens, hooks are gone and modes and
    torch's random state put back before anything is yielded or raised. No sample is kept.

    The order of layers is that in which they ran on the first batch, and a module's second call in
    a pass is the layer "name#2". Where the model's input is real numbers it comes first, as the
    layer "input". A chosen module that does not run is named in `description.not_called`.

    Parameters
    ----------
    model : nn.Module
        Any model; it stays where it is and as it is.
    loader : iterable or Data
        What yields batches (see `loadpath.record.prepare`), or a `loadpath.data.Data`.
    layers : str, type, or iterable of these, optional
        Names with * and **, or classes (see `loadpath.record.select`). If left out, blocks are
        found by one more pass of the first batch (see `loadpath.record.find_blocks`).
    reduction : Reduction, optional
        How outputs become rows.
    device : torch.device or str, optional
        Where the model is, and batches go; that of the model's first parameter if left out.
    max_batches : int, optional
        The most batches that are used.
    split : callable, optional
        A function from a batch to (inputs, labels), for batches of another kind.
    pass_labels : bool, optional
        Whether the model of a dict batch gets its labels too.

    Yields
    ------
    Recorded
        One for each batch.

    Raises
    ------
    ValueError
        For bad arguments, before anything runs; for batches as `prepare`; for a loader that yields
        nothing; if a layer's output is not finite, with its batch; and if layers run in one batch
        and not in another, or change their width.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> loader = [(torch.ones(5, 3), torch.zeros(5)), (torch.ones(2, 3), torch.zeros(2))]
    >>> for recorded in lp.record.stream(model, loader):
    ...     print({layer: tuple(rows.shape) for layer, rows in recorded.features.items()})
    {'input': (5, 3), '0': (5, 4), '1': (5, 4), '2': (5, 2)}
    {'input': (2, 3), '0': (2, 4), '1': (2, 4), '2': (2, 2)}
    >>> recorded.sample["2"].tolist(), recorded.description.layers["0"]
    ([5, 6], 'output of 0 (Linear), (sample, 4): as it is')
    """
    inner = unwrapped(model)
    chosen = None if layers is None else select(inner, layers)
    return visit(
        inner,
        loader,
        _Pass(inner, reduction or Reduction(), chosen).record,
        device=device_of(inner) if device is None else torch.device(device),
        max_batches=max_batches,
        split=split,
        pass_labels=pass_labels,
    )


def second_moments(
    recording: Iterable[Recorded], *, activation: str = "identity", sketch: int | None = WIDE
) -> dict[str, Moments]:
    """Stream the second moments of every layer of a recording.

    Parameters
    ----------
    recording : iterable of Recorded
        What `stream` yields.
    activation : str, optional
        As for `Moments`.
    sketch : int, optional
        As for `Moments`.

    Returns
    -------
    dict of str to Moments
        The moments of every layer, with the step to the next where shapes agree.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh())
    >>> moments = lp.record.second_moments(lp.record.stream(model, [torch.ones(5, 3)]))
    >>> [(layer, each.width, each.velocity) for layer, each in moments.items()]
    [('input', 3, False), ('0', 4, True), ('1', 4, False)]
    """
    moments: dict[str, Moments] = {}
    for recorded in recording:
        last = list(recorded.features)[-1]
        steps = chain(recorded.steps(), [(last, recorded.features[last], None)])
        for layer, A, dA in steps:
            if layer not in moments:
                moments[layer] = Moments(
                    A.shape[1], velocity=dA is not None, activation=activation, sketch=sketch
                )
            moments[layer].update(A, dA)
    return moments


@dataclass
class _Pass:
    """What is known in the course of one pass over a loader."""

    model: nn.Module
    reduction: Reduction
    chosen: tuple[list[Site], str] | None
    description: Description | None = None
    widths: dict[str, int] = field(default_factory=dict)
    one_axis: dict[Site, bool] = field(default_factory=dict)

    def record(self, batch: Batch, first: int) -> Recorded:
        """Run the model on a batch, and return what its layers put out."""
        if self.chosen is None:
            self.chosen = find_blocks(
                self.model,
                lambda: batch.run(self.model),
                count=batch.count,
                tokens_first=self.reduction.tokens_first,
            )
        sites, _ = self.chosen
        calls: Counter[Site] = Counter()
        features: dict[str, Tensor] = {}
        sample: dict[str, Tensor] = {}
        words: dict[str, str] = {}

        def reduce(name: str, kind: str, output: Any, one_axis: bool) -> None:
            rows, which, rule = self.reduction(
                name, output, count=batch.count, mask=batch.mask, one_axis=one_axis
            )
            features[name], sample[name] = rows, which
            if self.description is None:
                words[name] = f"{kind}, {_shape_in_words(output)}: {rule}"

        def receive(site: Site, output: Any) -> None:
            calls[site] += 1
            name = site.called(calls[site])
            times = "" if calls[site] == 1 else f" in its call {calls[site]}"
            reduce(name, f"{site.meaning}{times}", output, self.one_axis[site])

        if not self.one_axis:
            self.one_axis = {site: runs_along_one_axis(site.module) for site in sites}
        given = batch.input
        if given is not None and all(site.name != INPUT for site in sites):
            reduce(INPUT, "input of the model", given, False)
        with watching(sites, receive):
            output = batch.run(self.model)
        if self.description is None:
            self.description = self._describe(words, calls)
            self.widths = {name: rows.shape[1] for name, rows in features.items()}
        features = {name: rows.cpu() for name, rows in features.items()}
        self._check(features, batch.number)
        return Recorded(
            number=batch.number,
            features={name: features[name] for name in self.widths},
            sample={name: sample[name].cpu() + first for name in self.widths},
            labels=batch.labels,
            output=output,
            first=first,
            count=batch.count,
            description=self.description,
        )

    def _describe(self, words: dict[str, str], calls: Counter[Site]) -> Description:
        """Return what the layers are, once some of them have run."""
        assert self.chosen is not None
        sites, selection = self.chosen
        if not calls:
            names = ", ".join(site.name for site in sites[:3])
            raise ValueError(
                f"layers has {len(sites)} modules ({names}{', ...' if len(sites) > 3 else ''}), "
                "and none of them ran on the first batch."
            )
        missed = tuple(site.name for site in sites if site not in calls)
        return Description(words, selection, missed)

    def _check(self, features: dict[str, Tensor], number: int) -> None:
        """Refuse a batch in which other layers ran, or with another width, NaN or infinity."""
        odd = self.widths.keys() ^ features.keys()
        if odd:
            name = min(odd)
            ran, did_not = (number, 0) if name in features else (0, number)
            raise ValueError(
                f"layer {name!r} ran in batch {ran} and not in batch {did_not}: all batches must "
                "run the same layers."
            )
        for name, rows in features.items():
            if rows.shape[1] != self.widths[name]:
                raise ValueError(
                    f"layer {name!r} has width {rows.shape[1]} in batch {number} and "
                    f"{self.widths[name]} in batch 0: it must keep it."
                )
            if not bool(rows.isfinite().all()):
                bad = int((~rows.isfinite()).sum())
                raise ValueError(
                    f"layer {name!r} must put out finite numbers, and in batch {number} it is the "
                    f"first with NaN or infinity: {bad} of {rows.numel()}."
                )


def _shape_in_words(output: Any) -> str:
    """Return the shape of an output, with its first axis called sample."""
    x = tensor_of(output)
    sizes = [] if x is None else [str(size) for size in x.shape[1:]]
    return f"({', '.join(['sample', *sizes])})"
