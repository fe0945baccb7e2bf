"""`loadpath train`: train a Leaky ResNet, measure its mechanics, and write both down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from loadpath import report as pages
from loadpath import results
from loadpath.cli.folders import (
    UNFINISHED,
    earlier_results,
    place_for,
    read_config,
    save_config,
    save_model,
    write_report,
)
from loadpath.cli.options import TrainOptions
from loadpath.cli.preparation import check_device, fixed_steps, load_data
from loadpath.data import Data
from loadpath.leaky_resnet import LeakyResNet, layer_steps, mechanics
from loadpath.leaky_resnet.training import (
    LBFGS,
    Adam,
    Run,
    Stage,
    errors_in_words,
    fit,
    paper_stages,
)

MAY_CHANGE = {
    *("tolerance", "max_seconds", "checkpoint_seconds", "gamma0"),
    *("device", "threads", "out", "resume", "overwrite"),
}
"""Options that may differ between a run and its resumption."""


def run(options: TrainOptions) -> bool:
    """Train, measure, and write the results and the page into the run's folder.

    Returns
    -------
    bool
        Whether the run may be read.

    Raises
    ------
    FileExistsError
        If an earlier run is in the folder, and nothing says what to do with it.
    ValueError
        If an option does not fit the data or the net, or the earlier run that is to be resumed.
    """
    return train_and_measure(options, page=True)


def train_and_measure(options: TrainOptions, *, page: bool) -> bool:
    """Train, measure, and write the results into the run's folder, with or without a page.

    Returns
    -------
    bool
        Whether the run may be read.

    Raises
    ------
    FileExistsError
        If an earlier run is in the folder, and nothing says what to do with it.
    ValueError
        If an option does not fit the data or the net, or the earlier run that is to be resumed.
    """
    check_device(options.device)
    out, settings = Path(options.out), options.settings()
    present = earlier_results(out)
    if options.resume:
        begun = out / UNFINISHED if (out / UNFINISHED).is_dir() else out
        if (begun / "config.yaml").exists():
            check_same_run(options, read_config(begun))
    elif present and not options.overwrite:
        raise FileExistsError(
            f"{options.out!r} holds an earlier run ({', '.join(present)}); pass --resume to go on "
            "with it or --overwrite to replace it."
        )
    data = load_data(options)
    model = build_model(options, data)
    with place_for(out, present, resume=options.resume) as place:
        save_config(settings, place)
        readable = measure(options, place, data, model)
        if page:
            write_report(place)
    if page:
        print(f"report: {out / 'report.html'}")
    return readable


def measure(options: TrainOptions, out: Path, data: Data, model: LeakyResNet) -> bool:
    """Train the net, measure it, write both into a folder, and tell whether it may be read."""
    mesh = layer_steps.Adaptive(model) if options.layer_steps == "adaptive" else None
    trained = fit(
        model,
        data,
        weight_decay=options.weight_decay,
        stages=stages(options),
        batch_size=options.batch_size,
        mesh=mesh,
        tolerance=options.tolerance,
        max_seconds=options.max_seconds,
        checkpoint=out / "checkpoint.safetensors",
        checkpoint_seconds=options.checkpoint_seconds,
        resume=options.resume,
        seed=options.seed,
        threads=options.threads,
    )
    # Kept first: a net that has diverged may have no mechanics to measure.
    results.save(trained.history, out / "history.nc", overwrite=True)
    save_model(model, out)
    readable = not trained.status.why_not_read
    try:
        profile = measured(options, data, trained)
    except ValueError:
        print("\n".join(training_summary(trained)))
        if readable:
            raise
        return False
    results.save(profile, out / "profile.nc", overwrite=True)
    print("\n".join(summary(profile, trained)))
    return readable


def measured(options: TrainOptions, data: Data, trained: Run) -> xr.Dataset:
    """Return the mechanics of a trained net, with the status of its training."""
    profile = mechanics.profile(
        trained.model,
        data.x_train,
        data.y_train,
        weight_decay=trained.weight_decay,
        loss=trained.loss,
        gamma0=options.gamma0,
    )
    return results.with_parameters(profile, status=trained.status)


def check_same_run(options: TrainOptions, earlier: dict[str, Any]) -> None:
    """Refuse to resume an `earlier` run, given by its config, that had other options."""
    for name, value in options.settings().items():
        if name not in MAY_CHANGE and earlier.get(name, value) != value:
            raise ValueError(
                f"{name} is {value!r}, but the run in {options.out!r} has {earlier[name]!r}; "
                "resume it with --config and its config.yaml."
            )


def build_model(options: TrainOptions, data: Data) -> LeakyResNet:
    """Return the untrained net."""
    return LeakyResNet(
        data.in_features,
        data.out_features,
        width=options.width,
        depth=options.depth,
        effective_depth=options.effective_depth,
        layer_steps=fixed_steps(options),
        step=options.step,
        activation=options.activation,
        bias=options.bias,
        input_map=options.maps,
        output_map=options.maps,
        scale=options.scale,
        seed=options.seed,
        dtype=getattr(torch, options.dtype),
        device=options.device,
    )


def stages(options: TrainOptions) -> tuple[Stage, ...]:
    """Return the stages of the recipe."""
    if options.recipe == "paper":
        return paper_stages()
    last = (LBFGS(options.lbfgs_steps),) if options.lbfgs_steps else ()
    return (Adam(options.adam_steps), *last)


def summary(profile: xr.Dataset, trained: Run) -> list[str]:
    """Say what came out: the verdict first, and numbers only where they may be read."""
    verdict = pages.judge(profile, trained.history)
    if verdict is None or not verdict.readable:
        return training_summary(trained)
    return [*verdict.lines(), *training_summary(trained)]


def training_summary(trained: Run) -> list[str]:
    """Say how training ended: first whether it must not be read, then status and errors."""
    warned = pages.warning(trained.history)
    objective = trained.history["objective"].values
    finite = objective[np.isfinite(objective)]
    done = int(trained.history["iteration"][-1])
    return [
        *([warned] if warned else []),
        f"status: {trained.status} after {done} iterations, {trained.seconds:.0f} s",
        *([f"objective: {finite[-1]:.4g}"] if len(finite) else []),
        *(f"{name}: {text}" for name, text in errors_in_words(trained.history).items()),
    ]
