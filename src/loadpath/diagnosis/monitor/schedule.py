"""When a monitor looks, whatever its budget: at the start, at the end, and some times between."""

from __future__ import annotations

import math
from dataclasses import dataclass

from loadpath.checks import check_count


@dataclass(frozen=True)
class Schedule:
    """The steps by which a look is guaranteed.

    Notes
    -----
    With n guaranteed looks between the start and the end, and with r steps made since the start:

    - Where the end is known, the run is cut into n + 1 parts of equal length. A look is guaranteed
      at the last step of each part, unless there was another one in that part. So each of the
      first n parts has a look, and the last part has the one at the end.
    - Where the end is not known, or has gone by, the first n steps are looked at. From then on a
      look is guaranteed when the run is twice as long as it was at the last look. So a run of any
      length above n has n looks before its last step, and none of its halves, quarters and so on
      goes unseen. They come to n + log2(r / n) looks in r steps at the most.

    Raises
    ------
    ValueError
        If `guaranteed` is below 0, or `last_step` is not above `first_step`.
    """

    every: int
    """Training steps from one look to the next, where the budget has them."""
    first_step: int
    """Number of the step at which the run begins."""
    last_step: int | None
    """Number of the step at which it ends; None if that is not known."""
    guaranteed: int
    """How many looks are guaranteed between these two."""

    def __post_init__(self) -> None:
        """Refuse counts that are out of range."""
        check_count("every", self.every, 1)
        check_count("first_step", self.first_step, 0)
        check_count("guaranteed", self.guaranteed, 0)
        if self.last_step is not None:
            check_count("last_step", self.last_step, self.first_step + 1)

    def guaranteed_by(self, last: int) -> float:
        """Return the number of the step by which the next look is guaranteed.

        Parameters
        ----------
        last : int
            Number of the step of the last look.

        Returns
        -------
        float
            A whole number above `last`; infinity if none is guaranteed.
        """
        r = max(0, last - self.first_step)  # a resumed run may not have been looked at yet
        if self.last_step is not None and last < self.last_step:
            length, parts = self.last_step - self.first_step, self.guaranteed + 1
            # Part i ends at step i * length // parts; the first that ends at r or later has a look.
            seen = -(-r * parts // length)
            following = min((seen + 1) * length // parts, length)
            return self.first_step + max(following, r + 1)
        if self.guaranteed == 0:
            return math.inf
        return self.first_step + (r + 1 if r < self.guaranteed else 2 * r)

    def resumed(self, first_step: int, last_step: int | None, number: int) -> Schedule:
        """Return the schedule with which a run goes on.

        Parameters
        ----------
        first_step, last_step : int or None
            What the earlier schedule had.
        number : int
            Number of the last step of the earlier one.

        Returns
        -------
        Schedule
            One with the end of this one. It has the start of the earlier one if that has the same
            end, and starts at `number` else. An end that has gone by already is none.
        """
        same = self.last_step == last_step
        start = first_step if same else number
        end = None if self.last_step is not None and self.last_step <= start else self.last_step
        return Schedule(self.every, start, end, self.guaranteed)

    @property
    def apart(self) -> int:
        """Steps between two looks that count as two, where something must be seen twice."""
        if self.last_step is None:
            return self.every
        part = (self.last_step - self.first_step) // (self.guaranteed + 1)
        return min(self.every, max(1, part))

    def words(self) -> str:
        """Return which looks are taken whatever the budget, as a part of a sentence."""
        if self.guaranteed == 0:
            return "a look at the start and one at the end"
        if self.last_step is None:
            return (
                f"looks at the start, at the first {self.guaranteed} steps, whenever the run has "
                "become twice as long as at the last look, and at the end"
            )
        return f"looks at the start, at the end and {self.guaranteed} between"
