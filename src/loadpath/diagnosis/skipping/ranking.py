"""A ranking of layers held against what skipping each did: numbers, and what they say."""

from __future__ import annotations

from dataclasses import dataclass

from loadpath.statistics import Agreement, Column


@dataclass(frozen=True, eq=False)
class Verdict:
    """Layers ranked by how little they move the representation, beside what skipping them does.

    Each layer was skipped by itself: nothing is said of several together.
    """

    measure: str
    """The variable that layers are ranked by."""
    truth: str
    """"loss_change", or "output_change" where there is no loss."""
    ranking: tuple[str, ...]
    """Layers that have both numbers, the one that moves least first."""
    movement: Column
    """The measure of these, in this order."""
    harm: Column
    """The truth of these, in this order."""
    indistinct: tuple[str, ...]
    """Skipped layers whose change has an interval with 0 in it; here and below in order of
    change, whether they are ranked or not."""
    harmful: tuple[str, ...]
    """Skipped layers whose interval is above 0."""
    helpful: tuple[str, ...]
    """Skipped layers whose interval is below 0: without them the loss is lower."""
    unsure: tuple[str, ...]
    """Skipped layers with a change and no interval."""
    left_out: dict[str, str]
    """Layers that are not ranked, with the reason."""
    agreement: Agreement | None
    """Of the ranking with the truth; None where no layer has both numbers."""
    by_place: float
    """Rank correlation of the truth with the mere place of the ranked layers, 1 if the first is the
    least harmful and so on: what a ranking that measures nothing does, from either end. NaN with
    fewer than 4 layers, or where all harm alike."""
    sentences: tuple[str, ...]
    """All that in plain words, which say no more than the intervals allow."""
