"""The arguments of a model, and labels, that lie in what a loader yields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import Dataset

from loadpath.data import Data, as_pair, is_one_set
from loadpath.record.calls import SPLIT, Batch, arguments, masks_in, named_arguments
from loadpath.record.structures import leaves, mapped
from loadpath.results import bar_shows, progress_bar

T = TypeVar("T")

LABELS = ("labels", "label")
"""Names under which a dict batch has its labels."""

Split = Callable[[Any], tuple[Any, Any]]
"""A function from what the loader yields to (inputs, labels); labels may be None."""

Loader = Iterable[Any] | Data
"""What yields batches, or data whose training samples are cut up into some."""

_BATCH_OF_DATA = 256


def batches_of(loader: Any, model: nn.Module, name: str = "loader") -> Iterable[Any]:
    """Return what yields batches: a loader as it is, or samples of the user's own, cut up.

    Parameters
    ----------
    loader : iterable, Data, pair or Bunch
        What the user passed. Of a Data the training samples are taken.
    model : nn.Module
        The model, whose floating-point type such samples get.
    name : str
        The argument's name, as its caller knows it.

    Returns
    -------
    iterable
        Batches, as `prepare` takes them.

    Raises
    ------
    ValueError
        For what would be taken apart wrongly, such as a tensor or a Dataset, or not at all.
    """
    if isinstance(loader, Data):
        labels = loader.y_train if loader.labels_train is None else loader.labels_train
        return _batches_of_pair(loader.x_train, labels, model)
    if is_one_set(loader):
        return _batches_of_pair(*as_pair(loader, flat=False), model)
    if isinstance(loader, Tensor | np.ndarray | Mapping | str | Dataset):
        raise ValueError(
            f"{name} must yield batches, and it is of type {type(loader).__name__}: put it in a "
            "DataLoader, or in a list if it is one batch."
        )
    if isinstance(loader, type):
        raise ValueError(f"{name} must yield batches, and it is the class {loader.__name__}.")
    if not isinstance(loader, Iterable) and not hasattr(loader, "__getitem__"):
        raise ValueError(f"{name} must yield batches, and it is of type {type(loader).__name__}.")
    return loader


def with_bar(
    passes: Iterable[T],
    loader: Any,
    *,
    desc: str,
    progress: bool | None,
    max_batches: int | None = None,
) -> Iterator[T]:
    """Yield what a pass makes of each batch, under a bar that counts batches.

    Parameters
    ----------
    passes : iterable
        What the pass makes, batch by batch.
    loader : iterable or Data
        What the user passed, whose length is asked for if the bar shows.
    desc : str
        What is done, in a word.
    progress : bool or None
        Whether the bar shows; None shows it on a terminal and in a notebook.
    max_batches : int, optional
        The most batches that are used.

    Yields
    ------
    T
        What `passes` yields.
    """
    total = _number_of_batches(loader, max_batches) if bar_shows(progress) else None
    with progress_bar(progress, total=total, desc=desc, unit="batch") as bar:
        for made in passes:
            yield made
            bar.update()


def _number_of_batches(loader: Any, most: int | None) -> int | None:
    """Return how many batches a pass has, None where that is not known."""
    if isinstance(loader, Data):
        total: int | None = -(-len(loader.x_train) // _BATCH_OF_DATA)
    elif is_one_set(loader):
        total = None
    else:
        try:
            total = len(loader)
        except (TypeError, NotImplementedError, AttributeError):  # of its data set or sampler
            total = None
    known = [count for count in (total, most) if count is not None]
    return min(known, default=None)


def _batches_of_pair(x: Tensor, y: Tensor, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs in the model's type if they are no whole numbers, with labels or targets."""
    own = (t for t in chain(model.parameters(), model.buffers()) if t.is_floating_point())
    dtype = next((t.dtype for t in own), x.dtype) if x.is_floating_point() else x.dtype
    for part, labels in zip(x.split(_BATCH_OF_DATA), y.split(_BATCH_OF_DATA), strict=True):
        yield part.to(dtype), labels


def prepare(
    raw: Any,
    number: int,
    *,
    device: torch.device,
    split: Split | None = None,
    pass_labels: bool = False,
    model: nn.Module | None = None,
    axis: int = 0,
) -> Batch:
    """Return the call of the model that one batch of a loader stands for.

    A tensor x is model(x); a pair (x, y) is model(x) with labels y; a dict is model(**dict), but
    `labels` or `label` are taken out of it. A model that takes one dict, or one list, is given
    that. What is called `attention_mask` (other than 0: a token) or `decoder_attention_mask`, and
    torch's own `src_key_padding_mask` (True: padding) and its kin, say what is padding, if they
    are (sample, token).

    Parameters
    ----------
    raw : Any
        What the loader yielded; or a Batch, which is kept as it is but for its number and device.
    number : int
        Which batch it is, from 0.
    device : torch.device
        Where tensors go.
    split : callable, optional
        A function from `raw` to (inputs, labels), in place of these rules. Its inputs are a tensor,
        a tuple of arguments, or a dict.
    pass_labels : bool, optional
        Whether the model of a dict batch is given its labels too.
    model : nn.Module, optional
        The model, whose arguments say how it is called.
    axis : int, default 0
        The axis of the samples in tensors of two axes or more. Where labels are as many as the
        second axis is long, and not as the first, it is the second in any case.

    Returns
    -------
    Batch
        Arguments, labels and masks.

    Raises
    ------
    ValueError
        For a batch of another kind, without samples, with labels of another length, or with a
        sample that is all padding; and if the model cannot be called with it. The message says
        which batch.
    """
    if isinstance(raw, Batch):  # as an earlier pass had it prepared
        moved: Batch = mapped(raw, lambda tensor: tensor.to(device))
        return replace(moved, number=number, labels=raw.labels)
    inputs, labels = _halves(raw, number) if split is None else split(raw)
    given = _moved(inputs, device)
    if pass_labels and split is None and isinstance(raw, Mapping) and isinstance(given, Mapping):
        given = {**given, **_moved({n: raw[n] for n in LABELS if n in raw}, device)}
    args, kwargs = arguments(model, given, number)
    labels = _labels(labels, number)
    axis, count = _samples((args, kwargs), labels, number, axis)
    if labels is not None and (labels.ndim == 0 or len(labels) != count):
        raise ValueError(
            f"labels of batch {number} must be one for each of its {count} samples, and they have "
            f"shape {tuple(labels.shape)}."
        )
    named = kwargs if model is None else named_arguments(model, args, kwargs)
    masks, unread = masks_in(named, number, count)
    return Batch(
        number=number,
        args=args,
        kwargs=kwargs,
        labels=labels,
        count=count,
        masks=masks,
        padded=frozenset(name for name, mask in masks.items() if not bool(mask.all())),
        unread_masks=unread,
        axis=axis,
    )


def _samples(given: Any, labels: Tensor | None, number: int, axis: int) -> tuple[int, int]:
    """Return the axis of the samples in the model's arguments, and how many samples there are."""
    found = [leaf for _, leaf in leaves(given)]
    if not found or not any(isinstance(leaf, PackedSequence) or leaf.ndim for leaf in found):
        raise ValueError(f"batch {number} of loader has no tensor for the model: {SPLIT}.")
    first = next(leaf for leaf in found if isinstance(leaf, PackedSequence) or leaf.ndim)
    if isinstance(first, PackedSequence):
        return 0, int(first.batch_sizes[0])
    sizes = (first.size(0), first.size(0)) if first.is_nested else tuple(first.shape)
    if 0 in sizes[:2]:
        raise ValueError(f"batch {number} of loader has no samples.")
    known = None if labels is None or labels.ndim == 0 else len(labels)
    listed = given[0][0] if len(given[0]) == 1 and isinstance(given[0][0], list | tuple) else ()
    if known is not None and known != sizes[0]:
        if len(listed) == known:
            return 0, known  # a list of samples, each with its own shape
        tokens = len(sizes) == 3 or (len(sizes) == 2 and not first.is_floating_point())
        if tokens and known == sizes[1]:
            return 1, known
    if (
        len(listed) > 1
        and len({len(t) for t in listed if isinstance(t, Tensor) and not t.is_nested and t.ndim})
        > 1
    ):
        return 0, len(listed)
    axis = axis if len(sizes) > 1 and not first.is_nested else 0
    return axis, sizes[axis]


def _halves(raw: Any, number: int) -> tuple[Any, Any]:
    """Return inputs and labels of a batch, or refuse one of an unknown kind."""
    if isinstance(raw, Tensor | np.ndarray | PackedSequence):
        return raw, None
    if isinstance(raw, Mapping):
        labels = next((raw[name] for name in LABELS if name in raw), None)
        return {name: value for name, value in raw.items() if name not in LABELS}, labels
    if isinstance(raw, tuple | list) and len(raw) in (1, 2):
        return raw[0], raw[1] if len(raw) == 2 else None
    kind = f"of type {type(raw).__name__}"
    if isinstance(raw, tuple | list):
        kind += f" with {len(raw)} parts"
    raise ValueError(
        f"batch {number} of loader must be a tensor, a pair (x, y) or a dict, and it is {kind}: "
        f"{SPLIT}."
    )


def _moved(value: Any, device: torch.device) -> Any:
    """Return the same structure with its tensors and arrays on `device`."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iufb":
        value = torch.from_numpy(np.require(value, requirements=["C", "W"]))
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, PackedSequence):
        packed: Any = value
        return packed.to(device)
    if isinstance(value, Mapping):
        return {name: _moved(part, device) for name, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [_moved(part, device) for part in value]
        if hasattr(value, "_fields"):  # a namedtuple takes its parts one by one
            return type(value)(*parts)
        return type(value)(parts)
    return value


def _labels(labels: Any, number: int) -> Tensor | None:
    """Return labels on the CPU."""
    if labels is None:
        return None
    try:
        return labels.detach().cpu() if isinstance(labels, Tensor) else torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"labels of batch {number} must be numbers, and are of type {type(labels).__name__}: "
            f"{SPLIT}."
        ) from None
