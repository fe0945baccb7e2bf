"""A checkpoint that is whole, but no run's or not this one's, is one sentence; nothing changes."""

import copy

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_trainings import meshed_net, net, regression

from loadpath import fit
from loadpath.leaky_resnet.training import LBFGS, Adam, checkpoint

OPTIONS = {"weight_decay": 0.05, "stages": [Adam(4), LBFGS(2)], "progress": False}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The state of a run that stopped among its first stage's steps, with a mesh."""
    path, data = tmp_path_factory.mktemp("run") / "run", regression()
    model, mesh = meshed_net(data)
    fit(model, data, mesh=mesh, checkpoint=path, max_seconds=1e-9, **OPTIONS)
    return checkpoint.read(path)


def without(name):
    return lambda state: state.pop(name)


def put(value, *names):
    def change(state):
        for name in names[:-1]:
            state = state[name]
        state[names[-1]] = value

    return change


PARTS = ("identity", "model", "last_finite", "optimizer", "mesh", "history", "place", "seconds")
CHANGES = {
    **{f"no {name}": (without(name), "has no|does not hold") for name in (*PARTS, "status")},
    **{f"{name} is none": (put(None, name), "has|does not hold") for name in (*PARTS, "status")},
    **{f"{name} is text": (put("x", name), "has|does not hold") for name in (*PARTS, "status")},
    **{f"{name} is a list": (put([1], name), "has|does not hold") for name in (*PARTS, "status")},
    "other weights": (lambda s: s["model"].pop("weights"), "a 'model' with other tensors"),
    "their shape": (put(torch.zeros(2), "model", "weights"), "in which 'weights' is not this"),
    "their type": (lambda s: s["model"].update(weights=s["model"]["weights"].float()), "'weights'"),
    "a stage too far": (put([2, 0, 6], "place"), r"a place that .*, \[2, 0, 6\]"),
    "a step too far": (put([0, 5, 5], "place"), "a place that"),
    "steps before the first": (put([0, -1, 1], "place"), "a place that"),
    "half a step": (put([0, 1.5, 2], "place"), "a place that"),
    "no optimizer yet": (put([1, 0, 4], "place"), "an optimizer at a stage that has none"),
    "another moment": (put(torch.zeros(3), "optimizer", "state", 0, "exp_avg"), "an 'optimizer'"),
    "a moment of none": (put({"exp_avg": torch.zeros(1)}, "optimizer", "state", 9), "an 'optimi"),
    "another beta": (put([0.5, 0.9], "optimizer", "param_groups", 0, "betas"), "betas is"),
    "another mesh": (put(torch.zeros(1, 2), "mesh", "steps"), "a 'mesh' that is not"),
    "a row of text": (put("x", "history", 0, "objective"), "a 'history' with rows"),
    "a row too short": (lambda s: s["history"][0].pop("seconds"), "a 'history' with rows"),
    "steps of another net": (put([1.0], "history", 0, "layer_steps"), "a 'history' with rows"),
    "time before it began": (put(-1.0, "seconds"), "has seconds=-1.0"),
    "no number of seconds": (put(float("nan"), "seconds"), "has seconds=nan"),
    "an end that is none": (put("lost", "status"), "a status that is none, 'lost'"),
}


@pytest.mark.parametrize("change, said", CHANGES.values(), ids=CHANGES)
def test_what_is_not_this_run_is_refused_and_nothing_is_changed(change, said, saved, tmp_path):
    state = copy.deepcopy(saved)
    change(state)
    checkpoint.write(tmp_path / "run", state)
    before, data = (tmp_path / "run").read_bytes(), regression()
    model, mesh = meshed_net(data)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=f"run' does not fit: the checkpoint .*({said})") as caught:
        fit(model, data, mesh=mesh, checkpoint=tmp_path / "run", resume=True, **OPTIONS)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert all(torch.equal(tensor, weights[n]) for n, tensor in model.state_dict().items())
    assert (tmp_path / "run").read_bytes() == before


def test_the_state_itself_is_gone_on_with(saved, tmp_path):
    data = regression()
    model, mesh = meshed_net(data)
    checkpoint.write(tmp_path / "run", saved)
    run = fit(model, data, mesh=mesh, checkpoint=tmp_path / "run", resume=True, **OPTIONS)
    assert run.status == "finished all steps"


@pytest.mark.parametrize("tree", ["null", "[]", "{", "1", '{"dict": 3}', '{"tensor": "9"}', None])
@pytest.mark.parametrize("format", [checkpoint.FORMAT, checkpoint.FORMER])
def test_what_holds_no_tree_is_refused(tree, format, tmp_path):
    """`tree: null` was taken for no checkpoint, and the run began anew over it."""
    metadata = {"format": format} | ({} if tree is None else {"tree": tree})
    if format == checkpoint.FORMER:  # written without a digest
        save_file({"0": torch.zeros(2)}, tmp_path / "run", metadata=metadata)
    else:
        checkpoint.save_tensors({"0": torch.zeros(2)}, tmp_path / "run", metadata=metadata)
    data = regression()
    with pytest.raises(ValueError, match="run' is no checkpoint: its tree cannot be read.$"):
        fit(net(data), data, checkpoint=tmp_path / "run", resume=True, **OPTIONS)


def test_a_tree_too_deep_to_follow_is_refused(tmp_path):
    metadata = {"format": checkpoint.FORMAT, "tree": "[" * 100_000 + "]" * 100_000}
    checkpoint.save_tensors({"0": torch.zeros(2)}, tmp_path / "run", metadata=metadata)
    with pytest.raises(ValueError, match="run' is no checkpoint: its tree cannot be read.$"):
        checkpoint.read(tmp_path / "run")


def test_a_checkpoint_of_an_earlier_version_goes_on_with_a_note(saved, tmp_path, caplog):
    """0.1.0 wrote the same tree, in a format whose name says that there is no digest."""
    path = tmp_path / "run"
    checkpoint.write(path, saved)
    tensors, metadata = load_file(path), checkpoint.load_tensors(
        path, format=checkpoint.FORMAT, what="checkpoint"
    )[1]  # fmt: skip
    save_file(tensors, path, metadata=metadata | {"format": checkpoint.FORMER})
    data = regression()
    model, mesh = meshed_net(data)
    run = fit(model, data, mesh=mesh, checkpoint=path, resume=True, **OPTIONS)
    assert run.status == "finished all steps"
    assert "has no digest, as files of loadpath 0.1.0" in caplog.text
