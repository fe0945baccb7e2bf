"""Engines: which one a net gets, and where the plain one draws its masks from."""

import copy

import pytest
import torch

from loadpath.spring_block.networks import CNNShape, MLPShape, Recipe, choose_engine, engines, train
from tests.spring_block.networks.test_training import DATA, cnn, mlp

NETS = [MLPShape(16, 3, slope=0.2), CNNShape(16, 3, image_channels=1)]


def test_an_mlp_gets_the_compiled_engine_where_there_is_one(monkeypatch):
    assert [choose_engine(shape, None) for shape in NETS] == ["compiled", "plain"]
    assert [choose_engine(shape, "plain") for shape in NETS] == ["plain", "plain"]
    monkeypatch.setattr(engines, "compiled", None)
    assert [choose_engine(shape, None) for shape in NETS] == ["plain", "plain"]


def test_batch_norm_within_but_not_on_the_inputs_is_for_the_plain_engine():
    shape = MLPShape(16, 3, slope=0.2, input_batch_norm=False)
    assert choose_engine(shape, None) == "plain"
    with pytest.raises(ValueError, match="'plain' for a net with BatchNorm but none on its inputs"):
        choose_engine(shape, "compiled")
    assert choose_engine(MLPShape(16, 3, 0.2, batch_norm=False, input_batch_norm=False), None) == (
        "compiled"
    )


def test_the_plain_engine_drops_by_masks_of_its_own_stream():
    net = mlp(dropout=0.4, batch_norm=False)
    start = copy.deepcopy(net)
    recipe = Recipe(epochs=2, dropout=0.4)
    torch.manual_seed(0)
    a = train(net, DATA, recipe, seed=2, engine="plain")
    torch.manual_seed(1)
    b = train(copy.deepcopy(start), DATA, recipe, seed=2, engine="plain")
    assert a.losses.tolist() == b.losses.tolist()
    # Masks differ from epoch to epoch: at a rate of 0, losses would be alike without them.
    still = train(start, DATA, Recipe(epochs=3, dropout=0.4, rate=1e-30), seed=2, engine="plain")
    assert len(set(still.losses.tolist())) == 3


def test_without_numba_the_plain_engine_trains(monkeypatch):
    plain = train(mlp(), DATA, Recipe(epochs=2), engine="plain")
    monkeypatch.setattr(engines, "compiled", None)
    assert train(mlp(), DATA, Recipe(epochs=2)).losses.tolist() == plain.losses.tolist()
    with pytest.raises(ValueError, match=r"without numba: pip install loadpath\[fast\]"):
        train(mlp(), DATA, engine="compiled")


@pytest.mark.parametrize(
    "net, engine, sentence",
    [
        (mlp, "fast", "engine must be .* got 'fast'"),
        (cnn, "compiled", "'plain' for .* not an MLP, got a CNN"),
    ],
)
def test_an_engine_that_cannot_train_a_net_is_refused(net, engine, sentence):
    with pytest.raises(ValueError, match=sentence):
        train(net(), DATA, engine=engine)
