"""Singular values of a representation, and the stable ranks that are read off them."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_small_rows, as_vector, check_choice, check_flag
from loadpath.threads import torch_threads


@torch_threads(1)
def spectrum(A: Float[Tensor, "sample width"], centred: bool = False) -> Float[Tensor, " mode"]:
    """Return the singular values of a representation.

    Parameters
    ----------
    A : Tensor
        (sample, width): the representation.
    centred : bool
        Whether the mean over samples is taken off first.

    Returns
    -------
    Tensor
        (mode,): min(sample, width) of them, the largest first, in the units of A; float64.

    Raises
    ------
    ValueError
        If `A` is not finite and 2-D.

    Notes
    -----
    The cost is O(N w^2).
    """
    check_flag("centred", centred)
    A = as_small_rows("A", A)
    return torch.linalg.svdvals(A - A.mean(0) if centred else A)


def stable_rank(
    A: Float[Tensor, "sample width"], kind: Literal["nuclear", "operator"] = "nuclear"
) -> Float[Tensor, ""]:
    r"""Return a stable rank of a representation: between 1 and its rank, and 0 for a zero matrix.

    Parameters
    ----------
    A : Tensor
        (sample, width): the representation.
    kind : {"nuclear", "operator"}
        Which norm the Frobenius norm is compared with.

    Returns
    -------
    Tensor
        $(\sum_i s_i)^2 / \sum_i s_i^2$ ("nuclear"), a lower bound of the cost of identity without
        stabilizer, or $\sum_i s_i^2 / \max_i s_i^2$ ("operator"); 0-d, float64, dimensionless.

    Raises
    ------
    ValueError
        If `kind` is another, or `A` is not finite and 2-D.

    Notes
    -----
    The cost is O(N w^2).

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, Proposition 1.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> A = torch.diag(torch.tensor([1.0, 1.0, 0.5]))
    >>> round(float(lp.mechanics.stable_rank(A)), 4), float(lp.mechanics.stable_rank(A, "operator"))
    (2.7778, 2.25)
    """
    check_choice("kind", kind, ("nuclear", "operator"))
    return stable_rank_of_spectrum(spectrum(A), kind)


def stable_rank_of_spectrum(
    s: Float[Tensor, " mode"], kind: Literal["nuclear", "operator"]
) -> Float[Tensor, ""]:
    """Return the `stable_rank` of singular values.

    Parameters
    ----------
    s : Tensor
        (mode,): singular values, the largest first.
    kind : {"nuclear", "operator"}
        Which of the two.

    Returns
    -------
    Tensor
        0-d, dimensionless.

    Raises
    ------
    ValueError
        If `kind` is another, or `s` is not a list of finite numbers of at least 0.
    """
    check_choice("kind", kind, ("nuclear", "operator"))
    s = as_vector("s", s, least=0)
    s = s / s[0] if s[0] > 0 else s  # no overflow or underflow in the squares
    if kind == "operator" or s[0] == 0:
        return s.square().sum()
    return s.sum().square() / s.square().sum()
