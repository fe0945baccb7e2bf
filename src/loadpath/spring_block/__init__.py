"""The spring-block theory [SB]: layers as blocks on springs, with friction and noise.

- A `Chain` is simulated (`simulate`, `mean_field`, `chain_phase_diagram`) and solved where it can
  be (`rest_state`, `mean_state`, `stationary_covariance`).
- `fit` finds the chain whose load curves are those that were measured.
- `networks` trains the small classifiers of the theory's experiments, and `phase_diagram` lays
  their load curves out over nonlinearity and noise, beside the chain's.

Each name is loaded when it is first used. The chain needs no torch until noise is drawn.

References
----------
.. [SB] Shi, Pan and Dokmanic, arXiv:2407.19353.

Examples
--------
>>> from loadpath import spring_block
>>> spring_block.rest_state(spring_block.Chain(n_blocks=3, friction_right=0.1)).round(6)
array([0.1, 0.2, 0.3, 0.4])
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
