"""The statistic of each law: one number of its curve, or of the steps of its samples."""

from __future__ import annotations

import math

import numpy as np
import torch

from loadpath.laws.representations import Array, Representations
from loadpath.measures.separation import LoadCurve
from loadpath.statistics import spearman


def bend(D: Array) -> float:
    """Return how far a load curve is from its chord, whichever side it bends to.

    Parameters
    ----------
    D : Array
        (layer,) a falling curve.

    Returns
    -------
    float
        The absolute value of `LoadCurve.concavity`: 0 for equal loads, dimensionless.
    """
    return abs(LoadCurve(D).concavity)


def uneven_loads(D: Array) -> float:
    """Return the spread of the loads for their mean.

    Parameters
    ----------
    D : Array
        (layer,) a falling curve.

    Returns
    -------
    float
        `LoadCurve.imbalance` over the size of the mean load: 0 for equal loads, dimensionless;
        infinite for loads that add up to 0 without being 0.

    Notes
    -----
    [SB] takes the standard deviation alone. The division is this project's: without it a net that
    separates nothing has the most equal loads of all.
    """
    return variation(LoadCurve(D).load)


def variation(values: Array) -> float:
    """Return the standard deviation over the size of the mean.

    Parameters
    ----------
    values : Array
        (n,) numbers.

    Returns
    -------
    float
        The coefficient of variation, dimensionless; 0 where all are equal, infinite where they
        differ about 0.
    """
    mean, deviation = abs(float(values.mean())), float(values.std())
    if mean > 0:
        return deviation / mean
    return 0.0 if deviation == 0 else math.inf


def straightness(curve: Array) -> float:
    """Return Pearson's correlation of a curve over layers with their numbers.

    Parameters
    ----------
    curve : Array
        (layer,) numbers.

    Returns
    -------
    float
        From -1, a straight fall, to 1; 0 for a constant curve.
    """
    l = np.arange(len(curve), dtype=float)
    a, b = curve - curve.mean(), l - l.mean()
    norm = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / norm if norm > 0 else 0.0


def monotonicity(curve: Array) -> float:
    """Return Spearman's correlation of a curve over layers with their numbers.

    Parameters
    ----------
    curve : Array
        (layer,) numbers.

    Returns
    -------
    float
        From -1, a fall at every layer, to 1, a rise at every one; 0 for a constant curve.
    """
    found = float(spearman(curve, np.arange(len(curve), dtype=float)))
    return 0.0 if math.isnan(found) else found


def middle_to_ends(speed: Array) -> float:
    """Return the mean of the middle third of a curve over steps, over that of both outer thirds.

    Parameters
    ----------
    speed : Array
        (step,) speeds, at least 3.

    Returns
    -------
    float
        Dimensionless: below 1 the middle is slow. Steps are told apart by their number, so that
        the outer thirds have as many steps on either side.

    Notes
    -----
    [LR] says that the bottleneck is slow and gives no number for it; this one is this project's.
    """
    third = max(1, len(speed) // 3)
    ends = (speed[:third].mean() + speed[-third:].mean()) / 2
    return float(speed[third:-third].mean() / ends) if ends > 0 else math.inf


def least_inside(rank: Array) -> float:
    """Return the least number of a curve between its ends, over the smaller of both ends.

    Parameters
    ----------
    rank : Array
        (layer,) positive numbers, at least 3.

    Returns
    -------
    float
        Dimensionless: below 1 there is a bottleneck.
    """
    ends = min(float(rank[0]), float(rank[-1]))
    return float(rank[1:-1].min()) / ends if ends > 0 else math.inf


def uneven_growth(growth: Array) -> float:
    """Return the spread of the log growth of steps, over the size of their mean.

    Parameters
    ----------
    growth : Array
        (layer,) the log growth since the first layer.

    Returns
    -------
    float
        0 where every step makes the representation larger, or smaller, by one factor.
    """
    return variation(np.diff(growth))


def uneven_steps(path: Representations) -> float:
    """Return how unequal the steps of a sample are in length, as a mean over samples.

    Parameters
    ----------
    path : Representations
        With layers of one width.

    Returns
    -------
    float
        The mean over samples of the coefficient of variation of their step lengths: 0 where layers
        are equally spaced; dimensionless. Samples that never move count as 0.
    """
    mean = path.lengths.mean(0)
    spread = path.lengths.std(0, correction=0)
    return float(torch.where(mean > 0, spread / torch.where(mean > 0, mean, 1.0), 0.0).mean())


def line_shape(path: Representations) -> float:
    r"""Return the line-shape score of the paths of samples, as a mean over samples.

    Parameters
    ----------
    path : Representations
        With layers of one width.

    Returns
    -------
    float
        $L / \|\sum_l u_l\|$ with $u_l$ the step l of a sample, divided by its length: 1 where all
        steps point one way, about $\sqrt L$ where directions are independent. Steps of length 0
        are left out, and samples whose steps cancel count as L.
    """
    size = path.lengths[..., None]
    unit = torch.where(size > 0, path.increments / torch.where(size > 0, size, 1.0), 0.0)
    taken = (path.lengths > 0).sum(0).double().clamp_min(1.0)
    reach = torch.linalg.vector_norm(unit.sum(0), dim=1)
    longest = torch.tensor(float(len(path.increments)), dtype=torch.float64)
    score = torch.where(reach * longest > taken, taken / reach.clamp_min(1e-300), longest)
    return float(score.mean())
