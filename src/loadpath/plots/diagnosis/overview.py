"""All figures of a diagnosis at once, and each by its name."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadpath.checks import HoldsDataset, as_dataset, check_columns
from loadpath.measures.separation import SeparationKind, check_kind
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
from loadpath.plots.style import figure_size, styled

LAYER_FIGURES: dict[str, tuple[Callable[..., Axes], tuple[str, ...]]] = {
    "load_curve": (layer_load_curve, ("log_separation",)),
    "steps_taken": (layer_steps_taken, ("relative_step", "turn")),
    "next_token": (layer_next_token, ("next_token_gain",)),
    "dimensions": (layer_dimensions, ("participation_ratio", "effective_rank")),
    "energies": (layer_energies, ("cost_of_identity",)),
    "alignment": (layer_alignment, ("cka_next",)),
    "probes": (layer_probes, ("probe_ridge",)),
    "collapse": (layer_collapse, ("nc1",)),
}
"""What draws each figure, and the variables of which one must have a number."""


@styled
def figure_diagnosis(
    ds: xr.Dataset | HoldsDataset, *, kind: SeparationKind = "fuzziness"
) -> Figure:
    """Draw all that was measured of the layers of a model, two figures in a row.

    Parameters
    ----------
    ds : xr.Dataset or Diagnosis
        What `loadpath.diagnose` returns, or its `dataset`.
    kind : {"fuzziness", "trace_ratio", "inverse"}, optional
        The convention of the separation.

    Returns
    -------
    Figure
        The figure.

    Raises
    ------
    ValueError
        If `ds` has no number of any layer, or if `kind` is not a convention.
    """
    ds = as_dataset("ds", ds)
    check_columns("ds", ds)
    check_kind(kind)
    known = [name for name, (_, variables) in LAYER_FIGURES.items() if _known(ds, variables)]
    if not known:
        raise ValueError("ds must have a number of some layer to be drawn, and has none.")
    rows = -(-len(known) // 2)
    figure = Figure(figsize=figure_size(5.6 * min(2, len(known)), 3.8 * rows))
    places = figure.subplots(rows, min(2, len(known)), squeeze=False).ravel()
    for name, ax in zip(known, places, strict=False):
        if name == "load_curve":
            layer_load_curve(ds, ax, kind=kind)
        else:
            LAYER_FIGURES[name][0](ds, ax)
    for ax in places[len(known) :]:
        ax.set_axis_off()
    return figure


def _known(ds: xr.Dataset, variables: tuple[str, ...]) -> bool:
    """Tell whether one of the variables is there and has a number for some layer."""
    there = [ds[name].values for name in variables if name in ds]
    return any(each.dtype.kind == "f" and bool(np.isfinite(each).any()) for each in there)
