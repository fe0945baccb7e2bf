"""The laws: what each says, its statistic, what would support it, and who said so."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from loadpath.laws import curves, scores
from loadpath.laws.curves import Curve
from loadpath.laws.representations import Array, Representations
from loadpath.measures.separation import KINDS
from loadpath.results import Shown

Need = Literal["answers", "classes", "steps", "layers"]
"""What a law is about: answers of any kind but tokens, classes, steps between layers of one width,
or layers alone. A readout takes tokens too, and says so by `takes_tokens`."""
Order = Literal["curve", "path", "none"]
NullName = Literal["untrained", "depth", "labels"]
"""What the statistic is held against."""
NULLS: tuple[NullName, ...] = ("untrained", "depth", "labels")


@dataclass(frozen=True, eq=False, repr=False)
class Definition(Shown):
    """One law, before it is measured on any net. All statistics are lower the better it holds."""

    name: str
    """Short name, in words."""
    claim: str
    """What the law says, in a sentence."""
    statistic: str
    """What the number is, in words."""
    ideal: float
    """What the statistic is where the law is obeyed exactly, which is the least it can be."""
    source: str
    """Who said so, and what of the statistic is this project's."""
    need: Need
    """What must be there for it; laws of steps are of the longest run of layers of one width."""
    curve: Curve
    """The curve that a figure shows, over layers, or over steps."""
    score: Callable[[Array], float] | None
    """The statistic as a function of the curve; None where it needs the samples."""
    of_samples: Callable[[Representations], float] | None = None
    """The statistic of the samples, where no curve gives it."""
    most: float = math.inf
    """The most that the statistic can be."""
    neutral: float | None = None
    """The statistic of a net that does neither what the law says nor the opposite."""
    order: Order = "curve"
    """What the statistic sees of the order of layers: that of its own curve, only that of the
    representations, or nothing. Where a law says that all parts of its curve are alike, they are so
    in any order, and only other orders of the steps that make the curve say something."""
    takes_tokens: bool = False
    """Whether answers may be tokens of a vocabulary."""

    def part(self, path: Representations) -> Representations:
        """Return the layers that the law is about.

        Parameters
        ----------
        path : Representations
            All layers.

        Returns
        -------
        Representations
            Those of the longest run of one width, for laws of steps; else all.
        """
        return path.stream if self.need == "steps" else path

    def statistic_of(self, path: Representations) -> float:
        """Return the statistic.

        Parameters
        ----------
        path : Representations
            What is measured.

        Returns
        -------
        float
            The number; NaN where the curve is not finite.
        """
        path = self.part(path)
        if self.of_samples is not None:
            return self.of_samples(path)
        assert self.score is not None
        curve = path.curve(self.curve)
        return self.score(curve) if bool(np.isfinite(curve).all()) else float("nan")

    def missing(self, path: Representations) -> str:
        """Return why the law cannot be measured; nothing if it can.

        Parameters
        ----------
        path : Representations
            What would be measured.

        Returns
        -------
        str
            The reason in words, or "".
        """
        kind = path.answer_kind
        if self.need == "steps" and len(path.stream.rows) < 4:
            return "fewer than 3 steps between layers of one width"
        if self.need in ("answers", "classes") and kind == "none":
            return "no labels"
        if self.need == "classes" and kind != "classes":
            return "labels are no classes"
        if self.need == "answers" and kind == "tokens" and not self.takes_tokens:
            return "labels are tokens"
        return ""

    def nulls_for(self, path: Representations) -> tuple[NullName, ...]:
        """Return the nulls that say something about the law in a net, but for those of no other.

        Parameters
        ----------
        path : Representations
            What is measured.

        Returns
        -------
        tuple of str
            "depth" where the statistic depends on the order of what is put in another order,
            "labels" where it depends on labels.
        """
        adds = self.part(path).adds_to_a_stream
        ordered = self.order == "curve" or (self.order == "path" and adds)
        depth: tuple[NullName, ...] = ("depth",) if ordered else ()
        labels: tuple[NullName, ...] = ("labels",) if self.need in ("answers", "classes") else ()
        return (*depth, *labels)


SB = "Shi, Pan and Dokmanic, arXiv:2407.19353"
LR = "Jacot and Kaiser, arXiv:2405.17573"
HS = "He and Su, PNAS 2023"


def _equal_loads() -> list[Definition]:
    """Return the law of equal loads, by three conventions and two numbers."""
    found = []
    for kind in KINDS:
        common = dict(need="answers", curve=curves.LOG_SEPARATIONS[kind])
        found.append(
            Definition(
                name=f"equal load, bend, {kind}",
                claim="The loads of the layers are balanced: the load curve does not bend.",
                statistic="absolute concavity of the load curve",
                ideal=0.0,
                source=f"{SB}: the concavity of `LoadCurve`, without its sign",
                score=scores.bend,
                order="path",
                **common,  # type: ignore[arg-type]  # a union of what the fields are
            )
        )
        found.append(
            Definition(
                name=f"equal load, spread, {kind}",
                claim="All layers have one load.",
                statistic="standard deviation of the loads over the size of their mean",
                ideal=0.0,
                source=f"{SB}: the imbalance of `LoadCurve`; the division is this project's",
                score=scores.uneven_loads,
                order="path",
                **common,  # type: ignore[arg-type]
            )
        )
    return found


DEFINITIONS: tuple[Definition, ...] = (
    *_equal_loads(),
    Definition(
        name="equal separation",
        claim="The log separation falls by equal parts from layer to layer.",
        statistic="Pearson's correlation of the log fuzziness with the layer's number",
        ideal=-1.0,
        most=1.0,
        source=f"{HS}: their statistic",
        need="answers",
        curve=curves.LOG_SEPARATIONS["fuzziness"],
        score=scores.straightness,
        neutral=0.0,
        order="path",
    ),
    Definition(
        name="monotone collapse",
        claim="Variability collapse NC1 falls at every layer.",
        statistic="Spearman's correlation of NC1 with the layer's number",
        ideal=-1.0,
        most=1.0,
        source="Wang, Gai and Zhang, arXiv:2405.00985, say that it falls monotonically; the "
        "correlation is this project's",
        need="classes",
        curve=curves.nc1_curve,
        score=scores.monotonicity,
        neutral=0.0,
        order="path",
    ),
    Definition(
        name="slow middle",
        claim="The middle of the path is slow.",
        statistic="relative speed of the middle third of the steps over that of the outer thirds",
        ideal=0.0,
        source=f"{LR}: the relative speed of its section on discretization; the ratio is this "
        "project's",
        need="steps",
        curve=curves.speed_curve,
        score=scores.middle_to_ends,
        neutral=1.0,
    ),
    Definition(
        name="slow middle, metric",
        claim="The middle of the path is slow in the metric of the stabilized inverse kernel.",
        statistic="speed in that metric of the middle third over that of the outer thirds",
        ideal=0.0,
        source=f"{LR}: the speed of its Theorem 4; the ratio is this project's",
        need="steps",
        curve=curves.metric_speed_curve,
        score=scores.middle_to_ends,
        neutral=1.0,
    ),
    Definition(
        name="bottleneck rank",
        claim="The representation passes through few dimensions between input and output.",
        statistic="least stable rank between the ends over the smaller of both ends",
        ideal=0.0,
        source=f"{LR}: the stable rank of its Proposition 1; the ratio is this project's",
        need="layers",
        curve=curves.rank_curve,
        score=scores.least_inside,
        neutral=1.0,
    ),
    Definition(
        name="equal spacing",
        claim="The layers of a sample are equally spaced.",
        statistic="coefficient of variation of step lengths, mean over samples",
        ideal=0.0,
        source="Li and Papyan, arXiv:2401.09018, say that representations are equally spaced on a "
        "line, and show it in pictures; the number is this project's",
        need="steps",
        curve=curves.length_curve,
        score=None,
        of_samples=scores.uneven_steps,
        order="none",
    ),
    Definition(
        name="steps on a line",
        claim="The steps of a sample point one way.",
        statistic="line-shape score, mean over samples",
        ideal=1.0,
        source="Gai and Zhang 2021, as Aubry and others use it, arXiv:2407.07810, for the claim of "
        "Li and Papyan, arXiv:2401.09018",
        need="steps",
        curve=curves.length_curve,
        score=None,
        of_samples=scores.line_shape,
        order="none",
    ),
    Definition(
        name="geometric growth",
        claim="Every layer makes the representation larger by one factor.",
        statistic="coefficient of variation of the log growth of steps",
        ideal=0.0,
        source="Aubry and others, arXiv:2407.07810, as this project reads it: of the mean over "
        "samples of the log growth",
        need="steps",
        curve=curves.growth_curve,
        score=scores.uneven_growth,
        order="path",
    ),
    Definition(
        name="equal readout",
        claim="Every layer takes an equal part off what a linear readout of the answer misses.",
        statistic="Pearson's correlation of log(1 - R^2) with the layer's number",
        ideal=-1.0,
        most=1.0,
        source="He and Su, arXiv:2408.13442: their statistic, of a readout held out and with a "
        "ridge, which are this project's; for classes as zeros and ones, too",
        need="answers",
        curve=curves.readout_curve,
        score=scores.straightness,
        neutral=0.0,
        order="path",
        takes_tokens=True,
    ),
)
"""All laws, in the order of tables."""
BY_NAME = {each.name: each for each in DEFINITIONS}
"""The same by their names."""
