"""Any model: what its layers do, and what it loses without them."""

from loadpath.plots.diagnosis.axis import Names as Names
from loadpath.plots.diagnosis.axis import layer_axis as layer_axis
from loadpath.plots.diagnosis.axis import short_names
from loadpath.plots.diagnosis.cuts import check_cuts as check_cuts
from loadpath.plots.diagnosis.cuts import figure_cuts
from loadpath.plots.diagnosis.layers import (
    layer_alignment,
    layer_collapse,
    layer_dimensions,
    layer_energies,
    layer_load_curve,
    layer_next_token,
    layer_probes,
    layer_steps_taken,
)
from loadpath.plots.diagnosis.monitored import (
    monitor,
)
from loadpath.plots.diagnosis.overview import figure_diagnosis
from loadpath.plots.diagnosis.skipping import (
    layers_skipped,
    movement_and_harm,
)

__all__ = [
    "figure_cuts",
    "figure_diagnosis",
    "layer_alignment",
    "layer_collapse",
    "layer_dimensions",
    "layer_energies",
    "layer_load_curve",
    "layer_next_token",
    "layer_probes",
    "layer_steps_taken",
    "layers_skipped",
    "monitor",
    "movement_and_harm",
    "short_names",
]
