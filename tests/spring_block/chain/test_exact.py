"""Exact states, against simulation with its statistical error."""

import numpy as np
import pytest
from scipy import stats

import loadpath as lp
from loadpath.spring_block.chain import (
    Chain,
    Smooth,
    mean_state,
    rest_state,
    simulate,
    stationary_covariance,
)

CHAINS = [
    Chain(),
    Chain(n_blocks=1, friction_right=0.3),
    Chain(n_blocks=4, stiffness=2.0, friction_right=0.05, target=0.7),
    Chain(n_blocks=5, friction_right=0.0),
    Chain(n_blocks=5, friction_right=2.0),
    Chain(n_blocks=12, friction_right=0.02, friction_left=0.4),
]


def test_the_rest_state_of_formulas_md():
    np.testing.assert_allclose(rest_state(Chain()), [0, 0, 0, 0, 0.1, 0.2, 0.3, 0.4], atol=1e-15)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("by", ["wall", "force"])
@pytest.mark.parametrize("speed", ["at once", "steady", "jerks"])
def test_a_chain_pulled_without_noise_comes_to_rest_there(chain, by, speed):
    n_steps, dt = 6000, 0.45 / chain.stiffness
    full = chain.target if by == "wall" else chain.stiffness * chain.target / (chain.n_blocks + 1)
    pull = {
        "at once": None,
        "steady": lp.spring_block.steady(full, over=n_steps // 3, n_steps=n_steps),
        "jerks": lp.spring_block.jerks(full, count=4, every=500, n_steps=n_steps),
    }[speed]
    ds = simulate(chain, dt=dt, n_steps=n_steps, pull=pull, by=by)
    # The slowest mode decays as exp(-k lambda_1 t) from order 1: below 1e-15 for the wall, and
    # about e^-15 for 12 blocks on a force.
    np.testing.assert_allclose(ds["load"][0, -1], rest_state(chain, by=by), atol=1e-6)


def test_rest_states_sum_to_the_target():
    for chain in CHAINS:
        assert rest_state(chain).sum() == pytest.approx(chain.target, rel=1e-14)
        assert mean_state(chain).sum() == pytest.approx(chain.target, rel=1e-14)


def test_nothing_rests_under_smooth_friction():
    with pytest.raises(ValueError, match=r"^law must be Dry\(\) for a rest state, got Smooth"):
        rest_state(Chain(law=Smooth(0.1)))


@pytest.mark.parametrize("by", ["wall", "force"])
@pytest.mark.parametrize("dynamics", ["overdamped", "langevin"])
@pytest.mark.parametrize("friction_right, friction_left", [(0.1, 0.1), (0.05, 0.1), (0.1, 0.05)])
def test_noise_sets_the_load_slope_by_the_friction_difference(
    friction_right, friction_left, dynamics, by
):
    chain = Chain(n_blocks=4, friction_right=friction_right, friction_left=friction_left)
    seed, noise = 3, 0.03 if dynamics == "overdamped" else 0.15
    print("seed", seed)
    ds = simulate(
        chain,
        dynamics=dynamics,
        noise=noise,
        dt=0.01 if dynamics == "overdamped" else 0.05,
        n_steps=10_000 if dynamics == "overdamped" else 6000,
        n_replicas=256,
        seed=seed,
        by=by,
    )
    each = ds["load"].isel(time=slice(50, None)).mean("time").values  # (replica, spring)
    error = each.std(0, ddof=1) / np.sqrt(len(each))
    away = (each.mean(0) - mean_state(chain, by=by)) / np.maximum(error, 1e-12)
    # Five loads in each of 12 cases: 4.5 standard errors are exceeded once in 2,000 such runs.
    assert np.abs(away).max() < 4.5
    # Not an empty statement: the errors are small against the slope's reach where there is one.
    assert error.max() < 0.005


CASES = [("overdamped", False), ("overdamped", True), ("langevin", False), ("langevin", True)]


@pytest.mark.parametrize("by", ["wall", "force"])
@pytest.mark.parametrize("dynamics, common_noise", CASES)
def test_frictionless_chains_are_ornstein_uhlenbeck_processes(dynamics, common_noise, by):
    chain = Chain(n_blocks=3, stiffness=1.5, friction_right=0, friction_left=0)
    options = dict(dynamics=dynamics, mass=0.5, damping=0.8, common_noise=common_noise, by=by)
    seed, dt, replicas = 5, 0.1, 4000
    print("seed", seed)
    ds = simulate(
        chain, noise=0.3, dt=dt, n_steps=600, n_replicas=replicas, record_every=600, seed=seed,
        **options,
    )  # fmt: skip
    x = ds["position"].isel(time=-1).values
    expected = stationary_covariance(chain, noise=0.3, dt=dt, **options)
    # Estimated covariances vary by sqrt((S_ii S_jj + S_ij^2) / replicas): six numbers in each of
    # eight cases, and 4.5 such errors.
    S = np.cov(x.T)
    d = np.diag(expected)
    error = np.sqrt((np.outer(d, d) + expected**2) / replicas)
    assert (np.abs(S - expected) < 4.5 * error).all()
    mean = mean_state(chain, by=by).cumsum()[:-1]
    assert (np.abs(x.mean(0) - mean) < 4.5 * np.sqrt(d / replicas)).all()
    assert stats.kstest((x[:, 1] - mean[1]) / np.sqrt(d[1]), "norm").pvalue > 1e-4


def test_the_covariance_is_the_inverse_laplacian():
    chain = Chain(n_blocks=6, stiffness=0.4, friction_right=0, friction_left=0)
    i, j = np.meshgrid(range(1, 7), range(1, 7))
    inverse = np.minimum(i, j) - i * j / 7  # of the Laplacian between two walls
    over = stationary_covariance(chain, noise=0.2)
    np.testing.assert_allclose(over, 0.04 / (2 * 0.4) * inverse, rtol=1e-12)
    inert = stationary_covariance(chain, noise=0.2, dynamics="langevin", mass=3.0, damping=0.5)
    np.testing.assert_allclose(inert, 0.04 / (2 * 0.5 * 0.4) * inverse, rtol=1e-10)


@pytest.mark.parametrize("dynamics, common_noise", CASES)
def test_the_schemes_covariance_converges(dynamics, common_noise):
    chain = Chain(n_blocks=3, friction_right=0, friction_left=0)
    options = dict(noise=0.3, dynamics=dynamics, common_noise=common_noise)
    exact = stationary_covariance(chain, **options)
    errors = [
        np.abs(stationary_covariance(chain, dt=dt, **options) - exact).max() for dt in (0.01, 0.005)
    ]
    # With damping taken at the new velocity the first-order terms of the Langevin scheme cancel in
    # the positions, where every block has its own noise.
    order = 2 if (dynamics, common_noise) == ("langevin", False) else 1
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)


def test_a_covariance_needs_a_chain_without_friction():
    with pytest.raises(ValueError, match=r"^friction_right and friction_left must be 0 .* 0\.1"):
        stationary_covariance(Chain(), noise=0.1)
