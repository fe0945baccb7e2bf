"""Experiments, and figures that show the numbers of their runs."""

import dataclasses
import functools
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from kept_cells import keep

from loadpath import plots, results, sweep
from loadpath.data import teacher
from loadpath.leaky_resnet.training import Adam, fit
from loadpath.papers import EXPERIMENTS, FIGURES, draw, runs
from loadpath.papers.figures import summary
from loadpath.sweep.cells import cell_name
from loadpath.sweep.job import Job

# --- the set-ups ---


def test_every_depth_has_the_same_number_of_parameters():
    budget = runs.EQUAL_DEPTH * runs.WIDTH * (runs.WIDTH + 1)
    for depth in runs.DEPTHS:
        width = runs.equal_width(depth)
        off = {w: abs(depth * w * (w + 1) / budget - 1) for w in (width - 1, width, width + 1)}
        assert min(off, key=off.get) == width and off[width] < 0.013  # a neuron is 3 % at depth 20
    assert runs.equal_width(runs.EQUAL_DEPTH) == runs.WIDTH


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_cells_differ_and_have_files_of_their_own(name):
    experiment = EXPERIMENTS[name]
    assert experiment.name == name
    cells = experiment.cells([0, 1])
    names = {cell_name(cell) for cell in cells}
    assert len(names) == len(cells) == 2 * len(experiment.cells([5]))
    assert {cell["seed"] for cell in cells} == {0, 1}


@pytest.mark.parametrize("name", FIGURES)
def test_the_runs_of_every_figure_are_in_docs(name, tmp_path, monkeypatch):
    monkeypatch.setattr(Job, "__call__", None)  # all cells are there
    figure, data = FIGURES[name], Path(__file__).parents[2] / "docs" / "data"
    for kind in (figure.experiment, *figure.also):
        experiment, own = EXPERIMENTS[kind], tmp_path / kind
        cells = [cell for cell in experiment.cells(range(figure.seeds)) if figure.shows(cell)]
        # Figures share runs, and a folder has one writer: figures tried side by side would collide.
        shutil.copytree(data / kind, own)
        assert sweep.run(experiment.measure, cells, own) == sweep.Outcome(0, len(cells), ())


def briefly(model, data, **options):
    return fit(model, data, **{**options, "stages": [Adam(2)]})


pytestmark = pytest.mark.xdist_group("figures")  # what they share takes seconds to make


@pytest.fixture(scope="module")
def measured():
    """One small run of every kind; the nets of Figure 2 that are kept whole are a kind."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "WIDTH", 12)
        patch.setattr(runs, "DEPTH", 12)
        patch.setattr(runs, "DETAILED", (12, 6, 0))
        patch.setattr(runs, "fit", briefly)
        patch.setattr(
            runs.sources, "teacher", lambda dims, **options: teacher(dims, n_train=80, **options)
        )
        kinds = {
            "bottleneck": runs.bottleneck(effective_depth=2.0, seed=1),
            "scale": runs.bottleneck(effective_depth=7.0, seed=1, scale=0.1),
            "discretization": runs.discretization(rule="irregular", depth=5, width=12, seed=0),
            "detailed": runs.discretization(rule="adaptive", depth=6, width=12, seed=0),
            "digits": runs.digits(targets="labels", effective_depth=5.0, weight_decay=0.1, seed=1),
            "onehot": runs.digits(targets="onehot", effective_depth=0.0, weight_decay=0.1, seed=1),
        }
    torch.set_num_threads(before)
    return kinds


def test_a_cell_holds_what_it_was_asked_for_and_how_it_ended(measured):
    ds = measured["bottleneck"]
    assert (ds.attrs["effective_depth"], ds.attrs["seed"], ds.attrs["teacher_rank"]) == (2.0, 1, 3)
    assert (ds.attrs["status"], ds.attrs["iterations"]) == ("finished all steps", 2)
    for name in ("train_error", "test_error", "seconds"):
        assert ds[name].ndim == 0 and float(ds[name]) > 0
    coi = ds["cost_of_identity_by_gamma0"]
    xr.testing.assert_equal(coi.isel(gamma0=0, drop=True), ds["cost_of_identity"])
    assert (coi.diff("gamma0") >= 0).all()  # the gammas fall, and what they hide appears
    assert set(measured["discretization"].data_vars) < set(measured["detailed"].data_vars)
    steps = measured["discretization"]["layer_step"].values
    assert steps.argmax() in (1, 2) and steps[0] > steps[-1]  # an irregular mesh of 5
    for kind in ("digits", "onehot"):
        assert 0 < float(measured[kind]["misclassified"]) <= 1
    assert measured["onehot"].attrs["loss"] == "mse"
    assert measured["digits"].attrs["loss"] == "cross-entropy"


# --- figures ---


LAID_OUT = ("1a", "2a", "3", "scale", "digits")
"""Figures that lay a few numbers of many cells out."""
SHOWN = {
    *("dimension", "symmetric_hamiltonian", "cost_of_identity", "cost_of_identity_by_gamma0"),
    *("stationarity", "path_length", "momentum_norm", "momentum_activation_norm", "objective"),
    *("centred_spectrum", "misclassified", "representation_norm", "test_error", "bottleneck_rank"),
}
"""What those show or say: to write and read all of every cell takes seconds."""


def synthetic(measured, experiment, cell):
    """A cell's Dataset: one of its kind, with numbers of the cell's own."""
    kind = experiment
    if experiment == "discretization":
        detailed = (cell["width"], cell["depth"], cell["seed"]) == runs.DETAILED
        kind = "detailed" if detailed else kind
    elif cell.get("targets") == "onehot":
        kind = "onehot"
    rng = np.random.default_rng(list(repr(sorted(cell.items())).encode()))
    ds = measured[kind].copy(deep=True)
    for name, variable in ds.data_vars.items():
        if variable.dtype.kind == "f":
            ds[name] = variable * rng.uniform(0.8, 1.2)
    return ds


@pytest.fixture(scope="module")
def drawn(measured, tmp_path_factory):
    """Draw a figure of cells on disk; gives what the plot was handed, and the cells."""

    @functools.cache
    def of(name, *seeds):
        tmp_path = tmp_path_factory.mktemp("figures")
        experiment = EXPERIMENTS[FIGURES[name].experiment]
        cells = [cell for cell in experiment.cells(seeds) if FIGURES[name].shows(cell)]
        datasets = [synthetic(measured, experiment.name, cell) for cell in cells]
        if name in LAID_OUT:
            datasets = [ds[[each for each in ds.data_vars if each in SHOWN]] for ds in datasets]
        for cell, ds in zip(cells, datasets, strict=True):
            keep(ds, tmp_path, experiment, cell)
        handed = []
        plot = getattr(plots, f"figure_{name}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plots, f"figure_{name}", lambda ds: handed.append(ds) or plot(ds))
            patch.setattr(Job, "__call__", None)  # all cells are there
            picture, _ = draw(name, tmp_path, seeds=seeds)
        assert picture == tmp_path / "figures" / f"figure_{name}.png"
        assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        return handed[0], list(zip(cells, datasets, strict=True))

    return of


def assert_laid_out(table, variable, expected):
    """`table` has for every cell the values that `expected` has for it, and no others."""
    wanted = 0
    for cell, values in expected:
        found = table[variable].sel({k: v for k, v in cell.items() if k in table[variable].dims})
        values = np.asarray(values)
        np.testing.assert_array_equal(found.values, values)
        wanted += np.isfinite(values).sum()
    assert int(table[variable].notnull().sum()) == wanted


def test_figure_1a_shows_every_net_of_the_grid(drawn):
    table, cells = drawn("1a", 0, 1)
    assert table.sizes["effective_depth"] == 6 and table.sizes["seed"] == 2
    assert_laid_out(table, "dimension", [(c, ds["dimension"]) for c, ds in cells])
    least = [(c, ds["cost_of_identity_by_gamma0"].min("layer")) for c, ds in cells]
    assert_laid_out(table, "min_cost_of_identity", least)
    assert table.attrs["bottleneck_rank"] == 3


def test_figure_3_shows_the_largest_momenta(drawn):
    table, cells = drawn("3", 1)
    assert_laid_out(table, "path_length", [(c, ds["path_length"]) for c, ds in cells])
    for name in ("momentum_norm", "momentum_activation_norm"):
        assert_laid_out(table, name, [(c, ds[name].max()) for c, ds in cells])


def test_figure_2a_shows_equal_widths_and_equal_parameters(drawn):
    table, cells = drawn("2a", 1)
    assert table["test_error"].dims == table["test_error_equal"].dims
    assert dict(table["test_error"].sizes) == {"rule": 3, "depth": 5, "seed": 1}
    widths = dict(zip(table["depth"].values, table["width"].values, strict=True))
    assert widths == {depth: runs.equal_width(depth) for depth in runs.DEPTHS}
    same = [(c, ds["test_error"]) for c, ds in cells if c["width"] == runs.WIDTH]
    equal = [(c, ds["test_error"]) for c, ds in cells if c["width"] == widths[c["depth"]]]
    assert_laid_out(table, "test_error", same)
    assert_laid_out(table, "test_error_equal", equal)
    assert np.ptp(table["n_parameters"].values) < 0.025 * table["n_parameters"].mean()


@pytest.mark.parametrize("name", ["1b", "1c"])
def test_figures_1b_and_1c_show_the_first_seed_at_7(name, drawn):
    profile, cells = drawn(name, 2, 0)
    assert cells[0][0] == {"effective_depth": 7.0, "seed": 2}
    xr.testing.assert_equal(profile, cells[0][1])


def test_figure_2b_shows_the_adaptive_net_that_is_kept_whole(drawn):
    profile, cells = drawn("2b", 0)
    ((cell, ds),) = cells
    assert cell == {"rule": "adaptive", "depth": runs.DEPTH, "width": runs.WIDTH, "seed": 0}
    xr.testing.assert_equal(profile, ds)


def test_figure_2c_shows_one_net_a_rule(drawn):
    profiles, cells = drawn("2c", 0, 1)
    assert list(profiles) == list(runs.RULES)
    for cell, ds in cells:
        xr.testing.assert_equal(profiles[cell["rule"]], ds)


def test_figure_scale_shows_every_scale(drawn):
    table, cells = drawn("scale", 0, 1)
    assert list(table["scale"].values) == list(runs.SCALES)
    for name in ("centred_spectrum", "cost_of_identity_by_gamma0"):
        dims = [dim for dim in table[name].dims if dim not in cells[0][0]]
        assert_laid_out(table, name, [(c, ds[name].transpose(*dims)) for c, ds in cells])


def test_figure_digits_shows_both_losses(drawn):
    table, cells = drawn("digits", 1)
    assert set(table["targets"].values) == {"labels", "onehot"}
    assert len(cells) == table["misclassified"].size
    for name in ("misclassified", "cost_of_identity", "representation_norm"):
        assert_laid_out(table, name, [(c, ds[name]) for c, ds in cells])


def measuring(monkeypatch, measure):
    """Put `measure` in the place of the one of "bottleneck"; gives the cells it is asked for."""
    asked = []

    def bottleneck(**cell):
        asked.append(cell)
        return measure(**cell)

    bottleneck.__module__, bottleneck.__qualname__ = runs.__name__, "bottleneck"
    monkeypatch.setattr(runs, "bottleneck", bottleneck)
    experiment = dataclasses.replace(EXPERIMENTS["bottleneck"], measure=bottleneck)
    monkeypatch.setitem(EXPERIMENTS, "bottleneck", experiment)
    return asked


def test_a_missing_cell_is_run_before_the_figure_is_drawn(measured, tmp_path, monkeypatch):
    asked = measuring(monkeypatch, lambda **cell: synthetic(measured, "bottleneck", cell))
    for _ in range(2):
        draw("1b", tmp_path, seeds=[4])
    assert asked == [{"effective_depth": 7.0, "seed": 4}]


def test_a_damaged_cell_is_run_again(measured, tmp_path, monkeypatch):
    cell, ds = {"effective_depth": 7.0, "seed": 0}, measured["bottleneck"]
    path = keep(ds, tmp_path, EXPERIMENTS["bottleneck"], cell)
    path.write_bytes(path.read_bytes()[:5000])
    asked = measuring(monkeypatch, lambda **cell: ds)
    draw("1b", tmp_path)
    assert asked == [cell]
    xr.testing.assert_equal(results.load(path), ds)


def test_a_figure_wants_all_of_its_runs(measured, tmp_path, monkeypatch):
    def measure(*, effective_depth, seed):
        if effective_depth > 6:
            raise RuntimeError("no net at 7")
        return measured["bottleneck"]

    measuring(monkeypatch, measure)
    said = (
        r"^figure 1a wants all of its 6 runs of bottleneck, but 2 failed, the first with "
        r"RuntimeError: no net at 7$"
    )
    with pytest.raises(ValueError, match=said):
        draw("1a", tmp_path, seeds=[0])
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("4d", {}, r"^figure must be one of 1a, .*, got '4d'\.$"),
        ("1a", {"seeds": []}, r"^seeds must be numbers of at least 0, got \[\]\.$"),
        ("1a", {"seeds": [0, -1]}, r"^seeds must be numbers of at least 0, got \[0, -1\]\.$"),
        ("2c", {"seeds": [1, 2]}, r"^seeds must hold 0, the one of figure 2c, got \[1, 2\]\.$"),
        ("1a", {"workers": 0}, r"^workers must be a whole number of at least 1, not 0\.$"),
    ],
)
def test_draw_refuses_in_one_sentence(name, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        draw(name, tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_summary_says_each_run_in_numbers(measured, drawn):
    _, cells = drawn("1a", 0, 1)
    table = summary(cells)
    assert len(table) == len(cells) and list(table["seed"]) == [cell["seed"] for cell, _ in cells]
    for (_, ds), (_, row) in zip(cells, table.iterrows(), strict=True):
        assert row["dimension"] == np.median(ds["dimension"])
        by_gamma0 = ds["cost_of_identity_by_gamma0"].min("layer")
        for gamma0 in ds["gamma0"].values:
            assert row[f"COI at {gamma0:g}"] == float(by_gamma0.sel(gamma0=gamma0))
        assert row["worst residual"] == ds["stationarity"].max()
        assert row["residual"] <= row["worst residual"]
        middle = ds.sel(layer=ds["layer"][(ds["p"] > 0.39) & (ds["p"] < 0.61)])
        s = middle["centred_spectrum"].transpose("layer", "mode").values
        assert row["gap"] == (s[:, 2] / s[:, 3]).min()
