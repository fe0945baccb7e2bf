"""A function of the user's own as the nonlinearity of layers: its checks, its slope, its name."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

REACH = 12.0
"""A standard normal number is beyond this with a chance of 1e-32."""
NODES = 200
"""Of the quadrature on either side of 0, where kinks like to be."""


def check_elementwise(phi: Callable[[Tensor], Tensor]) -> None:
    """Refuse a function that is no fixed elementwise function with a slope.

    Parameters
    ----------
    phi : callable
        Takes a tensor of any shape, and returns one.

    Raises
    ------
    ValueError
        If it fails, learns, draws at random, mixes entries, changes its input, or has no slope.
    """
    said = f"activation must be a fixed elementwise function of a tensor, and {_bare_name(phi)} "
    if isinstance(phi, nn.Module) and next(phi.parameters(), None) is not None:
        raise ValueError(f"{said}has parameters of its own, which would not be trained.")
    z = torch.linspace(-3, 3, 32, dtype=torch.float64).sin() * 3
    kept = z.clone()
    try:
        out, again, single = phi(z), phi(z), phi(z.float())
        if not torch.equal(z, kept):
            raise ValueError("it changes its input in place")
        if not isinstance(out, Tensor) or out.shape != z.shape or out.dtype != z.dtype:
            raise ValueError("it gives no tensor of the shape and type of its input")
        if single.dtype != torch.float32:
            raise ValueError(f"it makes {single.dtype} of torch.float32")
        apart = torch.cat([phi(part) for part in z.split(1)])
        square = phi(z.view(4, 8)).flatten()
        slope = slope_of(phi, z)
    except Exception as error:  # of whatever kind: it is the user's function
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{said}fails on one: {reason[:300]}.") from None
    if not (out.isfinite().all() and slope.isfinite().all()):
        raise ValueError(f"{said}is not finite, or has no finite slope, between -3 and 3.")
    if not torch.equal(out, again):
        raise ValueError(f"{said}gives two answers to one question.")
    # Kernels for long vectors round otherwise than those for single numbers.
    if not (torch.allclose(out, apart, rtol=1e-9) and torch.allclose(out, square, rtol=1e-9)):
        raise ValueError(f"{said}mixes the entries of a tensor.")
    if not slope.any():
        raise ValueError(f"{said}has a slope of 0 everywhere, from which nothing is learnt.")


def slope_of(phi: Callable[[Tensor], Tensor], A: Tensor) -> Tensor:
    """Return the derivative of an elementwise function, of the shape of A.

    Parameters
    ----------
    phi : callable
        The function.
    A : Tensor
        Where it is taken.

    Returns
    -------
    Tensor
        Its derivative there, as autograd has it; 0 for a constant.
    """
    with torch.enable_grad():
        z = A.detach().clone().requires_grad_()
        out = phi(z)
        if not out.requires_grad:
            raise ValueError("autograd knows no derivative of it")
        (slope,) = torch.autograd.grad(out.sum(), z)
    return slope.detach()


def gain_of(phi: Callable[[Tensor], Tensor]) -> float:
    """Return E[phi(z)^2] for z ~ N(0, 1), by quadrature on either side of 0.

    Parameters
    ----------
    phi : callable
        The function.

    Returns
    -------
    float
        The mean square.

    Raises
    ------
    ValueError
        If it is 0 or not finite, so that no initial weights keep representations steady.
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    z = torch.from_numpy(np.concatenate([nodes - 1, nodes + 1]) * REACH / 2)
    density = torch.exp(-z.square() / 2) / (2 * torch.pi) ** 0.5
    w = torch.from_numpy(np.concatenate([weights, weights])) * REACH / 2
    with torch.no_grad():
        gain = float((w * density * phi(z).square()).sum())
    if not 1e-12 < gain < 1e12:
        raise ValueError(
            "activation must have a mean square from 1e-12 to 1e12 on standard normal numbers, and "
            f"{_bare_name(phi)} has {gain:.3g}."
        )
    return gain


def name_of(phi: Callable[[Tensor], Tensor]) -> str:
    """Return what results call a function.

    Parameters
    ----------
    phi : callable
        The function.

    Returns
    -------
    str
        Its name or its printed form, marked as a function, for one may be called relu too.
    """
    return f"{_bare_name(phi)} (a function)"


def _bare_name(phi: Callable[[Tensor], Tensor]) -> str:
    """Return the name of a function, or the printed form of a module."""
    if isinstance(phi, functools.partial):
        options = ", ".join(f"{name}={value!r}" for name, value in phi.keywords.items())
        return f"{getattr(phi.func, '__name__', repr(phi.func))}({options})"
    if isinstance(phi, nn.Module):
        return repr(phi)
    return str(getattr(phi, "__name__", type(phi).__name__))


def digest_of(phi: Callable[[Tensor], Tensor]) -> str:
    """Return what tells functions of one name apart: a hash of values, to six digits.

    Parameters
    ----------
    phi : callable
        The function.

    Returns
    -------
    str
        8 hexadecimal digits.
    """
    with torch.no_grad():
        values = phi(torch.linspace(-5, 5, 101, dtype=torch.float64)).tolist()
    return hashlib.sha256(" ".join(f"{v + 0.0:.5e}" for v in values).encode()).hexdigest()[:8]
