"""What can be read off a run and what can not: one verdict, from the numbers of a certificate."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from loadpath.results import Status

CONVERGED = 0.01
"""Residual of the worst layer up to which a net is stationary, as for certificates."""
SMALL_RESIDUAL = 0.1
"""Residual in the middle of the path up to which its bottleneck is a stationary point's."""
STEADY = 0.1
"""Spread of the Hamiltonian up to which it is read as one number."""
SMALL_GAMMA = 1e-3
"""Largest gamma_0 at which the least cost of identity reads against the rank: at 1e-2 it falls
below the rank from an effective depth of 7 on (figure 1a)."""


@dataclass(frozen=True)
class Verdict:
    """What a run is, and which of its numbers may be read."""

    headline: str
    """One sentence: how near to a geodesic the net is, or why it must not be read."""
    readable: bool = True
    """Whether the run may be read at all."""
    can: list[str] = field(default_factory=list)
    """What can be read off it, with the values."""
    cannot: list[str] = field(default_factory=list)
    """What can not, each with its reason."""

    def lines(self) -> list[str]:
        """Return the verdict as lines of a terminal."""
        if not self.readable:
            return [self.headline]
        return [
            f"verdict: {self.headline}",
            *(f"  can be read: {each}" for each in self.can),
            *(f"  can not be read: {each}" for each in self.cannot),
        ]


def warning(*sources: xr.Dataset | None) -> str:
    """Say that a run must not be read, and why; return "" if it may.

    Parameters
    ----------
    *sources : Dataset or None
        Its history and its profile, either of which may name the status.

    Returns
    -------
    str
        One sentence, or nothing.
    """
    for ds in sources:
        status = None if ds is None else Status.of(ds.attrs)
        if status is not None and status.why_not_read:
            return f"This run must not be read: {status.why_not_read}."
    return ""


def judge(profile: xr.Dataset | None, history: xr.Dataset | None) -> Verdict | None:
    """Return the verdict on a run.

    Parameters
    ----------
    profile : Dataset or None
        What `mechanics.profile` or `Geodesic.dataset` returned.
    history : Dataset or None
        That of the training or of the solving.

    Returns
    -------
    Verdict or None
        None if nothing was measured and nothing speaks against reading it.
    """
    said = warning(history, profile)
    if said:
        return Verdict(said, readable=False)
    if profile is None:
        return None
    residuals, H, predicted = _certified(profile)
    p = profile["p_step"].values
    middle = residuals[(p >= 0.25) & (p <= 0.75)]
    rest = float(np.median(middle if len(middle) else residuals)) <= SMALL_RESIDUAL
    can, cannot = [], []
    for name, text, why in (
        _rank(profile, rest),
        *([_dimension(profile, H, predicted, rest)] if "dimension" in profile else []),
        _least_cost(profile, rest),
    ):
        if why:
            cannot.append(f"{name}: {text}, for {why}.")
        else:
            can.append(f"{name}: {text}.")
    return Verdict(_headline(residuals, middle, H, predicted), True, can, cannot)


_Numbers = NDArray[np.float64]


def _certified(profile: xr.Dataset) -> tuple[_Numbers, _Numbers | None, _Numbers | None]:
    """Return residuals, the Hamiltonian and what the mesh predicts of it, as far as known."""
    if "least_norm_residual" in profile:
        return (
            profile["least_norm_residual"].values,
            profile["least_norm_hamiltonian"].values,
            profile["predicted_hamiltonian"].values,
        )
    H = next((n for n in ("symmetric_hamiltonian", "hamiltonian") if n in profile), None)
    return profile["stationarity"].values, None if H is None else profile[H].values, None


def _headline(
    residuals: _Numbers, middle: _Numbers, H: _Numbers | None, predicted: _Numbers | None
) -> str:
    """Say how near to a geodesic the net is."""
    worst, layer = float(residuals.max()), int(residuals.argmax()) + 1
    spread = 0.0 if H is None else _spread(H)
    if worst <= CONVERGED:
        name = "a geodesic, nearly"
        if spread > STEADY:
            name = "stationary, but on a mesh too coarse for one Hamiltonian"
        balance = f"every layer is within {_percent(worst)} of balance"
    else:
        name = "no geodesic"
        balance = (
            f"layer {layer} is {_percent(worst)} out of balance, where {_percent(CONVERGED)} "
            "counts as converged"
        )
        if len(middle):
            balance += f" ({_percent(float(np.median(middle)))} in the middle of the path)"
    if H is None:
        return f"{name}: {balance}."
    varies = f"the Hamiltonian, one number on a geodesic, varies by {_range(spread)}"
    if predicted is not None:
        varies += f"; the mesh explains a range of {_range(_spread(predicted))}"
    return f"{name}: {balance}; {varies}."


def _rank(profile: xr.Dataset, rest: bool) -> tuple[str, str, str]:
    """Return name, value and, if it can not be read, the reason of the bottleneck rank."""
    rank = profile["bottleneck_rank"]
    clear, gap = bool(rank.attrs.get("clear", True)), rank.attrs.get("gap", np.inf)
    text = f"{int(rank)}"
    if clear and np.isfinite(gap):
        text += f" (the next direction is {gap:.3g} times weaker)"
    why = "" if clear else "no layer has a clear drop between its singular values"
    return "bottleneck rank", text, why or _unrest(rest)


def _dimension(
    profile: xr.Dataset, H: _Numbers | None, predicted: _Numbers | None, rest: bool
) -> tuple[str, str, str]:
    """Return the same of the dimension by the Hamiltonian."""
    values = profile["dimension"].values
    text = f"{np.median(values):.3g} in the median layer"
    spread = _spread(values if H is None else H)
    if predicted is not None and H is not None:  # what the mesh explains is no fault of the path
        spread = float(np.abs(H - predicted).max()) / (float(np.abs(H).max()) or 1.0)
    why = ""
    if spread > STEADY:
        low, high = float(values.min()), float(values.max())
        why = (
            f"it goes from {low:.3g} to {high:.3g} over the layers, and is one number on a geodesic"
        )
    return "dimension by the Hamiltonian", text, why or _unrest(rest)


def _least_cost(profile: xr.Dataset, rest: bool) -> tuple[str, str, str]:
    """Return the same of the least cost of identity, read against the rank."""
    text = f"{float(profile['cost_of_identity'].min()):.3g}"
    gamma0 = profile.attrs.get("gamma0")
    if gamma0 is not None and gamma0 > SMALL_GAMMA:
        why = (
            f"gamma_0 = {gamma0:g} fades small directions out and may bring it below the rank; "
            f"with {SMALL_GAMMA:g} it comes from above"
        )
        return "least cost of identity as a rank", text, why
    return "least cost of identity, which comes to the rank from above", text, _unrest(rest)


def _unrest(rest: bool) -> str:
    return "" if rest else "training has not come to rest, and more of it would change this"


def _spread(values: _Numbers) -> float:
    """Return the range of values as a share of the largest size."""
    largest = float(np.abs(values).max())
    return float(values.max() - values.min()) / largest if largest else 0.0


def _range(spread: float) -> str:
    """Return a range as a share of the largest size, or as a multiple where it is larger."""
    if spread < 0.995:
        return f"{_percent(spread)} of its largest size"
    return f"{spread:.2g} times its largest size"


def _percent(value: float) -> str:
    """Return a share in per cent, in two digits."""
    return f"{100 * value:.2g} %" if abs(value) < 0.995 else f"{100 * value:.0f} %"
