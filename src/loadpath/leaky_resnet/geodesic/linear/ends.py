"""Geodesics of the linear theory between given ends."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_small_rows, as_vector, check_number, shown
from loadpath.leaky_resnet.geodesic.linear.closed_form import LinearGeodesic
from loadpath.leaky_resnet.geodesic.linear.velocity import first_velocity
from loadpath.leaky_resnet.mechanics import coupling


def commuting(
    s0: Float[Tensor, " width"],
    s1: Float[Tensor, " width"],
    *,
    effective_depth: float,
    left: Float[Tensor, "sample width"] | None = None,
    right: Float[Tensor, "width width"] | None = None,
) -> LinearGeodesic:
    r"""Return the geodesic between ends of the same singular vectors.

    The path is $A_p = Q\,\mathrm{diag}(s_p) R^\top$ with $s_p = s_0^{1-p} s_1^p$. A path of rank
    below its width is this one within the space of its rows.

    Parameters
    ----------
    s0, s1 : Tensor
        (width,) positive singular values at p = 0 and p = 1.
    effective_depth : float
        The leakage L~ >= 0, dimensionless.
    left : Tensor, optional
        (sample, width), Q, of orthonormal columns; the identity if left out.
    right : Tensor, optional
        (width, width), R, of orthonormal columns; the identity if left out.

    Returns
    -------
    LinearGeodesic
        The path.

    Raises
    ------
    ValueError
        If the singular values are not positive, finite and (width,) both, if `left` or `right` is
        of another shape or not orthonormal, or `effective_depth` is negative.

    Notes
    -----
    The weights are constant, $W = R\,\mathrm{diag}(\log(s_1/s_0) + \tilde L) R^\top$. The action
    is $\frac{1}{2c} \sum (\log(s_1/s_0) + \tilde L)^2$, and
    $-\frac{2}{\tilde L} H = w - \tilde L^{-2} \sum \log^2(s_1/s_0)$.

    Examples
    --------
    >>> import torch, loadpath as lp
    >>> path = lp.geodesic.linear.commuting(
    ...     torch.tensor([1.0, 1.0]), torch.tensor([4.0, 1.0]), effective_depth=1.0
    ... )
    >>> path.A(0.5).round(decimals=6).diagonal().tolist()  # half-way in the logarithm
    [2.0, 1.0]
    """
    coupling(effective_depth)
    s0, s1 = as_vector("s0", s0), as_vector("s1", s1)
    if s0.shape != s1.shape:
        raise ValueError(
            f"s0 and s1 must both be (width,), got {tuple(s0.shape)} and {tuple(s1.shape)}."
        )
    for name, s in (("s0", s0), ("s1", s1)):
        if float(s.min()) <= 0:
            raise ValueError(f"{name} must be positive, got {shown(s.tolist())}.")
        check_number(f"{name}, at its least,", float(s.detach().min()), above=0)
    eye = torch.eye(len(s0), dtype=torch.float64)
    Q = eye if left is None else as_small_rows("left", left)
    R = eye if right is None else as_small_rows("right", right, shape=tuple(eye.shape))
    for name, M in (("left", Q), ("right", R)):
        if M.shape[1] != len(s0) or float((M.T @ M - eye).abs().max()) > 1e-8:
            raise ValueError(
                f"{name} must have {len(s0)} orthonormal columns, got a {tuple(M.shape)} matrix "
                "that does not."
            )
    return LinearGeodesic((Q * s0) @ R.T, (R * (s1 / s0).log()) @ R.T, float(effective_depth))


def between(
    A0: Float[Tensor, "sample width"],
    A1: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
) -> LinearGeodesic:
    r"""Return the geodesic of the linear theory from `A0` to `A1`, general invertible ends.

    Parameters
    ----------
    A0, A1 : Tensor
        (sample, width) representations at p = 0 and p = 1, of full column rank.
    effective_depth : float
        The leakage L~ >= 0, dimensionless.

    Returns
    -------
    LinearGeodesic
        A stationary path. In all cases tried it was the shortest of those which turn a plane the
        other way round.

    Raises
    ------
    ValueError
        If the matrices are not finite and of one shape, `effective_depth` is negative, an end is
        of lower rank than its width, the columns of `A1` lie outside the span of those of `A0`, or
        det M is negative: a path cannot pass through singular matrices, only a discrete net can.
    RuntimeError
        If Newton's method finds no path, which happens to M far from I (singular values over five
        orders, or w of 30 and many planes turned by a right angle).

    Notes
    -----
    The ends fix $M = A_0^+ A_1$. The velocity $V_0$ solves $e^{V_0} e^{V_0^\top - V_0} = M$ to
    rounding, by Newton's method along the curve from I to M that turns and stretches by the polar
    factors of M. Where M nearly turns a plane by 180 degrees, two paths are nearly as short as
    each other.

    It costs O(N w^2), and O(w^3) for each of 100 to 10,000 matrix exponentials: 0.02 s at w = 3, a
    second or two at w = 10.

    References
    ----------
    .. [1] Andruchow, Larotonda, Recht and Varela, "The left invariant metric in the general linear
       group", arXiv:1109.0520.
    .. [2] Martin and Neff, "Minimal geodesics on GL(n)", arXiv:1409.7849.

    Examples
    --------
    >>> import torch, loadpath as lp
    >>> A0 = torch.eye(2, dtype=torch.float64)
    >>> A1 = torch.tensor([[2.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    >>> path = lp.geodesic.linear.between(A0, A1, effective_depth=1.0)
    >>> bool((path.A(1.0) - A1).abs().max() < 1e-10)
    True
    """
    coupling(effective_depth)
    A0 = as_small_rows("A0", A0)
    A1 = as_small_rows("A1", A1, shape=tuple(A0.shape))
    A0, A1 = A0.detach(), A1.detach()
    w = A0.shape[1]
    for name, A in (("A0", A0), ("A1", A1)):
        rank = int(torch.linalg.matrix_rank(A))
        if rank < w:
            raise ValueError(f"{name} must be of rank {w}, its width, got rank {rank}.")
    M = torch.linalg.lstsq(A0, A1).solution
    outside = float((A0 @ M - A1).norm() / A1.norm())
    if outside > 1e-8:
        raise ValueError(
            "A1 must be A0 times a matrix, as linear layers without bias mix columns only, but "
            f"{outside:.2g} of its norm lies outside the span of A0's columns."
        )
    sign = int(torch.linalg.slogdet(M).sign)
    if sign < 0:
        raise ValueError(
            "A1 cannot be reached from A0: A1 = A0 M with det M < 0, and a path would have to "
            "pass through a singular matrix."
        )
    V0 = torch.from_numpy(first_velocity(M.numpy()))
    return LinearGeodesic(A0, V0, float(effective_depth))
