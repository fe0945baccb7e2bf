"""`loadpath geodesic`: solve for a geodesic, certify it, and write both down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from loadpath import data as sources
from loadpath import report as pages
from loadpath import results
from loadpath.cli.folders import earlier_results, place_for, save_config, save_model, write_report
from loadpath.cli.options import GeodesicOptions
from loadpath.cli.preparation import check_device, fixed_steps, load_data
from loadpath.leaky_resnet import Loss, geodesic
from loadpath.results import Status
from loadpath.storage import is_data_file

MEANINGS = {
    Status.NOT_CONVERGED: "more time, another seed or more layers may help",
    Status.OUT_OF_TIME: "what follows is of the best point so far",
}
"""What a status asks of the user, for those that ask something."""


def run(options: GeodesicOptions) -> bool:
    """Solve, certify, and write the results and the page into the run's folder.

    Returns
    -------
    bool
        Whether the path may be read.

    Raises
    ------
    FileExistsError
        If an earlier run is in the folder and may not be replaced.
    ValueError
        If an option does not fit the data or the net, or if no path joins the two ends.
    """
    check_device(options.device)
    out = Path(options.out)
    present = earlier_results(out)
    if present and not options.overwrite:
        raise FileExistsError(
            f"{options.out!r} holds an earlier run ({', '.join(present)}); pass --overwrite to "
            "replace it."
        )
    x, y, loss = load_pair(options)
    steps: Any = "adaptive" if options.layer_steps == "adaptive" else fixed_steps(options)
    solved = geodesic.solve(
        x,
        y,
        effective_depth=options.effective_depth,
        weight_decay=options.weight_decay,
        width=options.width,
        depth=options.depth,
        endpoint=options.endpoint,
        activation=options.activation,
        bias=options.bias,
        layer_steps=steps,
        step=options.step,
        loss=loss,
        scale=options.scale,
        tolerance=options.tolerance,
        kink_width=options.kink_width,
        refinements=options.refinements,
        max_seconds=options.max_seconds,
        seed=options.seed,
        device=options.device,
        threads=options.threads,
    )
    with place_for(out, present) as place:
        save_config(options.settings(), place)
        results.save(solved.history, place / "history.nc", overwrite=True)
        save_model(solved.model, place)
        print(summary(solved))
        ds = solved.dataset(gamma0=options.gamma0)
        results.save(ds, place / "geodesic.nc", overwrite=True)
        write_report(place)
    print(f"report: {out / 'report.html'}")
    return not solved.status.why_not_read


def load_pair(options: GeodesicOptions) -> tuple[Tensor, Tensor, Loss]:
    """Return inputs, outputs or class numbers, and the loss that suits these."""
    if options.file is not None:
        x, y = sources.from_npz(options.file)
    elif is_data_file(options.data) and options.n_test is None:
        normalize = options.endpoint != "fixed" if options.normalize is None else options.normalize
        x, y = sources.load_training(
            options.data,
            target=options.target,
            task="regression" if options.endpoint == "fixed" else options.task,
            targets=options.targets,
            n_train=options.n_train,
            normalize=normalize,
            seed=options.seed,
        )
    else:
        data = load_data(options)
        x, y = data.x_train, data.y_train
    return x, y, "mse" if y.is_floating_point() else "cross-entropy"


def summary(solved: geodesic.Geodesic) -> str:
    """Say how it ended and what is certain of it, in a few lines."""
    meaning = MEANINGS.get(solved.status)
    status = solved.status if meaning is None else f"{solved.status}: {meaning}"
    if solved.endpoint == "fixed":
        reached = f"action: {solved.action:.6g}; distance from the end: {solved.end_error:.2g}"
    else:
        reached = f"objective: {solved.objective:.6g}; action: {solved.action:.6g}"
    done = int(solved.history["iteration"][-1])
    warned = pages.warning(solved.history)
    return "\n".join(
        [
            *([warned] if warned else []),
            f"status: {status}",
            f"{reached}; {done} iterations, {solved.seconds:.0f} s",
            *(f"- {sentence}" for sentence in solved.words() if not warned),
        ]
    )
