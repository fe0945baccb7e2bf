"""What a value in place of a valid argument is to lead to."""

from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["same", "refused", "either"]
"""The numbers of the valid call; a sentence; or either a sentence or finite numbers."""
NAN, INF = float("nan"), float("inf")


@dataclass(frozen=True)
class Mutation:
    """A value in place of a valid one."""

    name: str
    value: Any
    outcome: Outcome
    tolerance: float = 1e-9
    """Relative difference up to which numbers count as the same: rounding in another order."""


def each(outcome: Outcome, values: dict[str, Any]):
    """Yield a mutation for each of several values by name."""
    for name, value in values.items():
        yield Mutation(name, value, outcome)
