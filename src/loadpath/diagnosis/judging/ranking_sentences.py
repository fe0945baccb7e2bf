"""How a ranking by prediction, movement or both compares with what skipping does, in sentences."""

from __future__ import annotations

import math

import xarray as xr

from loadpath.diagnosis.judging.verdicts import Verdict
from loadpath.diagnosis.judging.wording import BOTH, PREDICTED, as_number, measure_words
from loadpath.diagnosis.naming import LayerNames, listed
from loadpath.statistics import FEWEST, Agreement


def ranking_sentences(verdict: Verdict, names: LayerNames) -> list[str]:
    """Say which layer is ranked first, and what skipping it does.

    Parameters
    ----------
    verdict : Verdict
        The verdict, whose own sentences are not read.
    names : LayerNames
        What sentences call the layers.

    Returns
    -------
    list of str
        The sentences.
    """
    found = []
    if verdict.left_out:
        reasons = [f"{names.one(name)} ({why})" for name, why in verdict.left_out.items()]
        these = "This layer is" if len(reasons) == 1 else "These layers are"
        found.append(f"{these} not ranked: {listed(reasons)}.")
    agreement, by = verdict.agreement, measure_words(verdict.measure)
    if agreement is None:
        numbers = f"both a {by} and a change"
        if _is_both(verdict):
            numbers = "a predicted harm, an own step and a change"
        return [*found, f"No layer has {numbers}, so that nothing is ranked."]
    m, harm, first = verdict.movement, verdict.harm, names.one(verdict.ranking[0])
    ends = "" if math.isnan(m.low[0]) else f", {as_number(m.low[0])} to {as_number(m.high[0])}"
    place, n = agreement.rank_of_least_moving, agreement.n_layers
    does, number = "moves the representation least", by
    if _is_predicted(verdict):
        does = "is predicted to do the least harm"
    elif _is_both(verdict):
        does, number = f"is ranked first by {by}", "mean rank"
    found.append(
        f"{first[:1].upper()}{first[1:]} {does} ({number} "
        f"{as_number(m.value[0])}{ends}{_relative_to(verdict)}), and of the {n} layers ranked its "
        f"change is the {'' if place == 1 else _ordinal(place) + ' '}smallest as measured."
    )
    for what, column in ((number, m), ("change", harm)):
        peers = [
            name
            for l, name in enumerate(verdict.ranking)
            if l and column.low[l] <= column.high[0] and column.low[0] <= column.high[l]
        ]
        if peers:
            found.append(
                f"The interval of the {what} of {first} overlaps that of {names.several(peers)}."
            )
    if agreement.n_layers >= FEWEST:
        found.append(_hits_sentence(verdict, agreement, names))
    return found


def rank_sentence(verdict: Verdict, profile: xr.Dataset) -> str:
    """Say what layers are ranked by, and what else they could be ranked by.

    Parameters
    ----------
    verdict : Verdict
        The verdict.
    profile : xarray.Dataset
        The diagnosis, which may say what it ranks by, and how often the model is right.
    """
    ranked_by = str(profile.attrs.get("ranked_by", ""))
    by = measure_words(verdict.measure)
    start = f"Layers are ranked by {by}"
    how = ranked_by.partition(": ")[2] or "predicted from gradients"
    if _is_predicted(verdict):
        return f"{start}: {how}.{_by_heart(profile)}"
    if ranked_by.startswith("prediction") and learned_by_heart(profile):
        return f"{start}, and not by predicted harm.{_by_heart(profile)}"
    if ranked_by.startswith("movement, "):
        return f"{start}, {ranked_by.partition(', ')[2].rstrip('.')}."
    return (
        f"{start}, which takes no pass of its own; diagnose without a rank ranks them by the "
        "harm that gradients predict, for one forward and three backward passes over the first "
        "samples."
    )


def _by_heart(profile: xr.Dataset) -> str:
    """Say that gradients tell little of samples that a model has all right."""
    if not learned_by_heart(profile):
        return ""
    return (
        " The model has all samples of the diagnosis right, as it may have those that it was "
        "trained on: their gradients are near 0, and say little of the harm to others."
    )


def learned_by_heart(profile: xr.Dataset) -> bool:
    """Tell whether the model has all samples of a diagnosis right."""
    return "accuracy" in profile and float(profile["accuracy"]) == 1


def _is_predicted(verdict: Verdict) -> bool:
    return verdict.measure == PREDICTED


def _is_both(verdict: Verdict) -> bool:
    return verdict.measure == BOTH


def _relative_to(verdict: Verdict) -> str:
    """Say what an own step is relative to."""
    if verdict.measure != "own_step":
        return ""
    return ", from its own input, relative to the size of its output"


def _hits_sentence(verdict: Verdict, agreement: Agreement, names: LayerNames) -> str:
    """Say how many of the least moving layers are among the least harmful."""
    k, hits, chance = agreement.least, agreement.hits, as_number(agreement.hits_by_chance)
    if k == 1:
        first = names.one(verdict.ranking[0])
        return (
            f"{first[:1].upper()}{first[1:]} is {'' if hits else 'not '}the least harmful layer as "
            f"measured; by chance it would be that with probability {chance}."
        )
    which = "of least predicted harm" if _is_predicted(verdict) else "that move least"
    which = "that are ranked first" if _is_both(verdict) else which
    some, are = ("None", "is") if hits == 0 else (str(hits), "is" if hits == 1 else "are")
    return (
        f"{some} of the {k} layers {which} ({names.several(verdict.ranking[:k])}) {are} "
        f"among the {k} least harmful as measured; by chance {chance} of them would be, on average."
    )


def trust_sentences(verdict: Verdict) -> list[str]:
    """Say whether the ranking agrees with what skipping does.

    Parameters
    ----------
    verdict : Verdict
        The verdict, whose own sentences are not read.

    Returns
    -------
    list of str
        The sentences.
    """
    agreement, by = verdict.agreement, measure_words(verdict.measure)
    if agreement is None:
        return []
    if agreement.trust == "too few layers":
        return [
            f"{agreement.n_layers} ranked layers are too few to say whether the ranking by {by} "
            f"agrees with what skipping does: it takes {FEWEST}."
        ]
    if math.isnan(agreement.spearman):
        alike = "have one predicted harm" if _is_predicted(verdict) else "move alike"
        alike = "have one mean rank" if _is_both(verdict) else alike
        return [f"All layers {alike}, or harm alike: there is no ranking to compare."]
    found = [_correlation_sentence(verdict, agreement)]
    if agreement.trust == "agrees":
        found.append(
            f"On this model and these samples the ranking by {by} agrees with what skipping does. "
            "That holds for the order as a whole, and promises nothing for a single layer."
        )
        found.append(_place_sentence(verdict, agreement))
    elif agreement.trust == "the other way round":
        what = "what moves the representation least"
        if _is_predicted(verdict):
            what = "what is predicted to do the least harm"
        elif _is_both(verdict):
            what = f"what is ranked first by {by}"
        found.append(
            "On this model and these samples the ranking is the other way round: "
            f"{what} is the most harmful to skip."
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
        say = "say" if _is_both(verdict) else "says"
        return (
            f"{start} {abs(verdict.by_place):.2f}, no less: it is not shown that "
            f"{measure_words(verdict.measure)} {say} more than place."
        )
    return f"{start} {abs(verdict.by_place):.2f}."


def _correlation_sentence(verdict: Verdict, agreement: Agreement) -> str:
    """Say how far the ranks correlate."""
    ranks, drawn = f"The ranks of {measure_words(verdict.measure)} and of harm", "both"
    if _is_both(verdict):
        ranks, drawn = "The mean rank by predicted harm and own step and the rank by harm", "all"
    n = math.factorial(agreement.n_layers)
    orders = f"all {n} orders" if agreement.exact else "random orders"
    return (
        f"{ranks} correlate by {agreement.spearman:.2f} "
        f"({agreement.low:.2f} to {agreement.high:.2f} when {drawn} are drawn anew within their "
        f"intervals; p = {agreement.p_value:.2g} among {orders})."
    )


def _ordinal(n: int) -> str:
    suffix = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"
