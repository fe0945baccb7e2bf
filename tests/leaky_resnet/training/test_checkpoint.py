"""Checkpoints: an interruption changes nothing, and no other file passes for one."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_trainings
import torch
from safetensors.torch import save_file
from tiny_trainings import KILLED, RUN, assert_same_run, classes, meshed_net, net, regression

from loadpath import fit
from loadpath.leaky_resnet.layer_steps import Adaptive
from loadpath.leaky_resnet.training import Adam, checkpoint

SCRIPT = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from tiny_trainings import KILLED, meshed_net, regression
from loadpath import fit
data = regression()
model, mesh = meshed_net(data)
fit(model, data, mesh=mesh, checkpoint=sys.argv[2], checkpoint_seconds=0.0, resume=True, **KILLED)
"""
HELPERS = str(Path(tiny_trainings.__file__).parent)


@pytest.mark.parametrize("make", [regression, classes])
@pytest.mark.parametrize("sittings", [3, 40])
def test_a_run_in_many_sittings_is_the_unbroken_run(make, sittings, tmp_path):
    data = make()
    model, unbroken_mesh = meshed_net(data)
    unbroken = fit(model, data, mesh=unbroken_mesh, **RUN)
    assert unbroken.status == "finished all steps"
    seen = 0
    for k in range(sittings + 1):
        model, mesh = meshed_net(data)
        if k > 0:
            for tensor in (model.weights.data, model.input_map, model.output_map.data):
                tensor.zero_()  # what it goes on from comes from the checkpoint alone
        # Out of time after one iteration, however fast, until the last sitting.
        limit = None if k == sittings else 1e-9
        options = {"checkpoint": tmp_path / "run", "resume": True, "max_seconds": limit}
        run = fit(model, data, mesh=mesh, **RUN, **options)
        if k < sittings:
            assert run.status == "out of time"
            iteration = checkpoint.read(tmp_path / "run")["place"][2]
            assert iteration > seen
            seen = iteration
    assert_same_run(run, unbroken)
    assert mesh.record().identical(unbroken_mesh.record())


@pytest.mark.slow  # tests/attack kills a training too
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_run_killed_anywhere_ends_in_the_same_numbers(tmp_path):
    data = regression()
    path = tmp_path / "run"
    for stage, iteration in ((0, 60), (1, 206)):
        command = [sys.executable, "-W", "error", "-c", SCRIPT, HELPERS, path]
        with subprocess.Popen(command) as process:
            try:
                place = [0, 0, 0]
                while process.poll() is None and (place[0] < stage or place[2] < iteration):
                    time.sleep(0.002)
                    if path.exists():
                        place = checkpoint.read(path)["place"]  # whole at every moment
            finally:
                process.kill()  # SIGKILL
        assert process.returncode == -signal.SIGKILL, "the run was over before it was killed"
    assert checkpoint.read(path)["place"][0] == 1

    model, mesh = meshed_net(data)
    resumed = fit(model, data, mesh=mesh, checkpoint=path, resume=True, **KILLED)
    model, mesh = meshed_net(data)
    assert_same_run(resumed, fit(model, data, mesh=mesh, **KILLED))


def test_resuming_a_finished_run_gives_it_back(tmp_path):
    data = regression()
    options = {"weight_decay": 0.05, "stages": [Adam(20)], "checkpoint": tmp_path / "run"}
    run = fit(net(data), data, **options)
    before = (tmp_path / "run").read_bytes()
    again = fit(net(data), data, resume=True, **options)
    assert_same_run(again, run)
    assert again.seconds == run.seconds
    assert len((tmp_path / "run").read_bytes()) == len(before)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "change, named",
    [
        (lambda o: o.update(weight_decay=0.06), r"weight_decay=0.05, not 0.06"),
        (lambda o: o.update(stages=[Adam(21)]), r"stages='\(Adam\(steps=20.*not.*steps=21"),
        (lambda o: o.update(batch_size=5), "batch_size=24, not 5"),
        (lambda o: o.update(seed=1), "seed=0, not 1"),
        (lambda o: o["model"].update(width=7), "width=6, not 7"),
        (lambda o: o["model"].update(effective_depth=2.0), "effective_depth=1.0, not 2.0"),
        (lambda o: o["model"].update(activation="tanh"), "activation='relu', not 'tanh'"),
        (lambda o: o["model"].update(step="exponential"), "step='euler', not 'exponential'"),
        (lambda o: o["model"].update(bias=False), "bias=True, not False"),
        (lambda o: o["model"].update(dtype=torch.float32), "dtype='torch.float64', not"),
        (lambda o: o["model"].update(input_map="learned"), "learned="),
        (lambda o: o.update(data=regression(23)), "data="),
        (lambda o: o.update(mesh=True), "mesh="),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_by_what_differs(change, named, tmp_path):
    options = {"weight_decay": 0.05, "stages": [Adam(20)], "checkpoint": tmp_path / "run"}
    fit(net(regression()), regression(), **options)
    new = {**options, "model": {}}
    change(new)
    data = new.pop("data", regression())
    model = net(data, **new.pop("model"))
    if new.pop("mesh", False):
        new["mesh"] = Adaptive(model)
    before = (tmp_path / "run").read_bytes()
    with pytest.raises(ValueError, match=f"the checkpoint is of a run with {named}"):
        fit(model, data, resume=True, **new)
    assert (tmp_path / "run").read_bytes() == before


def test_an_existing_checkpoint_is_not_overwritten_unasked(tmp_path):
    path = tmp_path / "run"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="checkpoint '.*run' exists already; pass resume"):
        fit(net(regression()), regression(), checkpoint=path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_a_checkpoint_cut_short_is_refused_in_one_sentence(keep, tmp_path):
    path = tmp_path / "run"
    options = {"weight_decay": 0.05, "stages": [Adam(20)], "checkpoint": path}
    fit(net(regression()), regression(), **options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(ValueError, match=r"run' is cut short or damaged\.$"):
        fit(net(regression()), regression(), resume=True, **options)


def test_a_checkpoint_is_safetensors_and_holds_nothing_to_execute(tmp_path):
    tree = {
        "tensors": [torch.arange(3), torch.zeros(0, 2, dtype=torch.float64)],
        "numbers": {1: 0.1, "inf": math.inf, "none": None, "yes": True},
        "pair": (1, "two"),
    }
    checkpoint.write(tmp_path / "run", tree)
    back = checkpoint.read(tmp_path / "run")
    assert torch.equal(back["tensors"][0], tree["tensors"][0])
    assert back["tensors"][1].shape == (0, 2) and back["tensors"][1].dtype == torch.float64
    assert back["numbers"] == tree["numbers"] and back["pair"] == [1, "two"]
    data = (tmp_path / "run").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert header["__metadata__"]["format"] == checkpoint.FORMAT
    with pytest.raises(TypeError):
        checkpoint.write(tmp_path / "other", {"function": print})
    assert not (tmp_path / "other").exists()


def test_files_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "run"
    with pytest.raises(FileNotFoundError, match="There is no checkpoint .*run"):
        checkpoint.read(path)
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="has format None, but a checkpoint that .* has 'loadp"):
        checkpoint.read(path)
    save_file({"x": torch.zeros(2)}, path, metadata={"format": "loadpath-checkpoint-0"})
    with pytest.raises(ValueError, match="has format 'loadpath-checkpoint-0', but"):
        checkpoint.read(path)
