"""`loadpath phase-diagram --beside-chain`: fit the chain to diagrams of networks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from loadpath import plots, results
from loadpath.cli.folders import save_picture
from loadpath.measures.separation import SeparationKind
from loadpath.spring_block import phase_diagram
from loadpath.spring_block.phase_diagram import draw_from_chain

COLUMNS = {
    "parameters": "parameters",
    "misfit": "misfit",
    "chi_square_per_dof": "chi2/dof",
    "concavity_misfit": "bend",
    "held_out_error": "held out",
    "held_out_concavity_error": "its bend",
    "nearer": "chain nearer",
}
"""Scores of the models, and how the table is headed."""
EVERYTHING = 1e6
"""Share of backward loads at which all curves count: those drawn have been chosen already."""


def fit_chains(panels: Mapping[str, xr.Dataset], out: Path, *, kind: SeparationKind) -> None:
    """Fit the chain to diagrams and say what came out; one that cannot be fitted stops no other.

    Raises
    ------
    ValueError
        If the chain fits none of them.
    """
    unfit = {}
    for name, ds in panels.items():
        try:
            fit_chain(ds, out, name, kind=kind)
        except ValueError as error:
            unfit[name] = error
            print(f"{ds.attrs['panel']} beside the chain, {kind}: not fitted, since {error}")
    if len(unfit) == len(panels):
        raise next(iter(unfit.values()))


def fit_chain(ds: xr.Dataset, out: Path, name: str, *, kind: SeparationKind) -> None:
    """Fit the chain to a diagram, write the numbers and the picture, and print what they say."""
    beside = phase_diagram.beside_chain(ds, kind=kind)
    results.save(beside, out / f"{name}-beside-chain.nc", overwrite=True)
    print(f"{ds.attrs['panel']} beside the chain, {kind}\n{summary(beside)}")
    right = phase_diagram.beside_chain(draw_from_chain(beside), backward=EVERYTHING)
    print(f"the same of curves drawn from the fitted chain\n{table(right)}")
    picture = plots.png(plots.figure_beside_chain(beside))
    print(f"picture: {save_picture(picture, out / f'{name}-beside-chain.png')}")


def summary(beside: xr.Dataset) -> str:
    """Say the scores, the parameters and a verdict, in plain lines."""
    counted = beside["counted"]
    lines = [
        f"- {int(counted.sum())} of {counted.size} cells count; seeds leave "
        f"{beside['seed_error'].item():.4f} of a load and "
        f"{beside['concavity_seed_error'].item():.4f} of a concavity to chance",
        table(beside),
    ]
    for slope in beside["slope"].values:
        one = beside.sel(slope=slope)
        sides = (f"{side} {_estimate(one, f'friction_{side}')}" for side in ("right", "left"))
        lines.append(f"- slope {slope:g}: friction " + ", ".join(sides))
    lines += [
        f"- level {level:g}: noise {_estimate(beside.sel(noise=level), 'chain_noise')}"
        for level in beside["noise"].values
    ]
    return "\n".join([*lines, *verdict(beside)])


def table(beside: xr.Dataset) -> str:
    """Return the scores of the models as text, a line each."""
    lines = [f"{'':<20}" + "".join(f"{head:>14}" for head in COLUMNS.values())]
    for model in beside["model"].values:
        row = [beside[name].sel(model=model).item() for name in COLUMNS]
        numbers = ("-" if math.isnan(v) else f"{v:.4g}" for v in row)
        lines.append(f"{model:<20}" + "".join(f"{number:>14}" for number in numbers))
    return "\n".join(lines)


def verdict(beside: xr.Dataset) -> list[str]:
    """Say whether one noise per level is enough, and what predicts cells that were left out."""
    misfit = beside["misfit"]
    own, shared = (misfit.sel(model=name).item() for name in ("chain for each slope", "chain"))
    lines = [
        f"- one noise for all slopes misses loads by {shared:.4f}, noises for each slope by "
        f"{own:.4f}"
    ]
    for name, what, chance in (
        ("held_out_error", "loads", "seed_error"),
        ("held_out_concavity_error", "concavity", "concavity_seed_error"),
    ):
        errors = beside[name]
        chain = errors.sel(model="chain").item()
        if math.isnan(chain):
            lines.append(f"- no cell can be left out to predict its {what}")
            continue
        than = ", ".join(
            f"{'better' if chain < other else 'worse'} than {model} ({other:.4f})"
            for model in ("additive", "one bend", "mean curve")
            for other in [errors.sel(model=model).item()]
        )
        lines.append(
            f"- left out, the chain misses {what} by {chain:.4f}, "
            f"{chain / beside[chance].item():.1f} times what is chance: {than}"
        )
    return lines


def _estimate(one: xr.Dataset, name: str) -> str:
    """Return a value with its interval, or the only bound there is, as text."""
    value, low, high = (one[name + end].item() for end in ("", "_low", "_high"))
    if math.isnan(value):
        return "unknown"
    if low > 0 and math.isfinite(high):
        return f"{value:.3g} [{low:.3g}, {high:.3g}]"
    if math.isfinite(high):
        return f"at most {high:.3g}"
    return f"at least {low:.3g}" if low > 0 else "anything"
