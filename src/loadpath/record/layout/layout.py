"""How the layers of a model put out their samples: which tensor, which axis, which mask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from loadpath.record.calls import Batch
from loadpath.record.layout.axes import (
    axis_of_shape,
    is_plain,
)
from loadpath.record.layout.masking import Masking, TokenMask
from loadpath.record.layout.outputs import (
    Output,
    check_output,
    choose_given,
    choose_output,
    only_path,
    put_out,
)
from loadpath.record.layout.probing import Trial
from loadpath.record.layout.sequences import (
    CallKey,
)
from loadpath.record.layout.trial import Call, Seen
from loadpath.record.selection import Site
from loadpath.record.structures import OutputPath, at, is_real, leaves, tensor_of, values_of


@dataclass(frozen=True)
class Place:
    """Where the samples of a layer are in what it puts out."""

    path: OutputPath
    """The path to the tensor that is its output."""
    axis: int
    """The axis of the samples, 0 or 1."""


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
    given: dict[CallKey, OutputPath] = field(default_factory=dict)
    """Where the input is that goes on in a layer's place, by module and call of a trial pass."""
    masking: Masking = field(init=False)
    """Which mask each layer has."""
    applied: bool = False
    """Whether `output` took part of what some layer put out."""
    unclear: bool = False
    """Whether a trial pass must tell more than a first pass has shown."""
    _trial: Trial | None = None

    def __post_init__(self) -> None:
        check_output(self.output)
        self.masking = Masking(self.model, self.token_mask)

    @property
    def calls(self) -> list[Call] | None:
        """All calls of the trial pass, if there was one."""
        return None if self._trial is None else self._trial.calls

    def try_on(self, batch: Batch) -> Trial:
        """Run the first batch in a trial, unless there was one."""
        self.unclear = False
        if self._trial is None:
            self._trial = Trial(self.model, self.device, batch, self.tokens_first)
        return self._trial

    def last_path(self, batch: Batch) -> OutputPath | None:
        """Return the path to what the last layer put out, in what the model returns (see `Trial`).

        Where there was no trial, one is made for this alone.
        """
        trial = self._trial or Trial(self.model, self.device, batch, self.tokens_first)
        return trial.last_path()

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
            if self._trial is None and not self.masking.is_clear(batch):
                found = None  # which of the masks is its own must be found out
            if found is None:
                return None if self._trial is None else self.places.get((site.name, 1))
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
            if isinstance(site.module, nn.Embedding) and x.ndim == 2:
                return None  # of positions, which may be as many as there are samples
            if axis_of_shape(tuple(x.shape), batch.count, False) != 0 or not is_plain(batch):
                return None
        return Place(self._prefix(taken) + path, 0)

    def _prefix(self, taken: bool) -> OutputPath:
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
        trial = self._trial
        assert trial is not None
        if not self.masking.is_clear(trial.batch):
            self.masking.effects = trial.effects()
        earlier: list[Seen] = []
        modules = {site.module for site in sites}
        names = {site.name for site in sites if site.node is None}
        for call in trial.calls:
            if call.site.name not in names or not call.out:
                continue
            path = self._path(call, modules, trial)
            if path is None:
                continue
            seen = next(seen for seen in call.out if seen.path == path)
            axis = trial.axis(call, seen, refuse=rows)
            if rows and axis is None and seen.real and seen.shape[:1] == (trial.batch.count,):
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

    def _path(self, call: Call, modules: set[nn.Module], trial: Trial) -> OutputPath | None:
        """Return the path to the output of a call of the trial; None if a function gives it."""
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
        return choose_output(call, trial.calls, modules, lambda seen: trial.has_samples(call, seen))

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
