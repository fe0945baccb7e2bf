"""Noise that steers itself while a model trains: `Steer`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
import xarray as xr
from torch import nn

from loadpath import results
from loadpath.checks import check_choice, check_count, check_flag, check_number, check_type
from loadpath.diagnosis.monitor import Account, BudgetWarning
from loadpath.diagnosis.steering.control import IntegralControl, Move
from loadpath.diagnosis.steering.held_curve import HeldCurve, Reading, read_function
from loadpath.diagnosis.steering.history import (
    FORMAT,
    SteeredLook,
    looks_from,
    plain_looks,
    steering_dataset,
    steering_words,
)
from loadpath.diagnosis.steering.knobs import Knob, as_knobs
from loadpath.measures.separation import KINDS, LoadCurve, SeparationKind
from loadpath.record import Layers

GAIN = 0.25
"""Part of a knob's range that a concavity of 1 moves it by at one look."""
LARGEST_ERROR = 0.1
"""Standard error of a concavity above which a probe is too small to say anything: a third of what
curves bend by between no dropout and far too much of it."""

ERROR_LOOKS = tuple(4**power for power in range(16))
"""Looks at which that error is measured, which takes as long as five other looks."""


class Steer:
    """Set the noise of a training so that the load curve of the model becomes straight.

    Call `step` after every training step, or once an epoch. Every `every` calls it looks: it runs
    the model over the probe in evaluation mode, measures the load curve, and turns the knobs by the
    integral of its concavity. A curve that is concave is met by more noise, a convex one by less.
    Parameters, buffers, modes and random states are put back, as `Monitor` does; the knobs are all
    that changes.

    Parameters
    ----------
    model : nn.Module
        The model that is trained; anything at all where `probe` is a function and `knobs` are
        given.
    probe : object
        Training samples with classes, as `Monitor` takes a probe: one batch (x, y), or a loader of
        which the first ones are taken. Or a function of the model that returns a `LoadCurve`.
    knobs : optional
        What is turned: a `Knob`, a triple (get, set, (low, high)), or a list of these. All Dropout
        modules of the model, together and from 0 to 0.5, if left out.
    every : int
        Calls of `step` from one look to the next.
    start : int, optional
        Number of the call of the first look; `every` if left out.
    gain : float
        Part of a knob's range that a concavity of 1 moves it by at one look.
    target : float
        Concavity that is steered to.
    kind : {"fuzziness", "trace_ratio", "inverse"}
        Convention of the log separation.
    layers : optional
        Layers that the curve has, by names or patterns, as in `loadpath.record.stream`; as found
        there if left out.
    with_input : bool
        Whether the model's input is the first layer of the curve. Leave it out where a BatchNorm
        of the inputs is a layer, as the spring-block paper does.
    samples : int
        Samples of the probe that are measured at most.
    budget : float, optional
        Share of the time, since the first step, that looks may take; 0.09 keeps a steered training
        within 1.1 times the plain one. A look that it does not have is put off to the next step
        that it does, so that what is done then depends on the clock; a `BudgetWarning` says so.
        Without a limit if left out, and then the same on every machine.
    state : mapping, optional
        What `state_dict` of an earlier one returned; this one goes on with it.
    **options
        `reduction`, `device`, `split`, `pass_labels`, `output`, `token_mask` and `grad`, as of
        `Monitor`.

    Raises
    ------
    ValueError
        Before the model trains: if it has no Dropout modules and no knobs are given, the probe has
        one class, fewer than 20 samples or fewer than 3 of a class, or an argument is out of range.

    Notes
    -----
    At looks 1, 4, 16 and so on the standard error of the concavity over samples is measured too.
    If it is above 0.1 the knobs are held until the next such look, and the record says that the
    probe is too small.

    On nine data sets that nobody had tuned on, steering was not shown to be better than a fixed
    dropout of 0.1, nor as good as choosing among eight levels by validation (docs/tuning.md).

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353, for the claim that straight curves are best.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> _ = torch.manual_seed(0)
    >>> parts = [layer for _ in range(4) for layer in (nn.Linear(6, 6), nn.ReLU(), nn.Dropout(0.1))]
    >>> model = nn.Sequential(*parts, nn.Linear(6, 2))
    >>> probe = torch.randn(60, 6), torch.arange(60) % 2
    >>> steer = lp.diagnosis.Steer(model, probe, every=10)
    >>> for _ in range(30):
    ...     steer.step()  # after each training step; mostly does nothing
    >>> steer.history()["step"].values.tolist()
    [10, 20, 30]
    """

    def __init__(
        self,
        model: Any,
        probe: Any,
        *,
        knobs: Any = None,
        every: int = 1,
        start: int | None = None,
        gain: float = GAIN,
        target: float = 0.0,
        kind: SeparationKind = "fuzziness",
        layers: Layers = None,
        with_input: bool = True,
        samples: int = 512,
        budget: float | None = None,
        state: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        check_count("every", every, 1)
        check_count("start", every if start is None else start, 1)
        check_number("gain", gain, above=0)
        check_number("target", target, above=-0.5, below=0.5)
        check_choice("kind", kind, KINDS)
        check_flag("with_input", with_input)
        if budget is not None:
            check_number("budget", budget, above=0, below=1)
        by_function = callable(probe) and not isinstance(probe, nn.Module)
        if not by_function:
            check_type("model", model, nn.Module, "an nn.Module where probe is no function")
        self.knobs: tuple[Knob, ...] = as_knobs(knobs, model)
        """What is turned."""
        self.every, self.start = every, every if start is None else start
        self.budget = budget
        self.put_off = 0
        """Number of looks that came later than they were due, to keep to the budget."""
        self._model, self._control = model, IntegralControl(gain, target)
        self._function: Callable[[Any], LoadCurve] | None = probe if by_function else None
        self._held: HeldCurve | None = None
        if not by_function:
            self._held = HeldCurve(
                model,
                probe,
                kind=kind,
                samples=samples,
                layers=layers,
                with_input=with_input,
                **options,
            )
        elif options or layers is not None:
            named = ", ".join(options) or "layers"
            raise ValueError(f"{named} must not be given where probe is a function.")
        self._kind = kind
        self._number, self._looks = 0, list[SteeredLook]()
        self._too_small = self._waiting = False
        weights = model.parameters() if isinstance(model, nn.Module) else iter(())
        self._account = Account(next((w.device for w in weights), torch.device("cpu")))
        self._places = [knob.place(float(knob.get())) for knob in self.knobs]
        if state is not None:
            self.load_state_dict(state)
        else:
            self._turn()

    @property
    def number(self) -> int:
        """Number of the last step."""
        return self._number

    @property
    def values(self) -> dict[str, float]:
        """What the knobs are set to, by their names."""
        pairs = zip(self.knobs, self._places, strict=True)
        return {knob.name: knob.value_at(place) for knob, place in pairs}

    @property
    def seconds(self) -> float:
        """Time that looks have taken, in seconds."""
        return self._account.seconds

    @property
    def share(self) -> float:
        """Time of looks, as a share of all the time since the first step; 0 before it."""
        return self._account.share if self.seconds > 0 else 0.0

    def step(self, *, number: int | None = None) -> None:
        """Count a training step, or an epoch, and look and turn the knobs if it is time.

        Parameters
        ----------
        number : int, optional
            Number of the step; one more than the last if left out.

        Raises
        ------
        ValueError
            If `number` is lower than the last one; as `loadpath.record.stream`.
        """
        self._account.begin()
        following = self._number + 1 if number is None else number
        if following < self._number:
            raise ValueError(f"number must be at least {self._number}, the last, got {number}.")
        due = following > self._number and (self._waiting or self._due(following))
        self._number = following
        if due and self._account.affords_one_more(self.budget):
            with self._account.own_time():
                self._look()
            self._looks[-1] = replace(self._looks[-1], seconds=self._account.last)
            self._waiting = False
        elif due and not self._waiting:
            self._waiting = True
            self.put_off += 1
            if self.put_off == 1:
                warnings.warn(self._words_of_put_off(), BudgetWarning, stacklevel=2)

    def set_values(self, values: Mapping[str, float]) -> None:
        """Set the knobs by hand, or as another process has set them; steering goes on from there.

        Parameters
        ----------
        values : mapping of str to float
            A value for each knob, by its name; one beyond a limit becomes the limit.

        Raises
        ------
        ValueError
            If a knob is missing, or there is no such knob.
        """
        check_type("values", values, Mapping, "a mapping of knobs to numbers")
        if set(values) != {knob.name for knob in self.knobs}:
            known = ", ".join(knob.name for knob in self.knobs)
            raise ValueError(f"values must name the knobs {known}, got {', '.join(values)}.")
        for value in values.values():
            check_number("values", value)
        self._places = [knob.place(float(values[knob.name])) for knob in self.knobs]
        self._turn()

    def history(self) -> xr.Dataset:
        """Return all looks so far.

        Returns
        -------
        xarray.Dataset
            Over `look`: `step`, `concavity`, `concavity_error` (NaN where it was not measured),
            `total`, the fall of the curve in nats, `seconds`, and over (look, knob) `value`, what
            each knob was set to after the look, and `move`, in words. `log_separation` is over
            (look, layer). `loadpath.plots.steering` draws it.
        """
        about = {} if self._held is None else self._held.attrs()
        layers = None if self._held is None else self._held.layers
        ds = steering_dataset(self._looks, [knob.name for knob in self.knobs], layers)
        return results.stamp(
            ds,
            **{"kind": self._kind, **about},
            every=self.every,
            start=self.start,
            gain=self._control.gain,
            target=self._control.target,
            low=[knob.low for knob in self.knobs],
            high=[knob.high for knob in self.knobs],
            own_seconds=self.seconds,
            budget=self.budget,
            put_off=self.put_off,
            words=self.words(),
        )

    def words(self) -> str:
        """Say what was done so far, and how far it can be trusted.

        Returns
        -------
        str
            One sentence a line.
        """
        return "\n".join(steering_words(self._looks, self.knobs, self._control.target))

    def plot(self) -> Any:
        """Draw all looks so far, as `loadpath.plots.steering` does.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Raises
        ------
        ValueError
            If there was no look yet.
        """
        from loadpath import plots  # who does not draw does without matplotlib

        return plots.steering(self.history())

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed run needs to go on, in dicts and lists of numbers and text.

        Returns
        -------
        dict
            Places of the knobs, number of the step, looks, and time.
        """
        return {
            "format": FORMAT,
            "knobs": [knob.name for knob in self.knobs],
            "places": list(self._places),
            "number": self._number,
            "too_small": self._too_small,
            "waiting": self._waiting,
            "put_off": self.put_off,
            "account": self._account.plain(),
            "looks": plain_looks(self._looks),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where an earlier one was: its looks, and its knobs, which are set again.

        Parameters
        ----------
        state : mapping
            What its `state_dict` returned.

        Raises
        ------
        ValueError
            If it is none, or one of other knobs.
        """
        if not isinstance(state, Mapping) or state.get("format") != FORMAT:
            raise ValueError(
                f"state must be what state_dict of a Steer returned, of format {FORMAT}, got "
                f"{state!r:.80}."
            )
        mine = [knob.name for knob in self.knobs]
        if state["knobs"] != mine:
            raise ValueError(
                f"state must be of the knobs {', '.join(mine)}, got {', '.join(state['knobs'])}."
            )
        self._places, self._number = list(state["places"]), state["number"]
        self._too_small, self._waiting = state["too_small"], state["waiting"]
        self.put_off = state["put_off"]
        self._account.add_earlier(state["account"])
        self._looks = looks_from(state["looks"])
        self._turn()

    def _due(self, number: int) -> bool:
        """Whether a look is due at a step."""
        last = self._number
        if number < self.start:
            return False
        passed = (number - self.start) // self.every
        return last < self.start or passed > (last - self.start) // self.every

    def _words_of_put_off(self) -> str:
        return (
            f"step {self._number}: a look is due and is put off. One takes about "
            f"{self._account.last:.2g} s, which budget={self.budget} does not have yet. From now "
            "on looks come when it does, and what is done depends on the clock; put_off counts how "
            f"often. For a look every {self.every} steps, pass budget=None; fewer samples= or a "
            "larger every= make looks cheaper."
        )

    def _look(self) -> None:
        """Measure the curve, turn the knobs, and write down what was done."""
        count = len(self._looks) + 1
        with_error = count in ERROR_LOOKS
        reading = self._read(with_error=with_error)
        if with_error and not math.isnan(reading.error):
            self._too_small = reading.error > LARGEST_ERROR
        moves: list[Move] = []
        for i, place in enumerate(self._places):
            held = self._reason_to_hold(reading)
            if held is None:
                self._places[i], move = self._control.next_place(place, reading.concavity)
            moves.append(held or move)
        self._turn()
        self._looks.append(
            SteeredLook(
                self._number,
                reading.concavity,
                reading.total,
                reading.error,
                reading.log_separation,
                tuple(self.values.values()),
                tuple(moves),
                seconds=0.0,  # known when the look is over
            )
        )

    def _read(self, *, with_error: bool) -> Reading:
        if self._held is not None:
            return self._held.read(with_error=with_error)
        assert self._function is not None
        return read_function(self._function, self._model)

    def _reason_to_hold(self, reading: Reading) -> Move | None:
        """Return why the knobs stay where they are; None if they move."""
        if math.isnan(reading.concavity):
            return "held: no curve"
        if not reading.total > 0:
            return "held: the curve does not fall"
        return "held: the probe is too small to say" if self._too_small else None

    def _turn(self) -> None:
        """Set the knobs to their places."""
        for knob, value in zip(self.knobs, self.values.values(), strict=True):
            knob.set(value)
