"""Cells of a network's diagram: the numbers of training by hand, whole grids, plain refusals."""

from dataclasses import asdict

import numpy as np
import pytest
import yaml

from loadpath import data as sources
from loadpath import results
from loadpath.measures.separation import LoadCurve
from loadpath.record import evaluation_mode
from loadpath.spring_block import phase_diagram
from loadpath.spring_block.networks import CNN, MLP, Recipe, train
from loadpath.spring_block.phase_diagram import Setting
from tests.measures.separation.test_log_separations import authors_separation
from tests.spring_block.phase_diagram.test_setting import setting, write_npz


def test_a_cell_is_the_net_trained_by_hand():
    ds = phase_diagram.measure(slope=0.2, noise=0.3, seed=4, **asdict(setting()))
    data = sources.digits(n_train=200)
    net = MLP(64, 10, slope=0.2, seed=4)
    run = train(net, data, Recipe(epochs=3, data_noise=0.3), seed=4)
    assert ds.status.item() == run.status == "all epochs" and ds.epochs.item() == 3
    assert ds.loss.item() == run.losses[-1]
    assert ds.test_accuracy.item() == run.test_accuracy
    assert ds.train_accuracy.item() == run.train_accuracy
    for kind in ds.kind.values:
        D = ds.log_separation.sel(kind=kind).values
        np.testing.assert_array_equal(D, run.log_separation[kind])
    assert ds.log_separation.shape == (3, 8)
    assert {"slope": 0.2, "noise": 0.3, "seed": 4}.items() <= ds.attrs.items()


def test_the_cnn_has_a_training_and_levels_of_its_own():
    chosen = Setting("dropout", network="CNN")
    assert chosen.recipe(0.04) == Recipe(epochs=2000, rate=1e-4, dropout=0.04)
    assert phase_diagram.axes(chosen)["noise"][-1] == 0.64
    ds = phase_diagram.measure(
        slope=0.0,
        noise=0.1,
        seed=1,
        **asdict(setting("dropout", network="CNN", epochs=1, width=4, depth=3)),
    )
    data = sources.digits(n_train=200)
    net = CNN(64, 10, image_channels=1, channels=4, depth=3, dropout=0.1, seed=1)
    run = train(net, data, Recipe(epochs=1, rate=1e-4, dropout=0.1), seed=1)
    np.testing.assert_array_equal(
        ds.log_separation.sel(kind="fuzziness"), run.log_separation["fuzziness"]
    )


def test_records_lie_on_epochs_that_all_cells_share():
    ds = phase_diagram.measure(slope=0.2, noise=0.0, seed=0, **asdict(setting(record_every=2)))
    assert ds.recorded_epoch.values.tolist() == [0, 2]
    net = MLP(64, 10, slope=0.2, seed=0)
    data = sources.digits(n_train=200)
    run = train(net, data, Recipe(epochs=3), record_every=2)
    for kind in ds.kind.values:
        np.testing.assert_array_equal(ds.log_separation_recorded.sel(kind=kind), run.recorded[kind])


def test_a_net_that_stops_early_has_no_later_records():
    ds = phase_diagram.measure(
        slope=0.0,
        noise=0.05,
        seed=0,
        **asdict(setting("learning rate", record_every=1, epochs=300)),
    )
    assert ds.status.item() == "stopped at loss" and ds.epochs.item() < 300
    known = np.isfinite(ds.log_separation_recorded).all(("kind", "layer"))
    assert known.sum() == ds.epochs and bool(known[: ds.epochs.item()].all())


def test_training_that_diverges_is_said_and_has_no_numbers():
    ds = phase_diagram.measure(
        slope=0.2, noise=1e30, seed=0, **asdict(setting("learning rate", batch_norm=False))
    )
    assert ds.status.item() == "diverged" and ds.epochs.item() < 4
    for name in ("loss", "test_accuracy", "train_accuracy", "log_separation"):
        assert np.isnan(ds[name]).all(), name


def test_a_grid_is_run_once_and_grows(tmp_path):
    chosen, grid = setting(), dict(slopes=[0.0, 0.5], noises=[0.0, 0.4])
    outcome = phase_diagram.run(chosen, tmp_path, seeds=[0], progress=False, **grid)
    assert (outcome.ran, outcome.kept) == (4, 0) and not outcome.failed
    outcome = phase_diagram.run(chosen, tmp_path, seeds=[0, 1], progress=False, **grid)
    assert (outcome.ran, outcome.kept) == (4, 4)
    ds = phase_diagram.collect(chosen, tmp_path, seeds=[0, 1], **grid)
    assert ds.test_accuracy.dims == ("slope", "noise", "seed")
    assert ds.log_separation.dims == ("slope", "noise", "seed", "kind", "layer")
    alone = phase_diagram.measure(slope=0.5, noise=0.4, seed=1, **asdict(chosen))
    cell = ds.sel(slope=0.5, noise=0.4, seed=1)
    for name in ("test_accuracy", "loss", "log_separation", "epochs"):
        np.testing.assert_array_equal(cell[name], alone[name])
    for kind in ds.kind.values:
        curve = LoadCurve(cell.log_separation.sel(kind=kind).values, kind)
        assert cell.concavity.sel(kind=kind).item() == pytest.approx(curve.concavity, abs=1e-14)
    assert cell.status.item() == "all epochs"


def test_a_diagram_says_where_it_comes_from_and_names_no_folder(tmp_path):
    archive = tmp_path / "mine.npz"
    write_npz(archive)
    chosen = Setting("batch size", data="npz", folder=str(archive), epochs=1, width=8)
    grid = dict(slopes=[0.0], noises=[30, 12], seeds=[3])
    phase_diagram.run(chosen, tmp_path / "cells", progress=False, **grid)
    ds = phase_diagram.collect(chosen, tmp_path / "cells", **grid)
    path = results.save(ds, tmp_path / "diagram.nc")
    ds = results.load(path)
    assert ds.noise.values.tolist() == [30, 12]  # from calm to noisy, as they were given
    expected = dict(panel="batch size", data="npz", network="MLP", width=8, depth=8, epochs=1)
    assert expected.items() <= ds.attrs.items()
    assert ds.attrs["data_source"] == "the user's arrays" and "loadpath_version" in ds.attrs
    assert not any(str(tmp_path) in str(value) for value in ds.attrs.values())


def test_a_cell_can_be_measured_as_the_authors_code_measures():
    options = asdict(setting(pseudo_inverse="float32"))
    ds = phase_diagram.measure(slope=1.0, noise=0.0, seed=4, **options)
    net = MLP(64, 10, slope=1.0, seed=4)
    data = sources.digits(n_train=200)
    train(net, data, Recipe(epochs=3), seed=4)
    with evaluation_mode(net):
        path = net.path(data.x_train.float())
    for layer in (3, 7):
        for kind in ("fuzziness", "inverse"):
            # Sums in float32, as the authors' code has them, differ in their last digits.
            assert ds.log_separation.sel(kind=kind, layer=layer).item() == pytest.approx(
                authors_separation(path[layer], data.y_train)[kind], abs=0.02
            )


def as_of_0_1_0(folder):
    """Make a folder of cells one that version 0.1.0 wrote, which named no scale of noise."""
    path = folder / "sweep.yaml"
    content = yaml.safe_load(path.read_text())
    for name in ("noise_scale", "resize", "pseudo_inverse", "protocol"):
        del content["common"][name]
    path.write_text(yaml.safe_dump(content))


def test_cells_of_0_1_0_are_read_with_the_scale_that_they_had(tmp_path):
    old, grid = setting(noise_scale="demeaned"), dict(slopes=[0.0], noises=[0.5], seeds=[0, 1])
    phase_diagram.run(old, tmp_path, progress=False, **grid)
    as_of_0_1_0(tmp_path)
    outcome = phase_diagram.run(old, tmp_path, progress=False, **grid)
    assert (outcome.ran, outcome.kept) == (0, 2)
    ds = phase_diagram.collect(old, tmp_path, **grid)
    assert ds.attrs["noise_scale"] == "demeaned" and "demeaned" in ds.attrs["noise_scale_meaning"]
    assert ds.attrs["raw_deviation"] == pytest.approx(setting().samples().raw_deviation)
    with pytest.raises(ValueError, match="its noise_scale is 'demeaned', not 'raw'"):
        phase_diagram.run(setting(), tmp_path, progress=False, **grid)
    with pytest.raises(ValueError, match="setting must have noise_scale 'demeaned', with which"):
        phase_diagram.collect(setting(), tmp_path, **grid)
    # And the scale matters: the same seed, other noise.
    other = phase_diagram.measure(slope=0.0, noise=0.5, seed=0, **asdict(setting()))
    assert other.loss.item() > ds.loss.sel(seed=0).item() + 0.01


@pytest.mark.parametrize(
    "panel, options, grid, said",
    [
        ("batch size", {}, dict(noises=[201]), "a batch size of at most the 200 training samples"),
        ("batch size", {}, dict(noises=[7.5]), "a whole number for batch size, got 7.5"),
        ("batch size", {}, dict(noises=[199]), "batch_size must leave at least 2 samples"),
        ("dropout", {}, dict(noises=[1.0]), r"dropout must lie in \[0, 1\), got 1"),
        ("dropout", {}, dict(slopes=[-0.1]), "slopes must be finite and at least 0, got -0.1"),
        ("dropout", {}, dict(slopes=[0.0, 0.0]), "slopes must be different values"),
        ("dropout", {}, dict(seeds=[]), "seeds must be different values, at least one"),
        ("dropout", {}, dict(seeds=[0, -1]), "seeds must be a whole number of at least 0, not -1"),
        ("dropout", dict(depth=1), {}, "depth must be a whole number of at least 2, not 1"),
    ],
)
def test_bad_grids_are_refused_before_any_cell_is_run(panel, options, grid, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        phase_diagram.run(setting(panel, **options), tmp_path, progress=False, **grid)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "labels, said",
    [
        ([0] * 18 + [2] * 18, "a class 2"),
        ([0] * 17 + [1] * 18 + [2], "1 of class 2"),
    ],
)
def test_bad_labels_are_refused_before_any_cell_is_run(labels, said, tmp_path):
    archive = tmp_path / "mine.npz"
    write_npz(archive, labels=np.array(labels))
    with pytest.raises(ValueError, match=said):
        phase_diagram.run(
            Setting("dropout", data="npz", folder=str(archive)), tmp_path / "cells", progress=False
        )
    assert not (tmp_path / "cells").exists()


def test_cells_are_small_on_disk(tmp_path):
    ds = phase_diagram.measure(slope=0.2, noise=0.0, seed=0, **asdict(setting()))
    assert results.save(ds, tmp_path / "cell.nc").stat().st_size < 15_000
