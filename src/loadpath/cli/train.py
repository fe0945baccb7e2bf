"""`loadpath train`: a frozen dataclass of its options, and `run`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import xarray as xr

from loadpath import results
from loadpath.checks import check_count
from loadpath.cli.problem import Problem
from loadpath.cli.run_folder import (
    earlier_results,
    read_config,
    remove,
    save_config,
    save_model,
    write_report,
)
from loadpath.data import Data
from loadpath.leaky_resnet import LeakyResNet, layer_steps, mechanics
from loadpath.leaky_resnet.training import LBFGS, Adam, Run, Stage, fit, paper_stages

MAY_CHANGE = {
    *("tolerance", "max_seconds", "checkpoint_seconds", "gamma0"),
    *("device", "threads", "out", "resume", "overwrite"),
}
"""Options that may differ between a run and its resumption."""


@dataclass(frozen=True)
class Train(Problem):
    """Train a Leaky ResNet and measure its mechanics: results and one report page."""

    data: Literal["teacher", "digits", "mnist", "fashion-mnist", "cifar10"] = "teacher"
    """what to learn; teacher is a random function of known bottleneck rank"""
    max_seconds: float | None = None
    """stop after this much training in this sitting; resume to go on"""
    seed: int = 0
    """of the data, the initial weights and the mini-batches"""
    out: str = "run"
    """folder for config.yaml, checkpoint, history.nc, profile.nc, model.safetensors, report.html"""
    maps: Literal["orthonormal", "learned"] = "orthonormal"
    """maps into the first and out of the last layer: fixed, or learned too"""
    recipe: Literal["default", "paper"] = "default"
    """annealed Adam then L-BFGS, or 5000 steps of Adam then 1000 of SGD as in the paper"""
    adam_steps: int = 600
    """iterations of Adam in the default recipe"""
    lbfgs_steps: int = 1500
    """iterations of L-BFGS in the default recipe; 0 leaves it out"""
    batch_size: int | None = None
    """mini-batch size of Adam and SGD; the full batch if not given"""
    checkpoint_seconds: float = 30.0
    """time between two checkpoints, the most that a kill can lose"""
    dtype: Literal["float32", "float64"] = "float32"
    """precision of training; mechanics are measured in float64 in any case"""
    resume: bool = False
    """go on from the checkpoint in the folder, or start if there is none"""

    def run(self) -> None:
        """Do it; an earlier run in the folder is an error unless told what to do with it."""
        self.check()
        out, settings = Path(self.out), self.settings()
        present = earlier_results(out)
        if self.resume:
            if "config.yaml" in present:
                self.check_same_run(settings, read_config(out))
        elif present and not self.overwrite:
            raise FileExistsError(
                f"{self.out!r} holds an earlier run ({', '.join(present)}); pass --resume to go on "
                "with it or --overwrite to replace it."
            )
        data = self.load_data()
        model = self.build_model(data)
        mesh = layer_steps.Adaptive(model) if self.layer_steps == "adaptive" else None
        if not self.resume:
            remove(out, present)
        save_config(settings, out)
        trained = fit(
            model,
            data,
            weight_decay=self.weight_decay,
            stages=self.stages(),
            batch_size=self.batch_size,
            mesh=mesh,
            tolerance=self.tolerance,
            max_seconds=self.max_seconds,
            checkpoint=out / "checkpoint.safetensors",
            checkpoint_seconds=self.checkpoint_seconds,
            resume=self.resume,
            seed=self.seed,
            threads=self.threads,
        )
        # Kept and said first: a net that has diverged may have no mechanics to measure.
        results.save(trained.history, out / "history.nc", overwrite=True)
        save_model(model, out)
        print(training_summary(trained))
        profile = mechanics.profile(
            model,
            data.x_train,
            data.y_train,
            weight_decay=trained.weight_decay,
            loss=trained.loss,
            gamma0=self.gamma0,
        )
        results.save(profile, out / "profile.nc", overwrite=True)
        print(mechanics_summary(profile))
        print(f"report: {write_report(out)}")

    def check(self) -> None:
        """Say in one sentence what is out of range, before anything is read or written."""
        super().check()
        if self.resume and self.overwrite:
            raise ValueError("resume and overwrite exclude each other, got both.")
        if not self.checkpoint_seconds >= 0:
            raise ValueError(
                f"checkpoint_seconds must be at least 0, got {self.checkpoint_seconds}."
            )
        for name, least in (("adam_steps", 1), ("lbfgs_steps", 0), ("batch_size", 1)):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), least)

    def check_same_run(self, settings: dict[str, Any], earlier: dict[str, Any]) -> None:
        """Raise ValueError if `settings` are not those of the `earlier` run in the folder."""
        for name, value in settings.items():
            if name not in MAY_CHANGE and earlier.get(name, value) != value:
                raise ValueError(
                    f"{name} is {value!r}, but the run in {self.out!r} has {earlier[name]!r}; "
                    "resume it with --config and its config.yaml."
                )

    def build_model(self, data: Data) -> LeakyResNet:
        """Return the untrained net."""
        return LeakyResNet(
            data.in_features,
            data.out_features,
            width=self.width,
            depth=self.depth,
            effective_depth=self.effective_depth,
            layer_steps=self.fixed_steps(),
            step=self.step,
            activation=self.activation,
            bias=self.bias,
            input_map=self.maps,
            output_map=self.maps,
            scale=self.scale,
            seed=self.seed,
            dtype=getattr(torch, self.dtype),
            device=self.device,
        )

    def stages(self) -> tuple[Stage, ...]:
        """Stages of the recipe."""
        if self.recipe == "paper":
            return paper_stages()
        last = (LBFGS(self.lbfgs_steps),) if self.lbfgs_steps else ()
        return (Adam(self.adam_steps), *last)


def training_summary(trained: Run) -> str:
    """Say how training ended, in two lines."""
    last = trained.history.isel(record=-1)
    return (
        f"status: {trained.status} after {int(last.iteration)} iterations, "
        f"{trained.seconds:.0f} s\n"
        f"objective: {float(last.objective):.4g}; test error: {float(last.test_error):.4g}"
    )


def mechanics_summary(profile: xr.Dataset) -> str:
    """Say what was measured, in a few lines."""
    lines = [
        f"bottleneck rank: {int(profile.bottleneck_rank)}; "
        f"least cost of identity: {float(profile.cost_of_identity.min()):.3g}"
    ]
    if "dimension" in profile:
        lines.append(f"dimension -(2/L~)H: {float(profile.dimension.median()):.3g} (median)")
    middle = profile.stationarity[((profile.p_step >= 0.25) & (profile.p_step <= 0.75)).values]
    if middle.size:  # a net of one layer has no middle
        lines.append(f"stationarity residual mid-path: {float(middle.median()):.2g}")
    return "\n".join(lines)
