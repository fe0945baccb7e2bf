"""A verdict in sentences that say no more than its intervals allow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import xarray as xr

from loadpath.diagnosis.skipping.verdicts import Verdict
from loadpath.statistics import FEWEST, Agreement

LISTED = 8
"""How many layers a sentence lists at most."""

_MEASURES = {"relative_step": "relative step", "own_step": "own step"}


def measure_words(variable: str) -> str:
    """Return the name of a measure, as a sentence has it."""
    return _MEASURES.get(variable, variable)


def listed(parts: Sequence[str], word: str = "and") -> str:
    """Return parts in a row, the last ones as a number where there are many.

    Parameters
    ----------
    parts : sequence of str
        What is listed.
    word : str, default "and"
        The word before the last part.

    Returns
    -------
    str
        The list, "none" if it is empty.
    """
    shown = list(parts[:LISTED])
    if len(parts) > LISTED:
        shown.append(f"{len(parts) - LISTED} more")
    return _joined(shown, word)


def from_both_ends(parts: Sequence[str]) -> str:
    """Return parts in a row, those in the middle as a number where there are many."""
    if len(parts) <= LISTED:
        return _joined(parts)
    half = LISTED // 2
    middle = f"{len(parts) - 2 * half} between these"
    return _joined([*parts[:half], middle, *parts[-half:]])


def _joined(shown: Sequence[str], word: str = "and") -> str:
    if len(shown) < 2:
        return "".join(shown) or "none"
    return f"{', '.join(shown[:-1])} {word} {shown[-1]}"


def verdict_sentences(verdict: Verdict, skipped: xr.Dataset) -> tuple[str, ...]:
    """Say in sentences what a verdict found.

    Parameters
    ----------
    verdict : Verdict
        The verdict, whose own sentences are not read.
    skipped : xarray.Dataset
        What skipping layers did, as `skip_layers` returns it.

    Returns
    -------
    tuple of str
        The sentences.
    """
    changes = _Changes(verdict, skipped)
    return (
        _what_was_done(verdict, skipped),
        *_reading_sentences(skipped),
        *changes.sentences(),
        *_ranking_sentences(verdict),
        *_trust_sentences(verdict),
        "Each layer was skipped by itself and nothing was trained after it: what several cost "
        "together, or after training, is not known.",
        f"Each interval is for its layer alone: of {1 / (1 - _level(skipped)):.3g} such intervals, "
        "one misses the true value on average.",
    )


def _level(skipped: xr.Dataset) -> float:
    """Return the confidence level of the intervals."""
    return float(skipped.attrs.get("level", 0.95))


def _what_was_done(verdict: Verdict, skipped: xr.Dataset) -> str:
    """Say how many layers were skipped, and what the loss is."""
    n = sum(map(len, (verdict.indistinct, verdict.harmful, verdict.helpful, verdict.unsure)))
    samples = skipped.attrs.get("n_samples")
    on = "" if samples is None else f" on {samples} samples"
    start = f"{n} of {skipped.sizes['layer']} layers were skipped, one at a time,{on}"
    if "loss" not in skipped:
        why = skipped.attrs.get("loss_kind", "none")
        reason = str(why).removeprefix("none").removeprefix(": ")
        no_loss = f"there is no loss ({reason})" if reason else "there is no loss"
        return f"{start}; {no_loss}, so that changes are those of the output."
    return f"{start}; with all in place the loss is {_number(float(skipped['loss']))} " + (
        f"({skipped.attrs['loss_kind']})." if "loss_kind" in skipped.attrs else "."
    )


def _reading_sentences(skipped: xr.Dataset) -> Iterator[str]:
    """Say which tensor was taken for the model's answer, where it had to be chosen, and as what."""
    for name in ("answer", "outputs_hedge"):
        words = str(skipped.attrs.get(name, ""))
        if words:
            yield f"{words[:1].upper()}{words[1:]}."
    yield from left_out_sentences(skipped)


def left_out_sentences(ds: xr.Dataset) -> Iterator[str]:
    """Say which layers are not in a result though they are layers, and why.

    Parameters
    ----------
    ds : xarray.Dataset
        What `diagnose` or `skip_layers` returned.

    Yields
    ------
    str
        One sentence; none where nothing was left out.
    """
    parts = [part.partition(": ") for part in str(ds.attrs.get("layers_left_out", "")).split("; ")]
    if parts[0][0]:
        yield f"Left out: {listed([f'{name} ({why})' for name, _, why in parts])}."


class _Changes:
    """What skipping did, layer by layer."""

    def __init__(self, verdict: Verdict, skipped: xr.Dataset) -> None:
        truth = verdict.truth
        self.verdict = verdict
        self.of_loss = truth == "loss_change"
        self.level = f"{_level(skipped):.0%}"
        names = [str(name) for name in skipped["layer"].values]
        ends = (skipped[f"{truth}{suffix}"].values.tolist() for suffix in ("", "_low", "_high"))
        self.change = dict(zip(names, zip(*ends, strict=True), strict=True))

    def sentences(self) -> list[str]:
        """Return one sentence for each kind of change that there is."""
        v = self.verdict
        found = []
        if v.indistinct:
            what = "loss" if self.of_loss else "output"
            spans = [f"{n} {self._span(n)}" for n in v.indistinct]
            found.append(
                f"Skipping {listed(v.indistinct, 'or')} changes the {what} by less than can be "
                f"told from 0 on these samples ({self.level} intervals: {listed(spans)})."
            )
        if v.harmful and self.of_loss:
            found.append(f"Skipping raises the loss: {from_both_ends(self._amounts(v.harmful))}.")
        if v.harmful and not self.of_loss:
            found.append(
                "Skipping moves the output, relative to how far outputs differ from one another: "
                f"{from_both_ends(self._amounts(v.harmful))}."
            )
        if v.helpful:
            found.append(
                f"Skipping lowers the loss: {from_both_ends(self._amounts(v.helpful, -1))}."
            )
        if v.unsure:
            amounts = [f"{n} {_number(self.change[n][0])}" for n in v.unsure]
            what = "loss" if self.of_loss else "output"
            found.append(
                f"Nothing is said of these changes of the {what}, which have no interval: "
                f"{listed(amounts)}."
            )
        return found

    def _span(self, name: str) -> str:
        _, low, high = self.change[name]
        return f"{_number(low)} to {_number(high)}"

    def _amounts(self, names: Sequence[str], sign: int = 1) -> list[str]:
        found = []
        for name in names:
            value, *ends = (sign * x for x in self.change[name])
            low, high = sorted(ends)
            found.append(f"{name} by {_number(value)} ({_number(low)} to {_number(high)})")
        return found


def _ranking_sentences(verdict: Verdict) -> list[str]:
    """Say which layer moves least, and how harmful it is."""
    found = []
    if verdict.left_out:
        reasons = [f"{name} ({reason})" for name, reason in verdict.left_out.items()]
        are = "is" if len(reasons) == 1 else "are"
        found.append(f"{listed(reasons)} {are} not ranked.")
    agreement, by = verdict.agreement, measure_words(verdict.measure)
    if agreement is None:
        return [*found, f"No layer has both a {by} and a change, so that nothing is ranked."]
    m, harm, first = verdict.movement, verdict.harm, verdict.ranking[0]
    ends = "" if math.isnan(m.low[0]) else f", {_number(m.low[0])} to {_number(m.high[0])}"
    place, n = agreement.rank_of_least_moving, agreement.n_layers
    found.append(
        f"{first} moves the representation least ({by} {_number(m.value[0])}{ends}), and of the "
        f"{n} layers ranked its change is the {'' if place == 1 else _ordinal(place) + ' '}"
        "smallest as measured."
    )
    for what, column in ((by, m), ("change", harm)):
        peers = [
            name
            for l, name in enumerate(verdict.ranking)
            if l and column.low[l] <= column.high[0] and column.low[0] <= column.high[l]
        ]
        if peers:
            found.append(f"The interval of the {what} of {first} overlaps that of {listed(peers)}.")
    if agreement.n_layers >= FEWEST:
        found.append(_hits_sentence(verdict, agreement))
    return found


def _hits_sentence(verdict: Verdict, agreement: Agreement) -> str:
    """Say how many of the least moving layers are among the least harmful."""
    k, hits, chance = agreement.least, agreement.hits, _number(agreement.hits_by_chance)
    if k == 1:
        return (
            f"{verdict.ranking[0]} is {'' if hits else 'not '}the least harmful layer as measured; "
            f"by chance it would be that with probability {chance}."
        )
    some, are = ("None", "is") if hits == 0 else (str(hits), "is" if hits == 1 else "are")
    return (
        f"{some} of the {k} layers that move least ({listed(verdict.ranking[:k])}) {are} among the "
        f"{k} least harmful as measured; by chance {chance} of them would be, on average."
    )


def _trust_sentences(verdict: Verdict) -> list[str]:
    """Say whether the ranking agrees with what skipping does."""
    agreement, by = verdict.agreement, measure_words(verdict.measure)
    if agreement is None:
        return []
    if agreement.trust == "too few layers":
        return [
            f"{agreement.n_layers} ranked layers are too few to say whether the ranking by {by} "
            f"agrees with what skipping does: it takes {FEWEST}."
        ]
    if math.isnan(agreement.spearman):
        return ["All layers move alike, or harm alike: there is no ranking to compare."]
    found = [_correlation_sentence(agreement, by)]
    if agreement.trust == "agrees":
        found.append(
            f"On this model and these samples the ranking by {by} agrees with what skipping does. "
            "That holds for the order as a whole, and promises nothing for a single layer."
        )
        found.append(_place_sentence(verdict, agreement))
    elif agreement.trust == "the other way round":
        found.append(
            "On this model and these samples the ranking is the other way round: what moves the "
            "representation least is the most harmful to skip."
        )
    else:
        found.append(
            f"It is not shown on this model that the ranking by {by} agrees with what skipping "
            "does: go by the changes measured."
        )
    return found


def _place_sentence(verdict: Verdict, agreement: Agreement) -> str:
    """Say whether a ranking that measures nothing does as well."""
    end = "last" if verdict.by_place < 0 else "first"
    start = (
        f"A ranking by place alone, which takes the {end} layer for the least harmful, correlates "
        "with harm by"
    )
    # The margin is for rounding: correlations that should be equal differ by less.
    if abs(verdict.by_place) >= agreement.spearman - 1e-9:
        return (
            f"{start} {abs(verdict.by_place):.2f}, no less: it is not shown that "
            f"{measure_words(verdict.measure)} says more than place."
        )
    return f"{start} {abs(verdict.by_place):.2f}."


def _correlation_sentence(agreement: Agreement, by: str) -> str:
    """Say how far the ranks correlate."""
    n = math.factorial(agreement.n_layers)
    orders = f"all {n} orders" if agreement.exact else "random orders"
    return (
        f"The ranks of {by} and of harm correlate by {agreement.spearman:.2f} "
        f"({agreement.low:.2f} to {agreement.high:.2f} when both are drawn anew within their "
        f"intervals; p = {agreement.p_value:.2g} among {orders})."
    )


def _number(x: float) -> str:
    return "0" if x == 0 else f"{x:.3g}"


def _ordinal(n: int) -> str:
    suffix = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"
