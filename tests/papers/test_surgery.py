"""Mesh surgery's experiments: equal compute, one seed against the same seed, honest intervals."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from kept_cells import keep
from scipy import stats

from loadpath import cli, data, plots
from loadpath.leaky_resnet.training import LBFGS, Adam
from loadpath.papers import EXPERIMENTS, FIGURES, comparisons, draw, surgery
from loadpath.sweep.job import Job

NETS = ["full", "adaptive", "equidistant", "dropped", "scratch", "scratch, adaptive"]


pytestmark = pytest.mark.xdist_group("surgery")  # what they share takes seconds to make


@pytest.fixture(scope="module")
def measured():
    """One small cell of every kind."""
    before, teacher, digits = torch.get_num_threads(), data.teacher, data.digits
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dict(
            WIDTH=12, DEPTH=8, START=4, STAGES=(Adam(3), LBFGS(3)), RETRAINING=(LBFGS(2),)
        ).items():
            patch.setattr(surgery, name, value)
        patch.setattr(
            surgery.sources, "teacher", lambda dims, **options: teacher(dims, n_train=80, **options)
        )
        patch.setattr(surgery.sources, "digits", lambda **options: digits(n_train=120, **options))
        cells = {
            ("surgery", task): surgery.surgery(task=task, seed=1)
            for task in ("bottleneck", "digits", "onehot")
        }
        for net in surgery.GROWTHS:
            cells["growth", net] = surgery.growth(task="teacher", net=net, seed=1)
        cells["growth", "digits"] = surgery.growth(task="digits", net="inserted where fast", seed=1)
    torch.set_num_threads(before)
    return cells


# --- the cells ---


def test_all_ways_to_train_a_net_of_full_depth_cost_the_same():
    first, second = (stage.steps for stage in surgery.STAGES)
    depth, grown = surgery.START, first * surgery.START
    while depth <= surgery.DEPTH:
        grown += second * depth
        depth *= 2
    assert depth == 2 * surgery.DEPTH  # doubling meets the full depth
    assert grown == (first + second) * surgery.DEPTH
    assert first * surgery.START % surgery.DEPTH == 0  # "full, less Adam" has whole iterations


def test_growing_nets_end_at_full_depth_with_equal_compute(measured):
    for net in surgery.GROWTHS:
        ds = measured["growth", net]
        assert ds.sizes["step"] == 8 and ds.attrs["net"] == net
        assert float(ds["layer_iterations"][-1]) == 6 * 8
        assert (np.diff(ds["layer_iterations"]) >= 0).all()
        assert float(ds["test_loss"]) == pytest.approx(float(ds["test_error"][-1]), rel=1e-4)
        # An adaptive mesh first moves after 20 iterations, more than these nets have.
        assert np.allclose(ds["layer_step"], 1 / 8) == (net != "inserted where fast")
    fast = measured["growth", "inserted where fast"]["layer_step"].values
    assert set(np.round(fast * 64).astype(int)) <= {1, 2, 4, 8, 16}  # halves of halves of 1/4
    assert 0 < float(measured["growth", "digits"]["misclassified"]) <= 1


def test_halved_nets_are_of_the_same_function_and_dropping_shortens_the_path(measured):
    for task, depth in (("bottleneck", 7.0), ("digits", 3.0), ("onehot", 3.0)):
        ds = measured["surgery", task]
        assert ds["net"].values.tolist() == NETS
        assert ds["stage"].values.tolist() == ["before", "after"]
        leak = ds["effective_depth"].values
        assert leak == pytest.approx([depth, depth, depth, depth / 2, depth, depth])
        assert np.isfinite(ds["misclassified"]).all() == (task != "bottleneck")
        # Two iterations of L-BFGS with a strong Wolfe search never raise the objective.
        before, after = ds["objective"].sel(stage="before"), ds["objective"].sel(stage="after")
        assert (after <= before * (1 + 1e-6)).all()
        assert ds["test_loss"].notnull().all() and ds["residual"].notnull().all()


# --- ratios ---


@pytest.mark.parametrize("seed", range(2))
def test_a_ratio_has_students_interval_of_its_logarithm(seed):
    rng = np.random.default_rng(seed)
    values, reference = (
        xr.DataArray(rng.uniform(1, 3, (2, 5)), dims=("net", "seed")) for _ in range(2)
    )
    values[1, 3] = np.nan
    found = comparisons.ratio(values, reference)
    for i in range(2):
        logs = np.log(values[i] / reference[i]).values
        logs = logs[np.isfinite(logs)]
        interval = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
        expected = np.exp([logs.mean(), interval.low, interval.high])
        np.testing.assert_allclose(found.isel(net=i).transpose("bound"), expected, rtol=1e-12)
    one = comparisons.ratio(values.isel(seed=[0]), reference.isel(seed=[0]))
    assert one.sel(bound="mean").notnull().all() and one.sel(bound="low").isnull().all()


def test_an_interval_in_words():
    bounds = xr.DataArray([1.0241, 0.98, 1.06], coords={"bound": comparisons.BOUNDS}, dims="bound")
    assert comparisons.interval_text(bounds) == "1.02 (0.98 to 1.06)"
    bounds[1:] = np.nan
    assert comparisons.interval_text(bounds) == "1.02"


# --- figures and tables ---


def varied(ds, cell):
    """`ds` with numbers of the cell's own."""
    rng = np.random.default_rng(list(repr(sorted(cell.items())).encode()))
    ds = ds.copy(deep=True)
    for name in ("objective", "test_loss"):
        ds[name] = ds[name] * rng.uniform(0.8, 1.2, ds[name].shape)
    return ds


@pytest.fixture
def drawn(measured, tmp_path, monkeypatch):
    """Draw a figure of cells on disk; gives what the plot was handed, its table and the cells."""
    monkeypatch.setattr(Job, "__call__", None)  # all cells are there

    def of(name, seeds):
        experiment, cells = EXPERIMENTS[name], EXPERIMENTS[name].cells(seeds)
        datasets = []
        for cell in cells:
            kind = cell["net"] if name == "growth" else "onehot"
            datasets.append(varied(measured[name, kind], cell))
            keep(datasets[-1], tmp_path, experiment, cell)
        handed, plot = [], getattr(plots, f"figure_{name}")
        monkeypatch.setattr(plots, f"figure_{name}", lambda ds: handed.append(ds) or plot(ds))
        picture, table = draw(name, tmp_path, seeds=seeds)
        assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        return handed[0], table, list(zip(cells, datasets, strict=True))

    return of


def test_figure_surgery_shows_ratios_to_the_net_from_scratch(drawn):
    handed, table, cells = drawn("surgery", [0, 1, 2])
    assert handed["task"].values.tolist() == list(surgery.TASKS)
    assert handed["net"].values.tolist() == [net for net in NETS if net != "scratch"]
    assert len(table) == 4 * 2 * 6
    of_task = [ds for cell, ds in cells if cell["task"] == "digits"]
    for stage in ("before", "after"):
        losses = [ds["test_loss"].sel(stage=stage) for ds in of_task]
        logs = [np.log(float(x.sel(net="dropped") / x.sel(net="scratch"))) for x in losses]
        found = handed["test_loss"].sel(task="digits", net="dropped", stage=stage, bound="mean")
        assert float(found) == pytest.approx(np.exp(np.mean(logs)), rel=1e-12)
        row = table.loc[("digits", stage, "dropped")]
        assert row["/ scratch"].startswith(f"{np.exp(np.mean(logs)):.3g} (")
        mean = np.mean([float(x.sel(net="dropped")) for x in losses])
        assert row["test_loss"] == pytest.approx(mean, rel=1e-12)


def test_figure_growth_shows_curves_and_ratios_to_the_full_net(drawn):
    handed, table, cells = drawn("growth", [0, 1])
    assert handed["net"].values.tolist() == list(surgery.GROWTHS)
    assert len(table) == len(surgery.GROWTHS) * len(surgery.GROWTH_TASKS)
    ends = {tuple(cell.values()): float(ds["objective"][-1]) for cell, ds in cells}
    task, net = "digits", "inserted evenly"
    logs = [np.log(ends[task, net, seed] / ends[task, "full", seed]) for seed in (0, 1)]
    found = handed["final_objective"].sel(task=task, net=net, bound="mean")
    assert float(found) == pytest.approx(np.exp(np.mean(logs)), rel=1e-12)
    assert table.loc[(task, net), "objective"] == pytest.approx(
        np.mean([ends[task, net, seed] for seed in (0, 1)]), rel=1e-12
    )
    assert table["layer_iterations"].unique().tolist() == [48]
    least = [min(v for k, v in ends.items() if (k[0], k[2]) == (task, seed)) for seed in (0, 1)]
    curve = handed["objective"].sel(task=task, net="full")
    full = np.mean([ends[task, "full", seed] / least[seed] for seed in (0, 1)])
    assert float(curve.dropna("record")[-1]) == pytest.approx(full, rel=1e-12)


def test_the_command_prints_the_table_of_the_figure(drawn, tmp_path, capsys):
    _, table, _ = drawn("surgery", [0, 1])
    assert isinstance(table, pd.DataFrame)
    assert cli.main(["figures", "surgery", "--seeds", "2", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for words in ("/ scratch", "scratch, adaptive", "onehot", "before", " to "):
        assert words in said


@pytest.mark.parametrize("name, variable", [("surgery", "test_loss"), ("growth", "objective")])
def test_a_plot_names_what_it_lacks(name, variable):
    with pytest.raises(ValueError, match=f"ds lacks the variables .*'{variable}'"):
        getattr(plots, f"figure_{name}")(xr.Dataset())


def test_the_figures_are_registered():
    for name in ("surgery", "growth"):
        assert FIGURES[name].experiment == name and FIGURES[name].seeds == 5
