"""Numbers of one layer or of two: separation, likeness, dimension, ranks, steps and probes.

Each measure gives an `Estimate` of `loadpath.statistics`: a number with an interval, or the reason
why there is none. Two ways lead to it. Both have bounded memory, and neither batches, their order
nor the number of processes change the result:

- **Sums** (`PairSums`, `StepSums`), one for each group of samples in a `Grouped`, and merged:
  `debiased_cka`, `participation_ratio`, `effective_rank`, `relative_step`, `turn`,
  `log_growth`. The intervals come from leaving out one group at a time.
- **Samples** kept in a `Reservoir`, the same ones in every layer: `two_nn` and `class_probe`. For
  features too wide for sums of width x width, `linear_cka` of the samples kept.

`docs/measures.md` says of each what it is and when it misleads.

Examples
--------
One pass over two layers of a net, in batches; `indices` are the places of the samples in the data:

>>> import torch
>>> from loadpath.measures import Alignment, PairSums, StepSums
>>> from loadpath.measures import debiased_cka, effective_rank, two_nn
>>> from loadpath.statistics import Grouped, Reservoir, groups_of
>>> inputs = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
>>> own = [Grouped(lambda: PairSums(8)) for _ in range(2)]
>>> kept = [Reservoir(200) for _ in range(2)]
>>> across, steps = Grouped(lambda: PairSums(8, 8)), Grouped(StepSums)
>>> for indices in torch.arange(400).split(100):
...     layers = [inputs[indices], inputs[indices].relu()]
...     groups = groups_of(indices)
...     for l, A in enumerate(layers):
...         own[l].update(groups, A)
...         kept[l].update(indices, A)
...     across.update(groups, *layers)
...     steps.update(groups, *layers)
>>> effective_rank(own[1].parts).status, two_nn(kept[1].rows()).status
('estimated', 'estimated')
>>> sums = [Alignment(*each) for each in zip(across.parts, own[0].parts, own[1].parts)]
>>> print(f"{debiased_cka(sums).value:.2f}")
0.74
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
