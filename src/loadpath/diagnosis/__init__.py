"""Diagnosis of any model, layer by layer: one pass, one Dataset, a verdict with proof.

>>> ds = lp.diagnose(model, loader)                        # every measure of every layer
>>> lp.diagnosis.summary(ds)                               # in sentences
>>> skipped = lp.diagnosis.skip_layers(model, loader)      # what the model loses without each
>>> lp.diagnosis.verdict(ds, skipped).sentences            # which could go, and how one knows

`docs/diagnose.md` is a tutorial, and says of each measure when it misleads.
"""

from loadpath.diagnosis.profile import MEASURES, Measure, check_options, diagnose
from loadpath.diagnosis.skipping import skip_layers
from loadpath.diagnosis.summary import summary
from loadpath.diagnosis.verdict import Verdict, verdict

__all__ = [
    "MEASURES",
    "Measure",
    "Verdict",
    "check_options",
    "diagnose",
    "skip_layers",
    "summary",
    "verdict",
]
