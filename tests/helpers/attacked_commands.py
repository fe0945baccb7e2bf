"""Commands on tiny problems, run by processes that have imported everything already.

Importing takes a thousand times as long as forking: so one server process imports this module, and
forks a child for every command that is to be killed.
"""

import functools
import itertools
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import xarray as xr
from matplotlib.figure import Figure
from tqdm import tqdm

from loadpath import cli, sweep
from loadpath.cli import demo
from loadpath.cli.options import parsing
from loadpath.report import figures as pages
from loadpath.storage import one_writer

CELLS = sweep.product({"alpha": (0.5, 1.0, 2.0), "seed": range(3)})
NET = ("--width", "4", "--depth", "3", "--effective-depth", "1", "--threads", "1")
DATA = ("--dims", "[4,2,4]", "--n-train", "30", "--n-test", "10")
WORDS = {
    "train": ("train", *NET, *DATA, "--adam-steps", "30", "--lbfgs-steps", "20"),
    "geodesic": ("geodesic", *NET, "--dims", "[4,1,4]", "--n-train", "20", "--activation")
    + ("identity", "--tolerance", "1e-2"),
    "chain": ("chain", "--n-blocks", "3", "--n-steps", "200", "--threads", "1")
    + ("--noise", "0.02"),
    "phase-diagram": ("phase-diagram", "--chain", "--friction", "[0.1,0.2]", "--noise")
    + ("[0.01,0.02]", "--n-steps", "100", "--threads", "1"),
    "networks": ("phase-diagram", "--n-train", "60", "--epochs", "1", "--slopes", "[0,0.5]")
    + ("--seeds", "2", "--panel", "dropout", "--noise", "[0,0.2]"),
    "demo": ("demo",),
    "diagnose": ("diagnose", "attacked_commands:model", "--measures", "[separation,energies]"),
    "laws": ("laws", "attacked_commands:path", "--n-untrained", "1", "--n-orders", "2"),
}
"""The words of each command, but for its folder."""
KILLS = int(os.environ.get("LOADPATH_KILLS", "0"))
"""How many kills are asked for: many, of all commands; by default a handful, of quick ones."""
ATTACKED = tuple(WORDS) if KILLS else ("train", "chain")


def model():
    """What `loadpath diagnose` is given."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(*(torch.nn.Linear(4, 4) for _ in range(2)))
    x = torch.randn(24, 4)
    return net, list(zip(x.split(12), (torch.arange(24) % 3).split(12), strict=True))


def path():
    """What `loadpath laws` is given, which wants some layers more."""
    net, loader = model()
    return torch.nn.Sequential(*net, torch.nn.Linear(4, 4)), loader


def curve(*, alpha, seed, log):
    """A cell of a sweep, which writes down that it was measured."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"alpha={alpha},seed={seed}\n".encode())
    os.close(descriptor)
    noise = np.random.default_rng(seed).normal(size=50)
    return xr.Dataset({"load": ("layer", alpha + noise, {"units": "1"})})


def run_sweep(folder, log, cells=CELLS):
    """Measure the cells that are not there yet, and leave with an exit code as a command does."""
    try:
        sweep.run(curve, cells, Path(folder), common={"log": str(log)}, progress=False)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def run_command(*words):
    """Run a command line."""
    return cli.main([str(word) for word in words])


@contextmanager
def forked(function, *arguments, output=os.devnull):
    """Yield a child of the server that runs a function; it is ended with the block."""
    process = server().Process(target=_child, args=(function, arguments, str(output)))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def finish(function, *arguments, output=os.devnull):
    """Run a function in a child of the server, and return its exit code."""
    with forked(function, *arguments, output=output) as process:
        process.join(120)
        return process.exitcode


def _child(function, arguments, output):
    torch.set_num_threads(1)
    # What starts the tests may have made them ignore some, as nohup and a shell's & do.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    nowhere = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    code = function(*arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def die_at(count, function, *arguments):
    """Run a function, and be killed just before its `count`-th call that changes the disk."""
    calls = itertools.count(1)

    def counted(call):
        def instead(*args, **kwargs):
            if next(calls) == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return instead

    for name in ("link", "unlink", "replace", "rename", "mkdir", "rmdir", "fsync"):
        setattr(os, name, counted(getattr(os, name)))
    return function(*arguments)


def hold(folder, until):
    """Hold a folder as its one writer until a file is there."""
    with one_writer(Path(folder)):
        Path(f"{until}.held").touch()
        while not Path(until).exists():
            time.sleep(0.005)
    return 0


def run_as_process(started, *words):
    """Run a command line as the process's own, once a file says that it has started."""
    sys.argv = ["loadpath", *map(str, words)]
    Path(started).touch()
    return cli.main()


@functools.cache
def server():
    """Return a context whose children are forked by a process that has imported this module."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["attacked_server"])
    here = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with mock.patch.dict(os.environ, PYTHONPATH=here, OMP_NUM_THREADS="1"):
        forkserver.ensure_running()
    return context


def warm_up():
    """Do all once that is done late at the first time, and leave out what draws.

    Pictures take most of the time of a tiny run; that they are whole is tested elsewhere.
    """
    torch.set_num_threads(1)
    # Its own is one for all children of the server, and would stay held by one that is killed.
    tqdm.set_lock(threading.RLock())
    Figure.savefig = _picture
    words = dict.fromkeys(("heading", "image", "alt", "reading"), "")
    pages.draw_figure = lambda figure, ds: {**words, "tables": []}
    demo.SMALL.update(effective_depth=1.0, width=4, adam_steps=20)
    demo.TEACHER.update(n_train=20, n_test=10, lbfgs_steps=5)
    demo.DIGITS.update(n_train=80, lbfgs_steps=5)
    parsing.parser = functools.cache(parsing.parser)
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    with tempfile.TemporaryDirectory() as folder:
        for name in ATTACKED:
            run_command(*WORDS[name], "--out", f"{folder}/{name}")
    for stream, before in zip((1, 2), kept, strict=True):
        os.dup2(before, stream)


def _picture(figure, buffer, *, format, **_):
    buffer.write("<svg/>" if format == "svg" else b"picture")
