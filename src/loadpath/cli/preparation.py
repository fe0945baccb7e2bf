"""What `train` and `geodesic` both do before they start: read the data, check where to compute."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from loadpath import data as sources
from loadpath.cli.options import NetOptions
from loadpath.data import Data
from loadpath.leaky_resnet import layer_steps


def load_data(options: NetOptions) -> Data:
    """Return the samples that the options name."""
    ours: dict[str, Any] = {}
    if options.data == "teacher":  # what other sources would refuse, though it is never unset
        ours = {"dims": options.dims, "kind": options.teacher}
    return sources.load(
        options.data,
        options.folder,
        seed=options.seed,
        image_size=options.image_size,
        targets=None if options.targets == "labels" else options.targets,
        n_train=options.n_train,
        n_test=options.n_test,
        target=options.target,
        task=options.task,
        normalize=options.normalize,
        **ours,
    )


def fixed_steps(options: NetOptions) -> Tensor | None:
    """Return the layer steps to start with; None for equidistant ones."""
    if options.layer_steps != "irregular":
        return None
    return layer_steps.irregular(options.depth, options.irregularity)


def check_device(device: str) -> None:
    """Refuse a device on which torch cannot keep and read float64 numbers here."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device).item()
    except (RuntimeError, AssertionError, TypeError) as error:  # which one is up to the device
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"device must be one that torch has here, got {device!r}: {reason}."
        ) from None
