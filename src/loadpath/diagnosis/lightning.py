"""The monitor as a callback of Lightning; it needs the extra "lightning"."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

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
    It counts and logs by optimizer steps, `trainer.global_step`. Numbers go to all loggers of the
    trainer, and into `trainer.callback_metrics`, where EarlyStopping and ModelCheckpoint see them:
    "loadpath/alarms" is the number of alarms so far. Inputs are cast as those of the trainer are,
    and the net runs without autocast. Of several processes only the first measures, so parameters
    must not be sharded over them.

    Parameters
    ----------
    probe : object
        Held-out samples, as in `Monitor`.
    module : str, default ""
        Name of the part of the module to measure, whose `forward` is then called; "" for all of it.
    **options
        Further options of `Monitor`, except `log` and `first_step`, which are the trainer's.

    Raises
    ------
    ValueError
        For `log` or `first_step`. When training starts: if there is no such part, and as `Monitor`.
    TypeError
        For an option that `Monitor` does not have.

    Examples
    --------
    >>> callback = MonitorCallback((x_held_out, labels))  # doctest: +SKIP
    >>> Trainer(callbacks=[callback], logger=logger).fit(module, loader)  # doctest: +SKIP
    >>> callback.monitor.history()  # doctest: +SKIP
    """

    def __init__(self, probe: Any, *, module: str = "", **options: Any) -> None:
        super().__init__()
        for name in ("log", "first_step"):
            if name in options:
                raise ValueError(f"{name} must not be passed: it is the trainer's.")
        inspect.signature(Monitor).bind(None, probe, **options)
        self.monitor: Monitor | None = None
        """The monitor, from the start of training on; None in all processes but the first."""
        self._probe, self._module, self._options = probe, module, options

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

        def log(numbers: dict[str, float], step: int) -> None:
            for logger in trainer.loggers:
                logger.log_metrics(numbers, step=step)
            device = trainer.strategy.root_device
            trainer.callback_metrics.update(
                {name: torch.tensor(value, device=device) for name, value in numbers.items()}
            )

        part = _part(pl_module, self._module)
        convert = trainer.precision_plugin.convert_input
        self.monitor = Monitor(
            part,
            (convert(raw) for raw in batches_in(self._probe, part)),
            log=log,
            first_step=trainer.global_step,
            **self._options,
        )

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
            self.monitor.step(loss, number=trainer.global_step)


def _part(module: nn.Module, name: str) -> nn.Module:
    """Return the part of a module by its name."""
    try:
        return module.get_submodule(name)
    except AttributeError:
        known = ", ".join(child for child, _ in module.named_children())
        raise ValueError(
            f"module must be the name of a part of the {type(module).__name__} ({known}, and what "
            f"is in them), got {name!r}."
        ) from None
