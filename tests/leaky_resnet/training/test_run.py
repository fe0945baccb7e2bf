"""A Run measures, draws and keeps itself, and is the same as by the functions that it calls."""

import dataclasses

import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.figure import Figure

import loadpath as lp
from loadpath.leaky_resnet.keeping import OF_PATH
from loadpath.leaky_resnet.training.run import OF_TRAINING

SIZES = dict(width=6, depth=4, effective_depth=2.0)
DATA = lp.data.teacher(dims=(4, 1, 4), n_train=40, n_test=20, seed=0)


@pytest.fixture(scope="module")
def run():
    net = lp.LeakyResNet(4, 4, dtype=torch.float64, **SIZES)
    stages = [lp.training.Adam(30), lp.training.LBFGS(20)]
    mesh = lp.layer_steps.Adaptive(net)
    return lp.fit(net, DATA, weight_decay=0.05, stages=stages, mesh=mesh, threads=1)


def lines(figure):
    return [np.asarray(line.get_xydata()) for ax in figure.axes for line in ax.lines]


def test_a_profile_is_that_of_the_training_samples_or_of_others(run):
    given = dict(weight_decay=0.05, gamma0=0.01)
    exact = lp.mechanics.profile(run.model, DATA.x_train, DATA.y_train, **given)
    found = run.profile(gamma0=0.01)
    xr.testing.assert_equal(found, exact)
    assert found.attrs["status"] == run.status
    exact = lp.mechanics.profile(run.model, DATA.x_test, DATA.y_test, **given)
    xr.testing.assert_equal(run.profile(DATA.x_test, DATA.y_test, gamma0=0.01), exact)
    with pytest.raises(ValueError, match="x must be a pair .* of shape .20, 4. alone"):
        run.profile(DATA.x_test)


@pytest.mark.parametrize("name", (*OF_PATH, *OF_TRAINING))
def test_a_figure_is_that_of_the_function_of_its_name(run, name):
    figure = run.plot(name)
    ds = run.history if name in OF_TRAINING else run.profile()
    exact = getattr(lp.plots, name)(ds).get_figure()
    assert isinstance(figure, Figure) and figure.get_suptitle() == ""
    for one, other in zip(lines(figure), lines(exact), strict=True):
        np.testing.assert_array_equal(one, other)


def test_figures_that_there_are_not_are_refused(run):
    with pytest.raises(ValueError, match="name must be one of energies, .*, got 'energy'"):
        run.plot("energy")
    with pytest.raises(ValueError, match="gamma0 must be"):
        run.plot(gamma0=0.0)


def test_a_figure_of_a_run_that_must_not_be_read_says_so(run):
    collapsed = dataclasses.replace(run, status=lp.results.Status.TRIVIAL_MINIMUM)
    assert collapsed.plot("ranks").get_suptitle() == "Not to be read: trivial minimum"


def test_what_is_kept_is_read_back(run, tmp_path):
    folder = run.save(tmp_path / "runs" / "mine")
    assert folder == tmp_path / "runs" / "mine"
    xr.testing.assert_equal(lp.load(folder / "history.nc"), run.history)
    xr.testing.assert_equal(lp.load(folder / "profile.nc"), run.profile())
    path = folder / "model.safetensors"
    weights, _ = lp.results.load_tensors(path, format="pt", what="net")
    other = lp.LeakyResNet(4, 4, dtype=torch.float64, seed=7, **SIZES)
    other.load_state_dict(weights)
    assert torch.equal(other(DATA.x_test), run.model(DATA.x_test))


def test_earlier_files_are_not_replaced_without_being_told(run, tmp_path):
    (tmp_path / "profile.nc").write_text("mine")
    with pytest.raises(FileExistsError, match="holds profile.nc already"):
        run.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["profile.nc"]
    run.save(tmp_path, overwrite=True)
    assert lp.load(tmp_path / "profile.nc").sizes["layer"] == 5
    with pytest.raises(NotADirectoryError, match="is a file"):
        run.save(tmp_path / "profile.nc")


def test_a_net_that_has_no_mechanics_is_kept_without_them(run, tmp_path):
    model = lp.LeakyResNet(4, 4, dtype=torch.float64, **SIZES)
    model.weights.data[0] = torch.nan
    diverged = dataclasses.replace(run, model=model, status=lp.results.Status.DIVERGED)
    diverged.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.nc", "model.safetensors"]
    with pytest.raises(ValueError, match="nan|finite|NaN"):
        dataclasses.replace(run, model=model).save(tmp_path / "other")
