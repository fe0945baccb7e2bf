"""`loadpath train`: a frozen dataclass of its options, and `run`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import xarray as xr
import yaml
from safetensors.torch import save_file

from loadpath import data as sources
from loadpath import layer_steps, mechanics, results
from loadpath.cli.run_folder import FLAGS, RUN_FILES, read_config, write_report
from loadpath.data import Data
from loadpath.data.arrays import check_count
from loadpath.models import LeakyResNet
from loadpath.training import LBFGS, Adam, Run, Stage, fit, paper_stages

CONFIG_VERSION = 1
"""Raised when an option changes its meaning, so that no old config file is misread."""
MAY_CHANGE = {
    *("tolerance", "max_seconds", "checkpoint_seconds", "gamma0"),
    *("device", "threads", "out", "resume", "overwrite"),
}
"""Options that may differ between a run and its resumption."""


@dataclass(frozen=True)
class Train:
    """Train a Leaky ResNet and measure its mechanics: results and one report page."""

    data: Literal["teacher", "digits", "mnist", "fashion-mnist", "cifar10"] = "teacher"
    """what to learn; teacher is a random function of known bottleneck rank"""
    folder: str | None = None
    """where the files of mnist, fashion-mnist or cifar10 are"""
    targets: Literal["labels", "onehot"] = "labels"
    """classes by cross-entropy, or one-hot regression; not for teacher"""
    image_size: int | None = None
    """average mnist, fashion-mnist or cifar10 down to this many pixels a side"""
    dims: tuple[int, ...] = (30, 3, 30)
    """dimensions that the teacher goes through, written [30,3,30]; the smallest is its bottleneck
    rank"""
    teacher: Literal["fully-connected", "leaky-resnet"] = "fully-connected"
    """kind of random nets that make the teacher"""
    n_train: int | None = None
    """training samples; if not given all there are, 1000 of teacher, 1437 of digits"""
    n_test: int | None = None
    """test samples, likewise; digits test on all that are not trained on"""
    effective_depth: float = 7.0
    """leakage L~ along the whole path; 0 is a plain ResNet"""
    width: int = 100
    """width of the representations"""
    depth: int = 20
    """number of layers"""
    layer_steps: Literal["equidistant", "irregular", "adaptive"] = "equidistant"
    """how layers divide the path: evenly, closer at both ends, or closer where it is fast"""
    irregularity: float = 0.9
    """how uneven irregular layer steps are, from 0 (even) to below 1"""
    step: Literal["euler", "exponential"] = "euler"
    """how a layer takes its step; euler needs step length times L~ below 1"""
    activation: Literal["relu", "leaky_relu", "tanh", "softplus", "identity"] = "relu"
    """nonlinearity of the layers"""
    bias: bool = True
    """whether layers have biases"""
    maps: Literal["orthonormal", "learned"] = "orthonormal"
    """maps into the first and out of the last layer: fixed, or learned too"""
    scale: float = 0.3
    """size of the representations beside the 1 that multiplies the biases"""
    weight_decay: float | None = None
    """lambda; if not given 0.01 per output, or 0.01 for cross-entropy"""
    recipe: Literal["default", "paper"] = "default"
    """annealed Adam then L-BFGS, or 5000 steps of Adam then 1000 of SGD as in the paper"""
    adam_steps: int = 600
    """iterations of Adam in the default recipe"""
    lbfgs_steps: int = 1500
    """iterations of L-BFGS in the default recipe; 0 leaves it out"""
    batch_size: int | None = None
    """mini-batch size of Adam and SGD; the full batch if not given"""
    tolerance: float = 0.01
    """stop once every layer's stationarity residual is below this"""
    max_seconds: float | None = None
    """stop after this much training in this sitting; resume to go on"""
    checkpoint_seconds: float = 30.0
    """time between two checkpoints, the most that a kill can lose"""
    gamma0: float = 0.01
    """gamma of the cost of identity, relative to the kernel's largest eigenvalue"""
    dtype: Literal["float32", "float64"] = "float32"
    """precision of training; mechanics are measured in float64 in any case"""
    device: str = "cpu"
    """where to train, such as cpu or cuda:0"""
    threads: int | None = None
    """CPU threads, on which the last bits depend; torch's own number if not given"""
    seed: int = 0
    """of the data, the initial weights and the mini-batches"""
    out: str = "run"
    """folder for config.yaml, checkpoint, history.nc, profile.nc, model.safetensors, report.html"""
    resume: bool = False
    """go on from the checkpoint in the folder, or start if there is none"""
    overwrite: bool = False
    """replace an earlier run in the folder"""
    config_version: int = CONFIG_VERSION
    """version of the config file; leave it as it is"""

    def run(self) -> None:
        """Do it; an earlier run in the folder is an error unless told what to do with it."""
        self.check()
        out = Path(self.out)
        settings = {k: v for k, v in asdict(self).items() if k not in FLAGS}
        settings["dims"] = list(self.dims)
        present = [name for name in RUN_FILES if (out / name).exists()]
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
            for name in present:
                (out / name).unlink()
        results.write_text_atomic(
            out / "config.yaml", yaml.safe_dump(settings, sort_keys=False), overwrite=True
        )
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
        with results.atomic_path(out / "model.safetensors", overwrite=True) as temporary:
            save_file({k: v.cpu().contiguous() for k, v in model.state_dict().items()}, temporary)
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
        if self.config_version != CONFIG_VERSION:
            raise ValueError(
                f"config_version must be {CONFIG_VERSION} for this loadpath, got "
                f"{self.config_version}."
            )
        if self.resume and self.overwrite:
            raise ValueError("resume and overwrite exclude each other, got both.")
        for name in ("weight_decay", "tolerance", "max_seconds", "gamma0"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be finite and above 0, got {value}.")
        if not self.checkpoint_seconds >= 0:
            raise ValueError(
                f"checkpoint_seconds must be at least 0, got {self.checkpoint_seconds}."
            )
        if not 0 <= self.irregularity < 1:
            raise ValueError(f"irregularity must lie in [0, 1), got {self.irregularity}.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be at least 0 and below 2**32, got {self.seed}.")
        for name, least in (
            ("adam_steps", 1),
            ("lbfgs_steps", 0),
            ("batch_size", 1),
            ("threads", 1),
        ):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), least)
        check_device(self.device)

    def check_same_run(self, settings: dict[str, Any], earlier: dict[str, Any]) -> None:
        """Raise ValueError if `settings` are not those of the `earlier` run in the folder."""
        for name, value in settings.items():
            if name not in MAY_CHANGE and earlier.get(name, value) != value:
                raise ValueError(
                    f"{name} is {value!r}, but the run in {self.out!r} has {earlier[name]!r}; "
                    "resume it with --config and its config.yaml."
                )

    def load_data(self) -> Data:
        """Samples that the options name."""
        given = (("n_train", self.n_train), ("n_test", self.n_test))
        sizes = {name: n for name, n in given if n is not None}
        if self.data in ("teacher", "digits"):
            for name, value in (("folder", self.folder), ("image_size", self.image_size)):
                if value is not None:
                    raise ValueError(f"{name} must not be set for {self.data}, got {value!r}.")
        if self.data == "teacher":
            if self.targets != "labels":
                raise ValueError(f"targets must not be set for teacher, got {self.targets!r}.")
            return sources.teacher(self.dims, kind=self.teacher, seed=self.seed, **sizes)
        if self.data == "digits":
            if self.n_test is not None:
                raise ValueError(f"n_test must not be set for digits, got {self.n_test}.")
            return sources.digits(targets=self.targets, seed=self.seed, **sizes)
        if self.folder is None:
            raise ValueError(f"folder must name where the files of {self.data} are, got nothing.")
        read = {
            "mnist": sources.mnist,
            "fashion-mnist": sources.fashion_mnist,
            "cifar10": sources.cifar10,
        }[self.data]
        return read(
            self.folder, targets=self.targets, size=self.image_size, seed=self.seed, **sizes
        )

    def build_model(self, data: Data) -> LeakyResNet:
        """Return the untrained net."""
        irregular = self.layer_steps == "irregular"
        steps = layer_steps.irregular(self.depth, self.irregularity) if irregular else None
        return LeakyResNet(
            data.in_features,
            data.out_features,
            width=self.width,
            depth=self.depth,
            effective_depth=self.effective_depth,
            layer_steps=steps,
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


def check_device(device: str) -> None:
    """Raise ValueError if torch cannot keep and read float64 numbers on `device` here."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device).item()
    except (RuntimeError, AssertionError, TypeError) as error:  # which one is up to the device
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"device must be one that torch has here, got {device!r}: {reason}."
        ) from None


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
