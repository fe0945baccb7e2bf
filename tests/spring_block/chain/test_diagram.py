import numpy as np
import pytest

from loadpath.measures.separation import LoadCurve
from loadpath.spring_block.chain import (
    Chain,
    chain_phase_diagram,
    mean_state,
    rest_state,
    simulate,
    unpinning_noise,
)
from loadpath.spring_block.chain.diagram import _linear_concavity


def concavity(load):
    """From its definition: D = 1 - x over layers 0 .. n + 1, scaled to [0, 1], less its chord."""
    D = 1 - np.concatenate([[0], np.cumsum(load)]) / load.sum()
    return (D - np.linspace(1, 0, len(D))).mean()


@pytest.fixture(scope="module")
def diagram():
    return chain_phase_diagram(
        friction=[0.0, 0.02, 0.1, 0.5], noise=[0.0, 0.02, 0.06], n_replicas=40, seed=6
    )


def test_without_noise_it_is_the_rest_state(diagram):
    for mu in (0.02, 0.1, 0.5):
        cell = diagram.sel(friction=mu, noise=0.0)
        expected = rest_state(Chain(friction_right=mu))
        # The slowest mode decays as exp(-0.152 * 100) = 2.5e-7 from order 1.
        np.testing.assert_allclose(cell["load"], expected, atol=1e-6)
        assert float(cell["concavity"]) == pytest.approx(concavity(expected), abs=1e-6)
        np.testing.assert_allclose(cell["load_error"], 0, atol=1e-15)


def test_shaken_enough_it_is_the_mean_state(diagram):
    for mu in (0.0, 0.02, 0.1):
        cell = diagram.sel(friction=mu, noise=0.06)
        chain = Chain(friction_right=mu, friction_left=4 / 3 * mu)
        away = (cell["load"] - mean_state(chain)) / cell["load_error"]
        # 24 loads; 4.5 standard errors of 40 replicas (a t distribution of 39 degrees: 1 in 700).
        assert np.abs(away).max() < 4.5


def test_chains_with_inertia_end_in_the_same_mean_state():
    options = dict(dynamics="langevin", dt=0.05, n_steps=6000, n_replicas=64, seed=9)
    ds = chain_phase_diagram(Chain(n_blocks=4), friction=[0.0, 0.1], noise=[0.15], **options)
    for mu in (0.0, 0.1):
        cell = ds.sel(friction=mu, noise=0.15)
        chain = Chain(n_blocks=4, friction_right=mu, friction_left=4 / 3 * mu)
        away = (cell["load"] - mean_state(chain)) / cell["load_error"]
        assert np.abs(away).max() < 4.5  # of 10 loads
    assert ds.attrs["dynamics"] == "langevin"


def test_concave_without_noise_convex_with_and_linear_without_friction(diagram):
    C, error = diagram["concavity"], diagram["concavity_error"]
    assert (C.sel(noise=0.0)[1:] > 0.01).all()
    assert float(C.sel(friction=0.1, noise=0.06)) < -4 * float(error.sel(friction=0.1, noise=0.06))
    assert (np.abs(C.sel(friction=0.0)[1:]) < 4.5 * error.sel(friction=0.0)[1:]).all()


def test_concavity_and_its_error_are_those_of_the_replicas():
    options = dict(dt=0.01, n_steps=500, n_replicas=30)
    cell = chain_phase_diagram(
        friction=[0.05], noise=[0.02], ratio=2.0, seed=1, **options
    ).squeeze()
    chain = Chain(friction_right=0.05, friction_left=0.1)
    alone = simulate(chain, noise=0.02, seed=1, record_every=500, **options)
    # Other streams, the same statistics: two means of 30 replicas.
    each = np.array([concavity(load) for load in alone["load"][:, -1].values])
    error = each.std(ddof=1) / np.sqrt(30)
    assert abs(each.mean() - float(cell["concavity"])) < 4.5 * np.sqrt(2) * error
    assert float(cell["concavity_error"]) == pytest.approx(error, rel=0.6)
    mean_curve = cell["load"].values
    assert float(cell["concavity"]) == pytest.approx(concavity(mean_curve), abs=1e-12)


def test_the_linear_form_of_concavity_is_that_of_a_load_curve():
    loads = np.random.default_rng(0).standard_normal((20, 8))
    loads += (2.5 - loads.sum(1, keepdims=True)) / 8  # of one total, some negative
    expected = [LoadCurve.from_loads(one).concavity for one in loads]
    np.testing.assert_allclose(_linear_concavity(loads), expected, atol=1e-14)


def test_the_boundaries_without_noise_are_exact():
    ds = chain_phase_diagram(
        Chain(n_blocks=3), friction=[0.1], noise=[0.0], n_steps=10, n_replicas=1
    )
    for name, moved in (("moves_all", 0), ("moves_none", 2)):
        edge = float(ds[name])
        below = rest_state(Chain(n_blocks=3, friction_right=0.999 * edge))
        above = rest_state(Chain(n_blocks=3, friction_right=1.001 * edge))
        assert below[moved] > 0 and above[moved] == 0


@pytest.mark.parametrize("common_noise", [False, True])
def test_the_slowest_mode_relaxes_as_unpinning_noise_says(common_noise):
    """Near its mean state, at that noise, a deviation in the slowest mode falls to 1/e."""
    chain = Chain(n_blocks=3, friction_right=0.1, friction_left=0.1)
    time, dt, seed = 40.0, 0.01, 2
    options = dict(dt=dt, common_noise=common_noise)
    noise = float(unpinning_noise(chain, [0.1], ratio=1.0, time=time, **options)[0])
    slowest = np.sin(np.pi * np.arange(1, 4) / 4)
    middle = np.arange(1, 4) / 4
    print("seed", seed)
    ds = simulate(
        chain, noise=noise, n_steps=int(time / dt), n_replicas=2000, seed=seed,
        start=middle + 0.02 * slowest, **options,
    )  # fmt: skip
    left = (ds["position"][:, -1] - middle).values @ slowest / (slowest @ slowest) / 0.02
    error = left.std(ddof=1) / np.sqrt(2000)
    print(left.mean(), error)
    # Exact for no deviation; 0.02 k lambda_1 is a force of 0.01, a tenth of friction.
    assert left.mean() == pytest.approx(np.exp(-1), abs=4 * error + 0.02)
    assert error < 0.02


def test_without_time_enough_no_noise_unpins():
    assert np.isinf(unpinning_noise(Chain(), [0.1], ratio=1.0, time=1.0, dt=0.01)).all()


def test_the_same_seed_on_any_number_of_threads():
    options = dict(friction=[0.0, 0.1], noise=[0.01, 0.02], n_steps=200, n_replicas=150)
    a, b = (chain_phase_diagram(threads=threads, **options) for threads in (1, 2))
    assert np.array_equal(a["load"], b["load"])


@pytest.mark.parametrize(
    "name, value",
    [
        ("friction", []),
        ("friction", [0.1, 0.1]),
        ("friction", [-0.1, 0.1]),
        ("noise", [0.0, float("nan")]),
        ("noise", 0.1),
        ("ratio", -1.0),
        ("dt", 0.6),
        ("n_steps", 0),
        ("n_replicas", 10**10),
        ("seed", -1),
        ("noise_decay", -0.1),
    ],
)
def test_bad_input_is_one_sentence(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be [^\n]*\.$"):
        chain_phase_diagram(**{"friction": [0.1], "noise": [0.1], "n_steps": 10, name: value})
