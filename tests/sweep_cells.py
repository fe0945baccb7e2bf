"""Functions that sweeps measure, in a module of their own so that other processes can import it."""

import os
import signal
from pathlib import Path

import numpy as np
import torch
import xarray as xr


def curve(*, alpha, seed, log=None, layers=4):
    """A curve that depends on its cell and on torch's one thread; `log` has a line a call."""
    assert torch.get_num_threads() == 1
    if log is not None:
        with Path(log).open("a") as file:
            file.write(f"{alpha},{seed}\n")
    return xr.Dataset(
        {"load": ("layer", alpha + seed / np.arange(1, layers + 1), {"units": "1"})},
        {"layer": np.arange(layers)},
    )


def uneven(*, alpha, seed):
    """Cells whose dimensions differ: epochs with labels, records without."""
    records = np.arange(seed + 1) + alpha
    return xr.Dataset(
        {
            "status": ((), f"seed {seed}"),
            "epochs": ((), seed + 2),
            "sound": ((), seed == 0),
            "loss": ("epoch", alpha * np.arange(1.0, seed + 3)),
            "recorded": (("kind", "record"), np.stack([records, -records])),
        },
        {"epoch": np.arange(1, seed + 3), "kind": ["fuzziness", "inverse"]},
    )


def bad_at_2(*, alpha, seed, log=None):
    """The same as `curve`, but it cannot be measured at alpha = 2."""
    if alpha == 2:
        raise ZeroDivisionError("no curve at 2\nand more")
    return curve(alpha=alpha, seed=seed, log=log)


def not_a_dataset(*, alpha, seed):
    return alpha + seed


def named_like_an_axis(*, alpha, seed):
    return xr.Dataset({"seed": seed, "load": alpha})


def dies_once(*, alpha, seed, log):
    """The first process that measures alpha = 1 is killed at it."""
    first = f"{alpha},{seed}\n" not in (Path(log).read_text() if Path(log).exists() else "")
    ds = curve(alpha=alpha, seed=seed, log=log)
    if alpha == 1 and first:
        os.kill(os.getpid(), signal.SIGKILL)
    return ds


def always_dies(*, alpha, seed, log):
    """Every process that measures alpha = 1 is killed at it."""
    ds = curve(alpha=alpha, seed=seed, log=log)
    if alpha == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return ds
