"""How a cut model was made from the original, so that it can be made again from a file."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from loadpath.diagnosis.surgery.cuts import Cut, LinearMap, Way
from loadpath.diagnosis.surgery.ways.removal import Gap, take_out
from loadpath.diagnosis.surgery.windows import Window

_NAME = "_loadpath_cut"
"""The plain attribute in which a cut model carries its recipe; copies of it carry it too."""


@dataclass(frozen=True)
class GapForm:
    """What a gap is but for its numbers, which stand in the state of the model."""

    given: list[Any]
    """The path to what goes on, in the arguments of the layer."""
    length: int | None
    """How many parts the layer's output had, if it was a tuple."""
    width: int | None
    """Features of its linear map; None where there is none."""
    axis: int
    """The axis of the features."""
    window: Sequence[Any] = ((), 0, 0)
    """The axes, and the places before and behind each, that its map reads."""


@dataclass(frozen=True)
class Recipe:
    """What was done to the original."""

    layers: tuple[str, ...]
    """Names of the layers that went, as the original has them."""
    way: Way
    """The way in which they went."""
    out: tuple[str, ...] = ()
    """Modules that were taken out of their lists, or have a gap in their place."""
    gaps: Mapping[str, GapForm] = field(default_factory=dict)
    """The gaps, by the names of what they stand for."""
    biased: tuple[str, ...] = ()
    """Modules that were given a bias, because a linear map was folded into them; their names in the
    smaller model."""
    folded: int = 0
    """How many linear maps were folded into other weights."""

    @staticmethod
    def of(what: Cut, out: Sequence[str], put: Mapping[str, nn.Module]) -> Recipe:
        """Return the recipe of a cut that took modules out and put gaps in places."""
        gaps = {
            name: GapForm(
                list(gap.given),
                gap.length,
                None if gap.linear is None else gap.linear.out_features,
                gap.axis,
                astuple(gap.window),
            )
            for name, gap in put.items()
            if isinstance(gap, Gap)
        }
        return Recipe(what.layers, what.way, tuple(out), gaps)

    def text(self) -> str:
        """Return the recipe as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_text(text: str) -> Recipe:
        """Return the recipe that `text` wrote."""
        held = json.loads(text)
        gaps = {name: GapForm(**form) for name, form in held["gaps"].items()}
        layers, out, biased = (tuple(held.get(name, ())) for name in ("layers", "out", "biased"))
        return Recipe(layers, held["way"], out, gaps, biased, held.get("folded", 0))

    def follow(self, model: nn.Module) -> nn.Module:
        """Return a copy of the original with the same done to it; numbers are still to be loaded.

        Raises
        ------
        ValueError
            If the model has no such layers.
        """
        made = copy.deepcopy(model)
        like = next((p for p in made.parameters() if p.is_floating_point()), None)
        try:
            put = {name: form_to_gap(form, like) for name, form in self.gaps.items()}
            take_out(made, self.out, put)
            for name in self.biased:
                add_bias(made.get_submodule(name))
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(
                f"model must be the original, of which {', '.join(self.layers)} were cut, and it "
                "has no such layers."
            ) from error
        remember(made, self)
        return made


def form_to_gap(form: GapForm, like: Tensor | None) -> nn.Module:
    """Return a gap of a form, whose map is still the zero map."""
    given = tuple(form.given)
    if form.width is None:
        return Gap(given, form.length)
    axes, before, behind = form.window
    window = Window(tuple(axes), before, behind)
    weight, bias = torch.zeros(form.width, window.places * form.width), torch.zeros(form.width)
    map = LinearMap((), weight, bias, form.axis, window=window)
    return Gap(given, form.length, map, like)


def add_bias(part: Any) -> nn.Parameter:
    """Give a Linear or a convolution without a bias one of zeros, and return its bias."""
    if part.bias is None:
        weight = part.weight
        bias = torch.zeros(len(weight), dtype=weight.dtype, device=weight.device)
        part.bias = nn.Parameter(bias, requires_grad=weight.requires_grad)
    found: nn.Parameter = part.bias
    return found


def remember(model: nn.Module, recipe: Recipe) -> None:
    """Have a cut model carry its recipe."""
    model.__dict__[_NAME] = recipe


def recipe_of(model: nn.Module) -> Recipe:
    """Return the recipe of a cut model.

    Raises
    ------
    ValueError
        If no cut made it.
    """
    found = model.__dict__.get(_NAME)
    if not isinstance(found, Recipe):
        raise ValueError("smaller must be a model that loadpath.surgery.cut made, and it is not.")
    return found
