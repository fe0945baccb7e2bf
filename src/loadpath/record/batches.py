"""The arguments of a model, and labels, that lie in what a loader yields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from loadpath.data import Data

LABELS = ("labels", "label")
"""Names under which a dict batch has its labels."""

Split = Callable[[Any], tuple[Any, Any]]
"""A function from what the loader yields to (inputs, labels); labels may be None."""

Loader = Iterable[Any] | Data
"""What yields batches, or data whose training samples are cut up into some."""

_BATCH_OF_DATA = 256


@dataclass(frozen=True)
class Batch:
    """One call of the model."""

    number: int
    """The batch's number in the loader, from 0."""
    args: tuple[Any, ...]
    """Positional arguments of the model."""
    kwargs: dict[str, Any]
    """Named arguments of the model."""
    labels: Tensor | None
    """(sample, ...), labels or targets as the loader has them, on the CPU; None if it has none."""
    mask: Tensor | None
    """(sample, token), True where a token is not padding; None where none is."""
    count: int
    """Number of samples."""

    @property
    def input(self) -> Tensor | None:
        """The first floating-point tensor that the model is given, or None."""
        return next((t for t in _tensors(self) if t.is_floating_point()), None)

    def run(self, model: nn.Module) -> Any:
        """Return what the model makes of the batch."""
        return model(*self.args, **self.kwargs)


def batches_of(loader: Any, model: nn.Module) -> Iterable[Any]:
    """Return what yields batches: a loader as it is, or the training samples of a `Data`, cut up.

    Parameters
    ----------
    loader : iterable or Data
        What the user passed.
    model : nn.Module
        The model, whose floating-point type the inputs of a `Data` get.

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
        return _batches_of_data(loader, model)
    if isinstance(loader, Tensor | np.ndarray | Mapping | str | Dataset):
        raise ValueError(
            f"loader must yield batches, and it is of type {type(loader).__name__}: put it in a "
            "DataLoader, or in a list if it is one batch."
        )
    if not isinstance(loader, Iterable) and not hasattr(loader, "__getitem__"):
        raise ValueError(f"loader must yield batches, and it is of type {type(loader).__name__}.")
    return loader


def _batches_of_data(data: Data, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs in the model's type, with labels where there are any, else targets."""
    own = (t for t in chain(model.parameters(), model.buffers()) if t.is_floating_point())
    dtype = next((t.dtype for t in own), data.x_train.dtype)
    labels = data.y_train if data.labels_train is None else data.labels_train
    parts = zip(data.x_train.split(_BATCH_OF_DATA), labels.split(_BATCH_OF_DATA), strict=True)
    for x, y in parts:
        yield x.to(dtype), y


def prepare(
    raw: Any,
    number: int,
    *,
    device: torch.device,
    split: Split | None = None,
    pass_labels: bool = False,
) -> Batch:
    """Return the call of the model that one batch of a loader stands for.

    A tensor x is model(x); a pair (x, y) is model(x) with labels y; a dict is model(**dict), but
    `labels` or `label` are taken out of it. In dicts, `attention_mask` (other than 0: a token) and
    torch's own `src_key_padding_mask` (True: padding) say what is padding.

    Parameters
    ----------
    raw : Any
        What the loader yielded.
    number : int
        Which batch it is, from 0.
    device : torch.device
        Where tensors go.
    split : callable, optional
        A function from `raw` to (inputs, labels), in place of these rules. Its inputs are a tensor,
        a tuple of arguments, or a dict.
    pass_labels : bool, optional
        Whether the model of a dict batch is given its labels too.

    Returns
    -------
    Batch
        Arguments, labels and mask.

    Raises
    ------
    ValueError
        For a batch of another kind, without samples, with labels of another length, or with a
        sample that is all padding; the message says which batch.
    """
    inputs, labels = _halves(raw, number) if split is None else split(raw)
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(inputs, Mapping):
        kwargs = dict(inputs)
        if pass_labels and split is None and isinstance(raw, Mapping):
            kwargs |= {name: raw[name] for name in LABELS if name in raw}
    else:
        args = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    args, kwargs = _moved(args, device), _moved(kwargs, device)
    sizes = [len(t) for t in chain(args, kwargs.values()) if isinstance(t, Tensor) and t.ndim]
    if not sizes:
        raise ValueError(f"batch {number} of loader has no tensor for the model.")
    if sizes[0] == 0:
        raise ValueError(f"batch {number} of loader has no samples.")
    return Batch(
        number=number,
        args=args,
        kwargs=kwargs,
        labels=_labels(labels, number, sizes[0]),
        mask=_mask(kwargs, number, sizes[0]),
        count=sizes[0],
    )


def _halves(raw: Any, number: int) -> tuple[Any, Any]:
    """Return inputs and labels of a batch, or refuse one of an unknown kind."""
    if isinstance(raw, Tensor | np.ndarray):
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
        "pass split, a function from a batch to (inputs, labels)."
    )


def _moved(value: Any, device: torch.device) -> Any:
    """Return the same structure with its tensors and arrays on `device`."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iufb":
        value = torch.from_numpy(np.require(value, requirements=["C", "W"]))
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {name: _moved(part, device) for name, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [_moved(part, device) for part in value]
        if hasattr(value, "_fields"):  # a namedtuple takes its parts one by one
            return type(value)(*parts)
        return type(value)(parts)
    return value


def _labels(labels: Any, number: int, count: int) -> Tensor | None:
    """Return labels on the CPU, once it is known that every sample has one."""
    if labels is None:
        return None
    try:
        given = labels.detach().cpu() if isinstance(labels, Tensor) else torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"labels of batch {number} must be numbers, and are of type {type(labels).__name__}: "
            "pass split, a function from a batch to (inputs, labels)."
        ) from None
    if given.ndim == 0 or len(given) != count:
        raise ValueError(
            f"labels of batch {number} must be one for each of its {count} samples, and they have "
            f"shape {tuple(given.shape)}."
        )
    return given


def _mask(kwargs: Mapping[str, Any], number: int, count: int) -> Tensor | None:
    """Return which tokens are not padding, or None where none is."""
    mask = kwargs.get("attention_mask")
    if mask is None:
        padding = kwargs.get("src_key_padding_mask")
        if padding is None:
            return None
        mask = ~padding if padding.dtype == torch.bool else padding == 0  # or -inf at padding
    if not isinstance(mask, Tensor) or mask.ndim != 2 or len(mask) != count:
        raise ValueError(
            f"attention_mask of batch {number} must be ({count}, token), and it is "
            f"{tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__}."
        )
    mask = mask != 0
    if bool(mask.all()):
        return None
    bare = (~mask.any(1)).nonzero()
    if len(bare):
        raise ValueError(
            f"attention_mask of batch {number} must leave every sample a token, and sample "
            f"{int(bare[0])} has none."
        )
    return mask


def _tensors(batch: Batch) -> Iterator[Tensor]:
    """Yield the tensors that the model is given with one row a sample, masks left out."""
    named = (v for k, v in batch.kwargs.items() if not k.endswith("mask"))
    for value in chain(batch.args, named):
        if isinstance(value, Tensor) and value.ndim and len(value) == batch.count:
            yield value
