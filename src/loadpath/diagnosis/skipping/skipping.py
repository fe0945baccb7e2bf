"""What a model loses without each of its layers: every one really skipped, on its own."""

from __future__ import annotations

import torch
import xarray as xr
from torch import nn

from loadpath.checks import as_device, check_flag, check_level
from loadpath.diagnosis.answers import AnswerRule
from loadpath.diagnosis.skipping.reading import Reading
from loadpath.diagnosis.skipping.scoring import LossFunction
from loadpath.diagnosis.skipping.skipping_pass import SkippingPass
from loadpath.record import (
    Layers,
    Layout,
    Loader,
    Output,
    Split,
    TokenMask,
    device_of,
    select,
    unwrapped,
    visit,
    with_bar,
)


def skip_layers(
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
    grad: bool = False,
    level: float = 0.95,
    progress: bool | None = None,
) -> xr.Dataset:
    r"""Skip every layer, one at a time, and measure what that does to loss and output.

    To skip a layer is to put its input in place of its output, as if its block were not there; the
    rest of the model runs on. A layer can be skipped if its input and output are real numbers of
    one shape. Residual blocks and transformer layers, for which this was made, are such layers.
    Any other module that keeps the width is one too, and skipping it says less: whether a module
    adds to its input cannot be told from outside, so `layer_kind` has its class. Layer l of a
    `LeakyResNet` is skipped by $A_l = A_{l-1}$.

    Parameters
    ----------
    model : nn.Module
        Any module; it is left as it was, but for plain attributes that `forward` sets.
    loader : iterable
        Batches, as in `loadpath.record.stream`.
    layers : str, class, sequence of these, or None
        Which layers, as in `loadpath.record.stream`; their names are the same, but "input" is not
        among them. A call of a module that is called several times ("name#2") is a layer of its
        own.
    loss : callable, optional
        A function of what the model returns and the labels that gives (sample,) losses, or the mean
        loss of the batch. If it is left out, the loss is the model's own where it returns one, else
        the cross-entropy or the mean squared error, where outputs and labels have the shapes for
        it. The attr `loss_kind` names it.
    tokens_first : bool, default False
        Whether sequences are (token, sample, width).
    device, max_batches, split, pass_labels, output, token_mask, grad
        As in `loadpath.record.stream`.
    answer, class_scores
        As in `loadpath.diagnose`: which tensor of what the model returns is its answer, and
        whether that is scores of the classes.
    level : float, default 0.95
        Confidence level of the intervals, each for itself.
    progress : bool, optional
        Whether a bar shows how far the pass is; if left out it does on a terminal and in a
        notebook.

    Returns
    -------
    xarray.Dataset
        Over `layer`, each with its ends `_low` and `_high`, and in words how it is known,
        `_status`, such as "constant features" where the outputs are all alike:

        - `loss_change` and, where there are classes, `accuracy_change` and `agreement` (the share
          of predictions that stay), means over all samples or tokens;
        - `output_change`, $\|f_{skip} - f\| / \|f - \bar f\|$ with f a row of the output (tokens
          and positions are rows of their own) and $\bar f$ their mean: 1 is as much as outputs
          differ from one another;
        - `own_step`, $\|A_{out} - A_{in}\| / \|A_{out}\|$ of the layer's own input and output.

        Also `status`, which is "skipped" or says why there are no numbers, `layer_kind`, and the
        plain model's `loss` and `accuracy`. A layer is not "skipped" if nothing in the model reads
        what it puts out.

    Raises
    ------
    ValueError
        If no layer can be skipped; for a loss of another shape, or one that is not finite with all
        layers in place (where it is not finite without a layer, `status` says so); for labels that
        are no class of the outputs; as `loadpath.record.stream`.

    Notes
    -----
    There is one pass over the loader, with one forward pass for each batch and one more for each
    layer that can be skipped. On a batch all passes draw the same random numbers. Whatever happens,
    hooks are removed, and modes and random states put back.

    Intervals of changes are t intervals of paired differences over samples, as if drawn
    independently, linearized where samples have several tokens; they are over batches where the
    loss is one number for each. The interval of `output_change` is a grouped jackknife's.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    >>> for layer, scale in zip(model, (1.0, 3.0)):
    ...     _ = layer.weight.data.copy_(scale * torch.eye(4))
    >>> x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    >>> x = x - x.mean(0)
    >>> skipped = lp.diagnosis.skip_layers(model, [(x, 3 * x)], layers="?")
    >>> skipped["output_change"].values.round(3).tolist()
    [0.0, 0.667]
    >>> skipped.attrs["loss_kind"]
    'mean squared error over samples and outputs'
    """
    check_level(level)
    if loss is not None and not callable(loss):
        raise ValueError(
            f"loss must be a function of output and labels, and it is a {type(loss).__name__}."
        )
    check_flag("tokens_first", tokens_first)
    check_flag("pass_labels", pass_labels)
    check_flag("grad", grad)
    if progress is not None:
        check_flag("progress", progress)
    if class_scores is not None:
        check_flag("class_scores", class_scores)
    reading = Reading(AnswerRule(answer), class_scores)
    if device is not None:
        device = as_device("device", device)
    inner = unwrapped(model)
    chosen = None if layers is None else select(inner, layers)
    where = device_of(inner) if device is None else torch.device(device)
    layout = Layout(inner, where, output, tokens_first, token_mask)
    skipping = SkippingPass(inner, where, loss, tokens_first, chosen, layout, reading)
    passes = visit(
        inner,
        loader,
        skipping.measure_batch,
        device=where,
        max_batches=max_batches,
        split=split,
        pass_labels=pass_labels,
        grad=bool(grad),
        tokens_first=tokens_first,
    )
    for _ in with_bar(passes, loader, desc="skipping", progress=progress, max_batches=max_batches):
        pass
    return skipping.dataset(level)
