"""The verdict as a value: a ranking of layers, and what skipping each of them did."""

from __future__ import annotations

from dataclasses import dataclass

from loadpath.diagnosis.judging.wording import measure_words
from loadpath.results import Overview, Shown
from loadpath.statistics import Agreement, Column


@dataclass(frozen=True, eq=False, repr=False)
class Verdict(Shown):
    """Layers ranked by predicted harm, by how little they move or by both, and what skipping does.

    Each layer was skipped by itself: nothing is said of several together.
    """

    measure: str
    """The variable that layers are ranked by; "both" for the mean of their ranks by
    "predicted_harm" and by "own_step"."""
    truth: str
    """What harm is measured by: "loss_change", or "output_change" where there is no loss."""
    ranking: tuple[str, ...]
    """Layers that have all numbers; the one of least predicted harm, or that moves the
    representation least, or of the least mean rank, comes first."""
    movement: Column
    """The measure of the ranked layers, in the order of the ranking; for "both" the mean of their
    two ranks (see `loadpath.statistics.mean_ranks`)."""
    harm: Column
    """What skipping each ranked layer changed, in the order of the ranking."""
    candidates: tuple[str, ...]
    """Layers to try without, those with the smallest bound on their harm first: no harm to loss or
    accuracy is shown of them, or their harm is within what is tolerated. What they cost together is
    not measured. None where there is no loss."""
    indistinct: tuple[str, ...]
    """Skipped layers whose change has an interval with 0 in it. Here and in the next three fields
    layers stand in order of change, whether they are ranked or not."""
    harmful: tuple[str, ...]
    """Skipped layers whose interval is above 0."""
    helpful: tuple[str, ...]
    """Skipped layers whose interval is below 0: the loss is lower without them."""
    unsure: tuple[str, ...]
    """Skipped layers whose change has no interval."""
    left_out: dict[str, str]
    """Layers that are not ranked, each with the reason."""
    agreement: Agreement | None
    """How far the ranking agrees with harm; None where no layer has the numbers."""
    by_place: float
    """Rank correlation of harm with the mere place of the ranked layers, 1 if the first is the
    least harmful and so on. It is what a ranking that measures nothing would do, from either end.
    NaN with fewer than 4 layers, or where all harm alike."""
    answer: tuple[str, ...]
    """What to try without and what that costs at most, in a sentence or two."""
    sentences: tuple[str, ...]
    """The answer, and then the rest in plain words, which say no more than the intervals allow."""

    @property
    def rest(self) -> tuple[str, ...]:
        """The sentences that the answer rests on."""
        return self.sentences[len(self.answer) :]

    def _overview(self) -> Overview:
        """Return the ranking, and what the verdict says."""
        ranked, trust = len(self.ranking), self.agreement and self.agreement.trust
        return Overview(
            {
                "try without": ", ".join(self.candidates) or "none",
                "layers ranked": f"{ranked} of {ranked + len(self.left_out)}",
                "by": measure_words(self.measure).replace("_", " "),
                "harm": self.truth.replace("_", " "),
                "agreement with harm": trust or "not compared",
                "least first": ", ".join(self.ranking),
            },
            sentences=self.sentences,
        )
