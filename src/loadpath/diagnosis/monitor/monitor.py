"""A monitor: what the layers of a model do while it trains, at a cost that has a bound."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from loadpath import results
from loadpath.checks import check_count
from loadpath.diagnosis.monitor.alarms import Alarm, Collapse, CollapseWarning, Watch
from loadpath.diagnosis.monitor.held_batches import Probe
from loadpath.diagnosis.monitor.logging import PREFIX, sink_of
from loadpath.diagnosis.monitor.snapshot import MEASURES, LayerLook, Look
from loadpath.measures.separation import SeparationKind
from loadpath.record import Layers, Reduction, Split, device_of, unwrapped

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class _Taken:
    """A look, and what there is to say of it besides."""

    look: Look
    step: int
    loss: float
    seconds: float


class Monitor:
    """Measures a model on a few samples every so many training steps, and warns of collapse.

    >>> monitor = Monitor(model, (x_held_out, labels), log=wandb.log)
    >>> for batch in loader:
    ...     loss = train_step(batch)
    ...     monitor.step(loss)                    # mostly does nothing
    >>> monitor.history()                         # Dataset over look and layer

    A look runs the model over the probe in evaluation mode without gradients, and measures every
    layer (see `LayerLook`). The first is taken when the monitor is made, the next ones every
    `every` calls of `step`. Modes, hooks and random states are put back, so that training is what
    it would be without the monitor, bit for bit.

    **Cost.** The monitor keeps account of the time that it takes for itself, all of it: its looks,
    finding layers, logging. A look that is due is put off while with it, were it to take as long
    as the last one, the monitor's share of the time since training began would exceed `budget`. So
    no look but the first takes the share above `budget`, unless it takes longer than the one before
    it. `share` is what it is, `put_off` how many looks were put off.

    Parameters
    ----------
    model: any nn.Module (see `loadpath.record.stream`); parameters that are sharded over processes
        cannot be read by one of them.
    probe: held-out samples, best with class labels: one batch, if it is a tensor, an array, a dict
        or a tuple (x, y); else a list or loader of batches. They are drawn once and kept.
    log: where numbers go: a function of a dict, or of a dict and step=, such as wandb.log,
        mlflow.log_metrics or trackio.log, or a TensorBoard SummaryWriter. Names are such as
        "loadpath/load/blocks.3"; what cannot be measured is left out.
    layers, reduction, device, split, pass_labels: as of `loadpath.record.stream`. Layers are found
        at the first look, and named ever after.
    every: steps from one look to the next.
    budget: share of the time that looks may take; None for no limit.
    kind: convention of the log separation. Not fuzziness as elsewhere: that jumps by several units
        in layers that for a while learn one direction first, and the trace ratio does not.
    samples: how many samples of the probe are measured, at most.
    collapse: when a layer counts as collapsed.
    on_collapse: is called with each `Alarm`, once it is logged; may raise to stop training.
    first_step: number of the training step at which the monitor is made.

    Raises: ValueError for bad arguments, before the model runs; else as `loadpath.record.stream`.
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
        first_step: int = 0,
    ) -> None:
        """Take the probe, and a first look."""
        check_count("every", every, 1)
        check_count("first_step", first_step, 0)
        if budget is not None and not 0 < budget < 1:
            raise ValueError(f"budget must be between 0 and 1, or None, got {budget}.")
        if on_collapse is not None and not callable(on_collapse):
            raise ValueError(f"on_collapse must be a function of an alarm, got {on_collapse!r}.")
        self.every, self.budget = every, budget
        self.alarms: list[Alarm] = []
        """What collapsed so far."""
        self.put_off = 0
        """Looks that were due and put off, for the budget's sake."""
        self.seconds = 0.0
        """Time that the monitor took for itself."""
        self._log, self._on_collapse = sink_of(log), on_collapse
        self._watch = Watch(collapse or Collapse())
        self._taken: list[_Taken] = []
        self._number, self._due = first_step, first_step
        self._waiting = False
        self._began: float | None = None
        inner = unwrapped(model)
        self._device = device_of(inner) if device is None else torch.device(device)
        with self._own_time():
            self._probe = Probe(
                model,
                probe,
                samples=samples,
                layers=layers,
                reduction=reduction,
                device=device,
                kind=kind,
                split=split,
                pass_labels=pass_labels,
            )
        self.look()

    @property
    def share(self) -> float:
        """The monitor's own time, as a share of the time from the first step to now."""
        return self.seconds / self._elapsed() if self._began is not None else 1.0

    def step(self, loss: Tensor | float | None = None, *, number: int | None = None) -> None:
        """Count a training step that has been made, and look if that is due and affordable.

        `loss` is kept beside the look, and not read between looks. `number` of the step: one more
        than the last if None.

        Raises: ValueError if `number` is lower than the last, or as `look`.
        """
        if self._began is None:
            self._began = perf_counter() - self.seconds
        following = self._number + 1 if number is None else number
        if following < self._number:
            raise ValueError(f"number must be at least {self._number}, the last, got {number}.")
        self._number = following
        if following < self._due:
            return
        if self._affordable():
            self.look(loss)
        elif not self._waiting:
            self.put_off += 1
            self._waiting = True

    def look(self, loss: Tensor | float | None = None) -> None:
        """Look now, whether that is due or not; the next look is due `every` steps from here.

        Raises: ValueError as `loadpath.record.stream`, but for activations that are not finite,
        which are an alarm; and whatever `log` or `on_collapse` raise.
        """
        self._due, self._waiting = self._number + self.every, False
        with self._own_time():
            began = perf_counter()
            given = loss.detach() if isinstance(loss, Tensor) else loss
            value = math.nan if given is None else float(given)
            look = self._probe.look()
            alarms = self._watch.alarms(look, self._number, None if loss is None else value)
            self.alarms += alarms
            self._taken.append(_Taken(look, self._number, value, perf_counter() - began))
            self._log(self._scalars(look, alarms), self._number)
        for alarm in alarms:
            warnings.warn(str(alarm), CollapseWarning, stacklevel=3)
            if self._on_collapse is not None:
                self._on_collapse(alarm)

    def history(self) -> xr.Dataset:
        """All looks so far over (look, layer), NaN where a number is missing, and stamped.

        `step` is the number of the training step, `loss` what was passed to the look, `seconds`
        what measuring took. Attrs say what each layer is, what was chosen and what collapsed.
        """
        names = list(self._taken[0].look.layers)
        variables: dict[str, Any] = {
            measure: (("look", "layer"), self._table(measure, names), attrs)
            for measure, attrs in MEASURES.items()
        }
        for name, long_name, units, values in (
            (
                "concavity",
                "concavity of the load curve, over its fall",
                "1",
                [taken.look.concavity for taken in self._taken],
            ),
            (
                "loss",
                "loss that was passed to the look",
                "as passed",
                [taken.loss for taken in self._taken],
            ),
            ("seconds", "time that measuring took", "s", [taken.seconds for taken in self._taken]),
        ):
            variables[name] = ("look", np.array(values), {"long_name": long_name, "units": units})
        steps = np.array([taken.step for taken in self._taken])
        ds = xr.Dataset(
            variables,
            coords={
                "layer": np.array(names, dtype=object),
                "step": ("look", steps, {"long_name": "training steps made", "units": "1"}),
            },
        )
        return results.stamp(
            ds,
            model=type(unwrapped(self._probe.model)).__name__,
            **self._probe.description.attrs(),
            kind=self._probe.kind,
            n_samples=self._probe.samples,
            n_classes=self._probe.n_classes,
            every=self.every,
            budget=self.budget,
            put_off=self.put_off,
            own_seconds=self.seconds,
            alarms="\n".join(map(str, self.alarms)),
        )

    def _table(self, measure: str, names: list[str]) -> Array:
        missing = LayerLook()
        return np.array(
            [
                [getattr(taken.look.layers.get(name, missing), measure) for name in names]
                for taken in self._taken
            ]
        )

    def _scalars(self, look: Look, alarms: list[Alarm]) -> dict[str, float]:
        named = look.scalars() | {"alarms": float(len(self.alarms))}
        for alarm in alarms:
            named |= {f"alarm/{layer}": 1.0 for layer in (alarm.layer, *alarm.others)}
        # MLflow takes no other characters; "#2" is a module's second call.
        return {PREFIX + re.sub(r"[^\w./ -]", "-", name): value for name, value in named.items()}

    def _affordable(self) -> bool:
        if self.budget is None:
            return True
        return self.seconds + self._last <= self.budget * (self._elapsed() + self._last)

    def _elapsed(self) -> float:
        """From when the monitor was made to now, without what passed before the first step."""
        assert self._began is not None
        return perf_counter() - self._began

    @contextmanager
    def _own_time(self) -> Iterator[None]:
        """Count the time within as the monitor's."""
        device = self._device
        if device.type not in ("cpu", "meta"):  # the steps before are not ours
            torch.get_device_module(device).synchronize(device)
        began = perf_counter()
        try:
            yield
        finally:
            self._last = perf_counter() - began
            self.seconds += self._last
