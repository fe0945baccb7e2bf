"""A verdict in sentences that say no more than its intervals allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from loadpath.diagnosis.judging.candidates import candidate_sentences
from loadpath.diagnosis.judging.ranking_sentences import (
    rank_sentence,
    ranking_sentences,
    trust_sentences,
)
from loadpath.diagnosis.judging.verdicts import Verdict
from loadpath.diagnosis.judging.wording import amount, as_number, as_points, level_of, loss_units
from loadpath.diagnosis.naming import (
    LayerNames,
    from_both_ends,
    left_out_sentences,
    listed,
    names_in_sentences,
)


def verdict_sentences(
    verdict: Verdict, profile: xr.Dataset, skipped: xr.Dataset, *, say_rank: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say in sentences what a verdict found; what to try without comes first.

    Parameters
    ----------
    verdict : Verdict
        The verdict, whose own sentences are not read.
    profile : xarray.Dataset
        What `diagnose` measured, which may say what the layers cost to run.
    skipped : xarray.Dataset
        What skipping layers did, as `skip_layers` returns it.
    say_rank : bool, optional
        Whether to say what layers are ranked by, which the user did not choose.

    Returns
    -------
    answer : tuple of str
        What to try without.
    rest : tuple of str
        What it rests on.
    """
    names = names_in_sentences(skipped)
    return tuple(candidate_sentences(verdict, profile, skipped, names)), (
        *_what_was_done(verdict, skipped, names),
        *_reading_sentences(skipped),
        *_Changes(verdict, skipped, names).sentences(),
        *ranking_sentences(verdict, names),
        *([rank_sentence(verdict, profile)] if say_rank else []),
        *trust_sentences(verdict),
        "Each layer was skipped by itself and nothing was trained after it: what several cost "
        "together, or after training, is not known.",
        f"Each interval is for its layer alone: of {1 / (1 - level_of(skipped)):.3g} such "
        "intervals, one misses the true value on average.",
    )


def _what_was_done(verdict: Verdict, skipped: xr.Dataset, names: LayerNames) -> Iterator[str]:
    """Say how many layers were skipped, and what the loss is."""
    n = sum(map(len, (verdict.indistinct, verdict.harmful, verdict.helpful, verdict.unsure)))
    samples = skipped.attrs.get("n_samples")
    on = "" if samples is None else f" on {samples} samples"
    start = f"{n} of {skipped.sizes['layer']} layers were skipped, one at a time,{on}"
    if "loss" not in skipped:
        yield f"{start}; changes are those of the output."
    else:
        kind = f" ({skipped.attrs['loss_kind']})" if "loss_kind" in skipped.attrs else ""
        right = ""
        if "accuracy" in skipped:
            right = f" and the accuracy {float(skipped['accuracy']):.1%}"
        loss = as_number(float(skipped["loss"]))
        yield f"{start}; with all in place the loss is {loss}{kind}{right}."
    if names.key:
        yield f"{names.key[:1].upper()}{names.key[1:]}."


def _reading_sentences(skipped: xr.Dataset) -> Iterator[str]:
    """Say which tensor was taken for the model's answer, where it had to be chosen, and as what."""
    for name in ("answer", "outputs_hedge"):
        words = str(skipped.attrs.get(name, ""))
        if words:
            yield f"{words[:1].upper()}{words[1:]}."
    yield from left_out_sentences(skipped)


class _Changes:
    """What skipping did, layer by layer."""

    def __init__(self, verdict: Verdict, skipped: xr.Dataset, names: LayerNames) -> None:
        self.verdict, self.skipped, self.names = verdict, skipped, names
        self.of_loss = verdict.truth == "loss_change"
        self.units = loss_units(skipped) if self.of_loss else ""
        self.level = f"{level_of(skipped):.0%}"
        self.change = _columns(skipped, verdict.truth)

    def sentences(self) -> list[str]:
        """Return one sentence for each kind of change that there is."""
        v, names = self.verdict, self.names
        found = []
        if v.indistinct:
            what = "loss" if self.of_loss else "output"
            spans = [f"{self._span(n)} without {names.one(n)}" for n in v.indistinct]
            found.append(
                f"Skipping {names.several(v.indistinct, 'or')} changes the {what} by less than can "
                f"be told from 0 on these samples: the {self.level} intervals are {listed(spans)}."
            )
        if v.harmful and self.of_loss:
            found.append(f"Skipping raises the loss: {self._amounts(v.harmful)}.")
        if v.harmful and not self.of_loss:
            found.append(
                "Skipping moves the output, relative to how far outputs differ from one another: "
                f"{self._amounts(v.harmful)}."
            )
        if v.helpful:
            found.append(f"Skipping lowers the loss: {self._amounts(v.helpful, -1)}.")
        if v.unsure:
            amounts = [f"{as_number(self.change[n][0])} without {names.one(n)}" for n in v.unsure]
            what = "loss" if self.of_loss else "output"
            found.append(
                f"Nothing is said of these changes of the {what}, which have no interval: "
                f"{listed(amounts)}."
            )
        return [*found, *self._accuracies()]

    def _accuracies(self) -> Iterator[str]:
        """Say how the accuracy changes, wherever the loss does."""
        if not self.of_loss or "accuracy_change" not in self.skipped:
            return
        v, columns = self.verdict, _columns(self.skipped, "accuracy_change")
        shown = []
        for name in (*v.helpful, *v.indistinct, *v.unsure, *v.harmful):
            value, low, high = columns[name]
            if np.isfinite(value):
                reach = f" ({as_points(low)} to {as_points(high)})" if np.isfinite(low) else ""
                shown.append(f"{as_points(value)}{reach} without {self.names.one(name)}")
        if shown:
            yield f"The accuracy changes, in points of 100, by {from_both_ends(shown)}."

    def _span(self, name: str) -> str:
        _, low, high = self.change[name]
        return f"{as_number(low)} to {as_number(high)}"

    def _amounts(self, layers: Sequence[str], sign: int = 1) -> str:
        found = []
        for name in layers:
            value, *ends = (sign * x for x in self.change[name])
            by = amount(value, min(ends), max(ends), self.units)
            found.append(f"by {by} without {self.names.one(name)}")
        return from_both_ends(found)


def _columns(skipped: xr.Dataset, name: str) -> dict[str, tuple[float, float, float]]:
    """Return a change and the ends of its interval, by layer."""
    layers = [str(layer) for layer in skipped["layer"].values]
    ends = (skipped[f"{name}{end}"].values.tolist() for end in ("", "_low", "_high"))
    return dict(zip(layers, zip(*ends, strict=True), strict=True))
