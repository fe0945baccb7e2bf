"""What a tuning found, in sentences, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from loadpath.spring_block.tuning.knobs import Axis

STANDING = (
    "On nine data sets that nobody had tuned on, the dropout at which load curves are straight "
    "lost 0.77 points of accuracy (0.24 to 1.49) to the best of eight levels with BatchNorm, and "
    "1.14 (0.45 to 2.03) without, where a fixed 0.1 lost 0.78 and 0.50, and a choice by 100 "
    "validation samples 0.59 and 0.70. Take what is chosen for a suggestion, and rather validate "
    "if you can; see docs/tuning.md."
)
"""What is known about the rule itself, of which docs/tuning.md has the numbers."""
OTHER_KNOBS = "Other knobs than dropout were not put to that test."


def standing_words(knob: str) -> list[str]:
    """Say what is known of the rule before anything is trained.

    Parameters
    ----------
    knob : str
        What is tuned.

    Returns
    -------
    list of str
        The sentences.
    """
    return [STANDING] if knob == "dropout" else [STANDING, OTHER_KNOBS]


REASONS = {
    "the interval reaches the end of the range": (
        "The choice is doubtful, because its interval reaches the end of the range: widen the "
        "range, or train more nets."
    ),
    "the interval is half of the range or more": (
        "The choice is doubtful, because its interval is half of the range or more: train more nets"
        "."
    ),
    "convex at every level": (
        "No level does it: the curves are convex at every level, so that shallow layers do the work"
        " even under the least noise. The straightest level is the calmest one."
    ),
    "concave at every level": (
        "No level does it: the curves are concave at every level, so that deep layers do the work "
        "even under the most noise. The straightest level is the noisiest one."
    ),
    "cannot be told from zero at any level": (
        "No level does it: the curves cannot be told from straight ones at any level, so that they "
        "do not say which is best. Train more nets."
    ),
    "grows with the noise": (
        "No level does it: the concavity grows with the noise, against the theory, so that a "
        "straight curve means nothing here."
    ),
    "curves do not fall": (
        "No level does it: the load curves do not fall on the whole, so that how they bend means "
        "nothing. Such nets do not separate the classes of their training set."
    ),
}
"""Sentences for the reasons of a verdict that is not clear."""


def tuning_words(ds: xr.Dataset, axis: Axis, found: Mapping[str, Any]) -> list[str]:
    """Say what a tuning found.

    Parameters
    ----------
    ds : Dataset
        The nets and their concavities.
    axis : Axis
        The knob's axis.
    found : mapping
        level, level_low, level_high, straightest, verdict and reason.

    Returns
    -------
    list of str
        The sentences.
    """
    nets, levels = int(ds["finished"].sum()), ds.sizes["level"]
    said = []
    known = found["level"] == found["level"]  # not NaN
    if known:
        said.append(
            f"The load curve is straight at {axis.name} {found['level']:.3g}, with an interval from"
            f" {found['level_low']:.3g} to {found['level_high']:.3g}."
        )
    if found["verdict"] == "clear":
        said.append("The choice is clear: the curve is surely concave below and convex above.")
        if axis.noisier_below:
            said[-1] = "The choice is clear: the curve is surely concave above and convex below."
    lost = levels - int(np.asarray(ds["falls"]).sum())
    if found["verdict"] == "doubtful" and lost and "end of the range" in found["reason"]:
        said.append(
            "The choice is doubtful, because its interval reaches the end of the levels at which "
            "curves surely fall: train more nets, or for longer."
        )
    elif found["verdict"] != "clear":
        said.append(REASONS[found["reason"]])
    if lost and found["reason"] != "curves do not fall":
        said.append(
            f"The curves do not surely fall at {lost} of {levels} levels, which are unused."
        )
    said.append(f"This rests on {nets} nets at {levels} levels, and on the training set alone.")
    return [*said, *standing_words(axis.name)]
