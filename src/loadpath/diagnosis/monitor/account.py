"""What a monitor takes of the time of a training, and what it may still take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import torch

from loadpath.diagnosis.monitor.schedule import Schedule


class BudgetWarning(UserWarning):
    """A look was due and was put off, to keep to the budget; the message says what that costs."""


class Account:
    """The time that a monitor takes for itself, within the time since training began.

    Training begins with the first step, and the making of the monitor is put before it: the time
    that passes between the two is nobody's.

    Parameters
    ----------
    device : torch.device
        Where the model is. What is queued there belongs to the training, and is waited for.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = 0.0
        """All time that the monitor has taken for itself, in seconds."""
        self.guaranteed = 0.0
        """The part of it that no budget holds for: making the monitor, and guaranteed looks."""
        self.last = 0.0
        """What the last block of own time took, in seconds."""
        self._began: float | None = None
        self._earlier_seconds = self._earlier_time = 0.0

    def begin(self) -> None:
        """Take note that training goes on from here, if it has not begun already."""
        if self._began is None:
            self._began = perf_counter() - self.elapsed

    @property
    def elapsed(self) -> float:
        """The seconds since training began, with those of making the monitor."""
        if self._began is None:
            return self._earlier_time + self.seconds - self._earlier_seconds
        return perf_counter() - self._began

    @property
    def share(self) -> float:
        """The monitor's own time, as a share of all time; 1 before training begins."""
        elapsed = self.elapsed
        return self.seconds / elapsed if elapsed > 0 else 1.0

    def affords_one_more(self, budget: float | None) -> bool:
        """Whether one more look, as long as the last, is within the budget.

        Parameters
        ----------
        budget : float or None
            Share of the time beside guaranteed looks that other looks may take; None for no limit.

        Returns
        -------
        bool
            Whether it is.
        """
        return budget is None or self._share_with_one_more() <= budget

    def words_of_put_off(self, step: int, budget: float | None, schedule: Schedule) -> str:
        """Return why a look that is due is put off, and what can be done, in sentences.

        Parameters
        ----------
        step : int
            Number of the training step.
        budget : float or None
            Share of the time beside guaranteed looks that other looks may take.
        schedule : Schedule
            The looks that are guaranteed.

        Returns
        -------
        str
            The sentences.
        """
        return (
            f"step {step}: a look is due and is put off. One takes about {self.last:.2g} s, and "
            "with it looks beyond the guaranteed ones would have taken "
            f"{100 * self._share_with_one_more():.2g} % of the time, where budget={budget}. From "
            "now on the monitor looks when the budget has it, and counts in put_off how often it "
            f"was late. Whatever the budget, it takes {schedule.words()}. For a look every "
            f"{schedule.every} steps, pass budget=None; fewer samples= or layers= make looks "
            "shorter."
        )

    def _share_with_one_more(self) -> float:
        """Return the share that other looks would have of the time beside guaranteed ones."""
        spent = self.seconds - self.guaranteed + self.last
        whole = self.elapsed - self.guaranteed + self.last
        return spent / whole if whole > 0 else math.inf

    @contextmanager
    def own_time(self, *, guaranteed: bool = False) -> Iterator[None]:
        """Count the time within the block as the monitor's own.

        Parameters
        ----------
        guaranteed : bool, default False
            Whether no budget holds for it.
        """
        if self.device.type not in ("cpu", "meta"):
            torch.get_device_module(self.device).synchronize(self.device)
        began = perf_counter()
        try:
            yield
        finally:
            self.last = perf_counter() - began
            self.seconds += self.last
            if guaranteed:
                self.guaranteed += self.last

    def plain(self) -> dict[str, float]:
        """Return the account in plain numbers, for a state."""
        return {
            "seconds": self.seconds,
            "guaranteed_seconds": self.guaranteed,
            "last_seconds": self.last,
            "elapsed": self.elapsed,
        }

    def add_earlier(self, plain: Mapping[str, Any]) -> None:
        """Go on from the account of an earlier monitor, to which the making of this one comes.

        Parameters
        ----------
        plain : mapping
            What `plain` of that one returned; it may hold more.
        """
        self._earlier_seconds, self._earlier_time = plain["seconds"], plain["elapsed"]
        self.seconds += plain["seconds"]
        self.guaranteed += plain["guaranteed_seconds"]
        self.last = plain["last_seconds"]
        self._began = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled or copied: a clock means nothing to another process."""
        held = dict(vars(self))
        held["_earlier_seconds"], held["_earlier_time"] = self.seconds, self.elapsed
        held["_began"] = None
        return held
