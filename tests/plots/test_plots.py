"""Figures show the numbers of their Dataset, as they are, and leave no trace in matplotlib."""

import io
import re
import sys

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy import stats

from loadpath import plots

EFFECTIVE_DEPTH, DEPTH = 7.0, 20


def synthetic_profile(effective_depth: float = EFFECTIVE_DEPTH, bend: float = 0.0) -> xr.Dataset:
    """A bottleneck of dimension 3 such as training leaves: COI falls from 128 to 3, ends at 25."""
    rng = np.random.default_rng(0)
    steps = 1 + bend * np.cos(np.linspace(-np.pi, np.pi, DEPTH))
    steps /= steps.sum()
    p = np.r_[0, np.cumsum(steps)]
    c = effective_depth or 1.0
    coi = 3 + 125 * np.exp(-20 * p) + 22 * np.exp(-20 * (1 - p))
    kinetic = c / 2 * (coi[:-1] - 1.9 + 0.2 * rng.random(DEPTH))
    modes = np.arange(30)
    ends = np.exp(-12 * p) + np.exp(-12 * (1 - p))
    spectrum = 12 * np.exp(-0.15 * modes) * np.where(modes < 3, 1, 0.02 + ends[:, None])
    weights = np.where(modes < 4, 3.0, 0.01 + 2 * ends[:-1, None]) * np.exp(-0.1 * modes)
    turn = np.pi * p
    start = rng.standard_normal((24, 2))
    projection = np.stack(
        [
            np.cos(turn)[:, None] * start[:, 0] + 0.5 * np.sin(turn)[:, None],
            np.exp(-2 * p)[:, None] * start[:, 1] + 0.3 * np.sin(turn)[:, None],
        ],
        axis=-1,
    )
    layers = {
        "cost_of_identity": coi,
        "gamma": np.full(DEPTH + 1, 0.5),
        "stable_rank_nuclear": 2.6 + 14 * ends,
        "stable_rank_operator": 2.2 + 8 * ends,
        "representation_norm": 20 + 5 * ends,
        "momentum_norm": 0.02 + 0.3 * p**2,
        "momentum_activation_norm": 1.5 + 0.1 * np.sin(4 * p),
        "negative_fraction": 0.5 * ends,
    }
    over_steps = {
        "hamiltonian": -c / 2 * (2 + 0.05 * np.sin(9 * p[:-1])),
        "layer_step": steps,
        "kinetic_energy": kinetic,
        "cross_term": -kinetic / 2,
        "stable_hamiltonian": kinetic - c / 2 * coi[:-1],
        "speed": 0.1 + 6 * ends[:-1],
        "slow": ((p[:-1] > 0.25) & (p[:-1] < 0.7)).astype(np.int8),
        "weight_norm": np.full(DEPTH, 9.0),
        "stationarity": 0.03 + 0.12 * np.exp(-10 * p[:-1]),
        "balancedness": np.full(DEPTH, 0.01),
    }
    if effective_depth:
        over_steps["dimension"] = -2 / c * over_steps["hamiltonian"]
    scalars = {
        "path_length": 9.5,
        "bottleneck_rank": 3,
        "action": 60.0,
        "objective": 9.18,
        "data_term": 2.4,
        "regularizer": 32.0,
        "hamiltonian_spread": 0.04,
    }
    return xr.Dataset(
        {name: ("layer", values) for name, values in layers.items()}
        | {name: ("step", values) for name, values in over_steps.items()}
        | {name: ((), value) for name, value in scalars.items()}
        | {
            "representation_spectrum": (("layer", "mode"), spectrum),
            "centred_spectrum": (("layer", "mode"), 0.9 * spectrum),
            "weight_spectrum": (("step", "mode"), weights),
            "projection": (("layer", "sample", "component"), projection),
        },
        coords={"p": ("layer", p), "p_step": ("step", p[:-1])},
        attrs={"effective_depth": effective_depth, "depth": DEPTH, "schema_version": 1},
    )


def synthetic_history(n: int = 60) -> xr.Dataset:
    """Adam with the weight decay rising, then L-BFGS; the residual measured every third record."""
    iteration = np.arange(n) * 100
    weight_decay = 0.003 * 70 ** np.clip(np.arange(n) / (0.4 * n), 0, 1)
    data_term = 2.4 + 25 * np.exp(-np.arange(n) / 6)
    regularizer = 32 + 60 * np.exp(-np.arange(n) / 20)
    residual = np.where(np.arange(n) % 3 == 0, 0.04 + np.exp(-np.arange(n) / 12), np.nan)
    moved = np.linspace(0, 0.5, n)[:, None] * np.cos(np.linspace(-np.pi, np.pi, DEPTH))
    record = {
        "objective": data_term + weight_decay * regularizer,
        "data_term": data_term,
        "regularizer": regularizer,
        "train_error": data_term / 30,
        "test_error": data_term / 30 + 0.02,
        "stationarity": residual,
        "stationarity_worst": 4 * residual,
        "hamiltonian_spread": 0.6 * residual,
        "weight_decay": weight_decay,
        "learning_rate": np.full(n, 0.014),
        "seconds": np.arange(n) * 0.5,
    }
    return xr.Dataset(
        {name: ("record", values) for name, values in record.items()}
        | {"layer_steps": (("record", "step"), (1 + moved) / (1 + moved).sum(1, keepdims=True))},
        coords={
            "iteration": ("record", iteration),
            "stage": ("record", np.where(np.arange(n) < 40, "adam", "lbfgs")),
        },
        attrs={"status": "converged", "schema_version": 1},
    )


def synthetic_certificate() -> xr.Dataset:
    """A geodesic whose plain gradient stays at the kinks while the smallest subgradient is small.

    Its Hamiltonian drifts by a tenth, and the mesh explains nearly all of it.
    """
    ds = synthetic_profile()
    p = ds["p_step"].values
    H = ds["hamiltonian"].values * (1 + 0.1 * p)
    over_steps = {
        "gradient_residual": 0.3 + 0.2 * np.sin(5 * p),
        "least_norm_residual": 0.002 + 0.004 * np.exp(-10 * p),
        "least_norm_hamiltonian": H,
        "predicted_hamiltonian": H * (1 + 0.01 * np.cos(8 * p)),
    }
    ds = ds.assign({name: ("step", values) for name, values in over_steps.items()})
    ds["worst_by_kink_width"] = ("kink_width", [0.11, 0.006, 0.0021])
    ds = ds.assign_coords(kink_width=[3e-4, 3e-3, 3e-2])
    ds["unexplained_hamiltonian"] = 0.01
    ds["negative_share"] = ("layer", np.linspace(0.5, 0.001, DEPTH + 1))
    ds["waist"] = ("layer", (ds["p"].values > 0.9).astype(np.int8))
    ds["least_norm_residual"].attrs.update(
        verdict="stationary up to relu kinks",
        tolerance=0.01,
        words="Every layer is within 0.6 % of balance.\nThe data term is 2.4.",
    )
    return ds.assign_attrs(activation="relu", status="converged", endpoint="fit", end_error=0.0)


def synthetic_looks(n: int = 40) -> xr.Dataset:
    """Adam, then L-BFGS with kinks rounded less and less."""
    width = np.repeat([0.0, 0.3, 0.03, 0.003], n // 4)
    residual = 0.5 * np.exp(-np.arange(n) / 8)
    looks = {"residual": residual, "residual_worst": 3 * residual, "width": width}
    return xr.Dataset(
        {name: ("look", values) for name, values in looks.items()},
        coords={
            "iteration": ("look", 50 * (1 + np.arange(n))),
            "stage": ("look", np.where(width == 0, "Adam", "L-BFGS")),
        },
        attrs={"status": "converged", "schema_version": 1},
    )


def synthetic_sweep() -> xr.Dataset:
    """Figures 1a and 3: three seeds, one cell not run."""
    rng = np.random.default_rng(1)
    leak = np.array([1.0, 2, 3, 5, 7, 10])
    dimension = 3 - 4 / leak[:, None, None] + 0.2 * rng.standard_normal((6, 3, 20))
    coi = 3 + 5 / leak[:, None, None] + 0.1 * rng.standard_normal((6, 3, 2))
    dimension[5, 2], coi[5, 2] = np.nan, np.nan
    grid = ("effective_depth", "seed")
    scale = 1 + 0.05 * rng.standard_normal((6, 3))
    return xr.Dataset(
        {
            "dimension": ((*grid, "step"), dimension),
            "symmetric_dimension": ((*grid, "step"), dimension - 1),
            "min_cost_of_identity": ((*grid, "gamma0"), coi),
            "path_length": (grid, scale * (4 + np.sqrt(leak))[:, None]),
            "momentum_norm": (grid, scale * (0.3 / leak)[:, None]),
            "momentum_activation_norm": (grid, scale * (1 + 1 / leak)[:, None]),
        },
        coords={"effective_depth": leak, "seed": [0, 1, 2], "gamma0": [1e-2, 1e-3]},
        attrs={"bottleneck_rank": 3},
    )


def synthetic_rules() -> xr.Dataset:
    """Figure 2a: five seeds."""
    rng = np.random.default_rng(2)
    depth = np.array([4, 8, 12, 16, 24])
    base = 0.3 + 1.2 / depth[:, None] + 0.02 * rng.standard_normal((3, 5, 5))
    base += np.array([0.05, 0.03, 0.0])[:, None, None]
    return xr.Dataset(
        {
            "test_error": (("rule", "depth", "seed"), base),
            "test_error_equal": (("rule", "depth", "seed"), base[:, ::-1] * 1.1),
            "width": ("depth", [224, 158, 129, 112, 91]),
            "n_parameters": ("depth", np.full(5, 200_000)),
        },
        coords={
            "rule": ["equidistant", "irregular", "adaptive"],
            "depth": depth,
            "seed": np.arange(5),
        },
    )


def drawn(ax: Axes, label: str) -> np.ndarray:
    """The (x, y) points of the one line whose label starts so."""
    lines = [line for line in ax.lines if str(line.get_label()).startswith(label)]
    assert len(lines) == 1, [line.get_label() for line in ax.lines]
    return np.asarray(lines[0].get_xydata())


OF_PROFILE = (
    plots.energies,
    plots.representation_spectrum,
    plots.weight_spectrum,
    plots.path_2d,
    plots.mesh,
    plots.stationarity,
    plots.momenta,
    plots.ranks,
    plots.speed,
)
OF_HISTORY = (plots.learning_curves, plots.convergence, plots.mesh_history)
OF_GEODESIC = (plots.residuals, plots.hamiltonians, plots.descent)


def dataset_for(draw) -> xr.Dataset:
    if draw in OF_HISTORY:
        return synthetic_history()
    if draw in OF_GEODESIC:
        return synthetic_looks() if draw is plots.descent else synthetic_certificate()
    return synthetic_profile()


def test_energies_are_drawn_as_dimensions_that_add_up():
    profile = synthetic_profile()
    ax = plots.energies(profile)
    coi, exact = drawn(ax, "cost of identity"), drawn(ax, "Hamiltonian")
    np.testing.assert_array_equal(coi, np.c_[profile["p"], profile["cost_of_identity"]])
    np.testing.assert_array_equal(exact, np.c_[profile["p_step"], profile["dimension"]])
    kinetic, stable = drawn(ax, "kinetic energy"), drawn(ax, "stable Hamiltonian")
    expected = 2 / EFFECTIVE_DEPTH * profile["kinetic_energy"]
    np.testing.assert_array_equal(kinetic, np.c_[profile["p_step"], expected])
    # -(2/L~) H_gamma = COI_gamma - (2/L~) T, whatever the numbers.
    np.testing.assert_allclose(stable[:, 1], coi[:-1, 1] - kinetic[:, 1], rtol=1e-12)
    np.testing.assert_array_equal(drawn(ax, "bottleneck rank")[:, 1], 3)
    assert ax.get_yscale() == "symlog"  # 128 is far from 3


def test_a_plain_resnet_has_no_dimension_to_draw():
    profile = synthetic_profile(effective_depth=0.0)
    ax = plots.energies(profile)
    assert not [line for line in ax.lines if "Hamiltonian" in str(line.get_label())]
    np.testing.assert_array_equal(
        drawn(ax, "kinetic energy")[:, 1], 2 * profile["kinetic_energy"].values
    )


def test_a_negative_hamiltonian_stays_in_sight():
    profile = synthetic_profile()
    profile["dimension"] = profile["dimension"] - 60
    ax = plots.energies(profile)
    assert ax.get_ylim()[0] < -58 and ax.get_ylim()[1] > 128


@pytest.mark.parametrize(
    "draw, name, position",
    [
        (plots.representation_spectrum, "centred_spectrum", "p"),
        (plots.weight_spectrum, "weight_spectrum", "p_step"),
    ],
)
def test_spectra_show_leading_modes_and_stress_the_bottleneck(draw, name, position):
    profile = synthetic_profile()
    ax = draw(profile, n_modes=8)
    modes = [line for line in ax.lines if line.get_label() != "_nodes"]
    assert len(modes) == 8
    for i, line in enumerate(modes):
        expected = np.c_[profile[position], profile[name].isel(mode=i)]
        np.testing.assert_array_equal(line.get_xydata(), expected)
    widths = [line.get_linewidth() for line in modes]
    assert len(set(widths[:3])) == len(set(widths[3:])) == 1 and widths[0] > widths[3]
    assert modes[0].zorder > modes[7].zorder  # over the lesser ones
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        *("the leading 3", "the next"),
    ]
    np.testing.assert_array_equal(drawn(ax, "_nodes")[:, 0], profile["p"])


def test_the_spectrum_with_its_mean_is_to_be_had():
    profile = synthetic_profile()
    top = plots.representation_spectrum(profile, centred=False).lines[0]
    assert top.get_ydata() == pytest.approx(profile["representation_spectrum"][:, 0].values)


def test_paths_join_consecutive_layers_and_are_coloured_by_p():
    profile = synthetic_profile(bend=0.5)
    ax = plots.path_2d(profile)
    (lines,) = [c for c in ax.collections if isinstance(c, LineCollection)]
    segments = np.array([path.vertices for path in lines.get_paths()])
    points = profile["projection"].transpose("sample", "layer", "component").values
    np.testing.assert_array_equal(segments[:, 0], points[:, :-1].reshape(-1, 2))
    np.testing.assert_array_equal(segments[:, 1], points[:, 1:].reshape(-1, 2))
    middle = (profile["p"].values[:-1] + profile["p"].values[1:]) / 2
    np.testing.assert_array_equal(lines.get_array(), np.tile(middle, len(points)))
    starts, ends = (c for c in ax.collections if not isinstance(c, LineCollection))
    np.testing.assert_array_equal(starts.get_offsets(), points[:, 0])
    np.testing.assert_array_equal(ends.get_offsets(), points[:, -1])
    colour_bar = ax.get_figure().axes[1]
    assert colour_bar.get_ylabel() == "position along the path, $p$"
    assert colour_bar.get_ylim() == (0, 1)


def test_mesh_and_speed_are_steps_between_nodes():
    profile = synthetic_profile(bend=0.5)
    for draw, name in ((plots.mesh, "layer_step"), (plots.speed, "speed")):
        stairs = draw(profile).patches[0].get_data()
        np.testing.assert_array_equal(stairs.values, profile[name])
        np.testing.assert_array_equal(stairs.edges, profile["p"])


def test_every_slow_stretch_is_shaded_from_end_to_end():
    profile = synthetic_profile()
    slow = np.zeros(DEPTH, dtype=np.int8)
    slow[[0, 1, 7, 8, 9, 19]] = 1
    profile["slow"] = ("step", slow)
    ax = plots.speed(profile)
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches[1:]]
    p = profile["p"].values
    np.testing.assert_allclose(spans, [(p[0], p[2]), (p[7], p[10]), (p[19], p[20])])
    profile["slow"] = ("step", np.zeros(DEPTH, dtype=np.int8))
    assert len(plots.speed(profile).patches) == 1


def test_other_curves_of_a_profile_are_its_values():
    profile = synthetic_profile()
    p, p_step = profile["p"], profile["p_step"]
    for ax, label, x, name in (
        (plots.stationarity(profile), "stationarity", p_step, "stationarity"),
        (plots.momenta(profile), r"momenta, $\|B\|$", p, "momentum_norm"),
        (plots.momenta(profile), "momenta with", p, "momentum_activation_norm"),
        (plots.ranks(profile), "nuclear", p, "stable_rank_nuclear"),
        (plots.ranks(profile), "operator", p, "stable_rank_operator"),
    ):
        np.testing.assert_array_equal(drawn(ax, label), np.c_[x, profile[name]])


def test_learning_curves_weight_the_regularizer_so_that_the_terms_add_up():
    history = synthetic_history()
    ax = plots.learning_curves(history)
    terms = drawn(ax, "data term")[:, 1] + drawn(ax, r"$\lambda")[:, 1]
    np.testing.assert_allclose(drawn(ax, "objective")[:, 1], terms, rtol=1e-12)
    for name in ("train_error", "test_error"):
        points = drawn(ax, name.replace("_", " "))
        np.testing.assert_array_equal(points, np.c_[history["iteration"], history[name]])
    assert ax.get_yscale() == "log"


def test_stages_of_training_are_marked_where_they_change():
    history = synthetic_history()
    for draw in OF_HISTORY:
        ax = draw(history)
        assert drawn(ax, "_stage")[:, 0] == pytest.approx([4000, 4000])
        assert ax.get_xlabel() == "iteration (adam, then lbfgs)"


def test_convergence_leaves_out_what_was_not_measured():
    history = synthetic_history()
    points = drawn(plots.convergence(history), "residual, median")
    known = history["stationarity"].dropna("record")
    np.testing.assert_array_equal(points, np.c_[known["iteration"], known])


def test_the_moving_mesh_is_drawn_at_its_inner_nodes():
    history = synthetic_history()
    lines = [line for line in plots.mesh_history(history).lines if line.get_label() != "_stage"]
    assert len(lines) == DEPTH - 1
    expected = history["layer_steps"].cumsum("step").isel(step=4)
    np.testing.assert_array_equal(lines[4].get_ydata(), expected)


def bars(ax: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Centres and half lengths of the error bars of one series."""
    (series,) = [c for c in ax.containers if str(c.get_label()).startswith(label)]
    ends = np.array([path.vertices[:, 1] for path in series.lines[2][0].get_paths() if len(path)])
    return np.asarray(series.lines[0].get_ydata()), (ends[:, 1] - ends[:, 0]) / 2


def test_the_certificate_shows_residuals_and_the_hamiltonian_as_a_dimension():
    ds = synthetic_certificate()
    left, right = plots.residuals(ds), plots.hamiltonians(ds)
    for label, name in (("plain", "gradient_residual"), ("smallest", "least_norm_residual")):
        np.testing.assert_array_equal(drawn(left, label), np.c_[ds["p_step"], ds[name]])
    assert left.get_yscale() == "log" and drawn(left, "tolerance, 0.01")[:, 1] == pytest.approx(
        0.01
    )
    for label, name in (("Hamiltonian", "least_norm"), ("predicted", "predicted")):
        expected = -2 / EFFECTIVE_DEPTH * ds[f"{name}_hamiltonian"]
        np.testing.assert_array_equal(drawn(right, label), np.c_[ds["p_step"], expected])
    # Without leakage H is no dimension, and stands for itself.
    right = plots.hamiltonians(ds.assign_attrs(effective_depth=0.0))
    H = ds["least_norm_hamiltonian"]
    np.testing.assert_array_equal(drawn(right, "Hamiltonian"), np.c_[ds["p_step"], H])


def test_the_descent_shows_the_rounding_only_where_there_is_any():
    ds = synthetic_looks()
    rounding = drawn(plots.descent(ds), "rounding of the kinks")
    known = ds.where(ds["width"] > 0, drop=True)
    np.testing.assert_array_equal(rounding, np.c_[known["iteration"], known["width"]])
    smooth = plots.descent(ds.assign(width=0 * ds["width"]))
    assert len(smooth.get_legend().get_texts()) == 2


def test_figure_1a_shows_medians_over_steps_and_spread_over_seeds():
    ds = synthetic_sweep()
    (ax,) = plots.figure_1a(ds).axes
    of_nets = ds["dimension"].isel(effective_depth=slice(0, 5)).median("step")
    centre, half = bars(ax, "Hamiltonian")
    np.testing.assert_allclose(centre[:5], of_nets.mean("seed"))
    np.testing.assert_allclose(half[:5], of_nets.std("seed", ddof=1))
    centre, _ = bars(ax, "the same, symmetric")
    np.testing.assert_allclose(centre[:5], of_nets.mean("seed") - 1)
    centre, half = bars(ax, "Hamiltonian")
    # The cell not run leaves two seeds.
    two = np.median(ds["dimension"][5, :2], axis=1)
    assert centre[5] == pytest.approx(two.mean()) and half[5] == pytest.approx(two.std(ddof=1))
    for i, gamma0 in enumerate(("0.01", "0.001")):
        centre, half = bars(ax, rf"$\min_p\, \mathrm{{COI}}_\gamma$, $\gamma_0 = {gamma0}$")
        coi = ds["min_cost_of_identity"].isel(effective_depth=slice(0, 5), gamma0=i)
        np.testing.assert_allclose(centre[:5], coi.mean("seed"))
        np.testing.assert_allclose(half[:5], coi.std("seed", ddof=1))
    assert drawn(ax, "bottleneck rank of the teacher, 3")[0, 1] == 3
    thin = [c for c in ax.collections if c.get_linewidth() == 1][0].get_paths()[0].vertices[:, 1]
    # The range over p, of all seeds.
    np.testing.assert_allclose(thin, [ds["dimension"][0].min(), ds["dimension"][0].max()])


def test_one_seed_has_no_bars_and_no_seed_no_point():
    ds = synthetic_sweep().isel(seed=[2])
    (ax,) = plots.figure_1a(ds).axes
    centre, half = bars(ax, "Hamiltonian")
    assert np.isfinite(centre[:5]).all() and np.isnan(centre[5])
    assert not np.isfinite(half).any()
    plots.svg(ax)


def test_figure_2a_has_students_intervals_and_a_panel_at_equal_parameters():
    ds = synthetic_rules()
    left, right, under_left, under_right = plots.figure_2a(ds).axes
    for ax, name in ((under_left, "test_error"), (under_right, "test_error_equal")):
        for rule in ("irregular", "adaptive"):
            centre, half = bars(ax, rule)
            for i in range(5):
                paired = (ds[name].sel(rule=rule) - ds[name].sel(rule="equidistant"))[i].values
                low, high = stats.ttest_1samp(paired, 0).confidence_interval(0.95)
                assert (centre[i] - half[i], centre[i] + half[i]) == pytest.approx((low, high))
    for ax, name in ((left, "test_error"), (right, "test_error_equal")):
        for rule in ("equidistant", "irregular", "adaptive"):
            centre, half = bars(ax, rule)
            for i in range(5):
                seeds = ds[name].sel(rule=rule)[i].values
                low, high = stats.ttest_1samp(seeds, 0).confidence_interval(0.95)
                assert (centre[i] - half[i], centre[i] + half[i]) == pytest.approx((low, high))
    assert [t.get_text() for t in under_left.get_xticklabels()] == ["4", "8", "12", "16", "24"]
    assert under_right.get_xticklabels()[0].get_text() == "4\n224"
    assert left.get_ylim() == right.get_ylim() and left.get_ylim()[1] > ds["test_error_equal"].max()
    assert len(plots.figure_2a(ds[["test_error"]]).axes) == 2
    words = ds.assign_coords(depth=[f"{depth}" for depth in ds["depth"].values])
    with pytest.raises(ValueError, match="ds.depth"):
        plots.figure_2a(words)


def test_figure_2b_and_2c_show_the_mesh_and_one_panel_a_rule():
    profiles = {
        "equidistant": synthetic_profile(),
        "irregular": synthetic_profile(bend=0.3),
        "adaptive": synthetic_profile(bend=0.6),
    }
    (ax,) = plots.figure_2b(profiles["adaptive"]).axes
    nodes = [line.get_xdata()[0] for line in ax.lines if line.get_label() == "_nodes"][: DEPTH + 1]
    np.testing.assert_array_equal(nodes, profiles["adaptive"]["p"])
    figure = plots.figure_2c(profiles)
    assert [ax.get_title() for ax in figure.axes[:3]] == list(profiles)
    assert len(figure.axes) == 4  # and one colour bar for all


def test_figure_3_shows_means_over_seeds():
    ds = synthetic_sweep()
    axes = plots.figure_3(ds).axes
    names = ("path_length", "momentum_norm", "momentum_activation_norm")
    for ax, name in zip(axes, names, strict=True):
        centre, half = bars(ax, "")
        np.testing.assert_allclose(centre, ds[name].mean("seed"))
        np.testing.assert_allclose(half, ds[name].std("seed", ddof=1))


def test_figures_1b_and_1c_are_spectra_and_energies_as_in_the_paper():
    profile = synthetic_profile()
    (one,) = plots.figure_1c(profile).axes
    np.testing.assert_array_equal(drawn(one, "cost of"), drawn(plots.energies(profile), "cost of"))
    left, right = plots.figure_1b(profile).axes
    assert "$A$" in left.get_ylabel() and "$W$" in right.get_ylabel()


@pytest.mark.parametrize("draw", OF_PROFILE + OF_HISTORY + OF_GEODESIC)
def test_given_axes_are_drawn_on_and_global_state_is_left_alone(draw):
    before = dict(mpl.rcParams)
    ds = dataset_for(draw)
    ax = Figure().subplots()
    assert draw(ds, ax) is ax
    assert ax.get_xlabel() and ax.get_ylabel()
    assert dict(mpl.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


@pytest.mark.parametrize("draw", OF_PROFILE + OF_HISTORY + OF_GEODESIC)
def test_text_is_legible_and_legends_cover_no_data(draw):
    ax = draw(dataset_for(draw))
    figure = ax.get_figure()
    figure.draw_without_rendering()
    texts = [ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
    legend = ax.get_legend()
    texts += legend.get_texts() if legend else []
    assert min(text.get_fontsize() for text in texts) >= 9
    if legend:
        assert legend.get_window_extent().y0 >= ax.get_window_extent().y1 - 1
        assert legend.get_window_extent().x1 <= figure.bbox.x1
        assert legend.get_window_extent().y1 <= figure.bbox.y1


def test_svg_is_the_same_for_the_same_data_and_asks_for_nothing():
    first, second = (plots.svg(plots.path_2d(synthetic_profile())) for _ in range(2))
    assert first == second and first.rstrip().endswith("</svg>")
    assert not re.search(r'href="(?!#|data:)', first)


def test_the_palette_tells_the_energies_apart():
    colours = [to_hex(line.get_color()) for line in plots.energies(synthetic_profile()).lines]
    assert len(set(colours)) == 5


@pytest.mark.parametrize(
    "draw, missing",
    [(plots.energies, "kinetic_energy"), (plots.path_2d, "projection"), (plots.speed, "slow")],
)
def test_a_missing_variable_is_named_in_one_sentence(draw, missing):
    with pytest.raises(ValueError, match=rf"^\w+ lacks the variables \['{missing}'\]"):
        draw(synthetic_profile().drop_vars(missing))


def test_a_missing_attr_is_named_in_one_sentence():
    profile = synthetic_profile()
    del profile.attrs["effective_depth"]
    with pytest.raises(ValueError, match="profile.attrs lacks 'effective_depth'"):
        plots.energies(profile)


@pytest.mark.parametrize("draw", OF_PROFILE)
def test_a_net_that_has_collapsed_to_zero_is_drawn_without_a_warning(draw):
    profile = synthetic_profile()
    for name in set(profile.data_vars) - {"layer_step"}:
        profile[name] = 0 * profile[name]
    plots.svg(draw(profile))


@pytest.mark.parametrize("draw", OF_PROFILE)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_layer_without_finite_values_is_left_out_without_a_warning(draw, bad):
    profile = synthetic_profile()
    for name in ("speed", "stationarity", "momentum_norm", "cost_of_identity", "kinetic_energy"):
        profile[name][0] = bad
    ax = draw(profile)
    plots.svg(ax)
    assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all()


def test_figure_digits_shows_means_over_seeds_for_both_losses_and_depths():
    rng = np.random.default_rng(5)
    dims = ("targets", "effective_depth", "weight_decay", "seed")
    coords = {
        "targets": ["labels", "onehot"],
        "effective_depth": [0.0, 5.0],
        "weight_decay": [0.003, 0.03, 0.1],
        "seed": [0, 1, 2],
    }
    ds = xr.Dataset(
        {
            "cost_of_identity": ((*dims, "layer"), rng.uniform(3, 60, (2, 2, 3, 3, 5))),
            "representation_norm": ((*dims, "layer"), rng.uniform(1, 90, (2, 2, 3, 3, 5))),
            "misclassified": (dims, rng.uniform(0.01, 0.1, (2, 2, 3, 3))),
        },
        coords=coords,
    )
    norm = ds["representation_norm"]
    panels = (
        ds["cost_of_identity"].min("layer"),
        xr.apply_ufunc(np.log, norm[..., -1]) - xr.apply_ufunc(np.log, norm[..., 0]),
        ds["misclassified"],
    )
    figure = plots.figure_digits(ds)
    for ax, values in zip(figure.axes, panels, strict=True):
        assert ax.get_xscale() == "log" and len(ax.containers) == 4
        for targets, name in (("labels", "cross-entropy"), ("onehot", "one-hot regression")):
            for depth in (0.0, 5.0):
                shown = values.sel(targets=targets, effective_depth=depth)
                centre, half = bars(ax, rf"{name}, $\tilde{{L}}$ = {depth:g}")
                np.testing.assert_allclose(centre, shown.mean("seed"))
                np.testing.assert_allclose(half, shown.std("seed", ddof=1))
    (legend,) = figure.legends
    assert len({text.get_text() for text in legend.get_texts()}) == 4
    with pytest.raises(ValueError, match=r"lacks the variables \['misclassified'\]"):
        plots.figure_digits(ds.drop_vars("misclassified"))


def test_png_is_a_picture_of_200_dots_an_inch_the_same_for_the_same_data():
    first, second = (plots.png(plots.figure_1c(synthetic_profile())) for _ in range(2))
    assert first == second
    pixels = mpl.image.imread(io.BytesIO(first), format="png")
    assert pixels.shape[:2] == (4 * 200, 5.6 * 200)
    assert pixels.min() < 0.5 < pixels.max()  # not a blank page
    assert plots.png(plots.energies(synthetic_profile())).startswith(b"\x89PNG")  # of Axes too
