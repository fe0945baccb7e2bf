"""Write every kind of file, and run commands, where files may not grow past a limit.

`python full_disk.py FOLDER [every]` prints one line of JSON for each: what was done, under which
limit, and what came of it. A file system that is full answers ENOSPC where the limit of the process
answers EFBIG; to what writes they are alike. Nothing is drawn.
"""

import contextlib
import io
import json
import resource
import shutil
import sys
import warnings
from pathlib import Path
from unittest import mock

import damaged_files
import torch
from tiny_trainings import net, regression

from loadpath import cli, fit, plots, report, results
from loadpath.leaky_resnet.training import checkpoint
from loadpath.storage import write_settings_file

NET = ("--width", "4", "--depth", "3", "--effective-depth", "1", "--threads", "1")
DATA = ("--dims", "[4,2,4]", "--n-train", "30", "--n-test", "10")
COMMANDS = {
    "chain": ("chain", "--n-blocks", "3", "--n-steps", "200", "--threads", "1"),
    "train": ("train", *NET, *DATA, "--adam-steps", "10", "--lbfgs-steps", "5"),
}
"""Words of commands, but for their folder."""


@contextlib.contextmanager
def files_of_at_most(size):
    """Let no file grow past a size; Python ignores the signal, and sees the error."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def writers():
    """What writes each kind of file over an older one, by the name of the file."""
    data = regression()
    model = net(data)
    history = fit(model, data, stages=damaged_files.TRAINING["stages"]).history
    tensors = model.state_dict()
    section = report.Section("a net", history=history)
    new = {"overwrite": True}
    return {
        "run.nc": lambda path: results.save(history, path, **new),
        "run": lambda path: checkpoint.write(path, {"model": dict(tensors)}),
        "model.safetensors": lambda p: results.save_tensors(tensors, p, metadata={}, **new),
        "config.yaml": lambda path: write_settings_file(path, {"width": 4}, **new),
        "report.html": lambda path: report.write(path, [section], title="a page", **new),
    }


def tell(what, limit, right, said):
    print(json.dumps({"what": what, "limit": limit, "right": right, "said": said}), flush=True)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def write_each(folder):
    """Write every kind of file under limits of nothing, a part, and all but one byte of it."""
    for name, write in writers().items():
        path = folder / "files" / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        write(path)
        size = path.stat().st_size
        path.write_bytes(b"old")
        before = contents(path.parent)
        for limit in (0, 1, size // 2, size - 1):
            try:
                with files_of_at_most(limit):
                    write(path)
                said = "written"
            except OSError as error:
                said = str(error)
            kept = contents(path.parent) == before
            wanted = f"{str(path)!r} cannot be written (File too large)."
            tell(name, limit, kept and said == wanted, said)


def run_each(folder, every):
    """Run commands over older results, with room for less than they write, or for no file."""
    for name, words in COMMANDS.items():
        out = folder / name
        with contextlib.redirect_stdout(io.StringIO()):
            assert cli.main([*words, "--out", str(out)]) == 0
        before = contents(out)
        sizes = sorted(len(content) for content in before.values())
        limits = (0, *(size - 1 for size in sizes)) if every else (0, sizes[-1] - 1)
        for limit in limits:
            err = io.StringIO()
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(err),
                files_of_at_most(limit),
            ):
                code = cli.main([*words, "--seed", "1", "--out", str(out), "--overwrite"])
            said = err.getvalue().strip()
            now = {k: v for k, v in contents(out).items() if not k.startswith(".")}
            right = code == 2 and now == before and "(File too large)" in said
            lines = [line for line in said.splitlines() if line.startswith("loadpath")]
            tell(name, limit, right and len(lines) == 1, said)
        with contextlib.redirect_stdout(io.StringIO()):
            code = cli.main([*words, "--seed", "1", "--out", str(out), "--overwrite"])
        changed = contents(out)["config.yaml"] != before["config.yaml"]
        hidden = [path.name for path in out.glob(".new*")]
        right = code == 0 and changed and not hidden
        tell(name, None, right, str(hidden))


if __name__ == "__main__":
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    place = Path(sys.argv[1])
    place.mkdir(parents=True)
    with (
        mock.patch.object(report.page, "draw_figures", lambda *_: []),
        mock.patch.object(plots, "png", lambda _: bytes(50_000)),
    ):
        write_each(place)
        run_each(place, every=sys.argv[2:] == ["every"])
    shutil.rmtree(place)
