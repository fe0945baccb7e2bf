"""Diagnosis of any model, layer by layer: one pass, one Dataset, a verdict with proof.

>>> ds = lp.diagnose(model, loader)                        # every measure of every layer
>>> lp.diagnosis.summary(ds)                               # in sentences
>>> skipped = lp.diagnosis.skip_layers(model, loader)      # what the model loses without each
>>> lp.diagnosis.verdict(ds, skipped).sentences            # which could go, and how one knows

>>> monitor = lp.diagnosis.Monitor(model, probe, log=wandb.log)   # while it trains

`docs/diagnose.md` is a tutorial, and says of each measure when it misleads; `docs/monitor.md` is
about training. For those who have Lightning, `loadpath.diagnosis.lightning` has a callback.
"""

from loadpath.diagnosis.collapse import Alarm, Collapse, CollapseWarning
from loadpath.diagnosis.monitor import Monitor
from loadpath.diagnosis.profile import MEASURES, Measure, check_options, diagnose
from loadpath.diagnosis.skipping import skip_layers
from loadpath.diagnosis.summary import summary
from loadpath.diagnosis.verdict import Verdict, verdict

__all__ = [
    "MEASURES",
    "Alarm",
    "Collapse",
    "CollapseWarning",
    "Measure",
    "Monitor",
    "Verdict",
    "check_options",
    "diagnose",
    "skip_layers",
    "summary",
    "verdict",
]
