"""What each layer of a language model adds to the prediction of the next token, without labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from loadpath.diagnosis.profile.entries import ColumnEntry, entry_of_estimate, missing_entry
from loadpath.diagnosis.profile.passes.heads import (
    Head,
    NoHeadError,
    Reader,
    check_causal,
    own_reader,
    sequence_in,
    tokens_of,
)
from loadpath.diagnosis.skipping import RatioSums
from loadpath.record import INPUT, Batch, Recording, Site, is_real, leaves, values_of

READ = 128
"""How many tokens of a sequence are read at most, evenly spaced: each costs a pass of the head."""
NUMBERS = 2**23
"""How many logits are held at once."""
NO_SEQUENCE = missing_entry("its output is no sequence of the tokens")
NOT_READ = missing_entry("its width is not that of what the head reads")
NO_INPUT = missing_entry("it is given no representation of the same width")

Step = tuple[str, Tensor | None, Tensor]
"""A layer with the representation that it is given and the one that it puts out."""


@dataclass
class NextTokens:
    """Cross-entropy of the next token, read off every layer, summed over a pass."""

    head: Head | None = None
    """A head that the user gave."""
    strict: bool = False
    """Whether it is an error if there is nothing to read through."""
    level: float = 0.95
    """Confidence level of the intervals."""
    reader: Reader | None = None
    """What reads; None until the first batch."""
    left_out: str = ""
    """Why nothing is read, where the model is given tokens."""
    over: bool = False
    """Whether it is known that nothing is read."""
    loss: dict[str, RatioSums] = field(default_factory=lambda: defaultdict(RatioSums))
    """Cross-entropies read off the layers."""
    gain: dict[str, RatioSums] = field(default_factory=lambda: defaultdict(RatioSums))
    """What layers take off them."""
    reasons: dict[str, ColumnEntry] = field(default_factory=dict)
    """Why a layer is not read."""
    n_tokens: int = 0
    """How many next tokens were predicted."""
    vocabulary: int = 0
    """Among how many tokens."""

    def measure(self, recording: Recording, batch: Batch) -> None:
        """Read the layers on a batch, in a pass of its own.

        Parameters
        ----------
        recording : Recording
            The recording, which knows the layers.
        batch : Batch
            The batch.

        Raises
        ------
        ValueError
            If nothing can be read and that was asked for; if a head that was given makes no logits.
        """
        if self.over:
            return
        assert recording.chosen is not None
        model, sites = recording.layout.model, [s for s in recording.chosen[0] if s.node is None]
        ids = tokens_of(batch)
        if self.reader is None:
            try:
                self.reader = self._find_reader(recording, sites, batch, ids)
            except NoHeadError as error:
                if self.strict:
                    raise ValueError(
                        f"the next token cannot be read off the layers of this model: {error}."
                    ) from None
                self.over, self.left_out = True, "" if ids is None else str(error)
                return
        if ids is None:
            raise ValueError(f"batch {batch.number} must give the model tokens, as batch 0 does.")
        counted = _counted_places(ids, batch.mask)
        steps = list(_steps(model, sites, batch, ids, recording, self.reasons))
        targets, samples = ids[:, 1:][counted], counted.nonzero()[:, 0]
        weight = torch.bincount(samples, minlength=len(ids)).cpu().double()
        before: tuple[Tensor, Tensor] | None = None
        for name, given, after in steps:
            read = self._losses(name, after, counted, targets, samples, len(ids))
            if read is None:
                before = None
                continue
            self.loss[name].update(read, weight)
            start = None
            if given is not None and before is not None and torch.equal(given, before[0]):
                start = before[1]
            elif given is not None:
                start = self._losses(name, given, counted, targets, samples, len(ids))
            if start is not None:
                self.gain[name].update(start - read, weight)
            before = after, read
        self.n_tokens += int(weight.sum())

    def _find_reader(
        self, recording: Recording, sites: Sequence[Site], batch: Batch, ids: Tensor | None
    ) -> Reader:
        """Return what reads the layers of a model that predicts the next token."""
        model = recording.layout.model
        if ids is None:
            raise NoHeadError("it is given no tokens, whole numbers (sample, token)")
        if batch.axis != 0 or ids.shape[1] < 2:
            raise NoHeadError("its sequences are not (sample, token) of two tokens or more")
        if batch.has_target:
            raise NoHeadError("it reads one sequence and predicts another")
        if not sites:
            raise NoHeadError("its layers are no modules")
        reader = (
            own_reader(model, sites, batch, ids) if self.head is None else Reader((), self.head)
        )
        check_causal(model, batch, ids, sites[-1], recording.layout.device)
        return reader

    def _losses(
        self,
        name: str,
        representation: Tensor,
        counted: Tensor,
        targets: Tensor,
        samples: Tensor,
        n: int,
    ) -> Tensor | None:
        """Return the cross-entropies of each sample, summed, in float64; None if there are none."""
        assert self.reader is not None
        if self.reader.width not in (None, representation.shape[-1]):
            self.reasons[name] = NOT_READ
            return None
        rows = representation[:, :-1][counted]
        total = torch.zeros(n, dtype=torch.float64)
        at_once = 64
        start = 0
        while start < len(rows):
            stop = min(start + at_once, len(rows))
            logits = self._logits(rows[start:stop], targets)
            each = nn.functional.cross_entropy(
                logits if logits.dtype == torch.float64 else logits.float(),
                targets[start:stop].long(),
                reduction="none",
            )
            total.index_add_(0, samples[start:stop].cpu(), each.cpu().double())
            start, at_once = stop, max(1, NUMBERS // logits.shape[1])
        return total

    def _logits(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Return the logits of rows, (row, vocabulary)."""
        assert self.reader is not None
        logits = self.reader(rows[None])
        largest = int(targets.max()) if len(targets) else 0
        shaped = isinstance(logits, Tensor) and logits.ndim == 3 and logits.shape[1] == len(rows)
        if not shaped or not is_real(logits) or logits.shape[2] <= largest:
            found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(
                f"head must make logits (sample, token, vocabulary) of (1, {len(rows)}, "
                f"{rows.shape[1]}), for more than {largest} tokens, and it makes {found}."
            )
        self.vocabulary = logits.shape[2]
        return logits[0]

    def columns(self, layers: Sequence[str]) -> dict[str, list[ColumnEntry]]:
        """Return the columns `next_token_loss` and `next_token_gain`; none where nothing was read.

        Parameters
        ----------
        layers : sequence of str
            The layers, in their order.

        Returns
        -------
        dict of str to list of ColumnEntry
            An entry a layer.
        """
        if self.reader is None:
            return {}
        kinds = {"next_token_loss": self.loss, "next_token_gain": self.gain}
        return {
            kind: [
                self._entry(name, sums, NO_INPUT if "gain" in kind else NO_SEQUENCE)
                for name in layers
            ]
            for kind, sums in kinds.items()
        }

    def _entry(self, name: str, sums: dict[str, RatioSums], without: ColumnEntry) -> ColumnEntry:
        if name == INPUT:
            return NO_SEQUENCE
        if name in sums:
            return entry_of_estimate(sums[name].estimate(level=self.level))
        return self.reasons.get(name, without)


def _counted_places(ids: Tensor, mask: Tensor | None) -> Tensor:
    """Return the places (sample, token - 1) whose next token is predicted: no padding, evenly."""
    length = ids.shape[1] - 1
    apart = -(-length // READ)
    counted = (torch.arange(length, device=ids.device) % apart == 0).expand(len(ids), length)
    if mask is not None:
        real = mask.to(ids.device).bool()
        counted = counted & real[:, :-1] & real[:, 1:]
    return counted


def _steps(
    model: nn.Module,
    sites: Sequence[Site],
    batch: Batch,
    ids: Tensor,
    recording: Recording,
    reasons: dict[str, ColumnEntry],
) -> Iterator[Step]:
    """Run a batch, and yield the layers in order with what they are given and put out."""
    calls: Counter[Site] = Counter()
    given: dict[Site, list[list[Tensor]]] = defaultdict(list)
    found: list[Step] = []
    with ExitStack() as hooks:
        for site in sites:

            def enter(_: nn.Module, args: Any, kwargs: Any, site: Site = site) -> None:
                tensors = [values_of(leaf) for _, leaf in leaves((args, kwargs))]
                fit = [
                    t for t in tensors if is_real(t) and t.ndim == 3 and t.shape[:2] == ids.shape
                ]
                given[site].append([tensor.clone() for tensor in fit])  # layers may write to it

            def leave(_: nn.Module, args: Any, output: Any, site: Site = site) -> None:
                calls[site] += 1
                name, before = site.called(calls[site]), given[site].pop()
                after = sequence_in(recording.layout.select(site, calls[site], output), ids)
                if after is None:
                    reasons[name] = NO_SEQUENCE
                    return
                same = [tensor for tensor in before if tensor.shape == after.shape]
                found.append((name, same[0] if same else None, after.clone()))

            hooks.callback(
                nn.Module.register_forward_pre_hook(site.module, enter, with_kwargs=True).remove
            )
            hooks.callback(nn.Module.register_forward_hook(site.module, leave).remove)
        batch.run(model)
    yield from found
