"""Numbers of one layer or of two: separation, likeness, dimension, ranks, steps and probes.

Each measure gives an `Estimate` of `loadpath.statistics`: a number with an interval, or the reason
why there is none. Two ways lead to it, both of bounded memory and indifferent to batches, their
order and processes:

- **Sums** (`PairSums`, `StepSums`), one for each group of samples in a `Grouped`, and merged:
  `debiased_cka`, `participation_ratio`, `effective_rank`, `relative_step`, `turn`,
  `effective_depth`. The intervals come from leaving out one group at a time.
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

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
