"""The page's own steps, in Chromium, are those of `lp.spring_block.simulate`."""

import numpy as np
import pytest

from loadpath.spring_block import Chain, jerks, mean_state, rest_state, simulate, steady
from tests.explorer.chain.physics.test_exact import as_json

STEP = """({chain, motion, pull, steps, replicas, seed}) => {
  const { Ensemble } = window.loadpath.physics;
  const all = new Ensemble(chain.n_blocks, replicas, seed);
  all.step(chain, motion, pull, steps);
  const loads = [];
  for (let r = 0; r < replicas; r++) {
    loads.push(Array.from(all.loads(r, new Float64Array(chain.n_blocks + 1))));
  }
  return { loads, still: all.isStill(), speed: all.speed() };
}"""
ONCE = {"kind": "once", "over": 1, "count": 1}


def stepped(page, chain, *, steps, pull=ONCE, replicas=1, seed=0, **motion):
    motion = {
        **dict(dynamics="overdamped", noise=0, dt=0.01, mass=1, damping=1),
        **dict(noise_decay=0, common_noise=False),
        **motion,
    }
    given = dict(chain=as_json(chain), motion=motion, pull=pull)
    return page.evaluate(STEP, dict(**given, steps=steps, replicas=replicas, seed=seed))


PULLS = {
    "once": (ONCE, lambda n: None),
    "slow": (
        {"kind": "slow", "over": 700, "count": 1},
        lambda n: steady(1.0, over=700, n_steps=n),
    ),
    "jerks": (
        {"kind": "jerks", "over": 800, "count": 4},
        lambda n: jerks(1.0, count=4, every=200, n_steps=n),
    ),
}


@pytest.mark.parametrize("dynamics", ["overdamped", "langevin"])
@pytest.mark.parametrize("pull", PULLS)
def test_steps_without_noise_are_the_librarys_to_the_last_digit(page_code, dynamics, pull):
    theirs, ours = PULLS[pull]
    for n, right, left in ((1, 0.1, 0.1), (7, 0.02, 0.05), (30, 0.004, 0.001)):
        chain = Chain(n_blocks=n, stiffness=0.8, friction_right=right, friction_left=left)
        motion = dict(dynamics=dynamics, dt=0.05, mass=1.7, damping=0.4)
        found = stepped(page_code, chain, steps=1200, pull=theirs, **motion)
        ds = simulate(chain, n_steps=1200, pull=ours(1200), record_every=1200, **motion)
        assert found["loads"][0] == ds["load"].values[0, -1].tolist()


@pytest.mark.parametrize("pull", PULLS)
@pytest.mark.parametrize(
    "n, right, left",
    [(1, 0.1, 0.1), (2, 0.3, 0.0), (7, 0.1, 0.1), (7, 0.02, 0.2), (7, 1.2, 0.1), (20, 0.01, 0.03)]
    + [(57, 0.002, 0.002), (100, 0.001, 0.0005), (100, 0.1, 0.1)],
)
def test_chains_come_to_rest_where_they_should_however_they_are_pulled(
    page_code, n, right, left, pull
):
    # Steps of 0.25 / k keep the scheme monotone, so that it stops nowhere but at rest.
    chain = Chain(n_blocks=n, friction_right=right, friction_left=left)
    found = stepped(
        page_code, chain, steps=900 + 300 * n + 40 * n * n, pull=PULLS[pull][0], dt=0.25
    )
    np.testing.assert_allclose(found["loads"][0], rest_state(chain), rtol=0, atol=1e-10)
    assert found["speed"] < 1e-10


@pytest.mark.parametrize(
    "chain, motion, steps",
    [
        (Chain(friction_right=0.1, friction_left=0.16), dict(noise=0.02), 10_000),
        (
            Chain(stiffness=2, friction_right=0.1, friction_left=0.05),
            dict(noise=0.12, dynamics="langevin", dt=0.05, mass=0.7, damping=1.3),
            3000,
        ),
        (
            Chain(n_blocks=3, friction_right=0.1, friction_left=0.2),
            dict(noise=0.1, dynamics="langevin", dt=0.05, common_noise=True),
            3000,
        ),
    ],
    ids=["overdamped", "langevin", "common noise"],
)
def test_mean_loads_under_noise_are_the_exact_ones_within_their_errors(
    page_code, chain, motion, steps
):
    found = stepped(page_code, chain, steps=steps, replicas=200, seed=5, **motion)
    loads = np.array(found["loads"])
    error = loads.std(0, ddof=1) / np.sqrt(len(loads))
    assert np.abs((loads.mean(0) - mean_state(chain)) / error).max() < 4


@pytest.mark.parametrize(
    "motion",
    [
        dict(noise=0.004),
        dict(noise=0.006, noise_decay=0.02),
        dict(noise=0.05, dynamics="langevin", dt=0.05, mass=0.5),
        dict(noise=0.03, dynamics="langevin", dt=0.05, common_noise=True, noise_decay=0.01),
    ],
    ids=["overdamped", "dying noise", "langevin", "common noise"],
)
def test_between_rest_and_its_mean_state_the_page_agrees_with_simulate(page_code, motion):
    """Where nothing is exact: mean loads on the way, and how much they scatter, in both."""
    chain = Chain(friction_right=0.1, friction_left=0.14)
    found = stepped(page_code, chain, steps=1500, replicas=400, seed=3, **motion)
    theirs = np.array(found["loads"])
    ds = simulate(chain, n_steps=1500, n_replicas=400, seed=4, record_every=1500, **motion)
    ours = ds["load"].values[:, -1]
    error = np.hypot(theirs.std(0), ours.std(0)) / np.sqrt(400)
    assert np.abs((theirs.mean(0) - ours.mean(0)) / error).max() < 4
    # The logarithm of a variance of N draws has a standard error of about sqrt(2 / N) each.
    moved = ours.std(0) > 1e-9
    ratio = np.log(theirs.var(0)[moved] / ours.var(0)[moved])
    assert np.abs(ratio).max() < 5 * np.sqrt(4 / 400)


def test_the_same_seed_gives_the_same_noise_and_another_another(page_code):
    run = dict(steps=50, noise=0.02, replicas=2)
    one, same, other = (stepped(page_code, Chain(), seed=s, **run)["loads"] for s in (1, 1, 2))
    assert one == same and one != other and one[0] != one[1]


def test_the_stable_step_is_the_librarys(page_code):
    code = "({chain, motion}) => window.loadpath.physics.stableDt(chain, motion)"
    for n, k, mass, damping in ((1, 1.0, 1.0, 1.0), (100, 4.0, 0.1, 0.05), (7, 0.1, 10.0, 3.0)):
        chain = Chain(n_blocks=n, stiffness=k)
        for dynamics in ("overdamped", "langevin"):
            motion = dict(dynamics=dynamics, mass=mass, damping=damping)
            found = page_code.evaluate(code, dict(chain=as_json(chain), motion=motion))
            assert found == pytest.approx(chain.stable_dt(**motion), rel=1e-12)
