"""Experiments by their names: what they come to, and a tiny run of each."""

import numpy as np
import pytest
import torch

from loadpath.data import digits
from loadpath.measures.separation import log_separation
from loadpath.record import evaluation_mode
from loadpath.spring_block import phase_diagram
from loadpath.spring_block.networks import MLP, MLPShape, Recipe, train
from loadpath.spring_block.phase_diagram import Setting

HS_RECIPE = Recipe(
    epochs=600,
    rate=1e-3,
    batch_size=128,
    weight_decay=5e-4,
    rate_drops=2,
    stop_below=0.0,
    stop_change=0.0,
)


def test_the_experiment_of_he_and_su_comes_to_theirs():
    chosen = Setting("dropout", protocol="HS")
    data = chosen.samples()
    assert data.y_train.bincount().tolist() == [100] * 10
    assert chosen.recipe(0.0) == HS_RECIPE
    assert chosen.shape(data, chosen.recipe(0.0), slope=0.0) == MLPShape(
        64, 10, 0.0, width=100, depth=8, input_batch_norm=False
    )
    grid = phase_diagram.axes(chosen)
    assert grid["slope"] == [0.0]
    whole = chosen.checked(phase_diagram.axes(chosen, noises=[0.0]))
    assert (whole.epochs, whole.engine, whole.width) == (600, "plain", 100)
    assert chosen.experiment.class_weights == "equal"
    rates = phase_diagram.axes(Setting("learning rate", protocol="HS"))["noise"]
    assert rates == [3e-5, 1e-4, 3e-4, 1e-3, 3e-3]
    assert Setting("learning rate", protocol="HS").recipe(3e-4).rate == 3e-4
    # What is said wins over what the paper has.
    assert Setting("dropout", protocol="HS", epochs=7).recipe(0.1).epochs == 7
    assert len(Setting("dropout", protocol="HS", n_train=50).samples().x_train) == 50


def test_images_of_a_folder_are_a_hundred_of_each_class(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 7_000, p=[0.1, 0.2, 0.3, 0.4])
    images = rng.integers(0, 256, (7_000, 12, 12), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=images, labels=labels)
    options = dict(data="mnist", folder=str(tmp_path))
    data = Setting("dropout", protocol="HS", n_train=400, **options).samples()
    assert data.y_train.bincount().tolist() == [100] * 4 and data.x_train.shape == (400, 100)
    theirs = Setting("dropout", **options, n_train=400).samples()
    assert theirs.y_train.bincount().tolist() != [100] * 4


def test_fewer_images_than_a_batch_are_refused_before_any_cell_is_run(tmp_path):
    chosen = Setting("dropout", protocol="HS", n_train=100, epochs=1)
    with pytest.raises(ValueError, match="batch_size must be at most the 100 training samples"):
        phase_diagram.run(chosen, tmp_path / "cells", noises=[0.0], seeds=[0], progress=False)
    assert not (tmp_path / "cells").exists()


def test_a_run_is_collected_and_says_whose_it_is(tmp_path):
    chosen = Setting("learning rate", protocol="HS", n_train=200, epochs=3, width=12, depth=4)
    grid = dict(noises=[1e-3], seeds=[0, 1])
    outcome = phase_diagram.run(chosen, tmp_path, progress=False, **grid)
    assert (outcome.ran, outcome.failed) == (2, ())
    ds = phase_diagram.collect(chosen, tmp_path, **grid)
    assert ds.attrs["protocol"] == "HS" and ds.attrs["class_weights"] == "equal"
    assert ds.slope.values.tolist() == [0.0]
    data = digits(n_train=200, balanced=True)
    net = MLP(64, 10, slope=0.0, width=12, depth=4, input_batch_norm=False, seed=1)
    recipe = Recipe(
        epochs=3, batch_size=128, weight_decay=5e-4, rate_drops=2, stop_below=0, stop_change=0
    )
    run = train(net, data, recipe, seed=1)
    cell = ds.sel(slope=0.0, noise=1e-3, seed=1)
    assert cell.loss.item() == run.losses[-1] and cell.epochs.item() == 3
    with evaluation_mode(net), torch.no_grad():
        path = net.path(data.x_train.float())
    for layer, h in enumerate(path):
        mine = log_separation(h, data.y_train, "fuzziness", class_weights="equal")
        # One function and the same features: digits of the last rounding.
        assert cell.log_separation.sel(kind="fuzziness", layer=layer).item() == pytest.approx(
            mine, rel=1e-12
        )
    # Cells of one experiment are none of the other's.
    with pytest.raises(ValueError, match="its protocol is 'HS', not 'SB'"):
        phase_diagram.run(
            Setting("learning rate", n_train=200, epochs=3, width=12, depth=4),
            tmp_path,
            slopes=[0.0],
            progress=False,
            **grid,
        )
