"""Estimates with intervals, and the sampling behind them: knows neither nets nor layers."""

from loadpath.statistics.estimate import Estimate, Status, alone, near_rounding, unknown
from loadpath.statistics.groups import N_GROUPS, Grouped, groups_of, merged
from loadpath.statistics.leave_one_out import jackknife, jackknife_from_values
from loadpath.statistics.rankings import FEWEST, Agreement, Column, rank_agreement, spearman
from loadpath.statistics.reservoir import Reservoir, hashes
from loadpath.statistics.shares import wilson

__all__ = [
    "Agreement",
    "Column",
    "Estimate",
    "FEWEST",
    "Grouped",
    "N_GROUPS",
    "Reservoir",
    "Status",
    "alone",
    "groups_of",
    "hashes",
    "jackknife",
    "jackknife_from_values",
    "merged",
    "near_rounding",
    "rank_agreement",
    "spearman",
    "unknown",
    "wilson",
]
