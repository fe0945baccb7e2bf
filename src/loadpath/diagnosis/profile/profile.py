"""`diagnose`: one pass over a loader, and every measure of every layer in one Dataset."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from loadpath import results
from loadpath.checks import check_above_zero, check_count, check_level
from loadpath.diagnosis.profile import classes, estimates
from loadpath.diagnosis.profile.estimates import Columns, Options
from loadpath.diagnosis.profile.labels import LabelKind, as_kind, kind_of
from loadpath.diagnosis.profile.layer_sums import Plan, Sums
from loadpath.diagnosis.profile.mesh import mesh_of
from loadpath.diagnosis.profile.schema import dataset
from loadpath.record import (
    ACTIVATIONS,
    Layers,
    Recorded,
    Reduction,
    Split,
    stream,
    tensor_of,
    unwrapped,
)

Measure = Literal[
    "separation", "collapse", "energies", "steps", "ranks", "alignment", "dimension", "probes"
]
MEASURES: tuple[Measure, ...] = get_args(Measure)
OF_CLASSES: tuple[Measure, ...] = ("collapse", "probes")
"""Measures that need one class a sample; separation takes real targets too."""


def diagnose(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    layers: Layers = None,
    measures: Sequence[Measure] | None = None,
    reduction: Reduction | None = None,
    activation: str = "relu",
    gamma0: float = 1e-2,
    kept: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    device: torch.device | str | None = None,
    max_batches: int | None = None,
    split: Split | None = None,
    pass_labels: bool = False,
) -> xr.Dataset:
    r"""Mechanics, separation and geometry of every layer of a model, in one pass over a loader.

    >>> ds = lp.diagnose(model, loader)
    >>> ds["relative_step"].to_series()           # which layers move the representation
    >>> ds["load"].sel(kind="fuzziness")          # which do the work of separating the classes
    >>> ds["effective_rank_status"]               # "estimated", or why there is no number

    The model runs in evaluation mode and without gradients and is left as it was (see
    `loadpath.record.stream`, which `layers`, `reduction`, `device`, `max_batches`, `split` and
    `pass_labels` go to). Memory does not depend on the number of samples.

    Parameters
    ----------
    measures: which, of "separation" (log separation, load curve; for real targets too), "collapse"
        (neural collapse 1 to 4), "energies" (cost of identity, stable ranks, kinetic energy),
        "steps" (relative step, turn, effective depth), "ranks" (participation ratio, effective
        rank), "alignment" (CKA with the next layer and with the first), "dimension" (TwoNN) and
        "probes" (ridge and logistic). None: all that the labels allow.
    activation: the phi of S = [phi(A), 1] in the energies; a LeakyResNet's own where it is one.
    gamma0: gamma = gamma0 ||S||_op^2, layer by layer.
    kept: samples kept of every layer (fewer where it is wide), for what sums cannot give, and for
        intervals.
    level: confidence of the intervals.
    seed: which samples are kept, how they are dealt into groups, and held out from probes.

    Returns a Dataset over `layer` (and `kind`, the convention of separation). Each measure has its
    `_low` and `_high`, NaN where there is no interval, and its `_status`: "estimated", "no
    interval", or why there is no number ("not enough samples", "constant features", ...), which is
    then NaN. `width`, `rows` and `meaning` say what the layer is. What belongs to a step (load,
    kinetic energy, relative step, turn, effective depth) stands at the layer which it leads to.

    From sums over all samples: energies, separation, collapse, steps. From the samples kept: ranks,
    alignment, dimension, probes, NC4. Intervals are grouped jackknives over samples, that of the
    kept ones narrowed to all for energies, separation and collapse; Wilson's for shares; see
    `docs/diagnose.md` for each measure's rules and when it misleads. Layers wider than 2048 are
    sketched (`loadpath.record.Sketch`) in energies and separation.

    Raises: ValueError as `loadpath.record.stream`; for another measure, activation or level; if a
    measure that is asked for needs labels that the loader does not have; if labels change their
    kind from one batch to another.
    """
    check_options(measures, activation=activation, gamma0=gamma0, kept=kept, level=level, seed=seed)
    options = Options(gamma0, level, seed)
    inner = unwrapped(model)
    began = time.monotonic()
    sums: Sums | None = None
    recorded: Recorded | None = None
    for recorded in stream(
        model,
        loader,
        layers=layers,
        reduction=reduction,
        device=device,
        max_batches=max_batches,
        split=split,
        pass_labels=pass_labels,
    ):
        if sums is None:
            kind, words = kind_of(recorded.labels)
            chosen = _allowed(measures, kind, words)
            plan = Plan(
                kept=kept,
                seed=seed,
                energies="energies" in chosen,
                separation=bool({"separation", "collapse"} & set(chosen)),
            )
            mesh = mesh_of(inner, list(recorded.features), activation=activation)
            sums = Sums(plan, kind, mesh)
        labels = as_kind(recorded.labels, sums.labels, recorded.number)
        sums.update(recorded, labels, outputs_of(recorded.output))
    assert sums is not None and recorded is not None  # a loader that yields nothing has raised
    passed = time.monotonic() - began
    ds = dataset(_columns(sums, options, inner, chosen), list(sums.layers))
    ds = ds.assign(_about(sums, recorded, level))
    ds.attrs |= {
        **recorded.description.attrs(),
        "labels": words,
        "mesh": sums.mesh.words,
        "seconds_of_pass": passed,
        "seconds_in_all": time.monotonic() - began,
    }
    return results.stamp(
        ds,
        model=type(inner).__name__,
        measures=list(chosen),
        n_samples=sums.count,
        n_batches=recorded.number + 1,
        reduction=reduction or Reduction(),
        activation=activation,
        gamma0=gamma0,
        kept=kept,
        level=level,
        seed=seed,
    )


def outputs_of(output: Any) -> Tensor | None:
    """The tensor of a model's output that a loss would read: logits, where something is called so.

    On the CPU; None if there is none of real numbers.
    """
    named = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    found = named if isinstance(named, Tensor) else tensor_of(output)
    return found.detach().cpu() if found is not None and found.is_floating_point() else None


def check_options(
    measures: Sequence[str] | None,
    *,
    activation: str,
    gamma0: float,
    kept: int,
    level: float,
    seed: int,
) -> None:
    """Refuse options that `diagnose` cannot take, before anything runs."""
    if isinstance(measures, str):
        raise ValueError(f"measures must be a sequence of names, got the string {measures!r}.")
    for name in measures or ():
        if name not in MEASURES:
            raise ValueError(f"measures must be of {', '.join(MEASURES)}, got {name!r}.")
    if measures is not None and not measures:
        raise ValueError("measures must name at least one measure, got none.")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}.")
    check_above_zero("gamma0", gamma0)
    check_count("kept", kept, 1)
    check_count("seed", seed, 0)
    check_level(level)


def _allowed(
    measures: Sequence[Measure] | None, labels: LabelKind, words: str
) -> tuple[Measure, ...]:
    """The measures to take: all that the labels allow, or those asked for."""
    without: set[Measure] = set()
    if labels != "classes":
        without |= set(OF_CLASSES)
    if labels == "none":
        without.add("separation")
    if measures is None:
        return tuple(name for name in MEASURES if name not in without)
    for name in measures:
        if name in without:
            need = "labels" if name == "separation" else "class labels"
            raise ValueError(f"measures has {name!r}, which needs {need}, and the loader: {words}.")
    return tuple(dict.fromkeys(measures))


def _columns(sums: Sums, options: Options, model: nn.Module, chosen: Sequence[Measure]) -> Columns:
    of: dict[Measure, Callable[[Sums, Options], Columns]] = {
        "energies": estimates.energies,
        "steps": estimates.steps,
        "ranks": estimates.ranks,
        "alignment": estimates.alignment,
        "dimension": estimates.dimension,
        "probes": estimates.probes,
    }
    columns: Columns = {}
    if sums.plan.separation:
        found = classes.separation(sums, options)
        collapsed = {name: cells for name, cells in found.items() if name.startswith("nc")}
        if "separation" in chosen:
            columns |= {name: found[name] for name in found.keys() - collapsed.keys()}
        if "collapse" in chosen:
            columns |= {**collapsed, **classes.classifier(sums, options, model)}
    for name in chosen:
        if name in of:
            columns |= of[name](sums, options)
    return columns


def _about(sums: Sums, recorded: Recorded, level: float) -> dict[str, xr.DataArray]:
    """What the layers are, and how the model itself does."""
    layers = sums.layers
    about = {
        "width": xr.DataArray(
            [layer.width for layer in layers.values()],
            dims="layer",
            attrs={"long_name": "width of the rows", "units": "1"},
        ),
        "rows": xr.DataArray(
            [layer.rows for layer in layers.values()],
            dims="layer",
            attrs={"long_name": "rows seen, of all samples", "units": "1"},
        ),
        "kept": xr.DataArray(
            [layer.kept.count for layer in layers.values()],
            dims="layer",
            attrs={"long_name": "samples kept", "units": "1"},
        ),
        "meaning": xr.DataArray(
            np.array([recorded.description.layers[name] for name in layers], dtype=object),
            dims="layer",
            attrs={"long_name": "what the rows of the layer are"},
        ),
    }
    if sums.right is not None:
        about["accuracy"] = xr.DataArray(
            sums.right / sums.count,
            attrs={
                "long_name": "share of samples of the class that has the largest output",
                "units": "1",
            },
        )
    return about
