"""The one pass over a loader that records what every layer puts out, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from loadpath.checks import as_device, check_count, check_flag, check_type, shown
from loadpath.record.activations import ActivationLike, as_activation
from loadpath.record.batches import Loader, Split
from loadpath.record.calls import Batch
from loadpath.record.hooks import OwnRandomness
from loadpath.record.layout import Layout, Output, TokenMask
from loadpath.record.recorded import Recorded
from loadpath.record.recording import Recording
from loadpath.record.reduction import Reduction
from loadpath.record.selection import Layers, select, unwrapped
from loadpath.record.structures import mapped
from loadpath.record.sums import WIDE, Moments
from loadpath.record.visiting import device_of, visit


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
    output: Output = None,
    token_mask: TokenMask | None = None,
    grad: bool = False,
) -> Iterator[Recorded]:
    """Run `model` over `loader` and yield what every layer put out on each batch, as rows.

    The model runs in evaluation mode and without gradients, inside DataParallel,
    DistributedDataParallel and torch.compile. Whatever happens, hooks are gone, and parameters,
    buffers, gradients, modes and random states (torch's, NumPy's and Python's) put back before
    anything is yielded or raised, to the last bit. Other things that `forward` sets, such as plain
    attributes of modules, are not put back. No sample is kept.

    The order of layers is that in which they ran on the first batch, and a module's second call in
    a pass is the layer "name#2". Where the model's input is real numbers it comes first, as the
    layer "input". A chosen module that does not run is named in `description.not_called`, and what
    would be a layer and cannot be recorded in `description.left_out`.

    Of several tensors that a layer puts out, its output is the one that the next layer is given,
    or that has the shape of its input. Which axis has the samples is found for each layer by
    running the first batch with a sample less, where its shape leaves that open. What is padding
    is said by the mask of the sequence that the layer works on: of encoders `attention_mask`, of
    decoders `decoder_attention_mask`. Where lengths differ it is the model's own mask function, and
    where it has none all tokens count. The description of a layer says which it was.

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
    output : str, int or callable, optional
        Which tensor is a layer's output, where layers put out several: the key or index of it, or
        a function of what the layer puts out.
    token_mask : callable, optional
        A function of a layer's name, its number of tokens and the batch's `attention_mask`, True at
        tokens (None without padding), that gives the layer's own mask, (sample, token); None for
        all tokens.
    grad : bool, default False
        Whether gradients are on, for models that take some as they run, such as forces.

    Yields
    ------
    Recorded
        One for each batch.

    Raises
    ------
    ValueError
        For bad arguments, before anything runs; for batches as `prepare`; for a loader that yields
        nothing; if it cannot be told which tensor is a layer's output or which axis has the
        samples; if a layer's output is not finite, with its batch; and if layers run in one batch
        and not in another, or change their width. An input that is not finite, or sparse, is left
        out where `layers` are named.

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
    return stream_beside(
        model,
        loader,
        None,
        layers=layers,
        reduction=reduction,
        device=device,
        max_batches=max_batches,
        split=split,
        pass_labels=pass_labels,
        output=output,
        token_mask=token_mask,
        grad=grad,
    )


@runtime_checkable
class Beside(Protocol):
    """What is done with batches beside recording them."""

    def wants(self, number: int) -> bool:
        """Return whether it is to be given the batch of that number."""
        ...

    def __call__(self, recording: Recording, batch: Batch) -> None:
        """Do it: `batch` is a copy, and the model may run on it as often as one likes."""
        ...


def stream_beside(
    model: nn.Module,
    loader: Loader,
    beside: Beside | None,
    *,
    layers: Layers = None,
    reduction: Reduction | None = None,
    device: torch.device | str | None = None,
    max_batches: int | None = None,
    split: Split | None = None,
    pass_labels: bool = False,
    output: Output = None,
    token_mask: TokenMask | None = None,
    grad: bool = False,
) -> Iterator[Recorded]:
    """Do what `stream` does, and something else with copies of the batches.

    Parameters
    ----------
    model, loader, layers, reduction, device, max_batches, split, pass_labels
        As for `stream`.
    beside : Beside or None
        What else is done, after a batch was recorded. It finds the model as the recording did, and
        draws the same random numbers from numbers of its own.
    output, token_mask, grad
        As for `stream`.

    Returns
    -------
    iterator of Recorded
        As `stream` yields them.

    Raises
    ------
    ValueError
        As `stream`.
    """
    check_type("model", model, nn.Module, "an nn.Module")
    check_flag("pass_labels", pass_labels)
    check_flag("grad", grad)
    if reduction is not None:
        check_type("reduction", reduction, Reduction, "a Reduction")
    if device is not None:
        device = as_device("device", device)
    inner = unwrapped(model)
    where = device_of(inner) if device is None else torch.device(device)
    chosen = None if layers is None else select(inner, layers)
    how = reduction or Reduction()
    layout = Layout(inner, where, output, how.tokens_first, token_mask)
    recording = Recording(layout, how, chosen)

    def record(batch: Batch, first: int) -> Recorded:
        if beside is None or not beside.wants(batch.number):
            return recording.record(batch, first)
        spare, own = mapped(batch, Tensor.clone), OwnRandomness(where)
        recorded = recording.record(batch, first)
        with own():
            beside(recording, spare)
        return recorded

    return visit(
        inner,
        loader,
        record,
        device=where,
        max_batches=max_batches,
        split=split,
        pass_labels=pass_labels,
        grad=bool(grad),
        tokens_first=how.tokens_first,
    )


def second_moments(
    recording: Iterable[Recorded],
    *,
    activation: ActivationLike = "identity",
    sketch: int | None = WIDE,
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
    as_activation(activation)
    if sketch is not None:
        check_count("sketch", sketch, 1)
    if not isinstance(recording, Iterable) or isinstance(recording, str | bytes | type):
        raise ValueError(f"recording must be what stream yields, got {shown(recording)}.")
    moments: dict[str, Moments] = {}
    for recorded in recording:
        check_type("recording", recorded, Recorded, "what stream yields")
        last = list(recorded.features)[-1]
        steps = chain(recorded.steps(), [(last, recorded.features[last], None)])
        for layer, A, dA in steps:
            if layer not in moments:
                moments[layer] = Moments(
                    A.shape[1], velocity=dA is not None, activation=activation, sketch=sketch
                )
            moments[layer].update(A, dA)
    return moments
