"""What a cut is: which layers go, in which way, and what takes their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from torch import Tensor, nn

from loadpath.checks import as_list, check_choice, check_text
from loadpath.diagnosis.surgery.windows import Window

Way = Literal["drop", "merge", "linear", "convolution"]
"""How layers go: "drop" hands on the input of a run of layers, "merge" makes one layer of a run and
the layer before it, "linear" puts one linear map in the place of a run, and "convolution" one that
also reads the places beside each, of a sequence or an image."""
MAPPED: tuple[Way, ...] = ("linear", "convolution")
"""The ways that put a map in the place of a run."""
WAYS: tuple[Way, ...] = get_args(Way)
"""All ways to cut."""


@dataclass(frozen=True, eq=False)
class LinearMap:
    r"""The linear map that takes the place of a run of layers, $A \mapsto A W^\top + b$.

    With a window it is a convolution: in the place of A stand the features of the places around
    each place, one after another, as `Window.of` returns them.
    """

    run: tuple[str, ...]
    """Names of the layers that it stands for, in the order in which they run."""
    weight: Tensor = field(repr=False)
    """W, (width, places * width), of one place unless there is a window."""
    bias: Tensor = field(repr=False)
    """b, (width,)."""
    axis: int = -1
    """The axis of the features in what the layers are given: 1 for maps of channels, else -1."""
    explained: float = float("nan")
    """The share of the run's mean squared step that the map makes, on samples that it was not
    fitted to; NaN where there were none."""
    window: Window = field(default_factory=Window)
    """The places beside each that it reads."""

    def __call__(self, A: Tensor) -> Tensor:
        """Return what the map makes of a representation of any shape."""
        weight, bias = (t.to(A.device, A.dtype) for t in (self.weight, self.bias))
        given = self.window.of(A.movedim(self.axis, -1))
        return nn.functional.linear(given, weight, bias).movedim(-1, self.axis)


@dataclass(frozen=True, eq=False)
class Cut:
    """Layers that go together, and the way in which they go.

    Raises
    ------
    ValueError
        If `layers` are not different names, for an unknown way, and if maps are missing.

    Examples
    --------
    >>> import loadpath as lp
    >>> print(lp.surgery.Cut(("blocks.2", "blocks.3")))
    drop blocks.2 and blocks.3
    """

    layers: tuple[str, ...]
    """Names of the layers that go, in the order in which they run."""
    way: Way = "drop"
    """The way in which they go."""
    maps: tuple[LinearMap, ...] = ()
    """One map for each run of layers that goes, where the way is "linear" or "convolution"."""

    def __post_init__(self) -> None:
        """Refuse what is no cut."""
        names = as_list("layers", self.layers, "names of layers")
        for name in names:
            check_text("layers", name)
        if len(set(names)) < len(names):
            raise ValueError(f"layers must be different names, got {names}.")
        object.__setattr__(self, "layers", tuple(names))
        check_choice("way", self.way, WAYS)
        held = sorted(name for each in self.maps for name in each.run)
        if self.way in MAPPED and held != sorted(self.layers):
            raise ValueError(
                f"maps must be there for each run of layers where the way is {self.way!r}, which "
                "loadpath.surgery.plan fits."
            )
        if self.way not in MAPPED and self.maps:
            raise ValueError(f"maps must be left out where the way is {self.way!r}.")

    def __str__(self) -> str:
        """Return the cut in words."""
        if not self.layers:
            return "leave all layers"
        names = joined(self.layers)
        if self.way == "drop":
            return f"drop {names}"
        if self.way == "merge":
            return f"merge {names} with the layer before"
        what = "linear map" if self.way == "linear" else "convolution"
        several = "s" if len(self.maps) > 1 else ""
        return f"put {len(self.maps)} {what}{several} in place of {names}"


def joined(words: Sequence[str]) -> str:
    """Return words as a sentence lists them."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def runs_of(layers: Sequence[int], before: Sequence[int | None]) -> list[tuple[int, ...]]:
    """Return layers as runs in which each is given what the one before it puts out.

    Parameters
    ----------
    layers : sequence of int
        Numbers of the layers.
    before : sequence of int or None
        The number of the layer whose output each layer is given; None where that is no layer.

    Returns
    -------
    list of tuple
        The runs, in order.
    """
    runs: list[list[int]] = []
    for layer in sorted(layers):
        if runs and before[layer] == runs[-1][-1]:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return [tuple(run) for run in runs]
