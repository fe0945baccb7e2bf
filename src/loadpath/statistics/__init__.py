"""Estimates with intervals, and the sampling behind them: knows neither nets nor layers."""

from loadpath.statistics.columns import Column, mean_ranks
from loadpath.statistics.crossed import crossed_jackknife as crossed_jackknife
from loadpath.statistics.crossed import crossed_variance as crossed_variance
from loadpath.statistics.estimate import Estimate, Status
from loadpath.statistics.estimate import alone as alone
from loadpath.statistics.estimate import near_rounding as near_rounding
from loadpath.statistics.estimate import unknown as unknown
from loadpath.statistics.groups import N_GROUPS, Grouped, groups_of
from loadpath.statistics.groups import merged as merged
from loadpath.statistics.leave_one_out import jackknife, jackknife_from_values
from loadpath.statistics.rankings import FEWEST as FEWEST
from loadpath.statistics.rankings import Agreement, rank_agreement
from loadpath.statistics.rankings import spearman as spearman
from loadpath.statistics.reservoir import Reservoir
from loadpath.statistics.reservoir import hashes as hashes
from loadpath.statistics.shares import wilson

__all__ = [
    "Agreement",
    "Column",
    "Estimate",
    "Grouped",
    "N_GROUPS",
    "Reservoir",
    "Status",
    "groups_of",
    "jackknife",
    "jackknife_from_values",
    "mean_ranks",
    "rank_agreement",
    "wilson",
]
