"""A monitor: what the layers of a model do while it trains, at a cost that has a bound."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn

from loadpath import results
from loadpath.checks import check_count, check_flag, check_number
from loadpath.diagnosis.monitor.alarms import Alarm, Collapse, CollapseWarning, CollapseWatch
from loadpath.diagnosis.monitor.held_batches import HeldBatches
from loadpath.diagnosis.monitor.history import Look, history_dataset
from loadpath.diagnosis.monitor.logging import PREFIX, sink_for
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
    """Measure a model on a few samples every so many training steps, and warn of collapse.

    A *look* runs the model over the probe in evaluation mode without gradients, and measures every
    layer: log separation of the classes and load, ranks, relative step, spread. The first look is
    taken when the monitor is made, the next ones every `every` calls of `step`. Parameters,
    buffers, gradients, modes, hooks and random states are put back, so that training is what it
    would be without the monitor, bit for bit. What else a model keeps of its passes is not put
    back: plain attributes that `forward` sets, and what it writes to files.

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
        "loadpath/load/blocks.3". What cannot be measured is left out. Where no step is passed,
        "loadpath/step" is among the numbers; nor is one to wandb.log, which refuses steps below its
        own count of rows.
    layers, reduction, device, split, pass_labels, output, token_mask, grad
        As in `loadpath.record.stream`. Layers are found at the first look, and selected by name
        from then on.
    every : int, default 100
        Training steps from one look to the next.
    budget : float or None, default 0.05
        Share of the time that the monitor may take; None for no limit.
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
    logging. Before a look that is due, it asks what share of the time since training began its own
    would be if the look took as long as the last one. If that is above `budget`, the look is put
    off. So no look but the first takes the share above `budget`, unless it takes longer than the
    one before it. `share` is what the share is, and `put_off` counts the looks that were put off.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    >>> probe = torch.randn(40, 6), torch.arange(40) % 4
    >>> monitor = lp.diagnosis.Monitor(model, probe, every=50, budget=None)
    >>> for _ in range(100):
    ...     monitor.step()  # after each training step; mostly does nothing
    >>> history = monitor.history()
    >>> history["step"].values.tolist()
    [0, 50, 100]
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
        state: Mapping[str, Any] | None = None,
    ) -> None:
        check_count("every", every, 1)
        check_count("first_step", first_step, 0)
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
        self.seconds = 0.0
        """Time that the monitor has taken for itself, in seconds."""
        self._log, self._on_collapse = sink_for(log), on_collapse
        self._watch = CollapseWatch(collapse or Collapse())
        self._looks: list[Look] = []
        self._number, self._due = first_step, first_step
        self._waiting = False
        self._began: float | None = None
        self._earlier_seconds = self._earlier_time = 0.0
        inner = unwrapped(model)
        self._device = device_of(inner) if device is None else torch.device(device)
        with self._own_time():
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
            self.measure()
        else:
            self.load_state_dict(state)

    @property
    def number(self) -> int:
        """Number of the last training step."""
        return self._number

    @property
    def share(self) -> float:
        """The monitor's own time, as a share of the time from the first step to now."""
        elapsed = self._elapsed()
        return self.seconds / elapsed if elapsed > 0 else 1.0

    def step(self, loss: Tensor | float | None = None, *, number: int | None = None) -> None:
        """Count a training step that has been made, and take a look if that is due and affordable.

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
        if self._began is None:
            self._began = perf_counter() - self._elapsed()
        following = self._number + 1 if number is None else number
        if following < self._number:
            raise ValueError(f"number must be at least {self._number}, the last, got {number}.")
        self._number = following
        if following < self._due:
            return
        if self._affordable():
            self.measure(loss)
        elif not self._waiting:
            self.put_off += 1
            self._waiting = True

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
        self._due, self._waiting = self._number + self.every, False
        with self._own_time():
            began = perf_counter()
            given = loss.detach() if isinstance(loss, Tensor) else loss
            value = math.nan if given is None else float(given)
            snapshot = self._held.measure()
            alarms = self._watch.alarms(snapshot, self._number, None if loss is None else value)
            self.alarms += alarms
            self._looks.append(Look(snapshot, self._number, value, perf_counter() - began))
            self._log(self._scalars(snapshot, alarms), self._number)
        for alarm in alarms:
            warnings.warn(str(alarm), CollapseWarning, stacklevel=3)
            if self._on_collapse is not None:
                self._on_collapse(alarm)

    def history(self) -> xr.Dataset:
        """Return all looks so far.

        Returns
        -------
        xarray.Dataset
            The numbers over (look, layer), NaN where one is missing, with provenance. Over `look`
            there are `step`, the number of the training step, `loss`, what was passed,
            `concavity` of the load curve, and `seconds`, what measuring took. The attrs say what
            each layer is, what was chosen, and what collapsed.
        """
        ds = history_dataset(self._looks)
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
            put_off=self.put_off,
            own_seconds=self.seconds,
            alarms="\n".join(map(str, self.alarms)),
        )

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed run needs to go on, in dicts and lists of numbers and text.

        Returns
        -------
        dict
            Looks, first looks of the layers, alarms, number of the step, account of time. It can be
            pickled, written as JSON, and read by `torch.load` with `weights_only`.
        """
        return {
            "format": FORMAT,
            **self._fixed(),
            "number": self._number,
            "waiting": self._waiting,
            "put_off": self.put_off,
            "seconds": self.seconds,
            "elapsed": self._elapsed(),
            "looks": plain_looks(self._looks),
            "alarms": plain_alarms(self.alarms),
            "watch": plain_watch(self._watch),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where an earlier monitor was, in place of all that this one has seen.

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
        self._watch = watch_from(state["watch"], self._watch)
        self._number, self._waiting = state["number"], state["waiting"]
        self._due = self._looks[-1].step + self.every
        self.put_off = state["put_off"]
        # What making this monitor took comes to the account of the earlier one.
        self._earlier_seconds, self._earlier_time = state["seconds"], state["elapsed"]
        self.seconds += state["seconds"]
        self._began = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled or copied: a clock means nothing to another process."""
        held = dict(vars(self))
        held["_earlier_seconds"], held["_earlier_time"] = self.seconds, self._elapsed()
        held["_began"] = None
        return held

    def last_scalars(self) -> dict[str, float]:
        """Return what was logged of the last look, by name, with no new alarms.

        Returns
        -------
        dict of str to float
            Finite numbers.
        """
        return self._scalars(self._looks[-1].snapshot, [])

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
        named = snapshot.scalars() | {"alarms": float(len(self.alarms))}
        for alarm in alarms:
            named |= {f"alarm/{layer}": 1.0 for layer in (alarm.layer, *alarm.others)}
        # MLflow takes no other characters in a name; "#2" of a module's second call has one.
        return {PREFIX + re.sub(r"[^\w./ -]", "-", name): value for name, value in named.items()}

    def _affordable(self) -> bool:
        """Whether one more look, as long as the last, keeps the monitor within its budget."""
        if self.budget is None:
            return True
        return self.seconds + self._last <= self.budget * (self._elapsed() + self._last)

    def _elapsed(self) -> float:
        """Return the seconds since training began, with those of making the monitor."""
        if self._began is None:
            return self._earlier_time + self.seconds - self._earlier_seconds
        return perf_counter() - self._began

    @contextmanager
    def _own_time(self) -> Iterator[None]:
        """Count the time within the block as the monitor's own."""
        device = self._device
        if device.type not in ("cpu", "meta"):  # work that is queued there belongs to the training
            torch.get_device_module(device).synchronize(device)
        began = perf_counter()
        try:
            yield
        finally:
            self._last = perf_counter() - began
            self.seconds += self._last
