"""The monitor as a callback of Lightning; needs the extra "lightning"."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from loadpath.diagnosis.monitor import Monitor, batches_in

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError:
    try:
        from pytorch_lightning import (  # type: ignore[assignment]
            Callback,
            LightningModule,
            Trainer,
        )
    except ImportError:
        raise ImportError(
            "loadpath.diagnosis.lightning needs Lightning: pip install 'loadpath[lightning]'."
        ) from None


class MonitorCallback(Callback):
    """A `Monitor` of the module that is trained, or of a part of it.

    >>> trainer = Trainer(callbacks=[MonitorCallback((x_held_out, labels))], logger=...)
    >>> trainer.fit(module, loader)
    >>> callback.monitor.history()

    The monitor is made when training starts, after weights are restored and put on their device;
    it counts and logs by optimizer steps, `trainer.global_step`. Numbers go to all loggers of the
    trainer, and into `trainer.callback_metrics`, where EarlyStopping and ModelCheckpoint see them:
    "loadpath/alarms" is the number of alarms so far. Of several processes only the first measures,
    so parameters must not be sharded over them. Inputs are cast as those of the trainer are, and
    the net runs without autocast.

    `probe` and `options` are those of `Monitor`, but for `log` and `first_step`; `module` is the
    name of the part of the module to measure, "" for all of it, whose `forward` is then called.

    Raises: ValueError for `log` or `first_step`, TypeError for other unknown options; at the start
    of training, ValueError if there is no such part, and as `Monitor`.
    """

    def __init__(self, probe: Any, *, module: str = "", **options: Any) -> None:
        """Keep what the monitor is made of."""
        super().__init__()
        for name in ("log", "first_step"):
            if name in options:
                raise ValueError(f"{name} must not be passed: it is the trainer's.")
        inspect.signature(Monitor).bind(None, probe, **options)
        self.monitor: Monitor | None = None
        """The monitor, from the start of training on; None in all processes but the first."""
        self._probe, self._module, self._options = probe, module, options

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the monitor, which looks for the first time."""
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
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Let the monitor look if that is due."""
        if self.monitor is not None:
            loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
            self.monitor.step(loss, number=trainer.global_step)


def _part(module: nn.Module, name: str) -> nn.Module:
    try:
        return module.get_submodule(name)
    except AttributeError:
        known = ", ".join(child for child, _ in module.named_children())
        raise ValueError(
            f"module must be the name of a part of the {type(module).__name__} ({known}, and what "
            f"is in them), got {name!r}."
        ) from None
