"""What a net must offer so that its path of representations is recorded, node by node."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Protocol, TypeGuard, runtime_checkable

from torch import Tensor, nn

from loadpath.record.activations import ACTIVATIONS, Activation, ActivationLike

_ABSENT = object()


@runtime_checkable
class PathNet(Protocol):
    """A net whose layers are no modules: its representations A_0, ..., A_L come from `path`.

    A module that fulfils this, as `is_path_net` finds out, is recorded as its path, and a step of
    it is skipped through its `coefficients`. `LeakyResNet` is one; any other net is treated alike.
    """

    depth: int
    """Number L of steps."""
    effective_depth: float
    """Leakage L~."""
    activation: ActivationLike
    """The nonlinearity phi: one of `ACTIVATIONS` by its name, or an `Activation`."""
    bias: bool
    """Whether S = [phi(A), 1] has its column of ones."""

    @property
    def p(self) -> Tensor:
        """Positions of the nodes on the path, (L + 1,), from 0 to 1."""
        ...

    def coefficients(self) -> tuple[Tensor, Tensor]:
        """Return decay d_l and gain g_l of each A_l = d_l A_{l-1} + g_l S_{l-1} W_l^T, (L,)."""
        ...

    def path(self, x: Any) -> list[Tensor]:
        """Return the representations [A_0, ..., A_L] of x, (sample, width) each."""
        ...


def _is_size(value: object) -> bool:
    return not _is_switch(value) and isinstance(value, Integral) and int(value) >= 0


def _is_number(value: object) -> bool:
    return not _is_switch(value) and isinstance(value, Real)


def _is_activation(value: object) -> bool:
    return isinstance(value, Activation) or (isinstance(value, str) and value in ACTIVATIONS)


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


_VALUES: dict[str, Callable[[object], bool]] = {
    "depth": _is_size,
    "effective_depth": _is_number,
    "activation": _is_activation,
    "bias": _is_switch,
    "p": lambda value: isinstance(value, Tensor),
}
"""What each value of a `PathNet` must be, where it lies open."""


def is_path_net(module: object) -> TypeGuard[PathNet]:
    """Return whether a module fulfils `PathNet`, without running any code of the module.

    Asking the module for its attributes would run the properties of a user's model, which may
    raise, compute for long or change something; and a parameter called `bias` is no switch.

    Parameters
    ----------
    module : object
        Any object; only modules can be path nets.

    Returns
    -------
    bool
        True if the class has the methods `path` and `coefficients`, and if every value of `PathNet`
        is a property of the class, or lies on the module or its class with a fitting type.
    """
    if not isinstance(module, nn.Module):
        return False
    kind = type(module)
    methods = (inspect.getattr_static(kind, name, None) for name in ("path", "coefficients"))
    if not all(callable(method) for method in methods):
        return False
    return all(_has(module, name, fits) for name, fits in _VALUES.items())


def _has(module: nn.Module, name: str, fits: Callable[[object], bool]) -> bool:
    """Return whether a value is there, and fits as far as can be seen without computing it."""
    held = inspect.getattr_static(type(module), name, _ABSENT)
    if hasattr(type(held), "__get__"):  # a property, or anything else that computes the value
        return not callable(held)
    for place in (vars(module), module._buffers, module._parameters):
        if name in place:
            held = place[name]
    return held is not _ABSENT and fits(held)
