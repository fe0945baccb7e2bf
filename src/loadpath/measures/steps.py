r"""Steps of a residual stream: how far a layer moves it, turns it, and makes it grow.

**Growth as depth.** A Leaky ResNet without biases, $\partial_p A = -\tilde L A + \phi(A) W^\top$
with $\phi(cA) = c\,\phi(A)$, c > 0, has an output-scaling symmetry [LR]:
$\hat A_p = e^{cp} A_p$ solves the same equation with $\tilde L - c$ and the same W. At
$c = \tilde L$ the leakage is gone: $\hat A$ is a plain residual stream,
$\partial_p \hat A = \phi(\hat A) W^\top$. So leakage and growth are two descriptions of one path
of directions, and what does not depend on the description is
$\tilde L + \log(|A_1| / |A_0|) = \log(|\hat A_1| / |\hat A_0|)$: the growth of the plain stream. It
is the leakage of that description in which the representation keeps its size. [LR] is Jacot and
Kaiser, arXiv:2405.17573.

In a residual net whose blocks normalize what they read (pre-norm: transformers),
$A_l = A_{l-1} + f_l(A_{l-1} / |A_{l-1}|)$, blocks see directions only, whatever $f_l$ is, and the
same holds sample by sample and exactly: the direction $u = A / |A|$ obeys
$\partial u = -(\partial \log |A|)\, u + f / |A|$, a leaky flow whose leakage is the growth rate.
What an early layer wrote is diluted by the factor $e^{-\text{depth}}$ at the end.

So the log growth $\log(|A_l| / |A_{l-1}|)$ of layers, which adds up, stands for the leakage
$\tilde L$ of the same path as a leaky net. It is neither the number of layers nor how much is
computed: see `log_growth`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from loadpath.checks import check_number
from loadpath.measures.step_sums import StepKind, StepSums, check_kind
from loadpath.statistics import Estimate, jackknife, merged, unknown


def relative_step(parts: Sequence[StepSums], *, level: float = 0.95) -> Estimate:
    r"""Return the relative step of a layer, with an interval.

    Parameters
    ----------
    parts : sequence of StepSums
        The sums of every group of samples.
    level : float
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Estimate
        $c_l = \|A_l - A_{l-1}\|_F / \|A_l\|_F$, dimensionless. The status is "constant features"
        where A_l is 0 for every sample.

    Raises
    ------
    ValueError
        If `level` is not between 0 and 1.

    Notes
    -----
    It misleads where a layer mostly rescales, since a step along A counts as one of the same size
    across it (`turn` leaves that out), and where the steps of several layers cancel.

    References
    ----------
    .. [1] Jacot and Kaiser, arXiv:2405.17573, section on discretization; there divided by rho_l.
    """
    return _estimated(parts, StepSums.relative_step, level)


def turn(parts: Sequence[StepSums], *, level: float = 0.95) -> Estimate:
    """Return the angle between A_{l-1} and A_l, with an interval.

    Parameters
    ----------
    parts : sequence of StepSums
        The sums of every group of samples.
    level : float
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Estimate
        Radians, from 0 to pi. The status is "constant features" where one of the two is 0 for every
        sample.

    Raises
    ------
    ValueError
        If `level` is not between 0 and 1.
    """
    return _estimated(parts, StepSums.turn, level)


def log_growth(
    parts: Sequence[StepSums], *, decay: float = 1.0, kind: StepKind = "sample", level: float = 0.95
) -> Estimate:
    r"""Return the log growth of a step, with an interval.

    Parameters
    ----------
    parts : sequence of StepSums
        The sums of every group of samples.
    decay : float
        The factor d that the layer itself puts on the stream, positive: 1 in a plain residual net,
        $d_l = 1 - \rho_l \tilde L$ or $e^{-\rho_l \tilde L}$ in a Leaky ResNet
        (`LeakyResNet.coefficients`), and the product of factors over several layers.
    kind : {"sample", "rms"}
        How growth is averaged over samples; see `StepSums.growth`.
    level : float
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Estimate
        $\log(|A_l| / |A_{l-1}|) - \log d$, dimensionless. It adds up over layers, and the sum
        compares to $\tilde L$, the effective depth of a Leaky ResNet. Negative where the layer
        shrinks the stream, erasing more than it adds. The status is "constant features" where the
        stream is 0.

    Raises
    ------
    ValueError
        For a `decay` that is not positive and finite, another `kind`, or a `level` not between 0
        and 1.

    Notes
    -----
    For an exponential-step Leaky ResNet the whole is $\tilde L + \log(|A_L| / |A_0|)$, with biases
    too; for an Euler-step one $-\sum_l \log(1 - \rho_l \tilde L)$ takes the place of $\tilde L$.
    The reading of growth as depth is this project's; it rests on the output-scaling symmetry of
    [1]_. It misleads

    - in post-norm nets and wherever something between the two layers rescales the stream: what is
      left of the growth is 0 by construction; pass the stream before its normalization;
    - where a layer writes along A: it grows without turning, which is depth only in that it
      dilutes what others wrote; compare `turn`;
    - where the stream's mean over coordinates, or a few huge coordinates, make up most of its
      norm and the blocks' normalization takes them out: pass what is left of A then;
    - where blocks read the stream without normalizing it and are not homogeneous (tanh, GELU at
      small scale, large biases): growth then changes what they compute, and is no symmetry.

    References
    ----------
    .. [1] Jacot and Kaiser, arXiv:2405.17573, section 1.

    Examples
    --------
    A layer that doubles every sample has a log growth of log 2:

    >>> import torch
    >>> A = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
    >>> parts = [StepSums() for _ in range(5)]
    >>> for part, rows in zip(parts, A.split(20)):
    ...     part.update(rows, 2 * rows)
    >>> round(log_growth(parts).value, 6)
    0.693147
    """
    check_kind(kind)
    check_number("decay", decay, above=0)
    undamped = math.log(decay)
    return _estimated(parts, lambda sums: sums.growth(kind) - undamped, level)


def _estimated(
    parts: Sequence[StepSums], statistic: Callable[[StepSums], float], level: float
) -> Estimate:
    whole = merged(parts)
    if whole.count == 0:
        return unknown(0, "not enough samples")
    if math.isnan(statistic(whole)):
        return unknown(whole.count, "constant features")
    return jackknife(parts, statistic, level=level)
