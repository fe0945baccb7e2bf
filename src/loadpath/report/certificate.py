"""The certificate of a solved geodesic: its sentences, its numbers and its figures."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from loadpath import plots
from loadpath.leaky_resnet.geodesic import STABLE
from loadpath.report.figures import Figure, draw_figure

FIGURES = (
    Figure(
        "Balance, layer by layer",
        plots.residuals,
        "How far every layer's weights are from balance. Activations may sit on a kink, where the "
        "pull jumps: there the plain gradient does not vanish even at an exact minimum, and the "
        "smallest subgradient, which is free to choose between the two sides, is the one to judge "
        "by. It should lie below the dashed line.",
    ),
    Figure(
        "Hamiltonian, layer by layer",
        plots.hamiltonians,
        "The Hamiltonian, the same all along an exact path, and how far layers of this length must "
        "make it drift. What is left between the two curves is of second order in that length, "
        "and of first order where activations cross a kink.",
    ),
)


def content(profile: xr.Dataset) -> dict[str, Any]:
    """Return what the template shows of a certificate."""
    return {
        "sentences": profile["least_norm_residual"].attrs["words"].splitlines(),
        "rows": list(_rows(profile)),
        "figures": [draw_figure(figure, profile) for figure in FIGURES],
    }


def _rows(ds: xr.Dataset) -> Iterator[tuple[str, str]]:
    """Yield the lines of the certificate's table."""
    least, plain = ds["least_norm_residual"], ds["gradient_residual"].values
    tolerance, worst = least.attrs["tolerance"], int(np.argmax(least.values))
    yield "verdict", f"{least.attrs['verdict']} (tolerance {_percent(tolerance)})"
    yield "worst layer", f"{worst + 1} of {len(plain)}, from p = {ds['p_step'].values[worst]:.2g}"
    yield "residual of the plain gradient", _percent(plain.max())
    for width, residual in zip(
        ds["kink_width"].values, ds["worst_by_kink_width"].values, strict=True
    ):
        yield f"smallest subgradient, kinks up to {width:g}", _percent(residual)
    yield "spread of the Hamiltonian", _percent(_spread(ds["least_norm_hamiltonian"]))
    yield "spread that the mesh predicts", _percent(_spread(ds["predicted_hamiltonian"]))
    yield "Hamiltonian left unexplained", _percent(ds["unexplained_hamiltonian"].item())
    if "balancedness" in ds:
        yield "largest error of balancedness", _percent(np.abs(ds["balancedness"]).max().item())
    fixed = ds.attrs.get("endpoint") == "fixed"
    if fixed:
        yield "distance of the end from y", _percent(ds.attrs["end_error"])
    goal = "action" if fixed else "objective"
    yield goal, f"{ds[goal].item():.6g}"
    if "refined_objective" in ds:
        for depth, value in list(ds["refined_objective"].to_series().items())[1:]:
            yield f"{goal} with {depth} layers", f"{value:.6g}"
    if "continuum_objective" in ds:
        yield f"{goal} with infinitely many", f"{ds['continuum_objective'].item():.6g}"
    yield "stable (non-negative bottleneck)", _stable(ds)


def _stable(ds: xr.Dataset) -> str:
    """Say whether the geodesic is stable, or why nobody can tell."""
    waist = ds["waist"].values.astype(bool)
    if ds.attrs.get("activation") != "relu" or not waist.any():
        return "not told: no relu or no bottleneck"
    return "yes" if ds["negative_share"].values[waist].max() <= STABLE else "no"


def _spread(H: xr.DataArray) -> float:
    """Return the range of H as a share of its largest size."""
    largest = float(np.abs(H).max())
    return float(H.max() - H.min()) / largest if largest else 0.0


def _percent(value: float) -> str:
    """Return a share in per cent, in two digits."""
    digits = f"{100 * value:.2g}" if abs(value) < 0.995 else f"{100 * value:.0f}"
    return f"{digits} %"
