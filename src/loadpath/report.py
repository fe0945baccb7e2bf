"""One self-contained HTML page about one net or several: what was run, and how to read it."""

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
import xarray as xr

from loadpath import plots, results

SMALL_RESIDUAL = 0.1
"""Stationarity residual in the middle of the path up to which the energies are a geodesic's."""


@dataclass(frozen=True)
class Section:
    """One net on the page; at least one of `profile` and `history` is given."""

    title: str
    """Heading, such as the name of the data."""
    profile: xr.Dataset | None = None
    """Dataset over layers, from `loadpath.mechanics.profile`."""
    history: xr.Dataset | None = None
    """Dataset over records of the training."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for, nested or not; becomes a table."""
    notes: Sequence[str] = ()
    """Remarks, a paragraph each, under the summary."""


def write(
    path: str | os.PathLike[str],
    sections: Sequence[Section],
    *,
    title: str,
    overwrite: bool = False,
) -> Path:
    """Write the page to `path`, whole or not at all, and return the path.

    The page holds its figures and style itself and asks nothing of the network. Figures are SVG
    images, about 0.7 MB a section. Titles, notes and values of `config` are shown as they are,
    never run.

    Raises: ValueError if there is no section, or one without profile and history;
    FileExistsError if `path` exists and `overwrite` is not set.
    """
    if not sections:
        raise ValueError("sections must hold at least one section, got 0.")
    for section in sections:
        if section.profile is None and section.history is None:
            raise ValueError(f"Section {section.title!r} has neither profile nor history.")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("loadpath"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    with results.atomic_path(path, overwrite=overwrite) as temporary:
        page = template.render(title=title, sections=[_content(section) for section in sections])
        temporary.write_text(page, encoding="utf-8")
    return Path(path)


class _Fact(NamedTuple):
    name: str
    text: str
    doubtful: bool = False


def _content(section: Section) -> dict[str, Any]:
    """What the template shows of a section."""
    provenance = {
        f"{source}: {name}": value
        for source in ("profile", "history")
        for name, value in getattr(getattr(section, source), "attrs", {}).items()
    }
    return {
        "title": section.title,
        "facts": [*_training_facts(section.history), *_path_facts(section.profile)],
        "notes": section.notes,
        "figures": list(_drawn(section)),
        "config": list(_rows(section.config)),
        "provenance": list(_rows(provenance)),
    }


def _rows(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names, dotted where nested, and values as text."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _rows(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else _text(value)


def _text(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


# --- the summary, in words ---


def _short(value: float) -> str:
    """Three digits, or all those before the point."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _training_facts(history: xr.Dataset | None) -> Iterator[_Fact]:
    if history is None:
        return
    status = str(history.attrs.get("status", "not recorded"))
    if status == "trivial minimum":
        meaning = "the net has collapsed to zero, and the rest of this section describes nothing"
        yield _Fact("Training", f"Ended with status “{status}”: {meaning}.", doubtful=True)
    else:
        last = int(history["iteration"].max())
        yield _Fact("Training", f"Ended with status “{status}” after {last} iterations.")
    if "test_error" in history:
        errors = history["test_error"].values
        errors = errors[np.isfinite(errors)]
        if len(errors):
            text = f"{_short(errors[-1])} at the end, {_short(errors.min())} at the lowest."
            yield _Fact("Test error", text)


def _path_facts(profile: xr.Dataset | None) -> Iterator[_Fact]:
    if profile is None:
        return
    yield _bottleneck_fact(profile)
    if "dimension" in profile:
        low, middle, high = np.quantile(profile["dimension"].values, [0.25, 0.5, 0.75])
        text = (
            f"{_short(middle)} in the median layer, {_short(low)} to {_short(high)} in the middle "
            "half of the layers. On a geodesic with infinitely many layers it is the same in every "
            "layer, and approaches the bottleneck rank from below as the effective depth grows."
        )
        yield _Fact("Dimension from the Hamiltonian", text)
    coi = profile["cost_of_identity"].values
    at = profile["p"].values[coi.argmin()]
    text = (
        f"{_short(coi.min())}, at p = {at:.2f}. At small gamma it approaches the bottleneck rank "
        "from above; a larger gamma fades small directions out, and lowers it."
    )
    yield _Fact("Least cost of identity", text)
    yield _stationarity_fact(profile)


def _bottleneck_fact(profile: xr.Dataset) -> _Fact:
    rank = profile["bottleneck_rank"]
    k, clear = int(rank), bool(rank.attrs.get("clear", True))
    text = f"{k}: so many directions pass the narrowest part of the path"
    if "layer" in rank.attrs:
        text += f", as layer {rank.attrs['layer']} shows most clearly"
    rule = (
        "Rule: where the path is narrowest, k is placed at the largest drop from one singular "
        "value of the centred representation, at least a tenth of the first, to the next"
    )
    if clear and np.isfinite(rank.attrs.get("gap", np.inf)):
        rule += f" (here a factor {_short(rank.attrs['gap'])})"
    if not clear:
        rule = (
            "No layer has a clear drop between its singular values, so this is the least effective "
            "dimension along the path, rounded: read it as a guess"
        )
    return _Fact("Bottleneck rank", f"{text}. {rule}.", doubtful=not clear)


def _stationarity_fact(profile: xr.Dataset) -> _Fact:
    p, residuals = profile["p_step"].values, profile["stationarity"].values
    middle = residuals[(p >= 0.25) & (p <= 0.75)]
    residual = float(np.median(middle if len(middle) else residuals))
    text = f"{residual:.2g} in the middle of the path (the median for p from 0.25 to 0.75). "
    if residual <= SMALL_RESIDUAL:
        text += (
            "That is small: there the net is close to a stationary point of its objective, so its "
            "energies are close to those of a geodesic."
        )
        return _Fact("Is it a stationary point?", f"Yes, nearly. The residual is {text}")
    text += (
        f"That is more than {SMALL_RESIDUAL}: training has not reached a stationary point, so the "
        "energies are only indicative."
    )
    return _Fact("Is it a stationary point?", f"No. The residual is {text}", doubtful=True)


# --- the figures ---


class _Figure(NamedTuple):
    heading: str
    draw: Callable[[xr.Dataset], Any]
    reading: str


_OF_PROFILE = (
    _Figure(
        "Energies along the path",
        plots.energies,
        "All curves are dimensions. The cost of identity counts the directions that a layer uses: "
        "where it comes down to the dashed line, the net is in its bottleneck. Less the kinetic "
        "energy, what moving costs, it is the stable Hamiltonian. On a geodesic the Hamiltonian "
        "is flat and lies below the dashed line.",
    ),
    _Figure(
        "Spectrum of the representations",
        plots.representation_spectrum,
        "Each line is one singular value of the representation, less its mean. In a bottleneck the "
        "thick lines, as many as the bottleneck rank, stand far above the rest. Ticks on the axis "
        "are the layers.",
    ),
    _Figure(
        "Spectrum of the weights",
        plots.weight_spectrum,
        "The same for the weights. In the bottleneck as many are large as the bottleneck rank, "
        "and one more where the biases carry a mean.",
    ),
    _Figure(
        "Paths of single samples",
        plots.path_2d,
        "Each line follows one sample from its input (dark, open circle) to its output (light, "
        "red dot), seen in the plane in which paths vary most. Lines that draw together and part "
        "again are the bottleneck seen from above.",
    ),
    _Figure(
        "Speed along the path",
        plots.speed,
        "How fast the representation changes. A bottleneck is a slow stretch (shaded) between two "
        "fast ends; an adaptive mesh puts more layers where the path is fast.",
    ),
    _Figure(
        "Mesh of layers",
        plots.mesh,
        "The length of each layer's step along the path. Small steps are where the mesh is fine; "
        "the dashed line is a mesh of equal steps.",
    ),
    _Figure(
        "Stable ranks",
        plots.ranks,
        "Two smooth counts of the directions in use. Both should come down near the dashed "
        "line in the bottleneck.",
    ),
    _Figure(
        "Momenta",
        plots.momenta,
        "The momenta B say how much the loss depends on a layer. The theory's bounds want these "
        "norms to stay moderate along the whole path.",
    ),
    _Figure(
        "Stationarity, step by step",
        plots.stationarity,
        "How far the weights of a step are from those of a stationary point. Trust the energies "
        "where the curve is below the dashed line. The first steps are often the last to settle.",
    ),
)

_OF_HISTORY = (
    _Figure(
        "Learning curves",
        plots.learning_curves,
        "The objective is the sum of the data term and the weighted regularizer. It may "
        "rise while the weight decay is being raised. Dashed: errors on training and test data.",
    ),
    _Figure(
        "Convergence",
        plots.convergence,
        "The residual of stationarity should fall. If it still does at the end, longer training "
        "would change the energies. The Hamiltonian's spread over layers falls with it only as far "
        "as the mesh allows: where the path is fast it wants shorter steps, not more training.",
    ),
    _Figure(
        "How the mesh moved",
        plots.mesh_history,
        "Each line is the position of one layer. They crowd where the path is fast, and flat "
        "lines at the end mean that the mesh has settled.",
    ),
)


def _drawn(section: Section) -> Iterator[dict[str, str]]:
    profile, history = section.profile, section.history
    for figures, ds in ((_OF_PROFILE, profile), (_OF_HISTORY, history)):
        for figure in figures if ds is not None else ():
            if ds is not None and _worth_drawing(figure, ds):
                image = base64.b64encode(plots.svg(figure.draw(ds)).encode()).decode()
                yield {"heading": figure.heading, "image": image, "reading": figure.reading}


def _worth_drawing(figure: _Figure, ds: xr.Dataset) -> bool:
    """Whether the figure would show anything: a curve measured twice, a mesh that moved."""
    if figure.draw is plots.mesh_history:
        return "layer_steps" in ds and bool((ds["layer_steps"].diff("record") != 0).any())
    if figure.draw is plots.convergence:
        return int(np.isfinite(ds["stationarity"]).sum()) > 1
    return "record" not in ds.dims or ds.sizes["record"] > 1
