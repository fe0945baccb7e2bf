"""A certificate's verdicts, labels and sentences."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from loadpath.leaky_resnet.geodesic.certificate.measured import (
    ON_KINKS,
    STATIONARY,
    Measured,
)

OVERSHOOT = 0.1
"""Share of a representation's norm by which a step may pass its target without a word."""

LABELS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "gradient_residual": (("step",), "||W - c (g/rho) B^T S|| / ||W||, plain gradient", "1"),
    "least_norm_residual": (
        ("step",),
        "||W - c (g/rho) B^T S|| / ||W||, smallest subgradient found",
        "1",
    ),
    "on_kink": (("layer",), "share of activations on a kink", "1"),
    "between_slopes": (
        ("layer",),
        "activations whose derivative lies strictly between its two sides'",
        "count",
    ),
    "worst_by_kink_width": (
        ("kink_width",),
        "worst layer's smallest subgradient, against what counts as on a kink",
        "1",
    ),
    "least_norm_hamiltonian": (
        ("step",),
        "Hamiltonian of (A_{l-1}, r_l B_l) with the smallest subgradient's momenta",
        "1",
    ),
    "predicted_hamiltonian": (("step",), "Hamiltonian predicted for this mesh", "1"),
    "unexplained_hamiltonian": ((), "largest |H - predicted H| / max |H|", "1"),
    "trivial_loss": ((), "data term of a net without weights", "same as the data term"),
    "negative_share": (("layer",), "||min(A, 0)|| / ||A||", "1"),
    "most_negative": (("layer",), "min(0, min A) / max |A|", "1"),
    "waist": (("layer",), "1 for the layers of the bottleneck", "1"),
    "refined_objective": (("depth",), "objective on finer meshes", "same as the data term"),
    "overshoot": (("step",), "how far Euler steps of rho L~ > 1 pass their target, / ||A||", "1"),
    "step_cost": (("step",), "what each step adds to the objective", "same as the data term"),
    "continuum_predicted": (
        (),
        "objective predicted for infinitely many layers",
        "same as the data term",
    ),
    "continuum_objective": (
        (),
        "objective extrapolated to infinitely many layers",
        "same as the data term",
    ),
}
"""Dimensions, long name and units of the variables of `Certificate.dataset`."""


def sentences(certificate: Measured, tolerance: float, *, free_end: bool = True) -> list[str]:
    """Return the sentences of `Certificate.words`."""
    told = [
        _residual(certificate, tolerance),
        _kinks(certificate, tolerance),
        _energy(certificate),
        _balance(certificate),
        _trivial(certificate) if free_end else "",
        _bottleneck(certificate),
        _overshoot(certificate),
        _continuum(certificate),
        _refinement(certificate),
    ]
    return [sentence for sentence in told if sentence]


def _percent(value: float) -> str:
    """Return a fraction in per cent, with two digits: 0.4 %, 13 %, 0.0021 %."""
    return f"{100 * value:.2g} %" if abs(value) < 0.995 else f"{100 * value:.0f} %"


def _range(spread: float) -> str:
    """Return a range as a share of the largest size, or as a multiple where it is larger."""
    if spread < 0.995:
        return f"{_percent(spread)} of its largest size"
    return f"{spread:.2g} times its largest size"


def _worst(values: Tensor) -> str:
    return f"worst: layer {int(values.argmax()) + 1}"


def _residual(certificate: Measured, tolerance: float) -> str:
    plain, least = certificate.gradient_residual, certificate.residual
    verdict = certificate.verdict_at(tolerance)
    if verdict == STATIONARY:
        return (
            f"Every layer is within {_percent(float(plain.max()))} of balance between what pulls "
            f"and what resists ({_worst(plain)})."
        )
    if verdict == ON_KINKS:
        return (
            f"Every layer is within {_percent(float(least.max()))} of balance between what pulls "
            f"and what resists ({_worst(least)}), once activations that sit on a kink, where the "
            f"pull jumps, take a value between the two sides; the plain gradient is off by "
            f"{_percent(float(plain.max()))}."
        )
    return (
        f"Not converged: layer {int(least.argmax()) + 1} is {_percent(float(least.max()))} out of "
        f"balance between what pulls and what resists, where {_percent(tolerance)} was asked for "
        f"(plain gradient: {_percent(float(plain.max()))})."
    )


def _kinks(certificate: Measured, tolerance: float) -> str:
    if certificate.verdict_at(tolerance) == STATIONARY or len(certificate.widths) == 1:
        return ""
    share = float(certificate.on_kink.mean())
    narrow, middle, wide = (_percent(worst) for worst in certificate.worst_by_width)
    return (
        f"{_percent(share)} of all activations are within {certificate.kink_width:g} of a kink "
        f"(in units of their layer's size); the worst layer is off by {narrow}, {middle} and "
        f"{wide} when a tenth of that, that, and ten times that counts as on it."
    )


def _energy(certificate: Measured) -> str:
    return (
        f"The Hamiltonian, constant along an exact path, varies by "
        f"{_range(certificate.hamiltonian_spread)} over the layers; layers this coarse explain a "
        f"range of {_range(certificate.predicted_spread)}, and {_range(certificate.unexplained)} "
        f"is left unexplained."
    )


def _balance(certificate: Measured) -> str:
    error = certificate.balancedness.abs()
    if bool(torch.isnan(error).any()):
        return ""
    return (
        f"The weights grow along the path as their biases say, to within "
        f"{_percent(float(error.max()))} ({_worst(error)})."
    )


def _trivial(certificate: Measured) -> str:
    fit, without = certificate.data_term, certificate.trivial_loss
    if certificate.trivial:
        return (
            f"This is the trivial minimum, a net with next to no weights: its data term is "
            f"{fit:.3g}, where none at all would give {without:.3g}."
        )
    return f"The data term is {fit:.3g}, where a net without weights would have {without:.3g}."


def _bottleneck(certificate: Measured) -> str:
    if certificate.stable is None:
        return ""
    layers = certificate.waist.nonzero().flatten().tolist()
    share = _percent(float(certificate.negative_share[certificate.waist].max()))
    where = f"layers {layers[0]} to {layers[-1]}" if len(layers) > 1 else f"layer {layers[0]}"
    if certificate.stable:
        return (
            f"In the bottleneck ({where}) the representation is non-negative but for {share} of "
            f"its norm, as theory has it for stable minima."
        )
    return (
        f"In the bottleneck ({where}) {share} of the representation's norm is negative, so this "
        f"is not a stable minimum of the theory: more neurons could lower the objective."
    )


def _overshoot(certificate: Measured) -> str:
    past = float(certificate.overshoot.max())
    if past <= OVERSHOOT:
        return ""
    layer = int(certificate.overshoot.argmax()) + 1
    return (
        f"Layer {layer}, a step of rho L~ > 1, shoots past where the leakage draws the "
        f"representation by {_percent(past)} of its norm, so this is a minimum of the net that "
        f"need not be near a geodesic: use more layers or exponential steps."
    )


def _continuum(certificate: Measured) -> str:
    return (
        f"With infinitely many layers the objective is predicted to be "
        f"{certificate.continuum_predicted:.5g}, from what each step costs on this mesh."
    )


def _refinement(certificate: Measured) -> str:
    if not certificate.refinement or certificate.continuum_objective is None:
        return ""
    (_, coarse), *_, (depth, fine) = certificate.refinement
    order = certificate.refinement_order
    unknown = order is None or math.isnan(order)
    measured = "" if unknown else f" (measured order {order:.2g} in the layer step)"
    return (
        f"With {depth} layers the objective is {fine:.5g} instead of {coarse:.5g}; extrapolated to "
        f"infinitely many it is {certificate.continuum_objective:.5g}{measured}."
    )
