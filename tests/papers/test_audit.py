"""Theorem 4 on paths that obey it exactly; geodesics as an experiment, and the figures of both."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from exact_paths import relu_stationary_net, smooth_stationary_net
from kept_cells import keep

from loadpath import cli, data, plots, results
from loadpath.leaky_resnet import geodesic, mechanics
from loadpath.papers import EXPERIMENTS, FIGURES, audit, draw, geodesics, runs
from loadpath.sweep.job import Job

GAMMA0S = (1e-1, 1e-2, 1e-4)


# --- the theorem ---


def smooth(step):
    return smooth_stationary_net(32, seed=3, effective_depth=4.0, step=step)


def on_kinks(step):
    assert step == "euler"
    return relu_stationary_net(32, seed=3)


PATHS = [(smooth, "euler"), (smooth, "exponential"), (on_kinks, "euler")]


@pytest.mark.parametrize("net, step", PATHS)
def test_the_identity_holds_for_the_flows_own_velocity_and_the_scaled_momenta(net, step):
    model, _, path, B = net(step)
    ds = audit.measure_bounds(model, torch.stack(path), torch.stack(B), gamma0s=GAMMA0S)
    # Rounding: each side is a sum of terms some 10 / gamma0 times the cost of identity.
    assert float(ds["identity_error"].max()) < 1e-8
    leak, rho = model.effective_depth, float(model.layer_steps[0])
    ratio = 1.0 if step == "euler" else -np.expm1(-rho * leak) / (rho * leak)
    np.testing.assert_allclose(ds["gain_ratio"], ratio, rtol=1e-12)
    norms = [float(b.norm()) * ratio for b in B[1:]]
    np.testing.assert_allclose(ds["momentum_norm"], norms, rtol=1e-12)
    H = mechanics.hamiltonian(
        path[4], ratio * B[5], effective_depth=leak, activation=model.activation
    )
    assert float(ds["dimension"][4]) == pytest.approx(-2 / leak * float(H), rel=1e-12)


@pytest.mark.parametrize("net, step", PATHS)
def test_both_bounds_hold_for_one_gamma_and_for_one_a_layer(net, step):
    model, _, path, B = net(step)
    ds = audit.measure_bounds(model, torch.stack(path), torch.stack(B), gamma0s=GAMMA0S)
    tops = np.array([mechanics.kernel_gamma(A, 1.0, activation=model.activation) for A in path])
    leak, rounding = model.effective_depth, 1e-9
    for stabilizer in audit.STABILIZERS:
        for gamma0 in GAMMA0S:
            one = ds.sel(stabilizer=stabilizer, gamma0=gamma0)
            top = tops[:-1] if stabilizer == "per layer" else np.sort(tops[:-1])[15]
            np.testing.assert_allclose(one["gamma"], gamma0 * top * np.ones(32), rtol=1e-10)
            reach = float((one["gamma"] * one["momentum_norm"] ** 2).max())
            assert float(one["upper"]) == pytest.approx(reach, rel=1e-10)
            length = float(one["path_length"]) / leak
            assert float(one["lower"]) == pytest.approx(-((length + reach**0.5) ** 2), rel=1e-10)
            assert float(one["speed_slack"]) == pytest.approx(leak * reach**0.5, rel=1e-10)
            cost = one["cost_of_identity"]
            middle = one["dimension"] - cost.min()
            assert float(middle[int(cost.values.argmin())]) <= float(one["upper"]) * (1 + rounding)
            assert float(middle[int(one["speed"].values.argmin())]) >= float(one["lower"])
            own = one["gamma"] * one["momentum_norm"] ** 2
            assert (one["dimension"] - cost <= own * (1 + rounding)).all()
            assert (one["dimension"] - cost >= -((one["speed"] / leak + own**0.5) ** 2)).all()
            gap, slack = one["speed"] - one["expected_speed"], float(one["speed_slack"])
            assert (gap >= -slack * (1 + rounding)).all()
            assert (gap <= 2 * slack * (1 + rounding)).all()
            assert bool(one["vacuous"]) == (float(one["lower"]) <= -float(cost.min()))
            assert (one["speed_vacuous"] == (one["expected_speed"] <= slack)).all()


def test_momenta_that_are_not_those_of_the_weights_break_the_identity():
    model, _, path, B = smooth("exponential")
    wrong = audit.measure_bounds(model, torch.stack(path), 1.1 * torch.stack(B))
    assert float(wrong["identity_error"].min()) > 0.01


# --- the runs ---


@pytest.fixture(scope="module")
def measured():
    """Small runs of both experiments."""
    teacher = data.teacher
    small = dict(WIDTH=32, DEPTH=8, SAMPLES=40)
    with pytest.MonkeyPatch.context() as patch:
        solve, starts = geodesic.solve, []

        def briefly(x, y, *, start=None, **options):
            starts.append(start)
            return solve(x, y, start=start, max_seconds=0.3, **options)

        patch.setattr(geodesic, "solve", briefly)
        for module in (audit, geodesics):
            for name, value in small.items():
                patch.setattr(module, name, value)
        patch.setattr(audit, "EFFECTIVE_DEPTHS", (2.0, 16.0))
        patch.setattr(
            audit.sources,
            "teacher",
            lambda dims, **options: teacher(dims, **{"n_test": 50, **options}),
        )
        return {
            "audit": audit.audit(seed=1),
            "geodesics": geodesics.geodesics(effective_depth=2.0, seed=1),
            "starts": starts,
        }


def test_an_audit_holds_both_sides_at_every_effective_depth(measured, tmp_path):
    ds = measured["audit"]
    assert ds["effective_depth"].values.tolist() == [2.0, 16.0]
    assert (ds.attrs["seed"], ds.attrs["step_kind"], ds.attrs["n_samples"]) == (
        1,
        "exponential",
        40,
    )
    assert "effective_depth" not in ds.attrs
    assert all(variable.attrs["units"] for name, variable in ds.items() if name in audit.UNITS)
    assert ds["status"].values.tolist() == ["out of time"] * 2
    path = results.save(ds, tmp_path / "audit.nc")
    xr.testing.assert_equal(results.load(path), ds)
    # Only the second L~, past `CONTINUED`, starts from a solution.
    assert [start is None for start in measured["starts"]] == [True, False, True]
    assert measured["starts"][1].effective_depth == 2.0


def test_a_geodesic_is_of_the_trained_nets_problem_and_says_how_near_it_came(measured):
    ds = measured["geodesics"]
    assert (ds.attrs["weight_decay"], ds.attrs["step_kind"]) == (pytest.approx(0.3), "euler")
    assert (ds.attrs["verdict"], ds.attrs["status"]) == ("not converged", "out of time")
    xr.testing.assert_equal(ds["stationarity"], ds["least_norm_residual"].rename("stationarity"))
    coi = ds["cost_of_identity_by_gamma0"]
    np.testing.assert_allclose(coi.sel(gamma0=1e-2), ds["cost_of_identity"], rtol=1e-9)
    assert float(ds["test_error"]) > 0


# --- figures and tables ---


def numbered(ds, cell):
    """`ds` with numbers of the cell's own."""
    rng = np.random.default_rng(list(repr(sorted(cell.items())).encode()))
    ds = ds.copy(deep=True)
    for name, variable in ds.data_vars.items():
        if variable.dtype.kind == "f":
            ds[name] = variable * rng.uniform(0.8, 1.2)
    return ds


@pytest.fixture
def drawn(measured, tmp_path, monkeypatch):
    """Draw a figure of cells on disk; gives what the plot was handed, the table and the cells."""

    def of(name, plot_name):
        for module in (runs, geodesics):
            monkeypatch.setattr(module, "EFFECTIVE_DEPTHS", (2.0, 7.0))
        kinds, on_disk = (FIGURES[name].experiment, *FIGURES[name].also), []
        for kind in kinds:
            experiment = EXPERIMENTS[kind]
            for cell in experiment.cells([0, 1]):
                ds = numbered(measured[kind if kind == "audit" else "geodesics"], cell)
                keep(ds, tmp_path, experiment, cell)
                on_disk.append((kind, cell, ds))
        handed, plot = [], getattr(plots, plot_name)
        monkeypatch.setattr(plots, plot_name, lambda ds: handed.append(ds) or plot(ds))
        monkeypatch.setattr(Job, "__call__", None)  # all cells are there
        picture, table = draw(name, tmp_path, seeds=[0, 1])
        assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        return handed[0], table, on_disk

    return of


def test_figure_audit_and_its_table_show_means_over_seeds(drawn, tmp_path, capsys):
    handed, table, on_disk = drawn("audit", "figure_audit")
    assert isinstance(table, pd.DataFrame) and len(table) == 2 * 2 * 3
    at = dict(effective_depth=16.0, stabilizer="per layer", gamma0=1e-3)
    ones = [ds.sel(at) for _, _, ds in on_disk]
    row = table.loc[tuple(at.values())]
    means = {
        "lower": [float(one["lower"]) for one in ones],
        "local upper": [
            float((one["cost_of_identity"] + one["gamma"] * one["momentum_norm"] ** 2).min())
            - float(one["cost_of_identity"].min())
            for one in ones
        ],
        "min COI": [float(one["cost_of_identity"].min()) for one in ones],
        "B": [float(one["momentum_norm"].max()) for one in ones],
        "length / L~": [float(one["path_length"]) / 16 for one in ones],
        "residual": [float(one["residual"].max()) for one in ones],
    }
    for name, values in means.items():
        assert row[name] == pytest.approx(np.mean(values), rel=1e-9)
    for one, seed in zip(ones, (0, 1), strict=True):
        waist = int(one["cost_of_identity"].values.argmin())
        found = handed.sel({**at, "seed": seed})
        speed = float(one["speed"][waist]) / 16
        assert float(found["speed_waist"]) == pytest.approx(speed, rel=1e-12)
        middle = float(one["dimension"][waist] - one["cost_of_identity"].min())
        assert float(found["middle"]) == pytest.approx(middle, rel=1e-12)
    assert "seed" not in table and not table.isnull().any(axis=None)
    assert cli.main(["figures", "audit", "--seeds", "2", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("per layer", "length / L~", "H - COI", "figure_audit.png"))


def test_figure_1a_certified_keeps_trained_nets_and_geodesics_apart(drawn):
    handed, table, on_disk = drawn("1a-certified", "figure_1a_certified")
    assert list(handed) == ["trained", "certified geodesics"]
    for (kind, cell, ds), named in ((on_disk[0], "trained"), (on_disk[-1], "certified geodesics")):
        assert kind == ("bottleneck" if named == "trained" else "geodesics")
        found = handed[named].sel(effective_depth=cell["effective_depth"], seed=cell["seed"])
        np.testing.assert_array_equal(found["dimension"], ds["dimension"])
        np.testing.assert_array_equal(found["stationarity"], ds["stationarity"])
    of_kind = [float(ds["objective"]) for kind, cell, ds in on_disk
               if kind == "geodesics" and cell["effective_depth"] == 7.0]  # fmt: skip
    assert table.loc[(7.0, "geodesics"), "objective"] == pytest.approx(np.mean(of_kind), rel=1e-12)
    assert len(table) == 4


def test_the_plots_name_what_they_lack():
    with pytest.raises(ValueError, match="ds lacks the variables .*'lower'"):
        plots.figure_audit(xr.Dataset())
    with pytest.raises(ValueError, match=r"of_kind\['trained'\] lacks the variables .*'dimension'"):
        plots.figure_1a_certified({"trained": xr.Dataset()})


def test_the_grids_are_those_of_the_trained_nets_and_of_three_seeds():
    trained = {tuple(sorted(cell.items())) for cell in EXPERIMENTS["bottleneck"].cells([0, 1])}
    solved = EXPERIMENTS["geodesics"].cells([0, 1])
    assert {tuple(sorted(cell.items())) for cell in solved} == trained
    assert FIGURES["audit"].seeds == 3 and audit.EFFECTIVE_DEPTHS == (2.0, 4.0, 8.0, 16.0, 32.0)
