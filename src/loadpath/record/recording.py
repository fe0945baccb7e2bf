"""What is known in the course of one pass, and the rows that it makes of every batch."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from loadpath.record.blocks import Blocks, blocks_in, path_blocks
from loadpath.record.calls import Batch, source_mask
from loadpath.record.hooks import OwnRandomness, watching
from loadpath.record.layout import Layout
from loadpath.record.paths import is_path_net
from loadpath.record.recorded import Description, Recorded
from loadpath.record.reduction import Reduction, runs_along_one_axis
from loadpath.record.selection import Site
from loadpath.record.structures import is_real, leaves, mapped, values_of

INPUT = "input"
"""Name of the layer that is the model's input."""


def blocks_of(layout: Layout, batch: Batch) -> Blocks:
    """Find the blocks of a model by a trial pass of its first batch (see `find_blocks`)."""
    if is_path_net(layout.model):
        return path_blocks(layout.model)
    trial = layout.try_on(batch)
    blocks = blocks_in(trial.calls, trial.is_usable)
    layout.learn(blocks.sites)
    return blocks


@dataclass
class Recording:
    """What is known in the course of one pass over a loader."""

    layout: Layout
    """How layers put out their samples."""
    reduction: Reduction
    """How outputs become rows."""
    chosen: tuple[list[Site], str] | None
    """The layers and how they were chosen; None until blocks are found."""
    description: Description | None = None
    """What the layers are, from the first batch on."""
    widths: dict[str, int] = field(default_factory=dict)
    """Widths of the layers, in the order in which they ran on the first batch."""
    left_out: dict[str, str] = field(default_factory=dict)
    """What would be a layer and is not recorded, with why not."""
    one_axis: dict[Site, bool] = field(default_factory=dict)
    """Whether 3-d outputs of a layer are maps along one axis."""
    as_it_is: dict[tuple[Site, int], tuple[str, torch.dtype]] = field(default_factory=dict)
    """Calls whose output is a row a sample as it is, with the layer's name and type."""
    named: bool = field(init=False)
    """Whether the user named the layers."""

    def __post_init__(self) -> None:
        self.named = self.chosen is not None

    def record(self, batch: Batch, first: int) -> Recorded:
        """Run the model on a batch, and return what its layers put out."""
        if self.chosen is None:
            blocks = blocks_of(self.layout, batch)
            self.chosen, self.left_out = (blocks.sites, blocks.words), dict(blocks.left_out)
        if not self.one_axis:
            self.one_axis = {site: runs_along_one_axis(site.module) for site in self.chosen[0]}
        spare, start = None, None
        if self.description is None and self.layout.calls is None:
            # The first pass may show that more must be known of the layers; then it is made again.
            spare, start = mapped(batch, Tensor.clone), OwnRandomness(self.layout.device)
        found = self._pass(batch)
        if found is None:
            assert spare is not None and start is not None
            self.layout.try_on(spare)
            self.layout.learn(self.chosen[0])
            start.rewind()
            found = self._pass(mapped(spare, Tensor.clone))
            assert found is not None
        last = None
        if self.description is None and _returns_several(found.output):
            last = self.layout.last_path(batch if spare is None else spare)
        self._drop_input(found, batch.number)
        if self.description is None:
            self.widths = {name: rows.shape[1] for name, rows in found.features.items()}
        self.description = self._described(found)
        features = {name: rows.cpu() for name, rows in found.features.items()}
        # Every sample has a row: with as many rows as samples, each has one. Such layers share a
        # tensor, by which they are quickly known to be alike.
        plain = torch.arange(first, first + batch.count)
        sample = dict.fromkeys(found.features, plain)
        for name, which in found.sample.items():
            if which.shape[0] != batch.count:
                sample[name] = which.cpu() + first
        self._check(features, batch.number)
        return Recorded(
            number=batch.number,
            features={name: features[name] for name in self.widths},
            sample={name: sample[name] for name in self.widths},
            labels=batch.labels,
            output=found.output,
            first=first,
            count=batch.count,
            description=self.description,
            last=last,
        )

    def _pass(self, batch: Batch) -> _Found | None:
        """Run the model on a batch; return None if a trial must show more of its layers first."""
        assert self.chosen is not None
        sites, _ = self.chosen
        found = _Found()
        unclear = False
        layout, count = self.layout, batch.count

        def reduce(site: Site, times: int, kind: str, leaf: Tensor | PackedSequence) -> None:
            name = site.called(times)
            place = layout.places.get((site.name, times)) or layout.places.get((site.name, 1))
            axis = 0 if place is None else place.axis
            tensor = values_of(leaf)
            mask, words = None, ""
            if leaf is tensor and tensor.ndim == 3 and not tensor.is_nested:
                if axis == 1 or not self._is_map(site):
                    found_mask = layout.masking.mask(site, times, tensor.shape[1 - axis], batch)
                    mask, words = found_mask.tokens, found_mask.words
                    mask = None if mask is None else mask.to(tensor.device)
            found.features[name], found.sample[name], rule = self.reduction(
                name,
                leaf,
                count=count,
                mask=mask,
                one_axis=self._is_map(site),
                axis=axis,
                words=words,
            )
            if self.description is None:
                found.words[name] = f"{kind}, {_shape_in_words(leaf, axis)}: {rule}"
                if type(leaf) is Tensor and leaf.ndim == 2 and type(self.reduction) is Reduction:
                    self.as_it_is[site, times] = name, leaf.dtype

        def is_as_before(output: Any, dtype: torch.dtype) -> bool:
            plain = type(output) is Tensor and output.layout == torch.strided
            return plain and output.dtype == dtype and output.ndim == 2 and output.shape[0] == count

        def receive(site: Site, output: Any) -> None:
            nonlocal unclear
            found.calls[site] += 1
            times = found.calls[site]
            if unclear:
                return
            known = None if self.description is None else self.as_it_is.get((site, times))
            if known is not None and is_as_before(output, known[1]):
                # What most layers of plain nets put out, on all batches but the first.
                found.features[known[0]] = output.detach().clone()
                return
            if self.description is None and layout.place(site, times, output, batch) is None:
                if layout.calls is None:
                    unclear = True
                    return
            leaf = layout.select(site, times, output)
            leaf = mapped(leaf, Tensor.detach) if torch.is_grad_enabled() else leaf
            turn = "" if times == 1 else f" in its call {times}"
            reduce(site, times, f"{site.meaning}{turn}", leaf)

        given = batch.input
        if given is not None and all(site.name != INPUT for site in sites):
            reason = _unfit_input(given)
            if reason == _SPARSE and not self.named:
                raise ValueError(f"input of the model {reason}: name layers, and it is left out.")
            if reason is not None and self.named:
                self.left_out[INPUT] = reason
            elif INPUT not in self.left_out:
                self._reduce_input(given, batch, found)
        with watching(sites, receive):
            found.output = batch.run(layout.model)
        if torch.is_grad_enabled():
            found.output = mapped(found.output, Tensor.detach)
        return None if unclear else found

    def _is_map(self, site: Site) -> bool:
        channels_last = self.reduction.channels_last
        return channels_last is not True and (channels_last is False or self.one_axis[site])

    def _reduce_input(self, given: Tensor | PackedSequence, batch: Batch, found: _Found) -> None:
        """Make rows of the model's input, with the mask that has as many tokens."""
        x = values_of(given)
        sequence = x is given and not x.is_nested and x.ndim == 3
        mask = batch.mask if sequence else None
        if mask is not None and mask.shape[1] != x.shape[1 - batch.axis]:
            mask = None
        words = "" if mask is None else f"that are not padding by {source_mask(batch.masks)}"
        found.features[INPUT], found.sample[INPUT], rule = self.reduction(
            INPUT, given, count=batch.count, mask=mask, axis=batch.axis, words=words
        )
        found.words[INPUT] = f"input of the model, {_shape_in_words(given, batch.axis)}: {rule}"

    def _drop_input(self, found: _Found, number: int) -> None:
        """Leave out an input that the model handles itself, where layers are named.

        That is one with NaN or infinity of which nothing is left in any layer.
        """
        if self.named and INPUT in found.words and not _is_finite(found.features[INPUT]):
            if all(_is_finite(rows) for name, rows in found.features.items() if name != INPUT):
                self.left_out[INPUT] = f"has NaN or infinity in batch {number}"
                del found.features[INPUT], found.sample[INPUT], found.words[INPUT]
        if INPUT in self.left_out:
            self.widths.pop(INPUT, None)

    def _described(self, found: _Found) -> Description:
        """Return what the layers are, once some of them have run."""
        if self.description is not None:
            words = {name: self.description.layers[name] for name in self.widths}
            return dataclasses.replace(self.description, layers=words, left_out=self.left_out)
        assert self.chosen is not None
        sites, selection = self.chosen
        if not found.calls:
            names = ", ".join(site.name for site in sites[:3])
            raise ValueError(
                f"layers has {len(sites)} modules ({names}{', ...' if len(sites) > 3 else ''}), "
                "and none of them ran on the first batch."
            )
        rule = self.layout.output
        if rule is not None and not self.layout.applied:
            raise ValueError(f"output is {rule!r}, and no layer puts out anything that has it.")
        missed = tuple(site.name for site in sites if site not in found.calls)
        return Description(found.words, selection, missed, self.left_out)

    def _check(self, features: dict[str, Tensor], number: int) -> None:
        """Refuse a batch in which other layers ran, or with another width, NaN or infinity."""
        odd = self.widths.keys() ^ features.keys()
        if odd:
            name = min(odd)
            ran, did_not = (number, 0) if name in features else (0, number)
            raise ValueError(
                f"layer {name!r} ran in batch {ran} and not in batch {did_not}: all batches must "
                f"run the same layers{_times_in_words(name)}."
            )
        for name, rows in features.items():
            if rows.shape[1] != self.widths[name]:
                raise ValueError(
                    f"layer {name!r} has width {rows.shape[1]} in batch {number} and "
                    f"{self.widths[name]} in batch 0: it must keep it."
                )
            if not _is_finite(rows):
                bad = int((~rows.isfinite()).sum())
                hint = "; name layers, and it is left out" if name == INPUT else ""
                raise ValueError(
                    f"layer {name!r} must put out finite numbers, and in batch {number} it is the "
                    f"first with NaN or infinity: {bad} of {rows.numel()}{hint}."
                )


@dataclass
class _Found:
    """What one pass of one batch gave."""

    calls: Counter[Site] = field(default_factory=Counter)
    """How often each layer ran."""
    features: dict[str, Tensor] = field(default_factory=dict)
    """Rows of each layer, in the order in which they ran."""
    sample: dict[str, Tensor] = field(default_factory=dict)
    """The sample of the batch that each row is of; none where each has a row, as it is."""
    words: dict[str, str] = field(default_factory=dict)
    """What each layer is."""
    output: Any = None
    """What the model returned."""


def _is_finite(rows: Tensor) -> bool:
    # NaN and infinity go on to a sum, which takes a tenth of the time of looking at each number.
    wide = torch.float32 if rows.element_size() < 4 else rows.dtype
    return math.isfinite(float(rows.sum(dtype=wide))) or bool(rows.isfinite().all())


def _returns_several(output: Any) -> bool:
    """Return whether there are several tensors of real numbers in what a model returned."""
    return len({id(leaf) for _, leaf in leaves(output) if is_real(values_of(leaf))}) > 1


_SPARSE = "is a sparse tensor"


def _unfit_input(given: Tensor | PackedSequence) -> str | None:
    """Return why a model's input is nothing that can be measured; None if it is."""
    x = values_of(given)
    if x.is_nested:
        return "is a nested tensor"
    return None if x.layout == torch.strided else _SPARSE


def _times_in_words(name: str) -> str:
    """Return what can be done about a module that runs a varying number of times."""
    module, _, call = name.rpartition("#")
    which = f"{module!r} runs a varying number of times" if module and call.isdigit() else ""
    return f", and {which}: name others with layers=" if which else "; name those with layers="


def _shape_in_words(leaf: Tensor | PackedSequence, axis: int) -> str:
    """Return the shape of an output, with the axis of its samples called sample."""
    x = values_of(leaf)
    if x is not leaf or x.is_nested:
        return f"(sample, token, {x.shape[-1] if x is not leaf else x.size(-1)})"
    sizes = [str(size) for size in x.shape]
    sizes[axis : axis + 1] = ["sample"]
    return f"({', '.join(sizes)})"
