"""Rows of a model's layers for the laws, from one pass over a loader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from loadpath.checks import check_count, check_flag, check_seed
from loadpath.diagnosis.profile import LabelReader
from loadpath.laws.representations import FEWEST_LAYERS, AnswerKind, Array, Representations
from loadpath.record import (
    INPUT,
    Layers,
    Loader,
    Recorded,
    Reduction,
    Split,
    is_path_net,
    stream,
    unwrapped,
)
from loadpath.statistics import Reservoir

_NODE = re.compile(r"^(?:(?P<net>.+)\.)?path\.(?P<node>\d+)$")
IGNORED = -100
"""Label of samples and tokens that do not count, as in the losses of torch."""
_KINDS: Mapping[str, AnswerKind] = {"classes": "classes", "values": "targets", "tokens": "tokens"}


def record(
    model: nn.Module,
    loader: Loader,
    *,
    layers: Layers = None,
    reduction: Reduction | None = None,
    kept: int = 500,
    with_input: bool = False,
    seed: int = 0,
    device: torch.device | str | None = None,
    max_batches: int | None = None,
    split: Split | None = None,
    pass_labels: bool = False,
) -> Representations:
    """Run a model over a loader, and keep rows of its layers, the same samples in each.

    The model is left as it was, as by `loadpath.record.stream`.

    Parameters
    ----------
    model : nn.Module
        Any module.
    loader : iterable
        Batches with labels, as `loadpath.record.stream` takes them. Labels are class numbers, real
        targets, or (sample, token) tokens that are to be predicted there.
    layers : str, class, sequence of these, or None
        Which layers; blocks are found by themselves if left out.
    reduction : Reduction, optional
        How maps and sequences become rows.
    kept : int, default 500
        How many rows are kept of each layer, drawn at random from all.
    with_input : bool, default False
        Whether the model's input is the first layer.
    seed : int
        Seed of which rows are kept.
    device, max_batches, split, pass_labels
        As in `loadpath.record.stream`.

    Returns
    -------
    Representations
        Layers whose rows are of the same samples as those of the last layer; `left_out` names the
        others.

    Raises
    ------
    ValueError
        If an option is out of range, if fewer than 3 layers have rows of the same samples, or as
        `loadpath.record.stream`.

    Examples
    --------
    >>> from torch import nn
    >>> net = nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))
    >>> found = record(net, [(torch.randn(20, 4), torch.arange(20) % 2)])
    >>> found.names, found.count, found.answer_kind
    (('0', '1', '2'), 20, 'classes')
    """
    check_count("kept", kept, 4)
    check_flag("with_input", with_input)
    check_seed("seed", seed)
    keeping = _Keeping(int(kept), int(seed), with_input)
    passes = stream(
        model,
        loader,
        layers=layers,
        reduction=reduction,
        device=device,
        max_batches=max_batches,
        split=split,
        pass_labels=pass_labels,
    )
    for recorded in passes:
        keeping.add(recorded, (reduction or Reduction()).every)
    return keeping.found(unwrapped(model))


@dataclass
class _Keeping:
    """Rows that are kept of every layer, and their answers."""

    kept: int
    seed: int
    with_input: bool
    reader: LabelReader = field(default_factory=LabelReader)
    rows: dict[str, Reservoir] = field(default_factory=dict)
    answers: Reservoir | None = None
    samples: Reservoir | None = None
    kind: AnswerKind = "none"
    left_out: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def add(self, recorded: Recorded, every: int) -> None:
        """Keep rows of a batch; the first says which layers there are."""
        names = [n for n in recorded.features if self.with_input or n != INPUT]
        of_rows = recorded.sample[names[-1]]
        if self.samples is None:
            self.samples = Reservoir(self.kept, seed=self.seed)
            for name in names:
                if torch.equal(recorded.sample[name], of_rows):
                    self.rows[name] = Reservoir(self.kept, seed=self.seed)
                else:
                    self.left_out[name] = "its rows are of other samples"
        shape = getattr(recorded.output, "shape", None)
        labels = self.reader.read(recorded.labels, recorded.number, shape)
        values = (
            None if labels.values is None else _of_rows(labels.values, recorded, of_rows, every)
        )
        if recorded.number == 0 and values is not None and labels.kind in _KINDS:
            self.kind = _KINDS[labels.kind]
            self.answers = Reservoir(self.kept, seed=self.seed)
        places = torch.arange(self.count, self.count + len(of_rows))
        self.count += len(of_rows)
        counted = torch.ones(len(of_rows), dtype=torch.bool)
        if self.answers is not None and values is not None and self.kind != "targets":
            counted = values != IGNORED
        if self.answers is not None and values is not None:
            self.answers.update(places[counted], values[counted])
        self.samples.update(places[counted], of_rows[counted])
        for name, reservoir in self.rows.items():
            reservoir.update(places[counted], recorded.features[name][counted])

    def found(self, model: nn.Module) -> Representations:
        """Return what was kept, put together."""
        if len(self.rows) < FEWEST_LAYERS or self.samples is None:
            raise ValueError(
                f"layers must be at least {FEWEST_LAYERS} with rows of the same samples, got "
                f"{len(self.rows)}: {', '.join(self.rows)}."
            )
        names = list(self.rows)
        p, net = _positions(model, names)
        made = Representations.from_features(
            [self.rows[name].rows() for name in names],
            None if self.answers is None else self.answers.rows(),
            names=names,
            answer_kind=self.kind,
            samples=self.samples.rows(),
            p=p,
            activation=net.activation if net is not None else "relu",
            bias=net.bias if net is not None else True,
        )
        return replace(made, left_out=self.left_out)


def _of_rows(values: Tensor, recorded: Recorded, sample: Tensor, every: int) -> Tensor | None:
    """Return the answer of every row; None where labels are of something else than rows."""
    if values.ndim == 1 or values.is_floating_point():
        return values[sample - recorded.first]
    tokens = values[:, ::every] if values.ndim == 2 else values
    places = torch.arange(recorded.count).repeat_interleave(tokens[0].numel()) + recorded.first
    return tokens.reshape(-1) if torch.equal(places, sample) else None


def _positions(model: nn.Module, names: list[str]) -> tuple[Array | None, Any]:
    """Return where layers stand on the path of a `PathNet`, and that net; None for equal steps."""
    found = [_NODE.match(name) for name in names]
    nets = {each["net"] or "" for each in found if each is not None}
    if any(each is None for each in found) or len(nets) != 1:
        return None, None
    net = model.get_submodule(nets.pop())
    if not is_path_net(net):
        return None, None
    p = net.p.detach().cpu().numpy().astype(float)
    return np.array([p[int(each["node"])] for each in found if each is not None]), net
