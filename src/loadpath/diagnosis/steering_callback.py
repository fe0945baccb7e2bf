"""Steering as a callback of Lightning; it needs the extra "lightning"."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from loadpath.diagnosis.lightning import Callback, part_of
from loadpath.diagnosis.steering import Steer


class SteerCallback(Callback):
    """Steer the noise of the module that a Lightning trainer trains, or of a part of it.

    The `Steer` is made when training starts. It counts by optimizer steps, `trainer.global_step`,
    and its state is part of the trainer's checkpoints. Of several processes the first decides, and
    all others set their knobs as it does; parameters must not be sharded over them.

    Parameters
    ----------
    probe : object
        Training samples with classes, as `Steer` takes them.
    module : str, default ""
        Name of the part of the module to steer, whose `forward` is then called; "" for all of it.
    **options
        Further options of `Steer`, except `state`, which is the trainer's.

    Raises
    ------
    ValueError
        For `state`. When training starts: if there is no such part, and as `Steer`.
    TypeError
        For an option that `Steer` does not have.

    Examples
    --------
    >>> callback = SteerCallback((x, labels), every=50, start=3000)  # doctest: +SKIP
    >>> Trainer(callbacks=[callback]).fit(module, loader)  # doctest: +SKIP
    >>> callback.steer.history()  # doctest: +SKIP
    """

    def __init__(self, probe: Any, *, module: str = "", **options: Any) -> None:
        super().__init__()
        if "state" in options:
            raise ValueError("state must not be passed: it is the trainer's.")
        inspect.signature(Steer).bind(None, probe, **options)
        self.steer: Steer | None = None
        """The steering, from the start of training on."""
        self._probe, self._module, self._options = probe, module, options
        self._state: dict[str, Any] | None = None
        self._before = 0

    def on_train_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Make the steering, or go on with that of the checkpoint.

        Parameters
        ----------
        trainer : Trainer
            The trainer that starts.
        pl_module : LightningModule
            The module that it trains.

        Raises
        ------
        ValueError
            If the module has no part of the name that was given; as `Steer`.
        """
        state = self._state
        if state is None and self.steer is not None:
            state = self.steer.state_dict()
        self._state = None
        # A new trainer counts from 0 again.
        self._before = 0 if state is None else max(0, state["number"] - trainer.global_step)
        part = part_of(pl_module, self._module)
        self.steer = Steer(part, self._probe, state=state, **self._options)

    def on_train_batch_end(
        self, trainer: Any, pl_module: nn.Module, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Let it look if that is due, and set the knobs of all processes alike.

        Parameters
        ----------
        trainer : Trainer
            The trainer.
        pl_module : LightningModule
            The module that it trains.
        outputs : object
            What the training step returned; it is not used.
        batch : object
            The batch; it is not used.
        batch_idx : int
            Its number; it is not used.
        """
        assert self.steer is not None
        before = self.steer.values
        self.steer.step(number=trainer.global_step + self._before)
        if trainer.world_size > 1:
            values = trainer.strategy.broadcast(self.steer.values)
            if values != before or values != self.steer.values:
                self.steer.set_values(values)

    @property
    def state_key(self) -> str:
        """The name of the state in a checkpoint; callbacks for several parts have several."""
        return self._generate_state_key(module=self._module)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training goes on with, for a checkpoint.

        Returns
        -------
        dict
            "steer": what `Steer.state_dict` returns, None before training.
        """
        return {"steer": self._state if self.steer is None else self.steer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what an earlier steering was at; the next fit goes on with it.

        Parameters
        ----------
        state_dict : dict
            What `state_dict` returned.
        """
        self._state = state_dict["steer"]
