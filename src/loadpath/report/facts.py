"""The summary of a section: what was measured, in words."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from loadpath.leaky_resnet.training import errors_in_words
from loadpath.report.pictures import number
from loadpath.report.verdict import SMALL_RESIDUAL, Verdict
from loadpath.results import Status


class Fact(NamedTuple):
    """One line of the summary; doubtful ones are marked."""

    name: str
    text: str
    doubtful: bool = False


def verdict_facts(verdict: Verdict | None) -> Iterator[Fact]:
    """Say first what a run is, and what can be read off it and what can not."""
    if verdict is None:
        return
    if not verdict.readable:
        yield Fact("Verdict", verdict.headline, doubtful=True)
        return
    yield Fact("Verdict", _sentence(verdict.headline))
    if verdict.can:
        yield Fact("Can be read", " ".join(map(_sentence, verdict.can)))
    if verdict.cannot:
        yield Fact("Can not be read", " ".join(map(_sentence, verdict.cannot)), doubtful=True)


def _sentence(text: str) -> str:
    """Return a text with a capital at its start."""
    return text[:1].upper() + text[1:]


def training_facts(history: xr.Dataset | None) -> Iterator[Fact]:
    """Say how training or solving ended."""
    if history is None:
        return
    status = str(history.attrs.get("status", "not recorded"))
    solved = "look" in history.dims
    name = "Solving" if solved else "Training"
    known = Status.of(history.attrs)
    doubtful = (solved and status != "converged") or bool(known and known.why_not_read)
    last = int(history["iteration"].max())
    yield Fact(name, f"Ended with status “{status}” after {last} iterations.", doubtful=doubtful)
    for heading, text in errors_in_words(history).items():
        yield Fact(_sentence(heading), f"{text}.")


def path_facts(profile: xr.Dataset | None, *, certified: bool) -> Iterator[Fact]:
    """Say what the path is like; where there is a certificate, that says how near to stationary."""
    if profile is None:
        return
    yield _bottleneck_fact(profile)
    if "dimension" in profile:
        low, middle, high = np.quantile(profile["dimension"].values, [0.25, 0.5, 0.75])
        text = (
            f"{number(middle)} in the median layer, {number(low)} to {number(high)} in the middle "
            "half of the layers. On a geodesic with infinitely many layers it is the same in every "
            "layer, and approaches the bottleneck rank from below as the effective depth grows."
        )
        yield Fact("Dimension from the Hamiltonian", text)
    coi = profile["cost_of_identity"].values
    at = profile["p"].values[coi.argmin()]
    gamma0 = profile.attrs.get("gamma0")
    known = "" if gamma0 is None else f", with gamma_0 = {gamma0:g}"
    text = (
        f"{number(coi.min())}, at p = {at:.2f}{known}. At small gamma it approaches the bottleneck "
        "rank from above; a larger gamma fades small directions out, and lowers it."
    )
    yield Fact("Least cost of identity", text)
    if not certified:
        yield _stationarity_fact(profile)


def _bottleneck_fact(profile: xr.Dataset) -> Fact:
    """Say the bottleneck rank, and the rule by which it was found."""
    rank = profile["bottleneck_rank"]
    k, clear = int(rank), bool(rank.attrs.get("clear", True))
    text = f"{k}: so many directions pass the narrowest part of the path"
    if "layer" in rank.attrs:
        text += f", as layer {rank.attrs['layer']} shows most clearly"
    rule = (
        "Rule: where the path is narrowest, k is placed at the largest drop from one singular "
        "value of the centred representation, at least a tenth of the first, to the next"
    )
    if clear and np.isfinite(rank.attrs.get("gap", np.inf)):
        rule += f" (here a factor {number(rank.attrs['gap'])})"
    if not clear:
        rule = (
            "No layer has a clear drop between its singular values, so this is the least effective "
            "dimension along the path, rounded: read it as a guess"
        )
    return Fact("Bottleneck rank", f"{text}. {rule}.", doubtful=not clear)


def _stationarity_fact(profile: xr.Dataset) -> Fact:
    """Say whether the middle of the path is near a stationary point."""
    p, residuals = profile["p_step"].values, profile["stationarity"].values
    middle = residuals[(p >= 0.25) & (p <= 0.75)]
    residual = float(np.median(middle if len(middle) else residuals))
    text = f"{residual:.2g} in the middle of the path (the median for p from 0.25 to 0.75). "
    worst = float(np.nanmax(residuals, initial=residual))
    if residual <= SMALL_RESIDUAL:
        verdict = "Yes, nearly."
        if worst > SMALL_RESIDUAL:
            verdict = f"Nearly in the middle, and not in the worst layer ({worst:.2g})."
        text += (
            "That is small: there the net is close to a stationary point of its objective. Whether "
            "its energies are a geodesic's says the verdict."
        )
        return Fact("Is it a stationary point?", f"{verdict} The residual is {text}")
    text += (
        f"That is more than {SMALL_RESIDUAL}: training has not reached a stationary point, so the "
        "energies are only indicative."
    )
    return Fact("Is it a stationary point?", f"No. The residual is {text}", doubtful=True)
