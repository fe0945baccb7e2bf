"""Functions that sweeps measure, in a module of their own so that other processes can import it."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from loadpath import sweep

LONG = sweep.product({"alpha": range(6), "seed": range(5)})


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


def deadly(*, alpha, seed, log):
    """The same, but the first process at alpha = 1 is killed, and every process at alpha = 2; it
    cannot be measured at alpha = 3.
    """
    if alpha == 3:
        raise ZeroDivisionError("no curve at 3")
    first = f"{alpha},{seed}\n" not in (Path(log).read_text() if Path(log).exists() else "")
    ds = curve(alpha=alpha, seed=seed, log=log)
    if alpha == 2 or (alpha == 1 and first):
        os.kill(os.getpid(), signal.SIGKILL)
    return ds


def slow(*, alpha, seed, log=None):
    """The same, and slow where the environment says so: five times as slow after the first cells,
    so that there is time to kill a sweep that has saved some, on however busy a machine.
    """
    time.sleep(float(os.environ.get("PAUSE", 0)) * (1 if alpha == 0 else 5))
    return curve(alpha=alpha, seed=seed, log=log)


def named(*, alpha, name):
    return xr.Dataset({"told": repr(name)})


running = 0


def alone(*, alpha, seed):
    """The same, if no other cell is being measured in this process."""
    global running
    running += 1
    time.sleep(0.01)
    ds = curve(alpha=alpha, seed=seed)
    assert running == 1
    running -= 1
    return ds


def not_a_dataset(*, alpha, seed):
    return alpha + seed


def named_like_an_axis(*, alpha, seed):
    return xr.Dataset({"seed": seed, "load": alpha})


def long_sweep(folder, log, **options):
    """Thirty cells of `slow`."""
    return sweep.run(slow, LONG, folder, common={"log": str(log)}, progress=False, **options)


if __name__ == "__main__":  # a driver, to be killed: folder, log, then an option and its value
    _, folder, log, name, value = sys.argv
    from sweep_cells import long_sweep  # by the name that other processes know

    # What a shell starts in the background, as the tests may be, begins with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        long_sweep(folder, log, **{name: int(value) if value.isdigit() else value})
    except KeyboardInterrupt:
        sys.exit(130)
