"""The curve of each law over the layers of a net: every number is one of `measures` or `mechanics`.

A curve over layers has a number for each layer. A curve over steps has one for each layer but the
first, which is where the step leads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from loadpath.laws.representations import Array, Representations
from loadpath.leaky_resnet import mechanics
from loadpath.measures import StepSums
from loadpath.measures.separation import KINDS, SeparationKind, stacked_separations
from loadpath.record import features

Curve = Callable[[Representations], Array]
GAMMA0 = 1e-3
"""Stabilizer of the metric of [LR], as a share of the kernel: the default of `mechanics`."""


def log_separation_curve(kind: SeparationKind) -> Curve:
    """Return what measures the log separation of one convention at every layer.

    Parameters
    ----------
    kind : {"fuzziness", "trace_ratio", "inverse"}
        The convention.

    Returns
    -------
    callable
        From representations to (layer,) log separations as `loadpath.separation.log_separation`
        has them, turned over for "inverse", so that to separate is to fall.
    """
    sign = -1.0 if kind == "inverse" else 1.0

    def curve(path: Representations) -> Array:
        if path.answer_kind == "classes":
            assert path.answers is not None
            return sign * np.array(stacked_separations(path.rows, path.answers, kind))
        return np.array([sign * float(each.log_separation(kind)) for each in path.scatters])

    return curve


LOG_SEPARATIONS: dict[SeparationKind, Curve] = {kind: log_separation_curve(kind) for kind in KINDS}
"""The log separation at every layer, by its convention."""


def nc1_curve(path: Representations) -> Array:
    """Return the variability collapse NC1 at every layer.

    Parameters
    ----------
    path : Representations
        With classes as answers.

    Returns
    -------
    Array
        (layer,) as `loadpath.separation.nc1`, the fuzziness over the number of classes,
        dimensionless.
    """
    assert path.answers is not None
    return np.exp(path.curve(LOG_SEPARATIONS["fuzziness"])) / (int(path.answers.max()) + 1)


def readout_curve(path: Representations) -> Array:
    r"""Return what a linear readout misses of the answers at every layer, $\log(1 - R^2)$.

    Parameters
    ----------
    path : Representations
        With answers of any kind.

    Returns
    -------
    Array
        (layer,) as `loadpath.separation.target_probe`: of classes as zeros and ones, of real
        targets, and of tokens by their index in the vocabulary.
    """
    assert path.answers is not None
    y = path.answers
    if path.answer_kind == "tokens":
        y = y[:, None]
    elif path.answer_kind == "classes":
        y = torch.nn.functional.one_hot(y)
    return np.array([probe.read(y.double()) for probe in path.probes])


def speed_curve(path: Representations) -> Array:
    """Return the relative speed of every step.

    Parameters
    ----------
    path : Representations
        With layers of one width.

    Returns
    -------
    Array
        (step,) as `loadpath.mechanics.relative_speed`, in inverse units of p.
    """
    steps = torch.from_numpy(np.diff(path.p) / np.ptp(path.p))
    return mechanics.relative_speed(path.rows, steps).numpy()


def metric_speed_curve(path: Representations) -> Array:
    r"""Return the speed of every step in the metric of the stabilized inverse kernel.

    Parameters
    ----------
    path : Representations
        With layers of one width.

    Returns
    -------
    Array
        (step,) $\|A_l - A_{l-1}\|_{K+\gamma} / \rho_l$ with K and $\gamma = \gamma_0 \|S\|_{op}^2$
        of $A_{l-1}$, in inverse units of p: what `loadpath.mechanics.path_length` adds up.
    """
    found = []
    for A, move, rho in zip(path.rows, path.increments, np.diff(path.p), strict=False):
        S = features(A, activation=path.activation, bias=path.bias)
        gamma = mechanics.gamma_of_rows(S, GAMMA0)
        size = mechanics.inner_product(S, move, move, gamma=gamma)
        found.append(float(size.clamp_min(0).sqrt()) * np.ptp(path.p) / rho)
    return np.array(found)


def rank_curve(path: Representations) -> Array:
    """Return the stable rank of the representation at every layer.

    Parameters
    ----------
    path : Representations
        Any.

    Returns
    -------
    Array
        (layer,) as `loadpath.mechanics.stable_rank` of kind "nuclear", of rows less their mean.
    """
    return np.array([float(mechanics.stable_rank(H - H.mean(0))) for H in path.rows])


def length_curve(path: Representations) -> Array:
    """Return the root mean square over samples of the length of every step.

    Parameters
    ----------
    path : Representations
        With layers of one width.

    Returns
    -------
    Array
        (step,) lengths, units of the representation.
    """
    return path.lengths.square().mean(1).sqrt().numpy()


def growth_curve(path: Representations) -> Array:
    """Return the logarithm of how much the representation has grown since the first layer.

    Parameters
    ----------
    path : Representations
        With layers of one width.

    Returns
    -------
    Array
        (layer,) sums of the log growth of steps, mean over samples, as `loadpath.measures.StepSums`
        has it; dimensionless, 0 at the first layer.
    """
    found = [0.0]
    for before, after in zip(path.rows, path.rows[1:], strict=False):
        sums = StepSums()
        sums.update(before, after)
        found.append(found[-1] + sums.growth("sample"))
    return np.array(found)
