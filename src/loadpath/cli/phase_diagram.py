"""`loadpath phase-diagram`: which layers do the work, nonlinearity against noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadpath import plots, results, spring_block
from loadpath.cli.chain import build_chain
from loadpath.cli.diagrams import diagram_summary, draw_diagrams
from loadpath.cli.folders import check_free, earlier_results, place_for, save_config, save_picture
from loadpath.cli.options import PhaseDiagramOptions


def run(options: PhaseDiagramOptions) -> None:
    """Compute the diagrams, and write them with their pictures into the folder.

    Raises
    ------
    FileExistsError
        If earlier results are in the folder, and nothing says what to do with them.
    ValueError
        If an option is out of range, or if cells failed.
    """
    if options.chain:
        draw_chain(options)
        return
    noise = options.noise
    noises = None if noise is None else grid("noise", noise, options.spacing).tolist()
    draw_diagrams(options, noises)


def draw_chain(options: PhaseDiagramOptions) -> None:
    """Compute the diagram of the chain, and write it with its picture into the folder."""
    noise = options.noise
    if noise is None:
        noise = "0.001:0.1:24" if options.dynamics == "overdamped" else "0.004:0.4:24"
    frictions = grid("friction", options.friction, options.spacing)
    noises = grid("noise", noise, options.spacing)
    out = Path(options.out)
    present = earlier_results(out)
    check_free(options.out, present, options.overwrite)
    ds = spring_block.chain_phase_diagram(
        build_chain(options, 0.0, 0.0),
        friction=frictions,
        noise=noises,
        ratio=options.ratio,
        n_replicas=options.n_replicas,
        **options.motion(),
    )
    with place_for(out, present) as place:
        save_config(options.settings(), place)
        results.save(ds, place / "phase_diagram.nc", overwrite=True)
        save_picture(plots.png(plots.chain_phase_diagram(ds)), place / "phase_diagram.png")
        print(diagram_summary(ds))
    print(f"picture: {out / 'phase_diagram.png'}")


def grid(name: str, values: tuple[float, ...] | str, spacing: str) -> NDArray[np.float64]:
    """Return the numbers that an option names by a list, or by low:high:count."""
    if not isinstance(values, str):
        return np.array(values, dtype=float)
    try:
        low, high, count = (kind(part) for kind, part in zip(
            (float, float, int), values.split(":"), strict=True
        ))  # fmt: skip
    except ValueError:
        raise ValueError(
            f"{name} must be low:high:count or a list such as [0,0.1,0.2], got {values!r}."
        ) from None
    if count < 1 or not 0 <= low <= high < np.inf or (count > 1 and low == high):
        raise ValueError(
            f"{name} must have 0 <= low < high and a count of at least 1, got {values!r}."
        )
    if spacing == "log" and low == 0:
        raise ValueError(f"{name} must start above 0 where spacing is log, got {values!r}.")
    divide = np.geomspace if spacing == "log" else np.linspace
    return np.asarray(divide(low, high, int(count)))
