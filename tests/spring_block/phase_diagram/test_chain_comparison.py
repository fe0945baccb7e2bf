"""Diagrams that chains made, and others: frictions and noise come back, and misfit is said."""

import numpy as np
import pytest
import xarray as xr
from scipy.optimize._numdiff import approx_derivative

from loadpath import spring_block
from loadpath.measures.separation import LoadCurve
from loadpath.spring_block import phase_diagram
from loadpath.spring_block.phase_diagram import baselines, shared_chain
from loadpath.spring_block.phase_diagram.chain_comparison import _mean_over_seeds, draw_from_chain

RIGHT = np.array([0.12, 0.09, 0.06, 0.03, 0.01])
LEFT = np.array([0.16, 0.15, 0.14, 0.12, 0.1])
NOISE = np.array([0.004, 0.0055, 0.007, 0.0085, 0.011, 0.014])
SPRINGS = 6
SHORT = dict(n_steps=1000)


def of_chains():
    """Mean loads (slope, level, spring) of one pair of frictions per slope, one noise per level."""
    return np.stack(
        [
            spring_block.mean_field(
                spring_block.Chain(SPRINGS - 1, friction_right=right, friction_left=left),
                noise=NOISE,
                **SHORT,
            )
            for right, left in zip(RIGHT, LEFT, strict=True)
        ]
    )


def diagram(loads, *, seeds=4, spread=0.0, kind="trace_ratio"):
    """A network's diagram with these mean loads, its seeds `spread` apart."""
    rng = np.random.default_rng(7)
    noisy = loads[:, :, None] + spread * rng.standard_normal((*loads.shape[:2], seeds, SPRINGS))
    # Whatever a net's whole fall is and wherever it starts.
    fall = rng.uniform(1, 5, noisy.shape[:3])[..., None]
    D = 2 - np.pad(np.cumsum(fall * noisy, axis=-1), ((0, 0),) * 3 + ((1, 0),))
    S, M = loads.shape[:2]
    return xr.Dataset(
        {"log_separation": (("slope", "noise", "seed", "kind", "layer"), D[..., None, :])},
        coords={"slope": np.arange(S) / S, "noise": np.arange(M) / 10, "kind": [kind]},
        attrs={"panel": "dropout"},
    )


@pytest.fixture(scope="module")
def beside():
    """What is said of chains whose seeds are 0.002 apart."""
    return phase_diagram.beside_chain(diagram(of_chains(), spread=0.002), **SHORT)


def errors(ds, name, model):
    return ds[name].sel(model=model).item()


def test_frictions_and_noises_of_exact_curves_come_back(monkeypatch):
    tied = shared_chain.fit_shared(of_chains(), np.ones((5, 6), dtype=bool), **SHORT)
    monkeypatch.setattr(shared_chain, "TIE", 1e-5)
    ds = phase_diagram.beside_chain(diagram(of_chains(), seeds=2), **SHORT)
    np.testing.assert_allclose(ds["load"], of_chains(), atol=1e-12)
    np.testing.assert_allclose(ds.friction_right, RIGHT, rtol=2e-3)
    np.testing.assert_allclose(ds.friction_left, LEFT, rtol=2e-3)
    np.testing.assert_allclose(ds.chain_noise, NOISE, rtol=2e-3)
    for free, held in ((RIGHT, tied.friction_right), (NOISE, tied.noise)):
        np.testing.assert_allclose(held, free, rtol=0.02)  # curves say more than the tie
    assert errors(ds, "misfit", "chain") < 1e-5
    assert errors(ds, "held_out_error", "chain") < 1e-4
    assert errors(ds, "held_out_concavity_error", "chain") < 1e-4
    assert errors(ds, "held_out_error", "additive") > 0.004
    assert (ds.nearer[2:] == 1).all()


def test_seeds_apart_leave_no_more_than_their_own_error(beside):
    # Errors of means of 4 seeds, that sum to 0: sqrt(5 / 6) 0.002 / 2, each load alike.
    assert beside.seed_error.item() == pytest.approx(0.002 / 2 * np.sqrt(5 / 6), rel=0.1)
    numbers = 5 * 6 * 5
    for model, parameters in (("chain", 2 * 5 + 6), ("chain for each slope", 5 * (2 + 6))):
        assert errors(beside, "parameters", model) == parameters
        # Three standard deviations of a ratio of variances, the seeds' with 3 * numbers.
        wide = 3 * np.sqrt(2 / (numbers - parameters) + 2 / (3 * numbers))
        assert errors(beside, "chi_square_per_dof", model) == pytest.approx(1, abs=wide)
    held_out = errors(beside, "held_out_error", "chain")
    assert held_out < 2 * beside.seed_error.item()
    assert held_out < errors(beside, "held_out_error", "additive") / 2


def test_a_diagram_as_if_of_chains_has_their_curves_and_the_errors_of_the_seeds(beside):
    fake = draw_from_chain(beside, seed=3)
    D = (
        fake["log_separation"]
        .transpose("slope", "noise", "seed", "kind", "layer")
        .values[..., 0, :]
    )
    loads = -np.diff(D, axis=-1)
    np.testing.assert_allclose(loads.sum(-1), 1, atol=1e-12)
    error = loads.std(2, ddof=1) / 2
    # 180 standard errors, each of 4 seeds: their mean square is sure to a tenth.
    assert np.sqrt((error**2).mean()) == pytest.approx(beside.seed_error.item(), rel=0.15)
    far = (loads.mean(2) - beside.fitted_load.sel(model="chain").values) / error
    assert np.median(np.abs(far)) < 1.2  # of Student's t with 3 degrees of freedom: 0.76


def test_intervals_cover_what_made_the_curves(beside):
    for name, truth in (
        ("friction_right", RIGHT),
        ("friction_left", LEFT),
        ("chain_noise", NOISE),
        ("row_friction_right", RIGHT),
        ("row_chain_noise", np.tile(NOISE, (5, 1))),
    ):
        low, high = beside[f"{name}_low"].values, beside[f"{name}_high"].values
        covered = (low <= truth) & (truth <= high)
        assert covered.mean() >= 0.75, name
        assert (low <= beside[name].values).all() and (beside[name].values <= high).all()
    assert (beside.friction_left_high / beside.friction_left_low < 1.5).all()


def test_concavity_is_that_of_load_curves(beside):
    found = beside.concavity.values
    for s, m in np.ndindex(5, 6):
        curve = LoadCurve(beside.curve.values[s, m])
        assert found[s, m] == pytest.approx(curve.concavity, abs=1e-12)
        np.testing.assert_allclose(curve.load, beside["load"].values[s, m], atol=1e-12)


def test_curves_that_no_chain_has_are_predicted_worse_than_by_shares():
    # Shares of slope and level, in shapes that springs in a row do not take.
    rng = np.random.default_rng(1)
    slope, level = rng.uniform(-0.05, 0.05, (5, 1, 6)), rng.uniform(-0.05, 0.05, (1, 6, 6))
    loads = 1 / 6 + slope - slope.mean(-1, keepdims=True) + level - level.mean(-1, keepdims=True)
    ds = phase_diagram.beside_chain(diagram(loads, spread=0.002), **SHORT)
    seed = ds.seed_error.item()
    assert errors(ds, "held_out_error", "additive") < 2 * seed
    assert errors(ds, "held_out_error", "chain") > 10 * seed
    assert errors(ds, "chi_square_per_dof", "chain") > 50
    assert errors(ds, "nearer", "additive") == 0.0


def test_a_chain_for_one_slope_is_that_of_fit(monkeypatch):
    monkeypatch.setattr(shared_chain, "TIE", 1e-5)
    # Curves that no chain has, so that the minimum is not 0.
    loads = of_chains()[1, [0, 4]] + 0.02 * np.cos(np.arange(SPRINGS) * 2.0)
    loads /= loads.sum(-1, keepdims=True)
    own = shared_chain.fit_shared(loads[None], np.ones((1, 2), dtype=bool), **SHORT)
    fit = spring_block.fit(loads, **SHORT)
    cost = [float(((one - loads) ** 2).sum()) for one in (own.loads[0], fit.loads)]
    assert cost[0] == pytest.approx(cost[1], rel=1e-3)
    np.testing.assert_allclose(own.loads[0], fit.loads, atol=1e-3)


def test_noise_that_curves_say_nothing_about_stays_near_the_middle():
    # No block moves to the left or is shaken past its friction: noise may as well be 0.
    still = spring_block.Chain(SPRINGS - 1, friction_right=0.05, friction_left=0.1)
    loads = np.tile(spring_block.mean_field(still, noise=1e-6, **SHORT), (2, 3, 1))
    found = shared_chain.fit_shared(loads, np.ones((2, 3), dtype=bool), **SHORT)
    # Three noises e^4 below the middle would fit exactly, at a tie's cost each.
    assert ((found.loads - loads) ** 2).sum() < 3.2 * shared_chain.TIE**2
    middle = 0.1 * np.sqrt(shared_chain.NOISE_TABLE[0] * shared_chain.NOISE_TABLE[-1])
    assert (np.abs(np.log(found.noise / middle)) < 4 * np.sqrt(3.2 / 3)).all()


def test_derivatives_are_those_of_the_residuals():
    known = np.ones((5, 6), dtype=bool)
    known[1, 2] = known[3, 0] = False
    cells = shared_chain._Cells(of_chains(), known, 0.01, 1000)
    theta = np.log([*(1.2 * RIGHT), *(0.9 * LEFT), *(1.1 * NOISE / 0.1)])
    numeric = approx_derivative(cells.residuals, theta, method="3-point", rel_step=1e-4)
    # One-sided differences: right to the first order of their step, 1e-4.
    np.testing.assert_allclose(cells.slopes(theta), numeric, atol=1e-4)


def test_curves_that_rise_or_end_nowhere_do_not_count():
    ds = diagram(of_chains(), spread=0.001)
    D = ds["log_separation"].values
    D[0, 0, 0, 0, 2] = D[0, 0, 0, 0, 1] + 9  # one net rises: the cell counts
    D[0, 1, :2] = np.nan  # half of the nets diverged
    D[1, 0, 1:, 0, 3] = -np.inf
    D[2, 2] = -D[2, 2]  # all nets rise
    found = phase_diagram.beside_chain(ds, **SHORT)
    counts = np.full((5, 6), 4)
    counts[0, 0], counts[0, 1], counts[1, 0], counts[2, 2] = 3, 2, 1, 0
    np.testing.assert_array_equal(found.seeds_counted, counts)
    np.testing.assert_array_equal(found.counted, counts >= 3)
    assert found["load"].notnull().all("spring").equals(found.counted)
    assert errors(found, "misfit", "chain") < 0.002
    assert not found.predicted_load.isel(slope=2, noise=2).notnull().any()


def test_a_slope_without_curves_has_no_chain():
    ds = diagram(of_chains(), spread=0.001)
    ds["log_separation"][2] = np.nan
    found = phase_diagram.beside_chain(ds, **SHORT)
    for name in ("friction_right", "row_friction_left", "friction_left_high"):
        assert (
            np.isnan(found[name].values[2]) and np.isfinite(found[name].values[[0, 1, 3, 4]]).all()
        )
    np.testing.assert_allclose(found.chain_noise, NOISE, rtol=0.1)


def test_the_inverse_convention_rises(beside):
    ds = diagram(of_chains(), spread=0.002).assign_coords(kind=["inverse"])
    ds["log_separation"] = -ds["log_separation"]
    mirrored = phase_diagram.beside_chain(ds, kind="inverse", **SHORT)
    np.testing.assert_array_equal(mirrored["load"], beside["load"])
    np.testing.assert_array_equal(mirrored.friction_right, beside.friction_right)


# --- baselines ---


def test_shares_of_a_whole_grid_are_its_row_and_column_means():
    loads = of_chains()
    fitted, parameters = baselines.fit_additive(loads, np.ones((5, 6), dtype=bool))
    expected = loads.mean(1, keepdims=True) + loads.mean(0, keepdims=True) - loads.mean((0, 1))
    np.testing.assert_allclose(fitted, expected, atol=1e-12)
    assert parameters == (5 + 6 - 1) * (SPRINGS - 1)


def test_shares_and_one_bend_find_cells_that_were_left_out():
    rng = np.random.default_rng(2)
    score = rng.normal(size=(6, 1)) + rng.normal(size=(1, 9))
    shape = np.array([0.03, 0.01, 0.0, -0.01, -0.01, -0.02])
    loads = 1 / 6 + score[..., None] * shape
    for half in baselines.split_in_halves(6, 9):
        for model in (baselines.fit_additive, baselines.fit_one_bend):
            fitted, parameters = model(loads, half)
            np.testing.assert_allclose(fitted, loads, atol=1e-6)
        assert parameters == 5 + (6 + 9 - 2) + 4


@pytest.mark.parametrize("slopes, levels", [(6, 9), (6, 8), (6, 10), (4, 5)])
def test_each_cell_is_predicted_by_two_halves_that_hang_together(slopes, levels):
    chosen = baselines.split_in_halves(slopes, levels)
    np.testing.assert_array_equal(chosen.sum(0), 2)
    for half in chosen:
        assert baselines.linked_cells(half).all()
        assert 0.35 < half.mean() < 0.65
    even = np.add(*np.indices((slopes, levels))) % 2 == 0
    np.testing.assert_array_equal(baselines.linked_cells(even), even)  # why not a checkerboard


# --- refusals ---


@pytest.mark.parametrize(
    "options, reason",
    [
        (dict(kind="heat"), "kind must be one of"),
        (dict(backward=-0.1), "backward must be finite and at least 0, got -0.1"),
        (dict(dt=0.0), "dt must be finite and above 0, got 0.0"),
        (dict(n_steps=0), "n_steps must be a whole number of at least 1, not 0"),
        (dict(level=1.0), "level must be between 0 and 1, got 1.0"),
    ],
)
def test_bad_options_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        phase_diagram.beside_chain(diagram(of_chains()), **options)


@pytest.mark.parametrize(
    "part, reason",
    [
        (dict(seed=[0]), "at 2 slopes and 2 levels of noise at least, got 0 and 0"),
        (dict(slope=[1]), "got 1 and 6"),
        (dict(noise=[1]), "got 5 and 1"),
        (dict(layer=[0, 1, 2]), "ds must have at least 4 layers, got 3"),
    ],
)
def test_diagrams_that_say_too_little_are_refused(part, reason):
    with pytest.raises(ValueError, match=reason):
        phase_diagram.beside_chain(diagram(of_chains()).isel(part))


def test_errors_of_means_are_about_subsets_of_the_data_too():
    rng = np.random.default_rng(2)
    print("seed 2")
    # Two subsets that differ, each with three nets that do not: 2 samples and not 6.
    values = rng.standard_normal((1, 1, 2, 1, 3)).repeat(3, axis=3).reshape(1, 1, 6, 3)
    groups = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 0, 1, 2])
    counted = np.ones((1, 1), dtype=bool)
    mean, error = _mean_over_seeds(values, counted, groups)
    two = values[0, 0, [0, 3]]
    np.testing.assert_allclose(mean[0, 0], two.mean(0), rtol=1e-12)
    np.testing.assert_allclose(error[0, 0], two.std(0, ddof=1) / np.sqrt(2), rtol=1e-12)
    alone = _mean_over_seeds(values, counted, None)[1]
    np.testing.assert_allclose(alone[0, 0], values[0, 0].std(0, ddof=1) / np.sqrt(6), rtol=1e-12)
