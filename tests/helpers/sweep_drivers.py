"""Long sweeps in processes of their own, to be killed, and what they leave behind."""

import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import sweep_cells


def wait_until(condition, seconds=120.0):
    """Wait until it holds; fail if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def saved(folder):
    return {path.stem for path in folder.glob("*.nc")}


def executions(log):
    """How often each cell was executed, by its file's name."""
    pairs = [line.split(",") for line in log.read_text().split()]
    return Counter(f"alpha={alpha},seed={seed}" for alpha, seed in pairs)


@contextmanager
def driver(folder, option, value):
    """A long sweep in a process group of its own, once it has saved its first cells."""
    command = [sys.executable, sweep_cells.__file__, folder / "sweep", folder / "log"]
    process = subprocess.Popen(
        [*command, option, str(value)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PAUSE": "0.2"},
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(saved(folder / "sweep")) >= 3 or process.poll() is not None)
        assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
