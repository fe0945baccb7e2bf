r"""Scatter of one layer's features between classes and within them, and its log separation.

The covariances $\Sigma_b = F_b^\top F_b$ and $\Sigma_w = F_w^\top F_w$ are kept as their factors F.
A singular value of F is the root of an eigenvalue of $\Sigma$, so that directions down to 1e-13 of
the largest keep their digits, and ranks can be told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.threads import torch_threads

SeparationKind = Literal["fuzziness", "trace_ratio", "inverse"]
KINDS: tuple[SeparationKind, ...] = ("fuzziness", "trace_ratio", "inverse")
"""The three conventions of log separation."""
Status = Literal["separated", "partly collapsed", "collapsed", "not separated"]

NOISE = 8.0
"""A layer's arithmetic is taken to round this many times as much as storing its result does."""
OWN_NOISE = 1e-13
"""Rounding of the streamed QR itself, relative to the features: 100 times what is seen."""


def noise_floor(epsilon: float, spread: float) -> float:
    r"""Return the singular value of a factor that rounding alone can make.

    Parameters
    ----------
    epsilon : float
        Relative rounding of the features: the epsilon of their type.
    spread : float
        Root mean square norm of the features.

    Returns
    -------
    float
        The largest singular value that means nothing, in the units of `spread`.

    Notes
    -----
    Rounding the features moves every singular value of $H / \sqrt N$ by at most epsilon / 2 times
    their root mean square norm (Weyl), and projections on classes, which the factors are, by no
    more. `NOISE` allows for the arithmetic that made them.
    """
    return max(NOISE * epsilon, OWN_NOISE) * spread


@dataclass(frozen=True, eq=False)
class Scatter:
    r"""Scatter of features between and within classes, or explained by targets and left over.

    Notes
    -----
    Ranks are counted and not set by a share of the largest eigenvalue: `between_rank` and
    `within_rank` are the most that the numbers of classes and samples allow, and fewer only where a
    singular value is no larger than `floor`, which rounding of the features can make. All is
    float64.
    """

    between: Float[Tensor, "between_row width"]
    r"""$F_b$ with $\Sigma_b = F_b^\top F_b$."""
    within: Float[Tensor, "within_row width"]
    r"""$F_w$ with $\Sigma_w = F_w^\top F_w$."""
    between_limit: int
    r"""The most that the rank of $\Sigma_b$ can be: classes - 1, or the rank of the targets."""
    within_limit: int
    r"""The most that the rank of $\Sigma_w$ can be: samples - classes, or samples - 1 - targets."""
    floor: float
    """Singular values of the factors up to this are rounding; units of the features."""

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
        return len(self._between_modes[0])

    @property
    def within_rank(self) -> int:
        r"""Rank of $\Sigma_w$."""
        if self._within_inverse is not None:
            return self.within.shape[1]
        return len(self._within_modes[0])

    @cached_property
    def _between_modes(self) -> tuple[Tensor, Tensor]:
        return self._modes(self.between, self.between_limit)

    @cached_property
    def _within_modes(self) -> tuple[Tensor, Tensor]:
        return self._modes(self.within, self.within_limit)

    @cached_property
    @torch_threads(1)
    def _within_inverse(self) -> Tensor | None:
        r"""Inverse of $F_w$ if it surely has its full rank, at a tenth of the cost of its modes."""
        rows, width = self.within.shape
        if rows != width or self.within_limit < width:
            return None
        inverse, singular = torch.linalg.inv_ex(self.within)
        # No singular value is below one over the norm of the inverse.
        full = int(singular) == 0 and 1 > self.floor * float(inverse.norm())
        return inverse if full else None

    @torch_threads(1)
    def _modes(self, factor: Tensor, limit: int) -> tuple[Tensor, Tensor]:
        """Return the singular values above the floor, at most `limit`, and their directions."""
        _, s, Vh = torch.linalg.svd(factor, full_matrices=False)
        rank = min(limit, int((s > self.floor).sum()))
        return s[:rank], Vh[:rank].T

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
        V = self._within_modes[1]
        outside = self.between - (self.between @ V) @ V.T
        return "partly collapsed" if float(outside.norm()) > self.floor else "separated"

    def log_separation(self, kind: SeparationKind = "fuzziness") -> float:
        r"""Return the log separation by one of three conventions.

        Parameters
        ----------
        kind : {"fuzziness", "trace_ratio", "inverse"}
            The convention: $\log \mathrm{Tr}(\Sigma_w \Sigma_b^+)$,
            $\log (\mathrm{Tr} \Sigma_w / \mathrm{Tr} \Sigma_b)$, or
            $\log \mathrm{Tr}(\Sigma_b \Sigma_w^+)$; see `loadpath.separation.log_separation`.

        Returns
        -------
        float
            Natural logarithm, dimensionless. If the status is "collapsed" it is -inf (inf for
            "inverse"), and if it is "not separated" inf (-inf for "inverse").

        Raises
        ------
        ValueError
            For another `kind`.
        """
        check_kind(kind)
        worst = -math.inf if kind == "inverse" else math.inf
        if self.between_rank == 0:
            return worst
        if self.within_rank == 0:
            return -worst
        if kind == "trace_ratio":
            return 2 * math.log(float(self.within.norm()) / float(self.between.norm()))
        # Tr(F^T F G^+) is the squared norm of F V / s, with V and s the modes of a factor of G.
        if kind == "inverse" and self._within_inverse is not None:
            root = float((self.between @ self._within_inverse).norm())
        else:
            by_between = kind == "fuzziness"
            s, V = self._between_modes if by_between else self._within_modes
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
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}.")
