"""The search for layers that can go together: predictions, races, and what they cost."""

from loadpath.diagnosis.surgery.search.candidates import Candidates, LayerSet
from loadpath.diagnosis.surgery.search.harm import Harm, SampleHarm
from loadpath.diagnosis.surgery.search.prediction import (
    DRAWS,
    Gradients,
    Maps,
    NoGradientsError,
    Prediction,
    predict,
)
from loadpath.diagnosis.surgery.search.racing import Race, Runner, Stand
from loadpath.diagnosis.surgery.search.sample import fingerprints, halves, shuffled
from loadpath.diagnosis.surgery.search.subject import (
    Calling,
    Subject,
    batches_in_memory,
    lacking,
    own_memory,
    prepared,
    subject_of,
)

__all__ = [
    "DRAWS",
    "Calling",
    "Candidates",
    "Gradients",
    "Harm",
    "NoGradientsError",
    "LayerSet",
    "Maps",
    "Prediction",
    "Race",
    "Runner",
    "SampleHarm",
    "Stand",
    "Subject",
    "batches_in_memory",
    "fingerprints",
    "halves",
    "own_memory",
    "predict",
    "prepared",
    "shuffled",
    "lacking",
    "subject_of",
]
