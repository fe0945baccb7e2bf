"""Log separation of one layer's features, in one call: of classes, and of real targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from loadpath.checks import check_choice
from loadpath.measures.separation.class_moments import ClassMoments
from loadpath.measures.separation.equal_classes import (
    CLASS_WEIGHTS,
    ClassWeights,
    equal_class_scatter,
)
from loadpath.measures.separation.inputs import Features, Labels, Targets
from loadpath.measures.separation.scatter import SeparationKind, check_kind
from loadpath.measures.separation.single_precision import PseudoInverse
from loadpath.measures.separation.target_moments import TargetMoments
from loadpath.threads import torch_threads

CLEAR = 1e-3
"""Least singular value of the class means, as a share of the largest, down to which no rounding of
float32 features can hide in them; layers with less are measured one by one."""


def log_separation(
    H: Features,
    labels: Labels,
    kind: SeparationKind = "fuzziness",
    *,
    class_weights: ClassWeights = "samples",
    pseudo_inverse: PseudoInverse = "exact",
) -> float:
    r"""Return the log separation of classes in one layer's features.

    It says how wide the classes are in the features, for the distance between them.

    Parameters
    ----------
    H : Tensor or array_like
        (sample, width) features of any type of real numbers.
    labels : Tensor or array_like
        (sample,) class numbers: whole numbers from 0 to K - 1, and all of these.
    kind : {"fuzziness", "trace_ratio", "inverse"}
        The convention; see the notes.
    class_weights : {"samples", "equal"}
        What a class counts: as many times as it has samples, as in [2]_, or once, as in [1]_.
    pseudo_inverse : {"exact", "float32"}
        Which directions a pseudo-inverse takes: all that there are, or those that float32 tells
        from 0, as in the code of [2]_. The second is there to compare numbers with published ones.

    Returns
    -------
    float
        Natural logarithm, dimensionless. It falls as the classes separate, and with kind "inverse"
        it rises. If every sample is at its class mean it is -inf (inf for "inverse"), and if the
        class means are all alike it is inf (-inf for "inverse"); `ClassMoments.scatter().status`
        has the words.

    Raises
    ------
    ValueError
        If `H` is not finite and (sample, width), `labels` are not whole numbers from 0, a class has
        fewer than 2 samples, or for another `kind`, `class_weights` or `pseudo_inverse`.

    Notes
    -----
    With $\Sigma_b$ the covariance between classes and $\Sigma_w$ that within them (see
    `ClassMoments.scatter`):

    - "fuzziness" is $\log \mathrm{Tr}(\Sigma_w \Sigma_b^+)$ ([1]_, and the code of [2]_);
    - "trace_ratio" is $\log (\mathrm{Tr} \Sigma_w / \mathrm{Tr} \Sigma_b)$ (the code of [2]_);
    - "inverse" is $\log \mathrm{Tr}(\Sigma_b \Sigma_w^+)$ (the code of [2]_).

    The pseudo-inverse of $\Sigma_b$ takes exactly its leading K - 1 directions for K classes (fewer
    only if the class means span fewer), and that of $\Sigma_w$ at most N - K; see `Scatter`.
    With `pseudo_inverse` "float32" both keep the directions that `torch.linalg.pinv` keeps in
    float32, and leave out what lies below w times 1.19e-7 of the largest eigenvalue. Where a layer
    has directions as small as that, as linear nets and nets at large learning rates do, it misses
    them. With `class_weights` "equal", $\Sigma_b$ and $\Sigma_w$ are means over classes.
    Computed in float64 at a cost of O(N (w + K)^2) for N samples of width w.

    References
    ----------
    .. [1] He and Su, "A law of data separation in deep learning", PNAS 2023.
    .. [2] Shi, Pan and Dokmanic, arXiv:2407.19353.

    Examples
    --------
    Two classes with means 2 apart (variance 1) and a variance of 1/4 within them:

    >>> import numpy as np
    >>> H = np.array([[-0.5], [0.5], [1.5], [2.5]])
    >>> labels = np.array([0, 0, 1, 1])
    >>> round(log_separation(H, labels), 6)
    -1.386294
    >>> round(log_separation(H, labels, kind="inverse"), 6)
    1.386294
    """
    check_kind(kind)
    check_choice("class_weights", class_weights, CLASS_WEIGHTS)
    if class_weights == "equal":
        scatter = equal_class_scatter(H, labels)
    else:
        scatter = ClassMoments.from_features(H, labels).scatter()
    return scatter.log_separation(kind, pseudo_inverse=pseudo_inverse)


def target_separation(
    H: Features,
    y: Targets,
    kind: SeparationKind = "fuzziness",
) -> float:
    r"""Return the log separation of real targets in one layer's features.

    With y the classes as zeros and ones this is `log_separation`.

    Parameters
    ----------
    H : Tensor or array_like
        (sample, width) features of any type of real numbers.
    y : Tensor or array_like
        (sample, output) real targets.
    kind : {"fuzziness", "trace_ratio", "inverse"}
        The convention; see `log_separation`.

    Returns
    -------
    float
        Natural logarithm, dimensionless.

    Raises
    ------
    ValueError
        If `H` and `y` are not finite with one row for each sample, y is constant, there are too few
        samples for its rank, or for another `kind`.

    Notes
    -----
    Each feature is fitted by y and a constant, $h \approx a + B y$, by least squares: $\Sigma_b$ is
    the covariance of the fit, $\Sigma_w$ that of what is left, and they add up to that of h. With
    y the classes as zeros and ones the fit is the class mean. The rank of $\Sigma_b$ is that of the
    centred y, or less. Any invertible linear map of y changes nothing. Only what is linear in y is
    seen. The definition is this project's, after [1]_.

    References
    ----------
    .. [1] He and Su, "A law of data separation in deep learning", PNAS 2023.

    Examples
    --------
    >>> import numpy as np
    >>> H = np.array([[-0.5], [0.5], [1.5], [2.5]])
    >>> y = np.array([[3.0], [3.0], [7.0], [7.0]])  # the classes 0, 0, 1, 1, moved and scaled
    >>> round(target_separation(H, y), 6)
    -1.386294
    """
    check_kind(kind)
    return TargetMoments.from_features(H, y).log_separation(kind)


@torch_threads(1)
def stacked_separations(
    layers: Sequence[Tensor], labels: Tensor, kind: SeparationKind = "fuzziness"
) -> list[float]:
    r"""Return the log separation of the classes in the features of many layers.

    These are the numbers of `log_separation`, to rounding, in a tenth of its time: layers of one
    width go through each step together, and nothing is kept of how each number rounds. A layer
    whose classes hardly differ, or have no scatter, is handed to `log_separation`.

    Parameters
    ----------
    layers : sequence of Tensor
        (sample, width) finite features of every layer; the samples are the same in each.
    labels : Tensor
        (sample,) class numbers from 0, at least 2 samples of each.
    kind : {"fuzziness", "trace_ratio", "inverse"}
        Convention of the separation.

    Returns
    -------
    list of float
        Natural logarithms, dimensionless, as `log_separation` has them.

    Notes
    -----
    Costs $O(N w K)$ a layer for N samples of width w in K classes, and for kind "inverse"
    $O(N w^2 + w^3)$.
    """
    found = [0.0] * len(layers)
    widths: dict[int, list[int]] = {}
    for place, H in enumerate(layers):
        widths.setdefault(H.shape[1], []).append(place)
    one_hot = torch.nn.functional.one_hot(labels.cpu()).double()
    for places in widths.values():
        together = torch.stack([layers[place].detach().cpu().double() for place in places])
        values = _of_one_width(together, one_hot, kind)
        for place, value in zip(places, values.tolist(), strict=True):
            known = value == value  # NaN marks what needs care
            found[place] = value if known else log_separation(layers[place], labels, kind)
    return found


def _of_one_width(H: Tensor, one_hot: Tensor, kind: SeparationKind) -> Tensor:
    """Return the log separations (layer,) of features (layer, sample, width); NaN if unsure."""
    n, K = one_hot.shape
    counts = one_hot.sum(0)
    means = (one_hot.T @ H) / counts[:, None]  # (layer, class, width)
    within = (H - one_hot @ means) / n**0.5
    share = (counts / n)[:, None]
    between = (means - (share * means).sum(1, keepdim=True)) * share.sqrt()
    # The K x K matrix of the means has the directions that the width x width one has.
    squares, U = torch.linalg.eigh(between @ between.mT)
    rank = min(K - 1, H.shape[2])
    squares, U = squares[:, -rank:], U[:, :, -rank:]
    unsure = ~(squares[:, 0] > CLEAR**2 * squares[:, -1])
    spread = within.square().sum((1, 2))
    unsure |= ~(spread > CLEAR**2 * squares.sum(1))
    if kind == "trace_ratio":
        ratio = spread / squares.sum(1)
    elif kind == "fuzziness":
        along = (within @ between.mT) @ U  # within, along each direction, times its s
        ratio = (along / squares[:, None]).square().sum((1, 2))
    else:
        ratio, known = _inverse_ratio(within, between, full=n - K >= H.shape[2])
        unsure |= ~known
    return torch.where(unsure | ~(ratio > 0), torch.nan, ratio.log())


def _inverse_ratio(within: Tensor, between: Tensor, *, full: bool) -> tuple[Tensor, Tensor]:
    """Return the trace of between over within (layer,), and whether it is sure of its rank."""
    moments = within.mT @ within
    factor, failed = torch.linalg.cholesky_ex(moments)
    diagonal = factor.diagonal(dim1=-2, dim2=-1)
    known = (failed == 0) & (diagonal.amin(-1) > CLEAR**2 * diagonal.amax(-1)) & full
    solved = torch.linalg.solve_triangular(
        torch.where(known[:, None, None], factor, torch.eye(moments.shape[-1]).to(moments)),
        between.mT,
        upper=False,
    )
    return solved.square().sum((1, 2)), known
