"""`loadpath chain`: pull a chain out, say which springs carry the load, and draw it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from loadpath import plots, results, spring_block
from loadpath import report as pages
from loadpath.cli.diagrams import concavity_with_error, name_shape, summary
from loadpath.cli.folders import (
    check_free,
    earlier_results,
    final_folder,
    place_for,
    read_config,
    save_config,
    save_picture,
)
from loadpath.cli.options import ChainOptions, MotionOptions

Array = NDArray[np.float64]
CHAIN = {
    "position": ("replica", "time", "block"),
    "load": ("replica", "time", "spring"),
    "time": ("time",),
}
"""What is needed of a chain that is read, with its dimensions."""
CHAIN_ATTRS = ("label", "target")
"""What is needed of its attributes."""


def run(options: ChainOptions) -> None:
    """Simulate, and write the loads, the pictures and, if asked for, the film into the folder.

    Raises
    ------
    FileExistsError
        If earlier results are in the folder and may not be replaced.
    ValueError
        If an option does not fit the chain.
    """
    out = Path(options.out)
    present = earlier_results(out)
    check_free(options.out, present, options.overwrite)
    others = [read_chain(Path(folder)) for folder in options.beside]
    chain = build_chain(options, options.friction_right, options.friction_left)
    replicas = options.n_replicas
    if replicas is None:
        replicas = 200 if options.noise else 1
    ds = spring_block.simulate(
        chain,
        noise=noise_by_step(options),
        pull=pull_by_step(options),
        n_replicas=replicas,
        record_every=options.record_every,
        **options.motion(),
    )
    ds = results.with_parameters(ds, label=options.title())
    if options.friction_velocity is None:  # smooth friction has no exact states
        ds["rest_load"] = "spring", spring_block.rest_state(chain, by=options.by)
        if options.noise > 0:
            ds["mean_load"] = "spring", spring_block.mean_state(chain, by=options.by)
    with place_for(out, present) as place:
        save_config(options.settings(), place)
        results.save(ds, place / "chain.nc", overwrite=True)
        print(summary(ds))
        shown = [*others, ds] if others else ds
        save_picture(plots.png(plots.chain_load_curves(shown)), place / "load_curves.png")
        save_picture(plots.png(plots.chain_trajectories(ds)), place / "trajectories.png")
        if options.animate:
            write_page(place)
    print(f"pictures: {out / 'load_curves.png'}, {out / 'trajectories.png'}")
    if options.animate:
        print(f"animation: {out / 'animation.html'}")


def build_chain(
    options: MotionOptions, friction_right: float, friction_left: float
) -> spring_block.Chain:
    """Return the chain with these frictions."""
    velocity = options.friction_velocity
    return spring_block.Chain(
        n_blocks=options.n_blocks,
        stiffness=options.stiffness,
        friction_right=friction_right,
        friction_left=friction_left,
        target=options.target,
        law=spring_block.Dry() if velocity is None else spring_block.Smooth(velocity),
    )


def pull_by_step(options: ChainOptions) -> Array | None:
    """Return where the end is, or the force on it, in every step; None if it is there at once."""
    if options.pull == "at-once":
        return None
    # A force is given its full size where it holds a frictionless chain at the target.
    share = 1.0 if options.by == "wall" else options.stiffness / (options.n_blocks + 1)
    full, over, n_steps = share * options.target, options.steps_of_pull(), options.n_steps
    if options.pull == "steady":
        return spring_block.steady(full, over=over, n_steps=n_steps)
    every = over // options.jerks
    return spring_block.jerks(full, count=options.jerks, every=every, n_steps=n_steps)


def noise_by_step(options: ChainOptions) -> float | Array:
    """Return the noise in every step, but for its decay; one number if it is the same in all."""
    if options.noise_off_after is not None:
        after, n_steps = options.noise_off_after, options.n_steps
        return spring_block.switched_off(options.noise, after=after, n_steps=n_steps)
    if options.reheat_every is not None:
        return spring_block.reheated(
            options.noise,
            every=options.reheat_every,
            rate=options.noise_decay,
            dt=options.dt,
            n_steps=options.n_steps,
        )
    return options.noise


def read_chain(folder: Path) -> xr.Dataset:
    """Return the chain in `folder`, which must hold one."""
    if not (folder / "chain.nc").is_file():
        raise FileNotFoundError(f"{str(folder)!r} holds no chain: it has no chain.nc.")
    return results.load(
        folder / "chain.nc", what="chain of a run", holding=CHAIN, attrs=CHAIN_ATTRS
    )


def write_page(folder: Path, page: Path | None = None, *, overwrite: bool = True) -> Path:
    """Write the page with the film of the chain in `folder`, and of those beside it."""
    config = read_config(folder)
    beside = config.get("beside") or []
    if not isinstance(beside, list):
        raise ValueError(f"beside in {str(folder / 'config.yaml')!r} must be a list of folders.")
    chains = [read_chain(Path(str(place))) for place in (*beside, folder)]
    return pages.write_chain(
        page or folder / "animation.html",
        [film(ds) for ds in chains],
        chains,
        title=f"Spring-block chain: {final_folder(folder).resolve().name}",
        words=summary(chains[-1]).splitlines(),
        config=config,
        overwrite=overwrite,
    )


def film(ds: xr.Dataset) -> plots.Film:
    """Return the chain as an animation shows it."""
    c, error = concavity_with_error(ds)
    word = {"concave": "lazy", "convex": "active", "straight": "straight"}[name_shape(c, error)]
    verdict = f"{word}, concavity {c:+.2f}".replace("-", "\N{MINUS SIGN}")
    return plots.Film.from_dataset(ds, label=str(ds.attrs["label"]), verdict=verdict)
