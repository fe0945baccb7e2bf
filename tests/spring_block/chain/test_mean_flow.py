"""The mean flow, against exact states and the simulator with its statistical error."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from loadpath.spring_block.chain import (
    Chain,
    Smooth,
    chain_phase_diagram,
    mean_field,
    mean_flow,
    mean_state,
    rest_state,
    simulate,
)
from loadpath.spring_block.chain.mean_flow import relax

BOUND = {0.01: 1e-4, 0.1: 3e-4, 0.25: 2.5e-3}
"""The error that the module claims, by stiffness * dt, in units of the target."""

CHAINS = [
    Chain(),
    Chain(n_blocks=2, friction_right=0.3),
    Chain(n_blocks=4, stiffness=2.0, friction_right=0.05, target=0.7),
    Chain(n_blocks=7, friction_right=0.02, friction_left=0.4),
]


@pytest.mark.parametrize("chain", CHAINS)
def test_without_noise_it_comes_to_rest_at_the_exact_state(chain):
    loads = mean_field(chain, noise=0, dt=0.01, n_steps=300_000)
    # The slowest mode, at a rate above 0.15 k, is gone; the integration damps and does not
    # overshoot, but it stops where a step gains less than its own second-order error.
    np.testing.assert_allclose(loads, rest_state(chain), atol=2e-4 * chain.target)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("sigma", [0.6, 2.0])
def test_with_noise_it_ends_in_the_exact_mean_state(chain, sigma):
    """At every noise, and whatever the closure: by symmetry its correction vanishes there."""
    noise = sigma * 0.1 * chain.stiffness * chain.target
    loads = mean_field(chain, noise=noise, dt=0.01, n_steps=100_000)
    np.testing.assert_allclose(loads, mean_state(chain), atol=1e-6)


def test_the_first_instant_is_the_expected_slip():
    """One block, a step too short to move: its velocity is E phi(F + sigma Z), by quadrature."""
    right, left, sigma, force = 0.3, 0.5, 0.4, 1.0

    def slip(z):
        u = force + sigma * z
        return (max(u - right, 0) - max(-left - u, 0)) * stats.norm.pdf(z)

    kinks = [(right - force) / sigma, (-left - force) / sigma]
    expected = quad(slip, -9, 9, points=kinks)[0]
    one, time = np.ones(1), 1e-5
    loads = relax(right * one, left * one, sigma * one, time * one, step=1e-12 * one, n_blocks=1)
    # The force falls by 2 * time relative over the instant, and nothing else changes.
    assert loads[0, 0] / time == pytest.approx(expected, rel=3e-5)


@pytest.mark.parametrize("n_blocks", [1, 2, 7])
def test_the_loads_are_the_same_without_numba(n_blocks, monkeypatch):
    print("seed 3")
    rng = np.random.default_rng(3)
    right, left = rng.uniform(0, 0.4, (2, 40))
    sigma, time = rng.uniform(0, 1, 40), rng.uniform(0, 500, 40)
    sigma[:5], time[5:8] = 0, 0  # at rest, and not yet begun
    step, start = rng.uniform(1e-3, 0.3, 40), rng.uniform(-0.2, 1.2, n_blocks)

    def loads():
        return relax(right, left, sigma, time, step=step, n_blocks=n_blocks, start=start)

    assert mean_flow.integrate is not None  # the test extra brings numba
    compiled = loads()
    monkeypatch.setattr(mean_flow, "integrate", None)
    # Rounding alone: up to a thousand stages, whose sums are of order 1.
    np.testing.assert_allclose(compiled, loads(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("frictions", [(0.1, 0.1), (0.05, 0.1), (0.2, 0.267)])
@pytest.mark.parametrize("noise", [0.004, 0.01])
def test_it_is_the_mean_of_simulated_replicas(frictions, noise):
    chain = Chain(n_blocks=5, friction_right=frictions[0], friction_left=frictions[1])
    print("seed 1")
    final = simulate(
        chain, noise=noise, n_steps=5000, n_replicas=400, seed=1, record_every=5000, threads=1
    )["load"].values[:, -1]
    error = final.std(0, ddof=1) / np.sqrt(len(final))
    # 4.5 standard errors over 36 loads, and the claimed error of flow and closure.
    off = np.abs(final.mean(0) - mean_field(chain, noise=noise, n_steps=5000))
    assert (off < 4.5 * error + BOUND[0.01]).all(), off / error


def test_only_ratios_matter():
    a = mean_field(Chain(), noise=0.006)
    big = Chain(stiffness=4.0, target=3.0, friction_right=1.2, friction_left=1.2)
    # Forces by 12, time by 1/4: noise is force times the square root of time.
    b = mean_field(big, noise=0.006 * 12 / 2, dt=0.0025)
    np.testing.assert_allclose(b, 3 * a, rtol=1e-12)


def test_many_noises_are_each_alone():
    noise = np.array([[0.0, 0.004], [0.01, 0.05]])
    together = mean_field(Chain(), noise=noise, n_steps=3000)
    assert together.shape == (2, 2, 8)
    for i in np.ndindex(2, 2):
        np.testing.assert_allclose(together[i], mean_field(Chain(), noise=noise[i], n_steps=3000),
                                   atol=1e-14)  # fmt: skip
    np.testing.assert_allclose(together.sum(-1), 1)


def test_it_starts_where_it_is_told():
    at_rest = np.cumsum(rest_state(Chain()))[:-1]
    loads = mean_field(Chain(), noise=0, n_steps=100, start=at_rest)
    np.testing.assert_allclose(loads, rest_state(Chain()), atol=1e-12)


@pytest.mark.parametrize(
    ("chain", "options", "message"),
    [
        (Chain(law=Smooth(0.1)), {}, r"law must be Dry\(\)"),
        (Chain(), {"noise": -1.0}, "noise must be at least 0, got -1.0"),
        (Chain(), {"noise": [0.1, np.nan]}, "noise must be finite, got nan at index 1"),
        (Chain(), {"dt": 0.0}, "dt must be finite and above 0"),
        (Chain(), {"n_steps": 0}, "n_steps must be"),
        (Chain(), {"start": [0.0]}, "start must be 7 finite positions"),
    ],
)
def test_bad_input_is_one_sentence(chain, options, message):
    with pytest.raises(ValueError, match=message):
        mean_field(chain, **{"noise": 0.01, **options})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_blocks", "n_steps", "dt"),
    [(7, 10_000, 0.01), (7, 2000, 0.01), (7, 1000, 0.1), (7, 400, 0.25), (2, 10_000, 0.01)],
)
def test_the_docs_error_over_the_phase_diagram(n_blocks, n_steps, dt):
    """The largest difference from simulated means, over the springs of each cell."""
    seed, ratio, whole = 12, 4 / 3, 8 / (n_blocks + 1)  # short chains have longer loads
    friction = np.array([0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5]) * whole
    sigma = np.array([0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12]) * whole
    run = dict(n_steps=n_steps, dt=dt)
    ds = chain_phase_diagram(
        Chain(n_blocks=n_blocks), friction=friction, noise=sigma * np.sqrt(dt), ratio=ratio,
        n_replicas=4096, seed=seed, progress=False, **run,
    )  # fmt: skip
    flow = [
        mean_field(Chain(n_blocks=n_blocks, friction_right=mu, friction_left=ratio * mu),
                   noise=ds["noise"].values, **run)
        for mu in friction
    ]  # fmt: skip
    off, error = np.abs(np.array(flow) - ds["load"].values), ds["load_error"].values
    worst = np.unravel_index((off - 3 * error).argmax(), off.shape)
    print(f"\nseed {seed}, {n_blocks} blocks, {n_steps} steps of {dt}, ratio 4/3")
    print("differences beyond 3 standard errors, in 1e-4; rows friction, columns sigma", sigma)
    for mu, row in zip(friction, (off - 3 * error).clip(0).max(2), strict=True):
        print(f"{mu:5.3g}", " ".join(f"{1e4 * value:5.2f}" for value in row))
    print(
        f"worst at friction {friction[worst[0]]:.3g}, sigma {sigma[worst[1]]:.3g}, "
        f"spring {worst[2] + 1}: off {off[worst]:.2g}, standard error {error[worst]:.2g}"
    )
    root = np.sqrt((off**2 - error**2).mean((0, 2)).clip(0))
    print("root mean square beyond the errors, in 1e-4, by sigma:", np.round(1e4 * root, 2))
    assert (off < 4.5 * error + BOUND[dt]).all()
