"""Data separation: what each layer does to the spread of classes, and how the layers share it.

`log_separation` measures one layer and `LoadCurve` all layers of a net; `ClassMoments` is for data
that comes in batches. `neural_collapse` looks at the last layer, and `target_separation` and
`target_probe` take real targets in place of classes.
"""

from loadpath.measures.separation.bootstrap import Array as Array
from loadpath.measures.separation.class_moments import ClassMoments
from loadpath.measures.separation.collapse import (
    NeuralCollapse,
    Simplex,
    nc1,
    nc2,
    nc3,
    nc4,
    neural_collapse,
)
from loadpath.measures.separation.curve_scores import concavity, loads
from loadpath.measures.separation.equal_classes import CLASS_WEIGHTS as CLASS_WEIGHTS
from loadpath.measures.separation.equal_classes import ClassWeights as ClassWeights
from loadpath.measures.separation.equal_classes import equal_class_scatter
from loadpath.measures.separation.inputs import as_features as as_features
from loadpath.measures.separation.inputs import as_labels as as_labels
from loadpath.measures.separation.inputs import as_small_features as as_small_features
from loadpath.measures.separation.inputs import check_labels as check_labels
from loadpath.measures.separation.load_curve import LoadCurve
from loadpath.measures.separation.log_separations import log_separation, target_separation
from loadpath.measures.separation.log_separations import (
    stacked_separations as stacked_separations,
)
from loadpath.measures.separation.ridge_probe import TargetProbe as TargetProbe
from loadpath.measures.separation.ridge_probe import target_probe
from loadpath.measures.separation.scatter import KINDS, Scatter, SeparationKind
from loadpath.measures.separation.scatter import SEEN as SEEN
from loadpath.measures.separation.scatter import check_kind as check_kind
from loadpath.measures.separation.scatter import noise_floor as noise_floor
from loadpath.measures.separation.single_precision import PSEUDO_INVERSES as PSEUDO_INVERSES
from loadpath.measures.separation.single_precision import PseudoInverse as PseudoInverse
from loadpath.measures.separation.target_moments import TargetMoments

__all__ = [
    "ClassMoments",
    "KINDS",
    "SeparationKind",
    "LoadCurve",
    "NeuralCollapse",
    "Scatter",
    "Simplex",
    "TargetMoments",
    "concavity",
    "equal_class_scatter",
    "loads",
    "log_separation",
    "nc1",
    "nc2",
    "nc3",
    "nc4",
    "neural_collapse",
    "target_probe",
    "target_separation",
]
