"""The ways in which layers go: dropped, merged with a neighbour, or replaced by a linear map."""

from loadpath.diagnosis.surgery.ways.absorbing import Side, absorb, why_not_absorbed
from loadpath.diagnosis.surgery.ways.linear import LinearMaps
from loadpath.diagnosis.surgery.ways.recipe import GapForm, Recipe, recipe_of, remember
from loadpath.diagnosis.surgery.ways.removal import Gap, number_in_list, take_out
from loadpath.diagnosis.surgery.ways.standing import Standing

__all__ = [
    "Gap",
    "GapForm",
    "LinearMaps",
    "Recipe",
    "Side",
    "Standing",
    "absorb",
    "number_in_list",
    "recipe_of",
    "remember",
    "take_out",
    "why_not_absorbed",
]
