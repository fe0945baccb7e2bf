"""The ways in which layers go: dropped, merged with a neighbour, or replaced by a linear map."""

from loadpath.diagnosis.surgery.ways.absorbing import Side, absorb, why_not_absorbed
from loadpath.diagnosis.surgery.ways.corrections import (
    Correction,
    correction,
    rows_into,
    why_not_refitted,
)
from loadpath.diagnosis.surgery.ways.linear import LinearMaps
from loadpath.diagnosis.surgery.ways.merging import writers
from loadpath.diagnosis.surgery.ways.recipe import GapForm, Recipe, recipe_of, remember
from loadpath.diagnosis.surgery.ways.removal import Gap, number_in_list, take_out
from loadpath.diagnosis.surgery.ways.standing import Standing

__all__ = [
    "Correction",
    "Gap",
    "GapForm",
    "LinearMaps",
    "Recipe",
    "Side",
    "Standing",
    "absorb",
    "correction",
    "number_in_list",
    "recipe_of",
    "remember",
    "rows_into",
    "take_out",
    "why_not_absorbed",
    "why_not_refitted",
    "writers",
]
