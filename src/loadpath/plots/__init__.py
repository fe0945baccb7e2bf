"""Figures: a Dataset in, matplotlib Axes or a Figure out; the only importer of matplotlib.

Functions named after what they show take `ax` and return it, or a new one of their own if it is
None; `figure_*` redraw the figures of [LR] (Jacot and Kaiser, arXiv:2405.17573) and return a
Figure, and so does `monitor`, which has many panels. Nothing here touches pyplot's global state:
figures need no display and are freed like any other object. `save` writes either as PDF, SVG or
PNG.
"""

from .along_training import curves_along_training, figure_along_training
from .animation import Film
from .animation import scene_data as scene_data
from .beside_chain import (
    curves_beside_chain,
    figure_beside_chain,
    frictions_of_slopes,
    noise_of_levels,
)
from .chain_diagram import chain_phase_diagram
from .chain_fit import figure_chain_fit
from .contents import ColourMap as ColourMap
from .contents import Panel as Panel
from .contents import Series as Series
from .contents import panels_of as panels_of
from .diagnosis import check_cuts as check_cuts
from .diagnosis import (
    figure_cuts,
    figure_diagnosis,
    layer_alignment,
    layer_collapse,
    layer_dimensions,
    layer_energies,
    layer_load_curve,
    layer_next_token,
    layer_probes,
    layer_steps_taken,
    layers_skipped,
    monitor,
    movement_and_harm,
)
from .laws import figure_laws, laws_against_nulls, laws_curves
from .leaky_resnet import (
    convergence,
    descent,
    energies,
    hamiltonians,
    learning_curves,
    mesh,
    mesh_history,
    momenta,
    path_2d,
    ranks,
    representation_spectrum,
    residuals,
    speed,
    stationarity,
    weight_spectrum,
)
from .papers import (
    figure_1a,
    figure_1a_certified,
    figure_1b,
    figure_1c,
    figure_2_learnable,
    figure_2a,
    figure_2b,
    figure_2c,
    figure_3,
    figure_audit,
    figure_digits,
    figure_growth,
    figure_scale,
    figure_surgery,
)
from .phase_diagram import (
    accuracy_against_concavity,
    figure_accuracy,
    figure_phase_diagrams,
    network_phase_diagram,
)
from .saving import pdf, png, save, svg
from .spring_block import chain_load_curves, chain_trajectories
from .straightening import steering, tuning
from .style import STYLE
from .style import finished as finished

__all__ = [
    "STYLE",
    "Film",
    "accuracy_against_concavity",
    "chain_load_curves",
    "chain_phase_diagram",
    "chain_trajectories",
    "convergence",
    "curves_along_training",
    "curves_beside_chain",
    "descent",
    "energies",
    "figure_1a",
    "figure_1a_certified",
    "figure_1b",
    "figure_1c",
    "figure_2_learnable",
    "figure_2a",
    "figure_2b",
    "figure_2c",
    "figure_3",
    "figure_accuracy",
    "figure_along_training",
    "figure_audit",
    "figure_beside_chain",
    "figure_chain_fit",
    "figure_cuts",
    "figure_diagnosis",
    "figure_digits",
    "figure_growth",
    "figure_laws",
    "figure_phase_diagrams",
    "figure_scale",
    "figure_surgery",
    "frictions_of_slopes",
    "hamiltonians",
    "laws_against_nulls",
    "laws_curves",
    "layer_alignment",
    "layer_collapse",
    "layer_dimensions",
    "layer_energies",
    "layer_load_curve",
    "layer_next_token",
    "layer_probes",
    "layer_steps_taken",
    "layers_skipped",
    "learning_curves",
    "mesh",
    "mesh_history",
    "momenta",
    "monitor",
    "movement_and_harm",
    "network_phase_diagram",
    "noise_of_levels",
    "path_2d",
    "pdf",
    "png",
    "ranks",
    "representation_spectrum",
    "residuals",
    "save",
    "speed",
    "stationarity",
    "steering",
    "svg",
    "tuning",
    "weight_spectrum",
]
