"""Which of the sequences that a model is given a layer works on, and so which mask is its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from loadpath.record.batches import LABELS
from loadpath.record.calls import SOURCE_MASKS, TARGET_MASKS, Batch, named_arguments
from loadpath.record.selection import Site
from loadpath.record.structures import leaves, mapped

Stem = Literal["target", "source", "other"]
"""What a layer works on: what a decoder is given, what the source mask belongs to, or neither."""

CallKey = tuple[str, int]
"""Name of a module, and number of its call."""


def stems_in(model: nn.Module, batch: Batch) -> dict[Stem, set[int]]:
    """Return the tensors of each stem that a batch has, by their `id`.

    A decoder is given what is called `decoder_...`, `tgt` or `labels`. The source mask belongs to
    what is called `src`, and to what has a token wherever it has one. All else is another stem.
    """
    named = named_arguments(model, batch.args, batch.kwargs)
    lengths = {batch.masks[name].shape for name in SOURCE_MASKS if name in batch.masks}
    given = [
        leaf for name, v in named.items() if not name.endswith("mask") for _, leaf in leaves(v)
    ]
    # Patches may be as many as tokens: features (sample, token, width) are those of the mask only
    # where no numbers of tokens are.
    axes = 2 if any(isinstance(x, Tensor) and x.shape in lengths for x in given) else 3
    found: dict[Stem, set[int]] = {"target": set(), "source": set(), "other": set()}
    for name, value in named.items():
        if name.endswith("mask"):
            continue
        for _, leaf in leaves(value):
            if not isinstance(leaf, Tensor) or leaf.is_nested or leaf.ndim < 2:
                continue
            if leaf.shape[batch.axis] != batch.count:
                continue
            place = leaf.shape[:2] if batch.axis == 0 else leaf.shape[:2][::-1]
            stem: Stem = "other"
            if name.startswith(("decoder_", "tgt")) or name in LABELS:
                stem = "target"
            elif name.startswith("src") or (leaf.ndim <= axes and place in lengths):
                stem = "source"
            found[stem].add(id(leaf))
    if not found["source"]:  # a mask of frames, beside sound that has them along another axis
        found["source"], found["other"] = found["other"], set()
    return {stem: tensors for stem, tensors in found.items() if tensors}


def changed(batch: Batch, tensors: set[int]) -> Batch:
    """Return the batch with some of its tensors turned around, samples and tokens both."""

    def turn(tensor: Tensor) -> Tensor:
        return tensor.flip((0, 1)) if id(tensor) in tensors else tensor.clone()

    return dataclasses.replace(
        batch, args=mapped(batch.args, turn), kwargs=mapped(batch.kwargs, turn)
    )


def stem_by_effect(effects: Mapping[Stem, bool]) -> Stem:
    """Return the stem of a layer whose output changes with some of them, by which they are.

    A decoder sees the source too, and what reads text may see images too.
    """
    order: tuple[Stem, ...] = ("target", "source")
    return next((stem for stem in order if effects.get(stem)), "other")


def stem_by_name(site: Site) -> Stem:
    """Return the stem of a layer by the names of what it lies in, where nothing else tells it."""
    parts = site.name.lower()
    if "decoder" in parts:
        return "target"
    return "other" if any(word in parts for word in ("vision", "visual", "image")) else "source"


def mask_name(batch: Batch, stem: Stem) -> str | None:
    """Return the name of the mask of a stem, or None if the batch has none."""
    names: Mapping[str, Any] = {"target": TARGET_MASKS, "source": SOURCE_MASKS, "other": {}}[stem]
    return next((name for name in names if name in batch.masks), None)
