"""Damage every kind of file, read it, and say what came of it: run in a process of its own.

`python damaged_files.py FOLDER SEED TRIES [KIND ...]` writes a line before each try and one after
it, so that a crash or a hang can be told from what it did to which file.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import sweep_cells
import torch
import xarray as xr
from image_files import idx_bytes
from tiny_trainings import net, regression

from loadpath import fit, results, sweep
from loadpath.data.arrays import from_npz
from loadpath.data.files import read_idx
from loadpath.leaky_resnet.training import Adam
from loadpath.record import Moments, load_sums, save_sums
from loadpath.storage import check_settings_file, read_settings_file, write_settings_file
from loadpath.sweep.folder import read_settings

CELLS = {"alpha": (0.5, 1.0), "seed": range(2)}
TRAINING = {"weight_decay": 0.05, "stages": [Adam(3)]}


def text_of(ds):
    """A Dataset to the last bit, as text."""
    variables = {
        str(name): (v.dims, str(v.dtype), v.values.tolist().__repr__(), repr(v.attrs))
        for name, v in ds.variables.items()
    }
    return repr((sorted(variables.items()), ds.attrs))


def text_of_tensors(tensors):
    return repr(sorted((n, str(t.dtype), tuple(t.shape), t.tolist()) for n, t in tensors.items()))


def a_result(folder):
    rng = np.random.default_rng(0)
    ds = xr.Dataset(
        {"load": ("layer", rng.random(40)), "curve": (("seed", "layer"), rng.random((5, 40)))},
        {"layer": [f"layer {i}" for i in range(40)]},
        {"verdict": "lazy"},
    )
    return results.save(results.stamp(ds, rate=0.1, dims=(3, 4)), folder / "run.nc")


def a_checkpoint(folder):
    data = regression()
    fit(net(data), data, checkpoint=folder / "run", **TRAINING)
    return folder / "run"


def resumed(path):
    """The run that goes on from a checkpoint, which is kept as it was."""
    whole, data = path.read_bytes(), regression()
    try:
        run = fit(net(data), data, checkpoint=path, resume=True, progress=False, **TRAINING)
    finally:
        path.write_bytes(whole)
    history = run.history.drop_attrs()
    return text_of_tensors(run.model.state_dict()) + text_of(history) + run.status


def some_sums(folder):
    moments = Moments(3, velocity=False)
    moments.update(torch.arange(12.0, dtype=torch.float64).reshape(4, 3).sin())
    return save_sums({"first": moments}, folder / "sums")


def read_sums(path):
    return repr([(name, each.settings(), text_of_tensors(each.state())) for name, each in
                 load_sums(path, Moments).items()])  # fmt: skip


def a_model(folder):
    state = net(regression()).state_dict()
    return results.save_tensors(state, folder / "model.safetensors", metadata={"format": "pt"})


def read_model(path):
    tensors, metadata = results.load_tensors(path, format="pt", what="model")
    return text_of_tensors(tensors) + repr(metadata)


def some_settings(folder):
    settings = {"width": 100, "rate": 0.1, "dims": [30, 3, 30], "name": "digits", "bias": True}
    return write_settings_file(folder / "config.yaml", settings)


def read_config(path):
    check_settings_file(path)
    return repr(read_settings_file(path))


def a_sweep(folder):
    sweep.run(sweep_cells.curve, sweep.product(CELLS), folder, progress=False)
    return folder / "sweep.yaml"


def read_sweep(path):
    return repr(read_settings(path.parent))


def a_cell(folder):
    a_sweep(folder)
    return folder / "alpha=1.0,seed=1.nc"


def read_cell(path):
    return text_of(sweep.collect(path.parent, CELLS).drop_attrs())


def run_again(path):
    """What the sweep holds once it has been run again: a damaged cell is measured anew."""
    sweep.run(sweep_cells.curve, sweep.product(CELLS), path.parent, progress=False)
    for aside in path.parent.glob("*.damaged"):
        aside.unlink()
    return read_cell(path)


def an_archive(folder):
    rng = np.random.default_rng(0)
    np.savez_compressed(folder / "pair.npz", x=rng.random((9, 4)), y=rng.random((9, 2)).round(1))
    return folder / "pair.npz"


def read_archive(path):
    return repr([t.tolist() for t in from_npz(path)])


def an_idx_file(folder):
    import gzip

    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.arange(200, dtype=np.uint8) % 10)))
    return path


KINDS = {
    "result": (a_result, lambda path: text_of(results.load(path))),
    "checkpoint": (a_checkpoint, resumed),
    "sums": (some_sums, read_sums),
    "model": (a_model, read_model),
    "config": (some_settings, read_config),
    "sweep": (a_sweep, read_sweep),
    "cell": (a_cell, read_cell),
    "cell run again": (a_cell, run_again),
    "archive": (an_archive, read_archive),
    "idx": (an_idx_file, lambda path: repr(read_idx(path).tolist())),
}
"""What writes a file of each kind, and what reads it as text that says all."""


def flip_a_bit(rng, data):
    data[rng.integers(len(data))] ^= 1 << rng.integers(8)


def change_bytes(rng, data):
    for place in rng.integers(len(data), size=rng.integers(2, 17)):
        data[place] = rng.integers(256)


def blank_a_block(rng, data):
    start, size = rng.integers(len(data)), rng.choice([16, 512, 4096])
    data[start : start + size] = bytes(len(data[start : start + size]))


def cut_short(rng, data):
    del data[rng.integers(len(data)) :]


def go_on_too_long(rng, data):
    data += rng.bytes(rng.integers(1, 600))


def lose_bytes(rng, data):
    start = rng.integers(len(data))
    del data[start : start + rng.integers(1, 100)]


def gain_bytes(rng, data):
    start = rng.integers(len(data))
    data[start:start] = rng.bytes(rng.integers(1, 100))


def swap_blocks(rng, data):
    size = int(rng.integers(1, len(data) // 2))
    first, second = sorted(int(s) for s in rng.integers(len(data) - size, size=2))
    if second - first >= size:
        one, other = data[first : first + size], data[second : second + size]
        data[first : first + size], data[second : second + size] = other, one
    else:
        data.reverse()


DAMAGES = (
    *(flip_a_bit, flip_a_bit, change_bytes, blank_a_block, cut_short, go_on_too_long),
    *(lose_bytes, gain_bytes, swap_blocks),
)


def outcome(path, read, right):
    """One of: "right", "sentence", "other numbers", or the traceback's last line."""
    try:
        return "right" if read(path) == right else "other numbers"
    except (ValueError, OSError) as error:
        said = str(error)
        sentence = str(path.parent) in said and "\n" not in said and said.endswith(".")
        return "sentence" if sentence else f"{type(error).__name__}: {said}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def attack(kind, folder, seed, tries):
    """Damage a file of a kind so many times; print each try and its outcome."""
    folder.mkdir(parents=True)
    make, read = KINDS[kind]
    path = make(folder)
    whole, right = path.read_bytes(), read(path)
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    for number in range(tries):
        data, damage = bytearray(whole), DAMAGES[number % len(DAMAGES)]
        damage(rng, data)
        if data == whole:
            continue
        path.write_bytes(data)
        print(json.dumps({"kind": kind, "try": number, "damage": damage.__name__}), flush=True)
        print(json.dumps({"outcome": outcome(path, read, right)}), flush=True)
        path.write_bytes(whole)


if __name__ == "__main__":
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    place, seed, tries, *kinds = sys.argv[1:]
    for each in kinds or KINDS:
        attack(each, Path(place) / each, int(seed), int(tries))
