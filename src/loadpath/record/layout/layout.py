"""How the layers of a model put out their samples: which tensor, which axis, which mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from loadpath.record.calls import Batch, own_mask
from loadpath.record.hooks import OwnRandomness
from loadpath.record.layout.axes import (
    axis_of_shape,
    first_axis,
    is_plain,
    moving_axes,
    resized,
)
from loadpath.record.layout.outputs import (
    Output,
    check_output,
    choose_given,
    choose_output,
    only_path,
    put_out,
)
from loadpath.record.layout.sequences import (
    CallKey,
    Stem,
    changed,
    mask_name,
    stem_by_effect,
    stem_by_name,
    stems_in,
)
from loadpath.record.layout.trial import Call, Seen, watch_calls
from loadpath.record.selection import Site
from loadpath.record.structures import Path, at, is_real, leaves, mapped, tensor_of, values_of

TokenMask = Callable[[str, int, Tensor | None], Tensor | None]
"""A function of a layer's name, its number of tokens and the mask of the source."""

_MOVES = 1e-6
# A layer depends on what is turned around if its sketch moves by more than that share: repeated
# passes on a GPU differ by rounding, and samples that change places by far more.


@dataclass(frozen=True)
class Place:
    """Where the samples of a layer are in what it puts out."""

    path: Path
    """The path to the tensor that is its output."""
    axis: int
    """The axis of the samples, 0 or 1."""


@dataclass(frozen=True)
class Mask:
    """Which tokens of a layer's output on one batch are padding."""

    tokens: Tensor | None
    """(sample, token), True where a token is not padding; None where none is."""
    words: str
    """What says so, to stand behind "the tokens"; empty if there is nothing to say."""


@dataclass
class Layout:
    """What is known of the layers of a model, from its first batch on."""

    model: nn.Module
    """The model, inside its wrappers."""
    device: torch.device
    """Where it runs."""
    output: Output = None
    """What the user says of which tensor is the output."""
    tokens_first: bool = False
    """Whether the user says that sequences are (token, sample, width)."""
    token_mask: TokenMask | None = None
    """What the user says of masks."""
    places: dict[CallKey, Place] = field(default_factory=dict)
    """Where samples are, by module and call."""
    given: dict[CallKey, Path] = field(default_factory=dict)
    """Where the input is that goes on in a layer's place, by module and call of a trial pass."""
    masks: dict[CallKey, tuple[str, str]] = field(default_factory=dict)
    """Which mask a call has: its kind ("given", "own" or "none") and its name or the reason."""
    applied: bool = False
    """Whether `output` took part of what some layer put out."""
    calls: list[Call] | None = None
    """All calls of the trial pass, if there was one."""
    unclear: bool = False
    """Whether a trial pass must tell more than a first pass has shown."""
    _batch: Batch | None = None
    _fewer: dict[CallKey, Call] | None = None
    _effects: dict[Stem, set[CallKey]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_output(self.output)
        if self.token_mask is not None and not callable(self.token_mask):
            raise ValueError(f"token_mask must be a function, got {self.token_mask!r}.")

    def try_on(self, batch: Batch) -> list[Call]:
        """Run the first batch, in memory of its own, and return all calls.

        Random numbers are as if it had not run.
        """
        self._batch, self.unclear = batch, False
        if self.calls is None:
            self.calls = self._watched(lambda: mapped(batch, Tensor.clone))
        return self.calls

    def _watched(self, made: Callable[[], Batch], *, sketched: bool = False) -> list[Call]:
        with OwnRandomness(self.device)():
            return watch_calls(self.model, lambda: made().run(self.model), sketched=sketched)

    def is_usable(self, call: Call) -> bool:
        """Return whether a call of the trial put out real numbers with samples."""
        return any(seen.real and self._has_samples(call, seen) for seen in call.out)

    def _has_samples(self, call: Call, seen: Seen) -> bool:
        if seen.ragged:
            return True
        return len(seen.shape) > 1 and self._axis(call, seen, refuse=False) is not None

    def _axis(self, call: Call, seen: Seen, *, refuse: bool) -> int | None:
        """Return the axis of the samples in what a call of the trial put out."""
        batch = self._batch
        assert batch is not None
        shape, count = seen.shape, batch.count
        if seen.ragged:
            return 0
        sure = axis_of_shape(shape, count, False)
        if sure == 0 and is_plain(batch):
            return 0
        if count not in shape[:2]:
            return None
        fewer = self._of_fewer()
        key = call.site.name, call.times
        if fewer is not None:
            other = {s.path: s for s in fewer[key].out}.get(seen.path) if key in fewer else None
            if other is not None:
                now = 2 if count == 1 else count - 1
                axes = [a for a in moving_axes(shape, other.shape, count, now) if a < 2]
                if axes and (axes[0] == 0 or len(shape) == 3):
                    return axes[0]
                return None
        said = first_axis(call.site.module) if len(shape) == 3 else None
        axis = axis_of_shape(shape, count, self.tokens_first) if said is None else said
        if axis is None and refuse and shape[:2] == (count, count):
            raise ValueError(
                f"layer {call.site.name!r} puts out {shape} for a batch of {count} samples, and "
                "which axis is that of the samples cannot be told: take batches of another size."
            )
        return axis

    def _of_fewer(self) -> dict[CallKey, Call] | None:
        """Return the calls of a pass with one sample less; None if the model does not run it."""
        if self._fewer is None:
            self._fewer = {}
            for square in (True, False):
                try:
                    found = self._watched(partial(resized, self._first, square))
                except Exception:  # what a model cannot do with other sizes is no fault of it
                    continue
                self._fewer = {(call.site.name, call.times): call for call in found}
                break
        return self._fewer or None

    @property
    def _first(self) -> Batch:
        assert self._batch is not None
        return self._batch

    def place(self, site: Site, times: int, output: Any, batch: Batch) -> Place | None:
        """Return where the samples are in what a layer put out.

        Parameters
        ----------
        site : Site
            The layer.
        times : int
            Which of its calls it is, from 1.
        output : Any
            What it put out.
        batch : Batch
            The batch.

        Returns
        -------
        Place or None
            The place; None if a trial pass must tell, and there was none.
        """
        key = site.name, times
        if key not in self.places:
            found = self._plain_place(site, output, batch)
            if found is not None and not (self._is_one_sequence(batch) or self.calls):
                found = None  # which of the masks is its own must be found out
            if found is None:
                return self.places.get((site.name, 1))
            self.places[key] = found
        return self.places[key]

    def knows_place(self, site: Site, times: int, output: Any, count: int) -> bool:
        """Return whether the output of a call can be selected, and note if a trial must tell."""
        if site.node is not None or (site.name, times) in self.places:
            return True
        part, taken = put_out(output, self.output)
        self.applied |= taken
        path = only_path(site.module, part)
        if path is None:
            self.unclear |= self.calls is None
            return self.calls is not None
        x = values_of(at(part, path))
        shape = () if x.is_nested else tuple(x.shape)
        axis = axis_of_shape(shape, count, self.tokens_first)
        if axis is None and len(shape) == 3 and count in shape[:2] and self.calls is None:
            self.unclear = True
        self.places[site.name, times] = Place(self._prefix(taken) + path, axis or 0)
        return True

    def _plain_place(self, site: Site, output: Any, batch: Batch) -> Place | None:
        """Return the place that can be told from the output alone."""
        if site.node is not None:
            return Place((), 0)
        part, taken = put_out(output, self.output)
        self.applied |= taken
        path = only_path(site.module, part)
        if path is None:
            return None
        x = at(part, path)
        if callable(self.output) and taken and isinstance(x, Tensor):
            return Place((), axis_of_shape(tuple(x.shape), batch.count, self.tokens_first) or 0)
        if not isinstance(x, PackedSequence) and not x.is_nested:
            if axis_of_shape(tuple(x.shape), batch.count, False) != 0 or not is_plain(batch):
                return None
        return Place(self._prefix(taken) + path, 0)

    def _prefix(self, taken: bool) -> Path:
        return (self.output,) if taken and not callable(self.output) else ()

    def learn(self, sites: list[Site], *, rows: bool = True) -> None:
        """Find the places of all calls of the trial pass that are layers.

        Parameters
        ----------
        sites : list of Site
            The layers.
        rows : bool, optional
            Whether rows are made of them, so that they must have an axis of samples.

        Raises
        ------
        ValueError
            If it cannot be told which tensor is a layer's output, or which axis has the samples.
        """
        assert self.calls is not None
        if self.token_mask is None and not self._is_one_sequence(self._first):
            self._effects = self._find_effects(stems_in(self.model, self._first))
        earlier: list[Seen] = []
        modules = {site.module for site in sites}
        names = {site.name for site in sites if site.node is None}
        for call in self.calls:
            if call.site.name not in names or not call.out:
                continue
            path = self._path(call, modules)
            if path is None:
                continue
            seen = next(seen for seen in call.out if seen.path == path)
            axis = self._axis(call, seen, refuse=rows)
            if rows and axis is None and seen.real and seen.shape[:1] == (self._first.count,):
                raise ValueError(
                    f"layer {call.site.name!r} must put out samples along its first axis, and no "
                    f"axis of its output {seen.shape} grows with the batch."
                )
            # What is of another length is refused by what makes rows of it.
            self.places[call.site.name, call.times] = Place(path, axis or 0)
            given = choose_given(call, seen.shape, earlier)
            if given is not None:
                self.given[call.site.name, call.times] = given
            earlier.append(seen)

    def _path(self, call: Call, modules: set[nn.Module]) -> Path | None:
        """Return the path to the output of a call of the trial; None if a function gives it."""
        assert self.calls is not None
        real = [seen for seen in call.out if seen.real]
        if callable(self.output) and not (len(call.out) == 1 and call.out[0].path == ()):
            return None
        if self.output is not None:
            step = self.output
            if isinstance(step, int) and step < 0:
                step += call.length
            inside = [seen for seen in real if seen.path[:1] == (step,)]
            self.applied |= bool(inside)
            if len(inside) == 1:
                return inside[0].path
        if not real:
            return call.out[0].path
        return choose_output(call, self.calls, modules, lambda seen: self._has_samples(call, seen))

    def select(self, site: Site, times: int, output: Any) -> Any:
        """Return the tensor or packed sequence that is a layer's output, by its known place.

        Raises
        ------
        ValueError
            If there is no such thing in what it put out.
        """
        if isinstance(output, Tensor | PackedSequence):
            return output
        if callable(self.output):
            part, _ = put_out(output, self.output)
            path = only_path(site.module, part)
            if path is None:
                raise ValueError(
                    f"output must make one tensor of real numbers of what layer {site.name!r} puts "
                    f"out, and it makes a {type(part).__name__}."
                )
            return at(part, path)
        place = self.places.get((site.name, times)) or self.places.get((site.name, 1))
        try:
            found = at(output, place.path if place is not None else ())
        except LookupError:
            found = None
        if not isinstance(found, Tensor | PackedSequence):
            raise ValueError(
                f"layer {site.name!r} puts out a {type(output).__name__} without the tensor "
                "that it has in the first batch."
            )
        return found

    def given_to(self, site: Site, times: int, args: Any, kwargs: Any) -> Tensor | None:
        """Return what a module is given that goes on in its place where it is left out."""
        path = self.given.get((site.name, times)) or self.given.get((site.name, 1))
        if self.calls is None and path is None:
            real = [leaf for _, leaf in leaves((args, kwargs)) if is_real(values_of(leaf))]
            self.unclear |= len(real) > 1
        try:
            leaf = at((args, kwargs), path) if path is not None else None
        except LookupError:
            leaf = None
        if isinstance(leaf, Tensor | PackedSequence):
            return values_of(leaf)
        return tensor_of((*args, *kwargs.values()))

    def mask(self, site: Site, times: int, length: int, batch: Batch) -> Mask:
        """Return which tokens of a layer are padding, by the mask that belongs to it.

        Parameters
        ----------
        site : Site
            The layer.
        times : int
            Which of its calls it is, from 1.
        length : int
            How many tokens it puts out.
        batch : Batch
            The batch.

        Returns
        -------
        Mask
            The mask, and what it is.

        Raises
        ------
        ValueError
            If `token_mask` gives something else than a mask of that length.
        """
        if self.token_mask is not None:
            return self._users_mask(site.called(times), length, batch)
        key = site.name, times
        if key not in self.masks:
            self.masks[key] = self._kind_of_mask(key, site, length, batch)
        kind, name = self.masks[key]
        if kind == "none":
            return Mask(None, name)
        tokens = batch.masks.get(name)
        if tokens is None:
            return Mask(None, "")
        if kind == "own":
            made = own_mask(self.model, tokens, length)
            if made is not None:
                return Mask(made[0], f"that are not padding by {made[1]} of the model")
            return Mask(None, f", all of them: the model tells no padding of {length} tokens")
        padded = name in batch.padded
        return Mask(tokens if padded else None, f"that are not padding by {name}")

    def _users_mask(self, name: str, length: int, batch: Batch) -> Mask:
        assert self.token_mask is not None
        made = self.token_mask(name, length, batch.mask)
        if made is None:
            return Mask(None, ", all of them by token_mask")
        if not isinstance(made, Tensor) or tuple(made.shape) != (batch.count, length):
            shape = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise ValueError(
                f"token_mask must give None or a mask ({batch.count}, {length}) for layer "
                f"{name!r}, and it gives {shape}."
            )
        return Mask((made != 0).to(self.device), "that are not padding by token_mask")

    def _kind_of_mask(self, key: CallKey, site: Site, length: int, batch: Batch) -> tuple[str, str]:
        """Return the kind of a layer's mask, and its name, or what is said of there being none."""
        if not batch.masks:
            only = batch.unread_masks
            return "none", f", all of them: {only} is read by the model only" if only else ""
        stem = self._stem(key, site, batch)
        name = mask_name(batch, stem)
        if name is None:
            return "none", f", all of them: {', '.join(batch.masks)} is of other tokens"
        given = batch.masks[name].shape[1]
        if given == length:
            return "given", name
        if own_mask(self.model, batch.masks[name], length) is not None:
            return "own", name
        return "none", f", all of them: {name} has {given}, and the layer {length}"

    def _is_one_sequence(self, batch: Batch) -> bool:
        """Return whether all masks of a batch can only be of one sequence of tokens."""
        return not batch.masks or len(stems_in(self.model, batch)) < 2

    def _stem(self, key: CallKey, site: Site, batch: Batch) -> Stem:
        """Return the sequence that a layer works on."""
        stems = stems_in(self.model, batch)
        if len(stems) < 2:
            return next(iter(stems), "source")
        if not self._effects:
            return stem_by_name(site)
        found = stem_by_effect({stem: key in self._effects[stem] for stem in self._effects})
        return found if found in stems else "source"

    def _find_effects(self, stems: dict[Stem, set[int]]) -> dict[Stem, set[CallKey]]:
        """Return for each stem the calls whose output is another when it is turned around."""

        def sketches(batch: Batch) -> dict[CallKey, list[float]]:
            calls = self._watched(lambda: batch, sketched=True)
            return {(c.site.name, c.times): [seen.sketch for seen in c.out] for c in calls}

        first = self._first
        found: dict[Stem, set[CallKey]] = {}
        try:
            plain = sketches(mapped(first, Tensor.clone))
            for stem, tensors in stems.items():
                if stem != "other":
                    turned = sketches(changed(first, tensors))
                    found[stem] = {key for key in plain if _moved(plain[key], turned.get(key, []))}
        except Exception:  # what a model cannot do with tokens in another order is no fault of it
            return {}
        return found


def _moved(before: list[float], after: list[float]) -> bool:
    """Return whether one of some sketches is another now."""
    pairs = zip(before, after, strict=False)
    return any(abs(a - b) > _MOVES * max(abs(a), abs(b)) for a, b in pairs)
