"""Fits to curves of the simulator with known parameters; `-s` prints the numbers of the docs.

Fast tests use short chains. The slow ones are what docs/spring-block.md reports.
"""

import time
from collections import Counter

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import loadpath as lp
from loadpath.spring_block.chain import Chain, mean_field, simulate
from loadpath.spring_block.fitting import Fit, fit, fitting

SHORT = dict(dt=0.02, n_steps=1000)
SMALL = Chain(n_blocks=4, friction_right=0.1, friction_left=0.15)
LONG = Chain(friction_right=0.1, friction_left=0.14)
LEVELS = (0.004, 0.006, 0.01, 0.02)


def measured(chain, levels, *, replicas, seed, n_steps=10_000, dt=0.01):
    """Final loads (replica, level, spring) of the simulator."""
    runs = [
        simulate(
            chain, noise=noise, n_steps=n_steps, n_replicas=replicas, seed=seed + j,
            record_every=n_steps, threads=1, dt=dt,
        )["load"].values[:, -1]
        for j, noise in enumerate(levels)
    ]  # fmt: skip
    return np.stack(runs, axis=1)


def truth(chain, levels):
    return {
        "friction_right": chain.friction_right,
        "friction_left": chain.friction_left,
        **{f"noise {j}": noise for j, noise in enumerate(levels)},
    }


def show(title, result, true):
    print(f"\n{title}")
    for name, value in true.items():
        low, high = result.interval[name]
        print(f"{name}: true {value:.4g}, {result.value[name]:.4g} [{low:.4g}, {high:.4g}]")
    print(f"chi-square {result.chi_square:.3g}, dof {result.dof}, p {result.p_value:.2g}")


def within(result, true, times):
    """Whether truth lies within `times` each side of the interval about the estimate."""
    for name, value in true.items():
        low, high = result.interval[name]
        best = result.value[name]
        # One-sided intervals have no width: the bound itself must hold, with the same allowance.
        below = best / low if low > 0 else np.inf
        above = high / best
        assert best / below**times <= value <= best * above**times, (name, value, low, high)


def covered(chain, levels, *, sets, replicas, seed, unseen=None, **options):
    """How many of the data sets' intervals cover the truth, by parameter; and their p-values.

    "unseen": of the loads predicted for that noise, how many (of all springs) are within the error.
    """
    run = {"dt": 0.01, "n_steps": 10_000} | {k: options[k] for k in SHORT if k in options}
    loads = measured(chain, levels, replicas=sets * replicas, seed=seed, **run)
    true, hits, p = truth(chain, levels), Counter(), []
    for one in loads.reshape(sets, replicas, *loads.shape[1:]):
        result = fit(one, **options)
        p.append(result.p_value)
        for name, value in true.items():
            low, high = result.interval[name]
            hits[name] += low <= value <= high
        if unseen is not None:
            off = np.abs(result.predict(unseen) - mean_field(chain, noise=unseen, **run))
            times = np.sqrt(result.observed.quantile(0.95, 1, len(true)))
            hits["unseen"] += np.mean(off < times * result.predict_error(unseen))
    return hits, np.array(p)


@pytest.fixture(scope="module")
def small():
    """A fit of 48 replicas at three levels of noise."""
    print("seed 5")
    levels = (0.006, 0.009, 0.014)
    return fit(measured(SMALL, levels, replicas=48, seed=5, **SHORT), **SHORT), levels


def test_it_finds_the_parameters_again(small):
    result, levels = small
    true = truth(SMALL, levels)
    show("48 replicas, three levels", result, true)
    # Twice a 95 % interval is about 4 standard errors: five parameters, 1 in 3000.
    within(result, true, times=2)
    assert result.status == "converged" and result.observed.errors == "replicas"
    assert result.chain.stiffness == 1 and result.interval["stiffness"] == (1, 1)
    np.testing.assert_allclose(result.loads.sum(1), 1)


def held_out(loads, noise, **options):
    """Chi-square and p-value of the last level, of known noise, against the fit to the others.

    What the parameters may still be counts: it is the rise of a fit to all levels.
    """
    levels, n, nu = loads.shape[1], loads.shape[2] - 1, len(loads) - 1
    known = {"stiffness": 1.0, "noise": [*[np.nan] * (levels - 1), noise]}
    others = fit(loads[:, :-1], **options)
    chi = fit(loads, fixed=known, **options).chi_square - others.chi_square
    # Hotelling's distribution, for a covariance known from these replicas.
    return others, chi, stats.f.sf(chi * (nu - n + 1) / (nu * n), n, nu - n + 1)


def test_it_predicts_a_level_of_noise_that_it_was_not_shown():
    print("seed 77")
    loads = measured(SMALL, [0.006, 0.014, 0.009], replicas=48, seed=77, **SHORT)
    others, chi, p = held_out(loads, 0.009, **SHORT)
    print(f"chi-square {chi:.3g} for 4 numbers, p {p:.2g}")
    assert p > 1e-3
    # Load by load: the errors of prediction and of the measured mean, and the mean field's own.
    predicted, error = others.predict(0.009), others.predict_error(0.009)
    measured_error = loads[:, 2].std(0, ddof=1) / np.sqrt(48)
    away = (predicted - loads[:, 2].mean(0)) / np.sqrt(error**2 + measured_error**2 + 1e-8)
    print("in standard errors:", away)
    assert np.abs(away).max() < 4
    # Not an empty statement: the levels that were shown differ by many of these errors.
    assert np.abs(loads[:, 1].mean(0) - predicted).max() > 5 * error.max()


@pytest.fixture
def no_profiles(monkeypatch):
    """Leave out the intervals, which are most of a fit's time, where a test has no use for them."""
    monkeypatch.setattr(fitting, "intervals", lambda problem, best, cost, limit: (best, best, None))


def test_errors_of_prediction_are_those_of_repeated_measurements(small, no_profiles):
    """The spread of predictions over data sets with the same errors, against what each fit says."""
    rng, sets = np.random.default_rng(5), 16
    exact = mean_field(SMALL, noise=[0.01, 0.017], **SHORT)
    fits = [
        fit(exact + 4e-4 * rng.standard_normal(exact.shape), errors=4e-4, **SHORT)
        for _ in range(sets)
    ]
    spread = np.std([f.predict(0.013) for f in fits], axis=0, ddof=1)
    said = np.sqrt(np.mean([f.predict_error(0.013) ** 2 for f in fits], axis=0))
    # Errors so small that loads are linear in what they move. A standard deviation from 16 sets is
    # known to 18 %: 3.5 such errors in each of five loads.
    np.testing.assert_allclose(spread / said, 1, atol=3.5 * 0.18)
    several = small[0].predict_error([[0.01], [0.02]])
    assert several.shape == (2, 1, 5) and small[0].predict([[0.01], [0.02]]).shape == (2, 1, 5)
    np.testing.assert_allclose(several[0, 0], small[0].predict_error(0.01))
    # What is open widens a prediction that depends on it, and leaves alone one that does not.
    quiet = fit(
        mean_field(SMALL, noise=0, **SHORT),
        errors=0.002,
        fixed={"stiffness": 1, "noise": 0},
        **SHORT,
    )
    assert quiet.predict_error(0).max() < 0.005 < 0.05 < quiet.predict_error(0.01).max()


@pytest.mark.slow
def test_intervals_cover_the_truth_in_some_data_sets():
    sets = 8
    hits, _ = covered(SMALL, (0.007, 0.011), sets=sets, replicas=24, seed=30, **SHORT)
    print(f"seed 30: covered of {sets}", hits)
    # At 95 % each, fewer than 4 of 8 would be a chance of 2e-5, for one of four parameters 1e-4.
    assert min(hits.values()) >= stats.binom.ppf(1e-5, sets, 0.95)


def test_correlated_errors_count_as_such(no_profiles):
    """Given the covariance of the loads, chi-square is a sum of independent squares."""
    rng = np.random.default_rng(3)
    loads = mean_field(SMALL, noise=[0.008, 0.013], **SHORT)
    mix = 0.004 * rng.standard_normal((5, 5))
    P = np.eye(5) - 1 / 5
    S = P @ mix @ mix.T @ P  # like any covariance of loads of one sum, without (1, ..., 1)
    draws = rng.multivariate_normal(np.zeros(5), S, size=(8, 2), method="eigh")
    chi = sum(fit(loads + d, covariance=S, model_error=0, **SHORT).chi_square for d in draws)
    # 8 fits of 8 numbers with 4 parameters, if none is at a bound.
    assert stats.chi2.ppf(1e-3, 32) < chi < stats.chi2.ppf(1 - 1e-3, 32)


def test_a_curve_without_noise_leaves_friction_to_the_left_open():
    chain = Chain(n_blocks=4, friction_right=0.05, friction_left=0.3)
    loads = mean_field(chain, noise=0, dt=0.01, n_steps=20_000)
    result = fit(loads, errors=0.003, fixed={"stiffness": 1, "noise": 0}, n_steps=20_000)
    assert result.identified == {"friction_right": True, "friction_left": False}
    assert result.value["friction_right"] == pytest.approx(0.05, rel=0.02)  # no noise was added
    assert "no block moves to the left" in result.words()
    open_ = fit(loads, errors=0.003, n_steps=20_000)
    assert not open_.identified["friction_left"] and not open_.identified["noise 0"]


def test_saturated_noise_has_no_upper_end_and_frictions_show_their_difference():
    chain = Chain(n_blocks=4, friction_right=0.05, friction_left=0.1)
    run = dict(dt=0.05, n_steps=1000)
    loads = mean_field(chain, noise=[0.6, 1.2], **run)
    result = fit(loads, errors=0.002, **run)
    assert result.interval["noise 0"][1] == result.interval["noise 1"][1] == np.inf
    assert result.interval["noise 0"][0] > 0
    assert "difference friction_right - friction_left" in result.words()
    ds = result.region(5)
    assert ds["inside"].any() and not ds["inside"].all() and float(ds["rise"].min()) >= 0


def test_a_relaxed_curve_does_not_tell_stiffness():
    run = dict(dt=0.2, n_steps=250)  # 19 relaxation times
    loads = mean_field(SMALL, noise=[0.14, 0.28], **run)
    result = fit(loads, errors=0.002, fixed={"friction_left": 0.15}, **run)
    assert result.interval["stiffness"][1] == np.inf
    assert "not stiffness" in result.words()
    assert "friction_right / stiffness" in result.value


def test_stiffness_held_elsewhere_scales_forces():
    loads = mean_field(SMALL, noise=[0.007, 0.012], **SHORT)
    one = fit(loads, errors=0.002, **SHORT)
    # Twice the stiffness in half the time, with half the step, is the same chain.
    two = fit(loads, errors=0.002, fixed={"stiffness": 2.0}, dt=0.01, n_steps=1000)
    assert two.chain.friction_right == pytest.approx(2 * one.chain.friction_right, rel=1e-3)
    # sigma = noise / sqrt(dt) doubles, dt halves.
    np.testing.assert_allclose(two.noise, np.sqrt(2) * one.noise, rtol=1e-3)


def test_the_wrong_model_is_a_poor_fit():
    loads = np.array([[0.3, 0.1, 0.3, 0.05, 0.25], [0.1, 0.3, 0.1, 0.3, 0.2]])
    result = fit(loads, errors=0.005, **SHORT)
    assert result.status == "poor fit" and result.p_value < 1e-6
    assert result.words().startswith("Poor fit")


def test_curves_may_be_objects_with_loads_of_any_sum():
    loads = mean_field(SMALL, noise=[0.007, 0.012], **SHORT)
    curves = [
        lp.separation.LoadCurve.from_loads(c * d) for c, d in zip((3, 0.5), loads, strict=True)
    ]
    a = fit(curves, **SHORT)
    b = fit(loads, **SHORT)
    assert a.value == pytest.approx(b.value, rel=1e-6)
    # xarray's own `load` is a method.
    assert fit(xr.DataArray(loads, dims=("level", "spring")), **SHORT).value == b.value
    assert np.isnan(a.p_value) and "cannot be called good" in a.words()


def test_its_dataset_can_be_saved(small, tmp_path):
    ds = small[0].dataset()
    lp.results.save(ds, tmp_path / "fit.nc")
    back = lp.results.load(tmp_path / "fit.nc")
    np.testing.assert_array_equal(back["high"], ds["high"])
    assert back.attrs["level"] == 0.95
    assert back.attrs["status"] == "converged" and back.attrs["words"] == small[0].words()


GOOD = np.array([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("curves", "options", "message"),
    [
        ([0.4, 0.6], {}, "curves must have at least 3 layers, got 2."),
        ([0.1, np.nan, 0.5], {}, "curves must be finite, got nan."),
        ([0.1, -0.5, 0.2], {"errors": 0.1}, "curves must have loads of a positive sum"),
        ([], {}, "curves must be \\(spring"),
        ([GOOD, [1, 2]], {}, "curves must be numbers or LoadCurves of one length"),
        (GOOD, {"errors": 0.0}, "errors must be finite and above 0, got 0.0."),
        (GOOD, {"errors": [0.1, 0.1]}, "errors must be one number"),
        (GOOD, {"covariance": np.eye(3)}, "covariance must be \\(4, 4\\)"),
        (GOOD, {"covariance": -np.eye(4)}, "covariance must be symmetric"),
        (GOOD, {"covariance": np.eye(4), "errors": 0.1}, "must not both be given"),
        (GOOD, {}, "errors must be given where curves have no numbers to spare"),
        (np.ones((3, 1, 4)), {"errors": 0.1}, "errors and covariance must be left out"),
        (np.ones((2, 1, 4)), {}, "curves must have more replicas"),
        (GOOD, {"fixed": {"mu": 1.0}}, "fixed must name some of"),
        (GOOD, {"fixed": {"stiffness": 0.0}}, "fixed must have finite values above 0"),
        (GOOD, {"fixed": {"noise": [0.1, 0.2]}}, "fixed must have one number for noise"),
        (GOOD, {"level": 1.0}, "level must be between 0 and 1, got 1.0."),
        (GOOD, {"dt": 0.0}, "dt must be finite and above 0, got 0.0."),
        (GOOD, {"target": -1.0}, "target must be finite and above 0, got -1.0."),
    ],
)
def test_bad_input_is_one_sentence(curves, options, message):
    with pytest.raises(ValueError, match=message):
        fit(curves, **options)


@pytest.mark.slow
def test_the_docs_recovery():
    loads = measured(LONG, LEVELS, replicas=64, seed=0)
    for title, pick in (("four levels, 64 replicas", slice(None)), ("one level", slice(1, 2))):
        started = time.process_time()
        result = fit(loads[:, pick])
        print(f"\nseed 0, {title}: {time.process_time() - started:.1f} s of CPU")
        print(result.words())
        within(result, truth(LONG, LEVELS[pick]), times=2)  # as above
        assert isinstance(result, Fit)
    started = time.process_time()
    free = fit(loads, fixed={})
    print(f"\nseed 0, stiffness free: {time.process_time() - started:.1f} s of CPU")
    print(free.words())
    assert free.interval["stiffness"][0] < 1 < free.interval["stiffness"][1]


@pytest.mark.slow
def test_the_docs_held_out_level():
    loads = measured(LONG, (0.004, 0.006, 0.02, 0.008), replicas=64, seed=40)
    others, chi, p = held_out(loads, 0.008)
    print(f"\nseed 40: held-out level 0.008: chi-square {chi:.3g} for 7 numbers, p {p:.2g}")
    seen, error = loads[:, 3].mean(0), loads[:, 3].std(0, ddof=1) / 8
    predicted, known = others.predict(0.008), others.predict_error(0.008)
    for row in zip(predicted, known, seen, error, strict=True):
        print("predicted {:.4f} +- {:.4f}, simulated {:.4f} +- {:.4f}".format(*row))
    assert p > 1e-3
    assert (np.abs(predicted - seen) < 4 * np.hypot(known, error) + 1e-4).all()


@pytest.mark.slow
@pytest.mark.parametrize(("replicas", "seed"), [(24, 100), (8, 200)])
def test_the_docs_coverage(replicas, seed):
    """Errors by level from 24 replicas, or of one shape for all levels from 8."""
    sets = 200
    levels = (0.005, 0.007, 0.011)
    hits, p = covered(LONG, levels, sets=sets, replicas=replicas, seed=seed, unseen=0.009)
    low, high = stats.binom.ppf([0.005, 0.995], sets, 0.95) / sets
    print(f"\nseed {seed}, {replicas} replicas, {sets} data sets, 99 % bounds {low} to {high}:")
    print({name: round(float(count) / sets, 3) for name, count in hits.items()})
    print(f"p-values below 0.05: {np.mean(p < 0.05):.3f}, below 0.01: {np.mean(p < 0.01):.3f}")
    # Five parameters, of which any may stray: 1e-4 each. Bounded intervals may cover too much.
    assert min(hits[name] for name in truth(LONG, levels)) >= stats.binom.ppf(1e-4, sets, 0.95)
    # Linearized, and the loads of one prediction stray together: no law for their count.
    assert hits["unseen"] / sets > 0.9


@pytest.mark.slow
def test_the_docs_langevin_curves():
    """What the overdamped fit makes of curves with inertia: a good fit, and wrong parameters."""
    chain = Chain(stiffness=0.1, friction_right=0.003, friction_left=0.004)
    run = dict(dt=0.05, n_steps=14_000)
    levels = (0.0005, 0.001, 0.0015)
    loads = [
        simulate(
            chain, dynamics="langevin", noise=noise, n_replicas=64, seed=1 + j,
            record_every=14_000, threads=1, **run,
        )["load"].values[:, -1]
        for j, noise in enumerate(levels)
    ]  # fmt: skip
    result = fit(np.stack(loads, axis=1), fixed={"stiffness": 0.1}, **run)
    print("\nseed 1, Langevin: friction 0.003 and 0.004, noise", levels)
    print(result.words())
    assert result.status == "converged"
    assert result.interval["friction_right"][0] > chain.friction_right
    assert result.interval["noise 0"][1] < levels[0]
