"""The load curve as a guide: the level of a knob at which it is straight [SB].

`tune` trains nets and finds the level; `straight_level` does with curves of nets of your own.

References
----------
.. [SB] Shi, Pan and Dokmanic, arXiv:2407.19353.
"""

from loadpath.spring_block.tuning.crossing import Crossing
from loadpath.spring_block.tuning.knobs import KNOB_NAMES as KNOB_NAMES
from loadpath.spring_block.tuning.selection import straight_level
from loadpath.spring_block.tuning.tuned import Tuned
from loadpath.spring_block.tuning.tuned import tuned_of_dataset as tuned_of_dataset
from loadpath.spring_block.tuning.tuning import prepare as prepare
from loadpath.spring_block.tuning.tuning import tune
from loadpath.spring_block.tuning.wording import standing_words as standing_words

__all__ = ["Crossing", "Tuned", "straight_level", "tune"]
