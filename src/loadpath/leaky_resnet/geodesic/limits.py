"""How exactly a geodesic is solved, for how long, and on how many threads."""

from __future__ import annotations

from dataclasses import dataclass

from loadpath.checks import check_above_zero, check_count, check_flag, check_number

SHARE = 0.8
"""The problem with rounded kinks is solved to this share of the tolerance."""


@dataclass(frozen=True)
class Limits:
    """What is asked of a solution, and what it may cost."""

    tolerance: float
    """Residual of the worst layer that counts as converged."""
    kink_width: float
    """Activations with |A_ij| <= kink_width * rms(A_l) count as on a kink."""
    refinements: int
    """How often the layers are doubled and the problem solved again."""
    max_seconds: float | None
    """Time for a descent, in seconds; None is no limit."""
    threads: int | None
    """CPU threads; None is torch's own number."""
    progress: bool | None
    """Whether a bar shows on stderr; None shows it on a terminal only."""

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        check_number("tolerance", self.tolerance, above=0)
        check_number("kink_width", self.kink_width, above=0)
        check_above_zero("max_seconds", self.max_seconds)
        check_count("refinements", self.refinements, 0)
        if self.threads is not None:
            check_count("threads", self.threads, 1)
        if self.progress is not None:
            check_flag("progress", self.progress)

    @property
    def residual(self) -> float:
        """Residual of the rounded problem's worst layer at which a descent stops."""
        return SHARE * self.tolerance
