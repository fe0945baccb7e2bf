"""The summary of a section: what was measured, in words."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

SMALL_RESIDUAL = 0.1
"""Stationarity residual in the middle of the path up to which the energies are a geodesic's."""


class Fact(NamedTuple):
    """One line of the summary; doubtful ones are marked."""

    name: str
    text: str
    doubtful: bool = False


def _short(value: float) -> str:
    """Return three digits, or all those before the point."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def training_facts(history: xr.Dataset | None) -> Iterator[Fact]:
    """Say how training or solving ended."""
    if history is None:
        return
    status = str(history.attrs.get("status", "not recorded"))
    solved = "look" in history.dims
    name = "Solving" if solved else "Training"
    if status == "trivial minimum":
        meaning = "the net has collapsed to zero, and the rest of this section describes nothing"
        yield Fact(name, f"Ended with status “{status}”: {meaning}.", doubtful=True)
    else:
        last = int(history["iteration"].max())
        text = f"Ended with status “{status}” after {last} iterations."
        yield Fact(name, text, doubtful=solved and status != "converged")
    if "test_error" in history:
        errors = history["test_error"].values
        errors = errors[np.isfinite(errors)]
        if len(errors):
            text = f"{_short(errors[-1])} at the end, {_short(errors.min())} at the lowest."
            yield Fact("Test error", text)


def path_facts(profile: xr.Dataset | None, *, certified: bool) -> Iterator[Fact]:
    """Say what the path is like; where there is a certificate, that says how near to stationary."""
    if profile is None:
        return
    yield _bottleneck_fact(profile)
    if "dimension" in profile:
        low, middle, high = np.quantile(profile["dimension"].values, [0.25, 0.5, 0.75])
        text = (
            f"{_short(middle)} in the median layer, {_short(low)} to {_short(high)} in the middle "
            "half of the layers. On a geodesic with infinitely many layers it is the same in every "
            "layer, and approaches the bottleneck rank from below as the effective depth grows."
        )
        yield Fact("Dimension from the Hamiltonian", text)
    coi = profile["cost_of_identity"].values
    at = profile["p"].values[coi.argmin()]
    text = (
        f"{_short(coi.min())}, at p = {at:.2f}. At small gamma it approaches the bottleneck rank "
        "from above; a larger gamma fades small directions out, and lowers it."
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
        rule += f" (here a factor {_short(rank.attrs['gap'])})"
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
    if residual <= SMALL_RESIDUAL:
        text += (
            "That is small: there the net is close to a stationary point of its objective, so its "
            "energies are close to those of a geodesic."
        )
        return Fact("Is it a stationary point?", f"Yes, nearly. The residual is {text}")
    text += (
        f"That is more than {SMALL_RESIDUAL}: training has not reached a stationary point, so the "
        "energies are only indicative."
    )
    return Fact("Is it a stationary point?", f"No. The residual is {text}", doubtful=True)
