"""The monitor as a callback of Lightning; it needs the extra "lightning"."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from loadpath.checks import check_flag
from loadpath.diagnosis.monitor import Monitor, batches_in

try:
    from lightning.pytorch import Callback
except ImportError:
    try:
        from pytorch_lightning import Callback  # type: ignore[assignment]
    except ImportError:
        raise ImportError(
            "loadpath.diagnosis.lightning needs Lightning: pip install 'loadpath[lightning]'."
        ) from None


class MonitorCallback(Callback):
    """Watch the module that a Lightning trainer trains, or a part of it, with a `Monitor`.

    The monitor is made when training starts, after weights are restored and put on their device.
    It counts and logs by optimizer steps, `trainer.global_step`, and takes its last look when
    training ends. Numbers go to all loggers of the trainer, and into `trainer.callback_metrics`,
    where other callbacks see them: "loadpath/alarms" is the number of alarms so far. Inputs are
    cast as those of the trainer are, and the net runs without autocast. Of several processes only
    the first measures, so parameters must not be sharded over them.

    Guaranteed looks are spread over the steps that the trainer says it will take. Where it does not
    know, or has an EarlyStopping or a Timer that may end training sooner, they come as `Monitor`
    takes them without `last_step`.

    What the monitor has seen is part of the trainer's checkpoints: a fit that is resumed from one
    goes on with it. A second fit adds to what the first one saw, its steps after those; so does one
    of a copy, or after pickling.

    Parameters
    ----------
    probe : object
        Held-out samples, as in `Monitor`.
    module : str, default ""
        Name of the part of the module to measure, whose `forward` is then called; "" for all of it.
    stop_on_alarm : bool, default False
        Whether a collapse ends the training, as `trainer.should_stop` does: after the step at which
        it was seen, but not before the trainer's `min_epochs` and `min_steps`. Do not use
        EarlyStopping for that: its `patience` counts epochs without a change, and training that is
        well has none.
    **options
        Further options of `Monitor`, except `log`, `first_step`, `last_step` and `state`, which are
        the trainer's.

    Raises
    ------
    ValueError
        If `stop_on_alarm` is no flag; for `log`, `first_step`, `last_step` or `state`. When
        training starts: if there is no such part, and as `Monitor`.
    TypeError
        For an option that `Monitor` does not have.

    Examples
    --------
    >>> probe = x_held_out, labels  # doctest: +SKIP
    >>> callback = MonitorCallback(probe, stop_on_alarm=True)  # doctest: +SKIP
    >>> Trainer(callbacks=[callback], logger=logger).fit(module, loader)  # doctest: +SKIP
    >>> callback.monitor.history()  # doctest: +SKIP
    """

    def __init__(
        self, probe: Any, *, module: str = "", stop_on_alarm: bool = False, **options: Any
    ) -> None:
        super().__init__()
        check_flag("stop_on_alarm", stop_on_alarm)
        for name in ("log", "first_step", "last_step", "state"):
            if name in options:
                raise ValueError(f"{name} must not be passed: it is the trainer's.")
        inspect.signature(Monitor).bind(None, probe, **options)
        self.monitor: Monitor | None = None
        """The monitor, from the start of training on; None in all processes but the first."""
        self.stop_on_alarm = stop_on_alarm
        """Whether a collapse ends the training."""
        self._probe, self._module, self._options = probe, module, options
        self._state: dict[str, Any] | None = None
        self._before = 0

    def on_train_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Make the monitor, which takes its first look.

        Parameters
        ----------
        trainer : Trainer
            The trainer that starts, of either of Lightning's namespaces.
        pl_module : LightningModule
            The module that it trains.

        Raises
        ------
        ValueError
            If the module has no part of the name that was given; as `Monitor`.
        """
        if not trainer.is_global_zero:
            return

        state = self._state
        if state is None and self.monitor is not None:
            state = self.monitor.state_dict()
        self._state = None
        # A new trainer counts from 0 again.
        self._before = 0 if state is None else max(0, state["number"] - trainer.global_step)
        log = _TrainerLog(trainer, self._before)
        part = part_of(pl_module, self._module)
        convert = trainer.precision_plugin.convert_input
        self.monitor = Monitor(
            part,
            (convert(raw) for raw in batches_in(self._probe, part)),
            log=log,
            first_step=trainer.global_step,
            last_step=_last_step(trainer, self._before),
            state=state,
            **self._options,
        )
        if state is not None:  # for other callbacks, until the next look
            log.tell_callbacks(self.monitor.last_scalars())

    def on_train_batch_end(
        self,
        trainer: Any,
        pl_module: nn.Module,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Let the monitor take a look if that is due.

        Parameters
        ----------
        trainer : Trainer
            The trainer.
        pl_module : LightningModule
            The module that it trains.
        outputs : object
            What the training step returned: its loss, or a mapping with "loss".
        batch : object
            The batch; it is not used.
        batch_idx : int
            Its number; it is not used.
        """
        if self.monitor is not None:
            loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
            self.monitor.step(loss, number=trainer.global_step + self._before)
        if self.stop_on_alarm:
            stop = self.monitor is not None and self.monitor.should_stop
            if trainer.world_size > 1:  # all processes must stop at the same step
                stop = trainer.strategy.broadcast(stop)
            trainer.should_stop = trainer.should_stop or stop

    def on_train_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """Take the look at the end of training.

        Parameters
        ----------
        trainer : Trainer
            The trainer.
        pl_module : LightningModule
            The module that it has trained.
        """
        if self.monitor is not None:
            self.monitor.close()

    @property
    def state_key(self) -> str:
        """The name of the state in a checkpoint; callbacks for several parts have several."""
        return self._generate_state_key(module=self._module, kind=self._options.get("kind"))

    def state_dict(self) -> dict[str, Any]:
        """Return what the monitor has seen, for a checkpoint.

        Returns
        -------
        dict
            "monitor": what `Monitor.state_dict` returns, None before training and in all processes
            but the first.
        """
        return {"monitor": self._state if self.monitor is None else self.monitor.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what an earlier monitor has seen; the next fit goes on with it.

        Parameters
        ----------
        state_dict : dict
            What `state_dict` returned.
        """
        self._state = state_dict["monitor"]


class _TrainerLog:
    """Where a trainer wants numbers; copies of it, as of a trainer's callbacks, write nothing."""

    def __init__(self, trainer: Any, before: int) -> None:
        self._trainer, self._before = trainer, before

    def __call__(self, numbers: dict[str, float], step: int) -> None:
        """Hand numbers to the loggers and to callbacks."""
        for logger in self._trainer.loggers:
            logger.log_metrics(numbers, step=step - self._before)
        self.tell_callbacks(numbers)

    def tell_callbacks(self, numbers: dict[str, float]) -> None:
        """Put numbers where EarlyStopping and ModelCheckpoint look."""
        device = self._trainer.strategy.root_device
        self._trainer.callback_metrics.update(
            {name: torch.tensor(value, device=device) for name, value in numbers.items()}
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the trainer out of copies and pickles."""
        return _Silent, ()


class _Silent:
    """A log that writes nothing."""

    def __call__(self, numbers: dict[str, float], step: int) -> None:
        """Do nothing."""


MAY_END_SOONER = ("EarlyStopping", "Timer")
"""Callbacks of Lightning after which a training may be much shorter than the trainer says."""


def _last_step(trainer: Any, before: int) -> int | None:
    """Return the number of the last step, as the monitor counts; None if it is not known."""
    kinds = {kind.__name__ for each in trainer.callbacks for kind in type(each).__mro__}
    if not kinds.isdisjoint(MAY_END_SOONER):
        return None
    steps = trainer.estimated_stepping_batches
    if not math.isfinite(steps) or steps <= trainer.global_step:  # -1 stands for no end
        return None
    return int(steps) + before


def part_of(module: nn.Module, name: str) -> nn.Module:
    """Return the part of a module by its name.

    Parameters
    ----------
    module : nn.Module
        The module.
    name : str
        Name of the part; "" for all of it.

    Returns
    -------
    nn.Module
        The part.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    try:
        return module.get_submodule(name)
    except AttributeError:
        known = ", ".join(child for child, _ in module.named_children())
        raise ValueError(
            f"module must be the name of a part of the {type(module).__name__} ({known}, and what "
            f"is in them), got {name!r}."
        ) from None
