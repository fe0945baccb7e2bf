"""The phases that a geodesic is solved by, as data, and the numbers that choose among them.

docs/geodesics.md tells what was measured and what else was tried.
"""

from __future__ import annotations

from dataclasses import replace

from loadpath.leaky_resnet.geodesic.descent import Phase
from loadpath.leaky_resnet.training import Adam

# Both ends begin with these.
WARM_START = Adam(400)
"""Annealed Adam from random weights."""
COARSE = tuple(
    Phase(width, iterations, history=30, single=True, settled=False, tolerances=0.0)
    for width, iterations in ((0.3, 150), (0.1, 100))
)
"""Phases towards the right valley, for a free end on half the layers. What they leave is far from
stationary, so they need no precision."""

# A free end.
BETWEEN = tuple(
    Phase(width, iterations=100, history=30, single=True, settled=False, tolerances=0.0)
    for width in (0.1, 0.03)
)
"""Phases on all layers, which the coarser solution does not fit yet."""
FINE = (
    Phase(width=0.01, iterations=300, history=50, single=True),
    Phase(width=0.003, iterations=500, single=True),
    Phase(width=0.001, iterations=2000),
    Phase(width=0.001, iterations=2000),
)
"""Phases that round the kinks less and less, each from where the last one ended."""
SAMPLED = Phase(width=0.001, iterations=1500, history=300, single=True)
"""The phase on some of the samples, where there are many: what it learns of the curvature is dear
to learn on all. A memory this long costs less than evaluations do there."""
GROWN = replace(SAMPLED, iterations=2000, goes_on=True)
"""The phase after samples were added."""
FRESH_STARTS = 6
"""Runs of the last phase, at most, where there are no kinks: fresh coordinates may see a way
down."""
REFINING = (Phase(width=0.01, iterations=300), Phase(width=0.003, iterations=500))
"""Phases on each finer mesh, from the coarser one's solution."""
LEAST_DEPTH, LONGEST = 8, 0.75
"""Nets with fewer layers are not halved, nor those whose rho L~ would be more under Euler."""
SUBSET = 5000
"""About how many samples take part in all phases up to the second fine one, where there are more.
The rest shift the minimum by what samples differ, and are taken in from there."""
GROWTH = 4
"""The samples are multiplied by this in each step from there."""

# A fixed end.
FIXED = tuple(
    (Phase(width=width, iterations=300, history=50), rounds)
    for width, rounds in ((0.1, 1), (0.03, 1), (0.01, 1), (0.003, 1), (0.001, 21))
)
"""Phases, and how often each is repeated at most: after each the target moves."""
NEWTON_FIXED = tuple(
    (Phase(width=width, iterations=40, newton=True, tolerances=tolerances), rounds)
    for width, rounds, tolerances in (
        (0.3, 1, 1.0),
        (0.1, 1, 1.0),
        (0.03, 12, 0.1),
        *((width, 4, 0.01) for width in (0.01, 0.003, 0.001, 3e-4, 1e-4, 3e-5)),
        (1e-5, 10, 0.01),
    )
)
"""The same by Newton's method: the end is reached at a wide rounding first, and then held."""
FEW_WEIGHTS = 2000
"""Nets of up to this many weights are solved by Newton's method, for their Hessian is cheap: at
1,320 weights an iteration takes a tenth of a second."""
STIFFEN, SOFTEST = 4.0, 1e-3
"""lambda is divided by the first where a move of the target did not halve the error of the end,
down to the second as a share of what lambda was."""
