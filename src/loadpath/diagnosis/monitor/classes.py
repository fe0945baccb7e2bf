"""The classes of the samples that a monitor measures a model on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from loadpath.diagnosis.labels import LabelReader


def probe_classes(
    labels: Sequence[Tensor | None], samples: int, outputs: Sequence[int] | None
) -> tuple[Tensor | None, str]:
    """Return classes 0, 1, ... of the samples by their labels, and what the labels are in words.

    A sample that is alone in its class, or has no label, is of class -1. There are no classes at
    all, None, if labels are missing or no classes by `loadpath.diagnosis.labels`, or leave fewer
    than 2 of them.

    Parameters
    ----------
    labels : sequence of Tensor or None
        Labels of each batch, as the loader has them.
    samples : int
        How many samples are measured: the first of those in the batches.
    outputs : sequence of int or None
        Shape of the model's answer for the first batch, where it is known.

    Returns
    -------
    classes : Tensor or None
        (sample,).
    words : str
        What the labels are.
    """
    reader = LabelReader()
    found: list[Tensor] = []
    try:
        for number, part in enumerate(labels):
            shape = None if outputs is None or part is None else (len(part), *outputs[1:])
            read = reader.read(part, number, shape)
            if read.values is not None:
                found.append(read.values)
    except ValueError as error:  # batches of several kinds
        return None, str(error).rstrip(".")
    if reader.kind != "classes":
        return None, reader.words
    every = torch.cat(found)[:samples]
    names, numbers, counts = every.unique(return_inverse=True, return_counts=True)
    several = (counts >= 2) & (names >= 0)
    if int(several.sum()) < 2:
        return None, f"{reader.words}, fewer than 2 of which have 2 samples"
    renumbered = torch.where(several, several.cumsum(0) - 1, -1)
    return renumbered[numbers], reader.words
