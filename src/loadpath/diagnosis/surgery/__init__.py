"""Surgery on any trained model: which layers can go together, cut, proven and exported.

`plan` finds the layers, `cut` makes the smaller model, `fold` takes linear maps into the weights
beside them, `refit` corrects by least squares what follows a cut, `heal` trains it a little,
`prove` measures on other samples what that costs and saves, and `export` writes it for other tools.
"""

from loadpath.diagnosis.surgery.correcting import Refit
from loadpath.diagnosis.surgery.cuts import WAYS, Cut, LinearMap, Way
from loadpath.diagnosis.surgery.cutting import cut
from loadpath.diagnosis.surgery.exporting import Exported, export, load
from loadpath.diagnosis.surgery.folding import Folded, fold
from loadpath.diagnosis.surgery.healing import Healed, heal
from loadpath.diagnosis.surgery.planning import Plan, plan
from loadpath.diagnosis.surgery.predicting import NoLossError as NoLossError
from loadpath.diagnosis.surgery.predicting import check_readable_twice as check_readable_twice
from loadpath.diagnosis.surgery.predicting import predict_harm as predict_harm
from loadpath.diagnosis.surgery.predicting import predict_loss_change as predict_loss_change
from loadpath.diagnosis.surgery.proving import Proof, prove
from loadpath.diagnosis.surgery.refitting import Refitted, refit
from loadpath.diagnosis.surgery.running_costs import RunningCosts
from loadpath.diagnosis.surgery.search import Calling as Calling
from loadpath.diagnosis.surgery.search import halves
from loadpath.diagnosis.surgery.windows import Window

__all__ = [
    "WAYS",
    "Cut",
    "Exported",
    "Folded",
    "Healed",
    "LinearMap",
    "Plan",
    "Proof",
    "Refit",
    "Refitted",
    "RunningCosts",
    "Way",
    "Window",
    "cut",
    "export",
    "fold",
    "halves",
    "heal",
    "load",
    "plan",
    "prove",
    "refit",
]
