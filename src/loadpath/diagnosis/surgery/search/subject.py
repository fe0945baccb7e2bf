"""The model that is to be cut, on the samples of the search: its layers, and passes through it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from loadpath.checks import as_device, check_count, check_flag
from loadpath.diagnosis.answers import AnswerRule
from loadpath.diagnosis.labels import read_labels
from loadpath.diagnosis.skipping import (
    Call,
    LossFunction,
    Reading,
    Scoring,
    bypassing,
    choose_scoring,
    reason_to_keep,
    watching_calls,
)
from loadpath.diagnosis.surgery.search.sample import fingerprints
from loadpath.record import (
    Batch,
    Layers,
    Layout,
    Loader,
    Output,
    OwnRandomness,
    Split,
    TokenMask,
    batches_of,
    blocks_of,
    device_of,
    keeping_generators,
    mapped,
    prepare,
    select,
    unwrapped,
    visit,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Calling:
    """How a model is called on what a loader yields, and how what it returns is read."""

    layers: Layers = None
    """Which modules may go."""
    loss: LossFunction | None = None
    """The loss that the user gave."""
    tokens_first: bool = False
    """Whether sequences are (token, sample, width)."""
    device: torch.device | str | None = None
    """Where the model runs."""
    max_batches: int | None = None
    """The most batches that are read."""
    split: Split | None = None
    """A function from what the loader yields to inputs and labels."""
    pass_labels: bool = False
    """Whether the model of a dict batch is given its labels too."""
    output: Output = None
    """Which tensor of several is a layer's output."""
    answer: Output = None
    """Which tensor of several is the model's answer."""
    class_scores: bool | None = None
    """Whether the answer is scores of the classes."""
    token_mask: TokenMask | None = None
    """Which mask says what is padding."""

    def __post_init__(self) -> None:
        """Refuse in one sentence what is no such option."""
        if self.loss is not None and not callable(self.loss):
            raise ValueError(
                "loss must be a function of output and labels, and it is a "
                f"{type(self.loss).__name__}."
            )
        check_flag("tokens_first", self.tokens_first)
        check_flag("pass_labels", self.pass_labels)
        if self.class_scores is not None:
            check_flag("class_scores", self.class_scores)
        if self.max_batches is not None:
            check_count("max_batches", self.max_batches, 1)

    def where(self, model: nn.Module) -> torch.device:
        """Return where the model runs."""
        return device_of(model) if self.device is None else as_device("device", self.device)

    def visiting(self, device: torch.device, *, grad: bool = False) -> dict[str, Any]:
        """Return the arguments of `loadpath.record.visit`."""
        return dict(
            device=device,
            split=self.split,
            pass_labels=self.pass_labels,
            tokens_first=self.tokens_first,
            grad=grad,
        )


def batches_in_memory(
    model: nn.Module, loader: Loader, calling: Calling, name: str = "loader"
) -> list[Any]:
    """Return what a loader yields, so that each pass sees the same batches.

    Parameters
    ----------
    model : nn.Module
        The model.
    loader : iterable or Data
        The loader.
    calling : Calling
        How many batches are read.
    name : str, optional
        The argument's name, as its caller knows it.

    Returns
    -------
    list
        The batches as they are.

    Raises
    ------
    ValueError
        If there are none.
    """
    batches = batches_of(loader, model, name)
    with keeping_generators(model, batches), OwnRandomness(calling.where(model))():
        found = list(islice(iter(batches), calling.max_batches))
    if not found:
        raise ValueError(f"{name} must yield at least one batch, and it yields nothing.")
    return found


@dataclass
class Subject:
    """A model whose layers are to go, and the samples that tell which."""

    model: nn.Module
    """The model, without wrappers."""
    calling: Calling
    """How it is called."""
    batches: list[Any]
    """What the loader yields."""
    layout: Layout = field(init=False)
    """Which tensors are the layers' inputs and outputs."""
    calls: list[Call] = field(default_factory=list)
    """The layers that may go, in the order in which they run."""
    before: list[int | None] = field(default_factory=list)
    """The number of the layer whose output each layer is given; None where that is no layer."""
    widths: list[int] = field(default_factory=list)
    """The most features that each layer may have: the longest axis of its output but the first."""
    kept: dict[str, str] = field(default_factory=dict)
    """Layers that cannot go, each with the reason."""
    sizes: list[int] = field(default_factory=list)
    """How many samples each batch has."""
    seen: set[bytes] = field(default_factory=set)
    """Fingerprints of all samples."""
    reading: Reading = field(init=False)
    """How answers and labels are read."""
    scoring: Scoring | None = None
    """How outputs are scored."""
    spent: float = 0.0
    """Forward passes over the whole sample that were made; a backward pass counts as two."""

    def __post_init__(self) -> None:
        """Look at the first batch: which layers there are, and which of them may go."""
        self.device = self.calling.where(self.model)
        given = self.calling
        self.layout = Layout(
            self.model, self.device, given.output, given.tokens_first, given.token_mask
        )
        self.reading = Reading(AnswerRule(given.answer), given.class_scores)
        for number, raw in enumerate(self.batches):
            batch = prepared(raw, number, self.model, given)
            self.sizes.append(batch.count)
            self.seen.update(fingerprints(batch))
        for _ in self.passes([0], self._look):
            pass
        if not self.calls:
            told = "; ".join(f"{name} stays: {why}" for name, why in list(self.kept.items())[:3])
            raise ValueError(f"layers has none that can be removed: {told or 'none ran'}.")

    @property
    def names(self) -> list[str]:
        """Names of the layers that may go."""
        return [call.name for call in self.calls]

    def passes(
        self, numbers: Sequence[int], run: Callable[[Batch], T], *, grad: bool = False
    ) -> Iterator[T]:
        """Hand some batches to a function, each with its number among all.

        Parameters
        ----------
        numbers : sequence of int
            Which batches.
        run : callable
            A function of a batch, in whose calls the model may run.
        grad : bool, optional
            Whether gradients are on.

        Yields
        ------
        T
            What the function returned.
        """

        def numbered(batch: Batch, first: int) -> T:
            return run(dataclasses.replace(batch, number=numbers[batch.number]))

        if not numbers:
            return
        chosen = [self.batches[number] for number in numbers]
        options = self.calling.visiting(self.device, grad=grad)
        yield from visit(self.model, chosen, numbered, **options)

    def count_passes(self, samples: int, forward: float) -> None:
        """Count forward passes over some samples."""
        if self.sizes:
            self.spent += forward * samples / sum(self.sizes)

    def run(
        self,
        batch: Batch,
        start: OwnRandomness,
        hooks: Sequence[AbstractContextManager[None]] = (),
        model: nn.Module | None = None,
    ) -> Any:
        """Run the model on a copy of a batch under hooks, with the random numbers of `start`."""
        with copy.copy(start)(), ExitStack() as stack:
            for hook in hooks:
                stack.enter_context(hook)
            return own_memory(batch).run(self.model if model is None else model)

    def bypass(
        self, layer: int, through: Callable[[Tensor], Tensor] | None = None
    ) -> AbstractContextManager[None]:
        """Return a context in which a layer is left out."""
        return bypassing(self.calls[layer], self.layout, through=through)

    def watch(
        self, batch: Batch, see: Callable[[int, Tensor, Tensor], None]
    ) -> AbstractContextManager[None]:
        """Return a context in which each layer's input and output are handed to a function."""
        known = {call.name: number for number, call in enumerate(self.calls)}

        def watcher(call: Call, before: Tensor | None, after: Tensor | None) -> None:
            if call.name in known and before is not None and after is not None:
                see(known[call.name], before, after)

        sites = list(dict.fromkeys(call.site for call in self.calls))
        return watching_calls(sites, watcher, self.layout, batch.count)

    def _look(self, batch: Batch) -> None:
        """Find the layers, and which of them may go, on the first batch."""
        if self.calling.layers is None:
            sites = blocks_of(self.layout, batch).sites
        else:
            sites, _ = select(self.model, self.calling.layers)
        if any(site.node is None for site in sites):
            self.layout.try_on(own_memory(batch))
            self.layout.learn(sites, rows=False)
        found: list[tuple[Call, Tensor | None, Tensor | None]] = []

        def watcher(call: Call, before: Tensor | None, after: Tensor | None) -> None:
            found.append((call, before, None if after is None else after.detach().clone()))

        start = OwnRandomness(self.device)
        with watching_calls(sites, watcher, self.layout, batch.count):
            output = self.run(batch, start)
        again = {call.site for call, _, _ in found if call.times > 1}
        ends: list[tuple[int, Tensor]] = []
        for call, before, after in found:
            reason = reason_to_keep(call, before, after)
            if reason is None and call.site in again:
                reason = "its module runs more than once, and cannot go for one of its calls"
            if reason is not None:
                self.kept[call.name] = reason
                continue
            assert before is not None and after is not None
            follows = ends and before.shape == ends[-1][1].shape and before.equal(ends[-1][1])
            self.before.append(ends[-1][0] if follows else None)
            ends.append((len(self.calls), after))
            self.calls.append(call)
            self.widths.append(max(after.shape[1:], default=1))
        answers = self.reading.answers
        if answers.needs_last(output, read_labels(batch.labels)):
            answers.take_last(output, self.layout.last_path(batch))
        self.scoring = choose_scoring(self.calling.loss, output, batch, self.reading)


def prepared(
    raw: Any, number: int, model: nn.Module, calling: Calling, device: torch.device | None = None
) -> Batch:
    """Return what a loader yielded as a call of the model, on the CPU unless told otherwise."""
    return prepare(
        raw,
        number,
        device=torch.device("cpu") if device is None else device,
        split=calling.split,
        pass_labels=calling.pass_labels,
        model=model,
    )


def own_memory(batch: Batch) -> Batch:
    """Return the batch in memory of its own, because a model may write to what it is given."""
    cloned: Batch = mapped(batch, Tensor.clone)
    return cloned


def subject_of(model: nn.Module, loader: Loader, calling: Calling) -> Subject:
    """Return a model with the samples of a search, once its layers are known."""
    inner = unwrapped(model)
    return Subject(inner, calling, batches_in_memory(inner, loader, calling))


def lacking(model: nn.Module, names: Iterable[str]) -> list[str]:
    """Return the names of layers that a model does not have; nodes of a path are no modules."""
    known = {name for name, _ in model.named_modules(remove_duplicate=False)}
    return [n for n in names if n not in known and not n.rpartition(".")[0].endswith("path")]
