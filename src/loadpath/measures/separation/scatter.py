r"""Scatter of one layer's features between classes and within them, and its log separation.

The covariances $\Sigma_b = F_b^\top F_b$ and $\Sigma_w = F_w^\top F_w$ are kept as their factors F.
A singular value of F is the root of an eigenvalue of $\Sigma$, so that directions down to 1e-13 of
the largest keep their digits, and ranks can be told.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from loadpath.checks import check_choice
from loadpath.measures.separation.single_precision import (
    PSEUDO_INVERSES,
    PseudoInverse,
    modes_in_float32,
)
from loadpath.results import Shown
from loadpath.threads import torch_threads

SeparationKind = Literal["fuzziness", "trace_ratio", "inverse"]
"""Names of the conventions of log separation."""
KINDS: tuple[SeparationKind, ...] = ("fuzziness", "trace_ratio", "inverse")
"""The names as values."""
Status = Literal["separated", "partly collapsed", "collapsed", "not separated"]

NOISE = 8.0
"""A layer's arithmetic in float32 or float64 is taken to round this many times as much as storing
its result does."""
HALF_NOISE = 2.0
"""The same for half precision, whose products are summed in float32 and rounded once."""
HALF = 1e-4
"""Types with a coarser epsilon than this are half precision."""
OWN_NOISE = 1e-13
"""Rounding of the streamed QR itself, relative to the features: 100 times what is seen."""
SEEN = 0.01
"""Share of a result that rounding may make before its status says so."""


def noise_floor(epsilon: float, size: float) -> float:
    r"""Return the standard deviation that rounding alone can give to numbers of a size.

    Parameters
    ----------
    epsilon : float
        Relative rounding of the features: the epsilon of their type.
    size : float
        Their root mean square; that of their norm gives the deviation of the norm.

    Returns
    -------
    float
        In the units of `size`.

    Notes
    -----
    Rounding is taken for what it is statistically, and not at its worst: errors uniform over one
    unit in the last place, epsilon times the number at most, whose deviation is that over
    $\sqrt{12}$, independent from number to number. `NOISE` and `HALF_NOISE` allow for the
    arithmetic that came before.
    """
    noise = HALF_NOISE if epsilon > HALF else NOISE
    return max(noise * epsilon / math.sqrt(12), OWN_NOISE) * size


@dataclass(frozen=True, eq=False)
class Rounding:
    """What rounding of the features can make of the factors of their scatter."""

    within: Float[Tensor, " width"]
    """Standard deviation of the rounding of every feature, (width,)."""
    means: Float[Tensor, " width"]
    """The same of the mean of a class."""
    own: float
    """Singular values up to this are rounding of the streamed sums; units of the features."""
    n_samples: int
    """Samples seen."""
    n_means: int
    """Classes, or what stands for them: 1 and the targets."""

    def of_within(self, directions: Float[Tensor, "width mode"]) -> Float[Tensor, " mode"]:
        """Return the singular values that rounding can give the factor within, along directions."""
        return self._along(self.within, directions, self.n_samples)

    def of_between(self, directions: Float[Tensor, "width mode"]) -> Float[Tensor, " mode"]:
        """Return the singular values that rounding can give the factor between."""
        return self._along(self.means, directions, self.n_means)

    def apart(self, differences: Float[Tensor, "row width"]) -> Bool[Tensor, " row"]:
        """Return which differences of class means are more than rounding can make.

        They are told in units of the rounding of each feature, so that one huge feature, whose
        rounding is huge, does not hide the others.
        """
        least = self.own / math.sqrt(len(self.means))
        units = self.means.clamp_min(max(least, torch.finfo(torch.float64).tiny))
        beyond = (differences / units).square().mean(1) > 1
        return beyond & (torch.linalg.vector_norm(differences, dim=1) > self.own)

    def _along(self, deviations: Tensor, directions: Tensor, rows: int) -> Tensor:
        # The singular values of n x w noise of deviation 1 / sqrt(n) end at 1 + sqrt(w / n).
        end = 1 + math.sqrt(len(deviations) / rows)
        squares = deviations.square() @ directions.square()
        return (squares.sqrt() * end).clamp_min(self.own)


class _Modes(NamedTuple):
    values: Tensor
    """Singular values above rounding, the largest first, (mode,)."""
    directions: Tensor
    """Their directions, (width, mode)."""
    left_out: int
    """How many others there are that rounding can make."""


@dataclass(frozen=True, eq=False, repr=False)
class Scatter(Shown):
    r"""Scatter of features between and within classes, or explained by targets and left over.

    Notes
    -----
    Ranks are counted and not set by a share of the largest eigenvalue: `between_rank` and
    `within_rank` are the most that the numbers of classes and samples allow, and fewer only where a
    singular value is no larger than rounding of the features can make along its direction (see
    `Rounding`). All is float64.
    """

    between: Float[Tensor, "between_row width"]
    r"""$F_b$ with $\Sigma_b = F_b^\top F_b$."""
    within: Float[Tensor, "within_row width"]
    r"""$F_w$ with $\Sigma_w = F_w^\top F_w$."""
    between_limit: int
    r"""The most that the rank of $\Sigma_b$ can be: classes - 1, or the rank of the targets."""
    within_limit: int
    r"""The most that the rank of $\Sigma_w$ can be: samples - classes, or samples - 1 - targets."""
    rounding: Rounding
    """What rounding of the features can make."""

    @property
    def sigma_b(self) -> Float[Tensor, "width width"]:
        """Covariance between classes, (width, width), squared units of the features."""
        return self.between.T @ self.between

    @property
    def sigma_w(self) -> Float[Tensor, "width width"]:
        """Covariance within classes, (width, width), squared units of the features."""
        return self.within.T @ self.within

    @property
    def between_rank(self) -> int:
        r"""Rank of $\Sigma_b$."""
        return len(self._between_modes.values)

    @property
    def within_rank(self) -> int:
        r"""Rank of $\Sigma_w$."""
        if self._within_inverse is not None:
            return self.within.shape[1]
        return len(self._within_modes.values)

    @cached_property
    def _between_modes(self) -> _Modes:
        return self._modes(self.between, self.between_limit, self.rounding.of_between)

    @cached_property
    def _within_modes(self) -> _Modes:
        return self._modes(self.within, self.within_limit, self.rounding.of_within)

    @cached_property
    @torch_threads(1)
    def _within_inverse(self) -> Tensor | None:
        r"""Inverse of $F_w$ if it surely has its full rank, at a tenth of the cost of its modes."""
        rows, width = self.within.shape
        if rows != width or self.within_limit < width:
            return None
        inverse, singular = torch.linalg.inv_ex(self.within)
        # No singular value is below one over the norm of the inverse, and no direction rounds more
        # than the feature that rounds most.
        most = float(self.rounding.of_within(torch.eye(width).to(self.within)).max())
        full = int(singular) == 0 and 1 > most * float(inverse.norm())
        return inverse if full else None

    @torch_threads(1)
    def _modes(self, factor: Tensor, limit: int, rounding: Callable[[Tensor], Tensor]) -> _Modes:
        """Return the modes above what rounding can make, at most `limit`."""
        _, s, Vh = torch.linalg.svd(factor, full_matrices=False)
        s, V = s[:limit], Vh[:limit].T
        above = s > rounding(V)
        return _Modes(s[above], V[:, above], int((~above & (s > self.rounding.own)).sum()))

    def left_out(self, kind: SeparationKind) -> int:
        """Return how many directions the log separation leaves out as rounding.

        Parameters
        ----------
        kind : {"fuzziness", "trace_ratio", "inverse"}
            The convention.

        Returns
        -------
        int
            Of the directions between class means for "fuzziness", of those within classes for
            "inverse". Directions in which nothing varies at all are not counted.
        """
        check_kind(kind)
        if kind == "fuzziness":
            return self._between_modes.left_out
        if kind == "trace_ratio" or self._within_inverse is not None:
            return 0
        return self._within_modes.left_out

    def rounding_share(self, kind: SeparationKind) -> float:
        r"""Return the share of a log separation's ratio that rounding of the features can make.

        Parameters
        ----------
        kind : {"fuzziness", "trace_ratio", "inverse"}
            The convention.

        Returns
        -------
        float
            Dimensionless; 0 where there is no ratio.

        Notes
        -----
        Rounding adds $D = \mathrm{diag}(\delta_j^2)$ to $\Sigma_w$, with $\delta_j$ its deviation
        in feature j. To first order that adds $\mathrm{Tr}\, D \Sigma_b^+$ to the fuzziness,
        $\mathrm{Tr}\, D$ to the trace within, and takes
        $\mathrm{Tr}\, \Sigma_b \Sigma_w^+ D \Sigma_w^+$ off the inverse.
        """
        check_kind(kind)
        if self.between_rank == 0 or self.within_rank == 0:
            return 0.0
        noise = self.rounding.within
        if kind == "trace_ratio":
            made, whole = noise.norm(), self.within.norm()
        elif kind == "fuzziness":
            s, V, _ = self._between_modes
            made, whole = (noise[:, None] * V / s).norm(), ((self.within @ V) / s).norm()
        else:
            if self._within_inverse is not None:
                root, back = self.between @ self._within_inverse, self._within_inverse.T
            else:
                s, V, _ = self._within_modes
                root, back = (self.between @ V) / s, (V / s).T
            made, whole = ((root @ back) * noise).norm(), root.norm()
        return float(made.square() / whole.square()) if float(whole) > 0 else 0.0

    @property
    def status(self) -> Status:
        """What there is to separate, in words.

        - "not separated": the class means agree to rounding, or the features are all alike.
        - "collapsed": the means differ, and every sample sits on its class mean.
        - "partly collapsed": some direction between means has no scatter within classes. Kind
          "inverse" ignores it, and is infinite for it in truth.
        - "separated": none of these.
        """
        if self.between_rank == 0:
            return "not separated"
        if self.within_rank == 0:
            return "collapsed"
        if self._within_inverse is not None:
            return "separated"
        V = self._within_modes.directions
        outside = self.between - (self.between @ V) @ V.T
        rest = torch.linalg.vector_norm(outside, dim=0)[None]
        return "partly collapsed" if bool(self.rounding.apart(rest).any()) else "separated"

    def log_separation(
        self, kind: SeparationKind = "fuzziness", *, pseudo_inverse: PseudoInverse = "exact"
    ) -> float:
        r"""Return the log separation by one of three conventions.

        Parameters
        ----------
        kind : {"fuzziness", "trace_ratio", "inverse"}
            The convention: $\log \mathrm{Tr}(\Sigma_w \Sigma_b^+)$,
            $\log (\mathrm{Tr} \Sigma_w / \mathrm{Tr} \Sigma_b)$, or
            $\log \mathrm{Tr}(\Sigma_b \Sigma_w^+)$; see `loadpath.separation.log_separation`.
        pseudo_inverse : {"exact", "float32"}
            Which directions it takes: all that there are, or those that float32 tells from 0, as in
            the code of [SB]. The second is for comparisons only.

        Returns
        -------
        float
            Natural logarithm, dimensionless. If the status is "collapsed" it is -inf (inf for
            "inverse"), and if it is "not separated" inf (-inf for "inverse").

        Raises
        ------
        ValueError
            For another `kind` or `pseudo_inverse`.
        """
        check_kind(kind)
        check_choice("pseudo_inverse", pseudo_inverse, PSEUDO_INVERSES)
        worst = -math.inf if kind == "inverse" else math.inf
        if self.between_rank == 0:
            return worst
        if self.within_rank == 0:
            return -worst
        if kind == "trace_ratio":
            return 2 * math.log(float(self.within.norm()) / float(self.between.norm()))
        # Tr(F^T F G^+) is the squared norm of F V / s, with V and s the modes of a factor of G.
        by_between = kind == "fuzziness"
        if pseudo_inverse == "float32":
            s, V = modes_in_float32(self.between if by_between else self.within)
            root = float((((self.within if by_between else self.between) @ V) / s).norm())
        elif kind == "inverse" and self._within_inverse is not None:
            root = float((self.between @ self._within_inverse).norm())
        else:
            s, V, _ = self._between_modes if by_between else self._within_modes
            root = float((((self.within if by_between else self.between) @ V) / s).norm())
        # No scatter in the inverted directions: within none that means differ in, or the reverse.
        return 2 * math.log(root) if root > 0 else -math.inf


def check_kind(kind: str) -> None:
    """Refuse what is not a convention of log separation.

    Parameters
    ----------
    kind : str
        What was given.

    Raises
    ------
    ValueError
        If it is not one of `KINDS`.
    """
    check_choice("kind", kind, KINDS)
