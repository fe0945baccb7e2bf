"""Geometry of representations: how alike, how many-dimensional, how far moved, how readable.

Each measure gives an `Estimate`: a number with an interval, or the reason why there is none. Two
ways lead to it, both of bounded memory and indifferent to batches, their order and processes:

- **Sums** (`PairSums`, `StepSums`), one for each group of samples in a `Grouped`, and merged:
  `debiased_cka`, `participation_ratio`, `effective_rank`, `relative_step`, `turn`,
  `effective_depth`. Leaving out one group at a time gives the intervals.
- **Samples** kept in a `Reservoir`, the same ones in every layer: `two_nn` and `class_probe`. For
  features too wide for sums of width x width, `linear_cka` of the samples kept.

A pass over a model's layers looks like this, `indices` the place of each sample in the data:

    for indices, layers in batches:               # layers: [A_0, ..., A_L], (sample, width) each
        groups = groups_of(indices)
        for l, A in enumerate(layers):
            own[l].update(groups, A)                               # Grouped(lambda: PairSums(w))
            kept[l].update(indices, A)                             # Reservoir(2000)
            if l > 0:
                across[l].update(groups, layers[l - 1], A)         # Grouped(lambda: PairSums(w, w))
                steps[l].update(groups, layers[l - 1], A)          # Grouped(StepSums)

and then `effective_rank(own[l].parts)`, `two_nn(kept[l].rows())`, and
`debiased_cka([Alignment(*sums) for sums in zip(across[l].parts, own[l - 1].parts, own[l].parts)])`.
`docs/measures.md` says of each what it is and when it misleads.
"""

from loadpath.geometry.cka import Alignment, alignment, debiased_cka, linear_cka
from loadpath.geometry.depth import StepSums, effective_depth, relative_step, turn
from loadpath.geometry.dimension import Neighbours, nearest_two, two_nn, two_nn_by_scale
from loadpath.geometry.estimate import Estimate, Status
from loadpath.geometry.jackknife import Grouped, groups_of, jackknife, jackknife_of
from loadpath.geometry.pair_sums import PairSums
from loadpath.geometry.probes import Probe, class_probe, wilson
from loadpath.geometry.ranks import (
    effective_rank,
    effective_rank_of_spectrum,
    participation_ratio,
    participation_ratio_of_spectrum,
    self_sums,
)
from loadpath.geometry.reservoir import Reservoir

__all__ = [
    "Alignment",
    "Estimate",
    "Grouped",
    "Neighbours",
    "PairSums",
    "Probe",
    "Reservoir",
    "Status",
    "StepSums",
    "alignment",
    "class_probe",
    "debiased_cka",
    "effective_depth",
    "effective_rank",
    "effective_rank_of_spectrum",
    "groups_of",
    "jackknife",
    "jackknife_of",
    "linear_cka",
    "nearest_two",
    "participation_ratio",
    "participation_ratio_of_spectrum",
    "relative_step",
    "self_sums",
    "turn",
    "two_nn",
    "two_nn_by_scale",
    "wilson",
]
