"""Samples told apart by what is in them, so that a proof counts none that a search has seen."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor

from loadpath.checks import check_number, check_seed, check_type
from loadpath.record import Batch, leaves, values_of


def fingerprints(batch: Batch) -> list[bytes]:
    """Return a digest of every sample of a batch, from all tensors that the model is given.

    Padding is left out where a mask says which tokens are padding, as batches are padded to
    different lengths. Labels do not matter.

    Parameters
    ----------
    batch : Batch
        The batch.

    Returns
    -------
    list of bytes
        A digest for each sample.
    """
    digests = [hashlib.blake2b(digest_size=16) for _ in range(batch.count)]
    masks = {id(mask) for mask in batch.given_masks()}
    for path, leaf in leaves((batch.args, batch.kwargs)):
        tensor = values_of(leaf)
        if tensor.is_nested or leaf is not tensor or id(tensor) in masks:
            continue
        if tensor.ndim > batch.axis and tensor.shape[batch.axis] == batch.count:
            rows = tensor.detach().cpu().movedim(batch.axis, 0)
            _add(digests, str(path), rows, batch.mask)
    return [each.digest() for each in digests]


def _add(digests: list[Any], name: str, rows: Tensor, mask: Tensor | None) -> None:
    """Add what a tensor (sample, ...) holds of each sample to its digest."""
    tokens = mask is not None and rows.ndim > 1 and rows.shape[1] == mask.shape[1]
    for number, (digest, row) in enumerate(zip(digests, rows, strict=True)):
        own = row[mask[number].cpu()] if tokens and mask is not None else row
        digest.update(name.encode())
        digest.update(own.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())


def shuffled(count: int, seed: int) -> list[int]:
    """Return the numbers from 0 in an order that only the seed decides."""
    check_seed("seed", seed)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(int(seed)))
    return [int(number) for number in order]


def halves(batches: list[Any], *, share: float = 0.5, seed: int = 0) -> tuple[list[Any], list[Any]]:
    """Deal batches into two lists: one to search on, and one for the proof.

    Parameters
    ----------
    batches : list
        What a loader yields, such as ``list(loader)``: at least two batches.
    share : float, default 0.5
        The share of the batches to search on.
    seed : int, default 0
        Another seed deals them otherwise.

    Returns
    -------
    tuple of list
        Both, of one batch at least.

    Raises
    ------
    ValueError
        If there are fewer than two batches, or `share` is not between 0 and 1.

    Examples
    --------
    >>> import loadpath as lp
    >>> search, held_out = lp.surgery.halves(list(range(6)), seed=0)
    >>> sorted(search + held_out), len(search)
    ([0, 1, 2, 3, 4, 5], 3)
    """
    check_type("batches", batches, list | tuple, "a list of batches, such as list(loader)")
    check_number("share", share, above=0, below=1)
    if len(batches) < 2:
        raise ValueError(
            f"batches must be at least 2, one to search on and one for the proof, got "
            f"{len(batches)}."
        )
    order = shuffled(len(batches), seed)
    first = min(max(round(share * len(batches)), 1), len(batches) - 1)
    parts = sorted(order[:first]), sorted(order[first:])
    return [batches[i] for i in parts[0]], [batches[i] for i in parts[1]]
