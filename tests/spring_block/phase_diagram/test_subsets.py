"""Diagrams over several subsets of the data: the cells of each, and whose each net is."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import xarray as xr

from loadpath import results
from loadpath.spring_block import phase_diagram
from loadpath.spring_block.phase_diagram.subsets import subsets_and_nets
from tests.spring_block.phase_diagram.test_setting import setting

GRID = dict(slopes=[0.5], noises=[0.0, 0.4])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder whose cells of one subset were there before two more were asked for."""
    folder, chosen = tmp_path_factory.mktemp("subsets") / "cells", setting(data_seed=2, epochs=1)
    phase_diagram.run(chosen, folder, seeds=[5, 6], progress=False, **GRID)
    outcome = phase_diagram.run(
        chosen, folder, seeds=[5, 6], data_seeds=[2, 0, 7], progress=False, **GRID
    )
    return chosen, folder, outcome


def test_only_the_cells_of_new_subsets_are_run(run):
    _, folder, outcome = run
    assert (outcome.ran, outcome.kept, outcome.failed) == (8, 4, ())
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        "data-seed-0",
        "data-seed-7",
    ]


def test_each_net_is_that_of_its_subset_and_seed(run):
    chosen, folder, _ = run
    ds = phase_diagram.collect(chosen, folder, seeds=[5, 6], data_seeds=[2, 0, 7], **GRID)
    assert ds.test_accuracy.dims == ("slope", "noise", "seed")
    assert ds.seed.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert ds.data_seed.values.tolist() == [2, 2, 0, 0, 7, 7]
    assert ds.net_seed.values.tolist() == [5, 6, 5, 6, 5, 6]
    alone = phase_diagram.measure(
        slope=0.5, noise=0.4, seed=6, **asdict(replace(chosen, data_seed=7))
    )
    net = ds.sel(slope=0.5, noise=0.4).isel(seed=5)
    np.testing.assert_array_equal(net.log_separation, alone.log_separation)
    assert net.test_accuracy.item() == alone.test_accuracy.item()
    # A diagram of one subset is as it always was.
    one = phase_diagram.collect(chosen, folder, seeds=[5, 6], **GRID)
    assert one.seed.values.tolist() == [5, 6] and "data_seed" not in one.coords
    np.testing.assert_array_equal(one.test_accuracy, ds.test_accuracy[:, :, :2])


def test_attrs_say_what_all_subsets_share(run, tmp_path):
    chosen, folder, _ = run
    ds = phase_diagram.collect(chosen, folder, seeds=[5, 6], data_seeds=[2, 0, 7], **GRID)
    back = results.load(results.save(ds, tmp_path / "diagram.nc"))
    assert back.attrs["panel"] == "data noise" and back.attrs["n_train"] == 200
    assert '"data_seeds": [2, 0, 7]' in back.attrs["parameters"]
    assert not {"data_seed", "fingerprint"} & back.attrs.keys()
    assert [group.tolist() for group in subsets_and_nets(back)] == [
        [2, 2, 0, 0, 7, 7],
        [5, 6, 5, 6, 5, 6],
    ]


def test_intervals_of_a_collected_diagram_are_about_subsets(run):
    chosen, folder, _ = run
    ds = phase_diagram.collect(chosen, folder, seeds=[5, 6], data_seeds=[2, 0, 7], **GRID)
    plain = phase_diagram.mean_curves(ds.drop_vars(["data_seed", "net_seed"]))
    np.testing.assert_array_equal(ds.mean_test_accuracy, plain.mean_test_accuracy)
    assert bool((ds.mean_test_accuracy_high != plain.mean_test_accuracy_high).all())


def test_one_subset_or_none_is_no_table():
    nets = xr.Dataset(coords={"seed": [0, 1]})
    assert subsets_and_nets(nets) is None
    assert subsets_and_nets(nets.assign_coords(data_seed=("seed", [3, 3]))) is None
    assert subsets_and_nets(nets.assign_coords(data_seed=3)) is None
    # Without the seeds of the nets they are taken as nets of their own.
    found = subsets_and_nets(nets.assign_coords(data_seed=("seed", [3, 4])))
    assert [group.tolist() for group in found] == [[3, 4], [0, 1]]


@pytest.mark.parametrize(
    "seeds, said",
    [
        ([], r"data_seeds must be different values, at least one, got \[\]."),
        ([1, 1], r"data_seeds must be different values, at least one, got \[1, 1\]."),
        ([-1], "data_seeds must be"),
        (3, "data_seeds must be"),
    ],
)
def test_bad_seeds_of_the_data_are_named(seeds, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        phase_diagram.run(setting(), tmp_path, data_seeds=seeds, seeds=[0], progress=False, **GRID)
    assert not any(tmp_path.iterdir())
