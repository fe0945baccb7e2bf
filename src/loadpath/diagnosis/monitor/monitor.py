"""A monitor: what the layers of a model do while it trains, at a cost that has a bound."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import torch
import xarray as xr
from torch import Tensor, nn

from loadpath import results
from loadpath.checks import check_flag, check_number
from loadpath.diagnosis.monitor.account import Account, BudgetWarning
from loadpath.diagnosis.monitor.alarms import Alarm, Collapse, CollapseWarning, CollapseWatch
from loadpath.diagnosis.monitor.held_batches import HeldBatches
from loadpath.diagnosis.monitor.history import Look, history_dataset
from loadpath.diagnosis.monitor.logging import logged_name, sink_for
from loadpath.diagnosis.monitor.saving import (
    FORMAT,
    alarms_from,
    check_same,
    looks_from,
    plain_alarms,
    plain_looks,
    plain_watch,
    watch_from,
)
from loadpath.diagnosis.monitor.schedule import Schedule
from loadpath.diagnosis.monitor.snapshot import Snapshot
from loadpath.measures.separation import SeparationKind
from loadpath.record import (
    Layers,
    Output,
    Reduction,
    Split,
    TokenMask,
    device_of,
    unwrapped,
)


class Monitor:
    """Measure a model on a few samples now and then while it trains, and warn of collapse.

    A *look* runs the model over the probe in evaluation mode without gradients, and measures every
    layer: log separation of the classes and load, ranks, relative step, spread. The first look is
    taken when the monitor is made, the next ones every `every` calls of `step`, if the budget has
    them. Whatever the budget, there is a look at the end (`close`, or leaving a `with` block), and
    there are at least `guaranteed` between. Parameters, buffers, gradients, modes, hooks and random
    states are put back, so that training is what it would be without the monitor, bit for bit. What
    else a model keeps of its passes is not put back: plain attributes that `forward` sets, and what
    it writes to files.

    A run that is resumed goes on with `state`: `state_dict` has the history, the first looks that
    alarms compare with, and the account of time, in plain values for any checkpoint.

    Parameters
    ----------
    model : nn.Module
        Any module (see `loadpath.record.stream`). Its parameters must not be sharded over
        processes, because one of these could not read them.
    probe : object
        Held-out samples, best with class labels: one batch, if it is a tensor, an array, a dict or
        a tuple (x, y); else a list or loader of batches. They are drawn once and kept.
    log : callable or TensorBoard SummaryWriter, optional
        Where numbers go: a function of a dict, or of a dict and step=, such as wandb.log,
        mlflow.log_metrics or trackio.log, or a TensorBoard writer. Names are such as
        "loadpath_load/blocks.3", so that charts come in one section a measure, and
        "loadpath/alarms" for the whole model. What cannot be measured is left out. Where no step is
        passed, "loadpath/step" is among the numbers; nor is one to wandb.log, which refuses steps
        below its own count of rows.
    layers, reduction, device, split, pass_labels, output, token_mask, grad
        As in `loadpath.record.stream`. Layers are found at the first look, and selected by name
        from then on.
    every : int, default 100
        Training steps from one look to the next.
    budget : float or None, default 0.05
        Share of the time that looks may take, the guaranteed ones aside; None for no limit.
    guaranteed : int, default 10
        How many looks there are at least between the start and the end, whatever `every` and
        `budget`. They cost the time of so many looks, and a few more if `last_step` is not known.
    kind : str, default "trace_ratio"
        Convention of the log separation. It is not "fuzziness" as elsewhere: that one jumps by
        several units in layers that for a while learn one direction first, and the trace ratio
        does not.
    samples : int, default 256
        How many samples of the probe are measured at most.
    collapse : Collapse, optional
        When a layer counts as collapsed.
    on_collapse : callable, optional
        A function that is called with each `Alarm` once it is logged. It may raise to stop the
        training.
    first_step : int, default 0
        Number of the training step at which the monitor is made.
    last_step : int, optional
        Number of the last training step. Where it is known, guaranteed looks are spread evenly;
        else they are at the first steps, and after that whenever the run has become twice as long
        as at the last look. Leave it out where training may end much earlier.
    state : mapping, optional
        What `state_dict` of an earlier monitor returned, with which this one goes on: no first look
        is taken, and steps go on from the last one there.

    Raises
    ------
    ValueError
        For bad arguments, before the model runs; else as `loadpath.record.stream`.

    Notes
    -----
    The monitor keeps account of all the time that it takes for itself: looks, finding the layers,
    logging. The time of guaranteed looks, and of making the monitor, is set aside. Before a look
    that is due, it asks what share of the rest looks would have if this one took as long as the
    last. If that is above `budget`, the look is put off, and the first time a `BudgetWarning` says
    so. So other looks stay within `budget`, unless one takes longer than the one before. `share` is
    what all looks take, `guaranteed_seconds` what the guaranteed ones have taken, the first among
    them, and `put_off` counts the looks that were put off.

    With n = `guaranteed`, there are n + 2 guaranteed looks where `last_step` is known, and where it
    is not, n + 2 + log2(steps / n) of them at the most.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    >>> probe = torch.randn(40, 6), torch.arange(40) % 4
    >>> with lp.diagnosis.Monitor(model, probe, last_step=66) as monitor:
    ...     for _ in range(66):
    ...         monitor.step()  # after each training step; mostly does nothing
    >>> history = monitor.history()
    >>> history["step"].values.tolist()
    [0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60, 66]
    >>> history["layer"].values.tolist()
    ['input', '0', '1', '2']
    >>> monitor.alarms
    []
    """

    def __init__(
        self,
        model: nn.Module,
        probe: Any,
        *,
        log: Any = None,
        layers: Layers = None,
        reduction: Reduction | None = None,
        device: torch.device | str | None = None,
        every: int = 100,
        budget: float | None = 0.05,
        guaranteed: int = 10,
        kind: SeparationKind = "trace_ratio",
        samples: int = 256,
        collapse: Collapse | None = None,
        on_collapse: Callable[[Alarm], object] | None = None,
        split: Split | None = None,
        pass_labels: bool = False,
        output: Output = None,
        token_mask: TokenMask | None = None,
        grad: bool = False,
        first_step: int = 0,
        last_step: int | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._schedule = Schedule(every, first_step, last_step, guaranteed)
        if budget is not None:
            check_number("budget", budget, above=0, below=1)
        check_flag("pass_labels", pass_labels)
        check_flag("grad", grad)
        if on_collapse is not None and not callable(on_collapse):
            raise ValueError(f"on_collapse must be a function of an alarm, got {on_collapse!r}.")
        self.every, self.budget = every, budget
        self.alarms: list[Alarm] = []
        """What has collapsed so far."""
        self.put_off = 0
        """Number of looks that were due and put off, to keep to the budget."""
        self._log, self._on_collapse = sink_for(log), on_collapse
        self._watch = CollapseWatch(collapse or Collapse(), self._schedule.apart)
        self._looks: list[Look] = []
        self._number, self._due, self._guaranteed_by = first_step, first_step, math.inf
        self._waiting = False
        self._loss: Tensor | float | None = None
        self._earlier_alarms = 0
        inner = unwrapped(model)
        self._account = Account(device_of(inner) if device is None else torch.device(device))
        with self._account.own_time(guaranteed=True):
            self._held = HeldBatches(
                model,
                probe,
                samples=samples,
                layers=layers,
                reduction=reduction,
                device=device,
                kind=kind,
                split=split,
                pass_labels=pass_labels,
                output=output,
                token_mask=token_mask,
                grad=grad,
            )
        if state is None:
            self._take_look(None, guaranteed=True, due=True)
        else:
            self.load_state_dict(state)

    @property
    def number(self) -> int:
        """Number of the last training step."""
        return self._number

    @property
    def should_stop(self) -> bool:
        """Whether anything has collapsed since the monitor was made, or its state was loaded."""
        return len(self.alarms) > self._earlier_alarms

    @property
    def seconds(self) -> float:
        """Time that the monitor has taken for itself, in seconds."""
        return self._account.seconds

    @property
    def guaranteed_seconds(self) -> float:
        """The part of `seconds` that no budget holds for: the start, and guaranteed looks."""
        return self._account.guaranteed

    @property
    def share(self) -> float:
        """The monitor's own time, as a share of the time from the first step to now."""
        return self._account.share

    def step(self, loss: Tensor | float | None = None, *, number: int | None = None) -> None:
        """Count a training step that has been made, and take a look if it is time for one.

        Parameters
        ----------
        loss : Tensor or float, optional
            The loss of the step. It is kept beside the look, and not read between looks.
        number : int, optional
            Number of the step; one more than the last if left out.

        Raises
        ------
        ValueError
            If `number` is lower than the last one; as `measure`.
        """
        self._account.begin()
        following = self._number + 1 if number is None else number
        if following < self._number:
            raise ValueError(f"number must be at least {self._number}, the last, got {number}.")
        self._number = following
        self._loss = loss.detach() if isinstance(loss, Tensor) else loss
        due = following >= self._due
        if due and self._account.affords_one_more(self.budget):
            self._take_look(self._loss, due=True)
        elif following >= self._guaranteed_by:
            self._take_look(self._loss, guaranteed=True, due=due)
        elif due and not self._waiting:
            self.put_off += 1
            self._waiting = True
            if self.put_off == 1:
                words = self._account.words_of_put_off(self._number, self.budget, self._schedule)
                warnings.warn(words, BudgetWarning, stacklevel=2)

    def measure(self, loss: Tensor | float | None = None) -> None:
        """Take a look now, whether it is due or not; the next one is due `every` steps from here.

        Parameters
        ----------
        loss : Tensor or float, optional
            The loss of the last step, which is kept beside the look.

        Raises
        ------
        ValueError
            As `loadpath.record.stream`, except that activations that are not finite are an alarm.
        Exception
            Whatever `log` or `on_collapse` raises.
        """
        self._take_look(loss, due=True)

    def close(self, loss: Tensor | float | None = None) -> None:
        """Take the look at the end of training, unless the last step has been looked at already.

        Leaving a `with` block closes the monitor too, unless an exception is on its way. Training
        may go on afterwards.

        Parameters
        ----------
        loss : Tensor or float, optional
            The loss of the last step; what was passed to `step` if left out.

        Raises
        ------
        ValueError
            As `measure`.
        """
        if self._looks[-1].step < self._number:
            due = self._number >= self._due
            self._take_look(self._loss if loss is None else loss, guaranteed=True, due=due)

    def __enter__(self) -> Self:
        """Return the monitor."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the monitor, unless an exception is on its way."""
        if kind is None:
            self.close()

    def history(self) -> xr.Dataset:
        """Return all looks so far.

        Returns
        -------
        xarray.Dataset
            The numbers over (look, layer), NaN where one is missing, with provenance. Over `look`
            there are `step`, the number of the training step, `loss`, what was passed,
            `concavity` of the load curve, and `seconds`, what measuring took. `collapse` over
            (look, layer) is the kind of collapse that was told, in words, and `alarm` over `look`
            the sentences. The attrs say what each layer is, and what was chosen.
            `loadpath.plots.monitor` draws it.
        """
        ds = history_dataset(self._looks, self.alarms)
        schedule = self._schedule
        return results.stamp(
            ds,
            model=type(unwrapped(self._held.model)).__name__,
            **self._held.description.attrs(),
            kind=self._held.kind,
            n_samples=self._held.samples,
            n_classes=self._held.n_classes,
            labels=self._held.label_words,
            every=self.every,
            budget=self.budget,
            guaranteed=schedule.guaranteed,
            first_step=schedule.first_step,
            last_step=schedule.last_step,
            put_off=self.put_off,
            own_seconds=self.seconds,
            guaranteed_seconds=self.guaranteed_seconds,
            alarms="\n".join(map(str, self.alarms)),
        )

    def plot(self, *, measures: Sequence[str] | None = None) -> Any:
        """Draw all looks so far, as `loadpath.plots.monitor` does.

        Parameters
        ----------
        measures : sequence of str, optional
            What to draw, such as "load" or "participation_ratio"; all that was measured if left
            out.

        Returns
        -------
        matplotlib.figure.Figure
            The figure. A notebook shows it where a cell ends with it.

        Raises
        ------
        ValueError
            For names of no measure.
        """
        from loadpath import plots  # who does not draw does without matplotlib

        return plots.monitor(self.history(), measures=measures)

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed run needs to go on, in dicts and lists of numbers and text.

        Returns
        -------
        dict
            Looks, first looks of the layers, alarms, number of the step, schedule, account of time.
            It can be pickled, written as JSON, and read by `torch.load` with `weights_only`.
        """
        return {
            "format": FORMAT,
            **self._fixed(),
            "number": self._number,
            "first_step": self._schedule.first_step,
            "last_step": self._schedule.last_step,
            "due": self._due,
            "waiting": self._waiting,
            "put_off": self.put_off,
            **self._account.plain(),
            "looks": plain_looks(self._looks),
            "alarms": plain_alarms(self.alarms),
            "watch": plain_watch(self._watch),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where an earlier monitor was, in place of all that this one has seen.

        `every`, `budget`, `guaranteed` and `last_step` are this monitor's own. With the same
        `last_step` as before it is the same run that goes on, with the looks that it still has to
        come; with another one, a run of its own begins at the last step of the earlier one.

        Parameters
        ----------
        state : mapping
            What its `state_dict` returned.

        Raises
        ------
        ValueError
            If it is none, or of a monitor of other layers, samples or classes.
        """
        check_same(state, self._fixed())
        self._looks = looks_from(state["looks"])
        self.alarms = alarms_from(state["alarms"])
        self._earlier_alarms = len(self.alarms)
        self._schedule = self._schedule.resumed(
            state["first_step"], state["last_step"], state["number"]
        )
        self._watch = watch_from(state["watch"], self._watch.rule, self._schedule.apart)
        self._number, self._waiting = state["number"], state["waiting"]
        last = self._looks[-1].step
        self._due = min(state["due"], last + self.every)
        self._guaranteed_by = self._schedule.guaranteed_by(last)
        self.put_off, self._loss = state["put_off"], None
        self._account.add_earlier(state)

    def last_scalars(self) -> dict[str, float]:
        """Return what was logged of the last look, by name, with no new alarms.

        Returns
        -------
        dict of str to float
            Finite numbers.
        """
        return self._scalars(self._looks[-1].snapshot, [])

    def _take_look(
        self, loss: Tensor | float | None, *, guaranteed: bool = False, due: bool = False
    ) -> None:
        """Measure, log and warn; `guaranteed` looks are no part of the budget."""
        if due:
            self._due, self._waiting = self._number + self.every, False
        with self._account.own_time(guaranteed=guaranteed):
            began = perf_counter()
            given = loss.detach() if isinstance(loss, Tensor) else loss
            value = math.nan if given is None else float(given)
            snapshot = self._held.measure()
            alarms = self._watch.alarms(snapshot, self._number, None if loss is None else value)
            self.alarms += alarms
            self._looks.append(Look(snapshot, self._number, value, perf_counter() - began))
            self._guaranteed_by = self._schedule.guaranteed_by(self._number)
            self._log(self._scalars(snapshot, alarms), self._number)
        for alarm in alarms:
            warnings.warn(str(alarm), CollapseWarning, stacklevel=3)
            if self._on_collapse is not None:
                self._on_collapse(alarm)

    def _fixed(self) -> dict[str, Any]:
        """Return what a state must agree in with the monitor that takes it."""
        held = self._held
        return {
            "layers": list(held.description.layers),
            "kind": held.kind,
            "n_samples": held.samples,
            "n_classes": held.n_classes,
        }

    def _scalars(self, snapshot: Snapshot, alarms: list[Alarm]) -> dict[str, float]:
        """Return what is logged of one look, by name."""
        named = snapshot.scalars() | {("alarms", None): float(len(self.alarms))}
        for alarm in alarms:
            named |= {("alarm", layer): 1.0 for layer in (alarm.layer, *alarm.others)}
        return {logged_name(*name): value for name, value in named.items()}
