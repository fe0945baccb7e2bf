"""A fit in words: its estimates, and what its curves cannot tell."""

from __future__ import annotations

import math

from loadpath.spring_block.fitting.estimates import Estimates

ERRORS = {
    "given": "errors as given",
    "replicas": "errors from {} replicas",
    "pooled replicas": "errors from {} replicas, of one shape for all levels",
    "residuals": "errors from what the fit leaves, so that it cannot be called good or poor",
}
"""Where errors come from, in words; {} is the number of replicas."""


def describe(fit: Estimates) -> str:
    """Return what `Fit.words` says, one sentence a line."""
    free = fit.problem.free
    names = list(fit.value)
    lines = [
        _verdict(fit),
        *(_estimate(fit, name) for name, f in zip(names, free, strict=True) if f),
    ]
    if free[0]:
        lines.append(
            "Loads show friction and noise only in units of stiffness times target, and stiffness "
            "only through the time a chain has had."
        )
    else:
        lines.append(
            "Loads show friction and noise only in units of stiffness times target: scaled "
            f"together, all fit as well, and stiffness is held at {fit.chain.stiffness:.4g}."
        )
    return "\n".join([*lines, *_unidentified(fit)])


def _verdict(fit: Estimates) -> str:
    """Say the status, chi-square, and where errors come from."""
    errors = ERRORS[fit.observed.errors].format(fit.observed.replicas)
    p = "" if math.isnan(fit.p_value) else f", p = {fit.p_value:.2g}"
    return (
        f"{fit.status.capitalize()}: chi-square {fit.chi_square:.3g} for {fit.dof} degrees of "
        f"freedom{p}; {errors}."
    )


def _estimate(fit: Estimates, name: str) -> str:
    """Say a parameter with its interval, or the bound that there is."""
    low, high = fit.interval[name]
    level = f"{100 * fit.level:g} %"
    if low > 0 and math.isfinite(high):
        return f"{name} = {fit.value[name]:.4g}, from {low:.4g} to {high:.4g} ({level})."
    if low > 0:
        return f"{name} is at least {low:.4g} ({level}), and has no upper bound."
    if math.isfinite(high):
        return f"{name} is at most {high:.4g} ({level}), and may be 0."
    return f"{name} is not identified."


def _unidentified(fit: Estimates) -> list[str]:
    """Say why parameters are not identified, as far as that can be told."""
    names, known, lines = list(fit.value), fit.identified, []
    noises = names[3:]
    quiet = [fit.interval[name][0] == 0 for name in noises]
    loud = [math.isinf(fit.interval[name][1]) for name in noises]
    right, left = (known.get(name, True) for name in names[1:3])
    if not known.get("stiffness", True):
        lines.append("These curves do not tell how long the chain moved, and so not stiffness.")
    if not left and all(quiet):
        lines.append(
            "Without noise no block moves to the left: only friction_right shows, and noise and "
            "friction_left are bounded only together."
        )
    if any(a and not b for a, b in zip(loud, quiet, strict=True)):
        lines.append("Noise without upper bound is saturated: with more, curves do not change.")
        if not (right and left) and all(loud):
            lines.append(
                "At saturation only the difference friction_right - friction_left shows, as the "
                "slope of loads; see the region of both."
            )
    if len(noises) == 1 and not all(known.values()):
        lines.append("One level of noise leaves open what several levels together would tell.")
    if fit.observed.numbers < int(fit.problem.free.sum()):
        lines.append("There are fewer numbers than free parameters.")
    return lines
