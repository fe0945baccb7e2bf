"""How computations end, in words."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from enum import StrEnum


class Status(StrEnum):
    """How a computation ended, in words: the one list of them.

    Each member equals its text, `Status.CONVERGED == "converged"`, and is saved as that.
    """

    RUNNING = "running"
    """Not ended yet; no result has it."""
    CONVERGED = "converged"
    """The tolerance that was asked for is met."""
    COMPLETED = "completed"
    """All of an integration was done, and nothing went wrong on the way."""
    STOPPED = "stopped"
    """An integration ended before its last node; its message says where and why."""
    FINISHED = "finished all steps"
    """Every step that was asked for was taken, without meeting the tolerance."""
    ALL_EPOCHS = "all epochs"
    """Every epoch that was asked for was gone through, without meeting a rule to stop."""
    STOPPED_AT_LOSS = "stopped at loss"
    """The training loss fell below the limit at which a recipe stops."""
    STOPPED_AT_CHANGE = "stopped at change"
    """The training loss changed by less than the limit at which a recipe stops."""
    STALLED = "stalled"
    """The line search finds nothing lower at this precision."""
    NOT_CONVERGED = "not converged"
    """The tolerance is not met."""
    POOR_FIT = "poor fit"
    """The best fit there is lies farther from the data than chance would explain."""
    END_NOT_REACHED = "end not reached"
    """No path of this net was found that ends where it should."""
    TRIVIAL_MINIMUM = "trivial minimum"
    """The weights have collapsed: the net predicts about a constant."""
    OUT_OF_TIME = "out of time"
    """The time that was given is up; what is kept is the best so far."""
    DIVERGED = "diverged"
    """The objective became infinite or NaN; what is kept is the last finite state."""

    @property
    def why_not_read(self) -> str:
        """Why what was measured after such an end must not be read; "" if it may be."""
        return _WHY_NOT_READ.get(self, "")

    @classmethod
    def of(cls, attrs: Mapping[Hashable, object]) -> Status | None:
        """Return the status that a result's attrs name; None if they name none."""
        said = attrs.get("status")
        return cls(said) if isinstance(said, str) and said in list(cls) else None


_WHY_NOT_READ = {
    Status.TRIVIAL_MINIMUM: (
        "its weights have collapsed and it predicts about a constant; a smaller weight_decay may "
        "help"
    ),
    Status.DIVERGED: (
        "its objective became infinite or NaN, and what is kept is a state on the way there; "
        "smaller steps or a smaller effective_depth may help"
    ),
    Status.END_NOT_REACHED: (
        "its path does not end where it should; fewer samples, more layers or more width may help"
    ),
}
