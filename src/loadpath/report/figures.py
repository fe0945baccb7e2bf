"""The figures of a section, each with a way to read it."""

import base64
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from loadpath import plots
from loadpath.report.pictures import alt_text, for_both_grounds
from loadpath.report.values import tables_of


class Figure(NamedTuple):
    """A heading, what draws it from a Dataset or several, and how to read it."""

    heading: str
    draw: Callable[[Any], Any]
    reading: str


_OF_PROFILE = (
    Figure(
        "Energies along the path",
        plots.energies,
        "All curves are dimensions. The cost of identity counts the directions that a layer uses: "
        "where it comes down to the dashed line, the net is in its bottleneck. Less the kinetic "
        "energy, what moving costs, it is the stable Hamiltonian. On a geodesic the Hamiltonian "
        "is flat and lies below the dashed line.",
    ),
    Figure(
        "Spectrum of the representations",
        plots.representation_spectrum,
        "Each line is one singular value of the representation, less its mean. In a bottleneck the "
        "thick lines, as many as the bottleneck rank, stand far above the rest. Ticks on the axis "
        "are the layers.",
    ),
    Figure(
        "Spectrum of the weights",
        plots.weight_spectrum,
        "The same for the weights. In the bottleneck as many are large as the bottleneck rank, "
        "and one more where the biases carry a mean.",
    ),
    Figure(
        "Paths of single samples",
        plots.path_2d,
        "Each line follows one sample from its input (dark, open circle) to its output (light, "
        "red dot), seen in the plane in which paths vary most. Lines that draw together and part "
        "again are the bottleneck seen from above.",
    ),
    Figure(
        "Speed along the path",
        plots.speed,
        "How fast the representation changes. A bottleneck is a slow stretch (shaded) between two "
        "fast ends; an adaptive mesh puts more layers where the path is fast.",
    ),
    Figure(
        "Mesh of layers",
        plots.mesh,
        "The length of each layer's step along the path. Small steps are where the mesh is fine; "
        "the dashed line is a mesh of equal steps.",
    ),
    Figure(
        "Stable ranks",
        plots.ranks,
        "Two smooth counts of the directions in use. Both should come down near the dashed "
        "line in the bottleneck.",
    ),
    Figure(
        "Momenta",
        plots.momenta,
        "The momenta B say how much the loss depends on a layer. The theory's bounds want these "
        "norms to stay moderate along the whole path.",
    ),
    Figure(
        "Stationarity, step by step",
        plots.stationarity,
        "How far the weights of a step are from those of a stationary point. Trust the energies "
        "where the curve is below the dashed line. The first steps are often the last to settle.",
    ),
)

_OF_HISTORY = (
    Figure(
        "Learning curves",
        plots.learning_curves,
        "The objective is the sum of the data term and the weighted regularizer. It may "
        "rise while the weight decay is being raised. Dashed: errors on training and test data.",
    ),
    Figure(
        "Convergence",
        plots.convergence,
        "The residual of stationarity should fall. If it still does at the end, longer training "
        "would change the energies. The Hamiltonian's spread over layers falls with it only as far "
        "as the mesh allows: where the path is fast it wants shorter steps, not more training.",
    ),
    Figure(
        "How the mesh moved",
        plots.mesh_history,
        "Each line is the position of one layer. They crowd where the path is fast, and flat "
        "lines at the end mean that the mesh has settled.",
    ),
)


_OF_SOLVING = (
    Figure(
        "How it was solved",
        plots.descent,
        "Kinks are rounded off while descending, less and less. At each rounding the residual "
        "should fall below a tenth or so, and at the narrowest below the tolerance.",
    ),
)


def draw_figures(
    profile: xr.Dataset | None, history: xr.Dataset | None
) -> Iterator[dict[str, Any]]:
    """Yield headings, images and readings of the figures that have something to show."""
    of_history = _OF_HISTORY if history is None or "record" in history.dims else _OF_SOLVING
    for figures, ds in ((_OF_PROFILE, profile), (of_history, history)):
        for figure in figures if ds is not None else ():
            if ds is not None and _worth_drawing(figure, ds):
                yield draw_figure(figure, ds)


def draw_figure(figure: Figure, ds: xr.Dataset | Sequence[xr.Dataset]) -> dict[str, Any]:
    """Return a figure as the template takes it.

    That is its heading, its SVG in base64, what it shows in words, how to read it, and its numbers.
    """
    drawing = figure.draw(ds)
    panels = plots.panels_of(drawing)
    picture = for_both_grounds(plots.svg(drawing))
    return {
        "heading": figure.heading,
        "image": base64.b64encode(picture.encode()).decode(),
        "alt": alt_text(panels),
        "reading": figure.reading,
        "tables": tables_of(panels),
    }


def _worth_drawing(figure: Figure, ds: xr.Dataset) -> bool:
    """Tell whether a figure would show anything: a curve measured twice, a mesh that moved."""
    if figure.draw is plots.stationarity:
        return "least_norm_residual" not in ds  # the certificate's own figures show it
    if figure.draw is plots.mesh_history:
        return "layer_steps" in ds and bool((ds["layer_steps"].diff("record") != 0).any())
    if figure.draw is plots.convergence:
        return int(np.isfinite(ds["stationarity"]).sum()) > 1
    return all(ds.sizes.get(name, 2) > 1 for name in ("record", "look"))
