"""Orders of convergence in dt, and the steps against another library's.

`pytest tests/test_spring_block_engine.py -s` prints the table of docs/spring-block.md.
"""

import numpy as np
import pytest
import sdeint

from loadpath.spring_block.chain import Chain, Dry, Smooth
from loadpath.spring_block.chain.engine import Groups, Scheme, step_all
from loadpath.spring_block.chain.exact import laplacian

T = 4.0


def at_the_end(chain, dW, noise, *, langevin):
    """Positions at T of chains driven by the Wiener increments dW (step, block, column)."""
    steps, n, columns = dW.shape
    scheme = Scheme(
        n_blocks=n,
        law=chain.law,
        dt=T / steps,
        n_steps=steps,
        record_every=steps,
        start=np.zeros(n),
        langevin=langevin,
    )
    group = Groups(
        stiffness=np.array([chain.stiffness]),
        friction_right=np.array([chain.friction_right]),
        friction_left=np.array([chain.friction_left]),
        pulled=np.array([chain.target]),
        noise=np.array([noise]),
        seeds=[0],
    )
    out = np.empty((2, n, 1, columns))
    step_all(scheme, group, (noise / scheme.dt * dw[:, None] for dw in dW), out)
    return out[-1, :, 0]


LAWS = {
    "none": dict(friction_right=0.0, friction_left=0.0),
    "smooth": dict(friction_right=0.1, friction_left=0.15, law=Smooth(0.1)),
    "dry": dict(friction_right=0.1, friction_left=0.15, law=Dry()),
}


def orders(law, *, langevin, noise, columns=300, finest=4096, seed=7):
    """Strong and weak errors against the finest step, at 128 to 512 steps; their orders."""
    print("seed", seed)
    chain = Chain(n_blocks=3, **LAWS[law])
    dW = np.random.default_rng(seed).standard_normal((finest, 3, columns)) * np.sqrt(T / finest)
    reference = at_the_end(chain, dW, noise, langevin=langevin)
    strong, weak = [], []
    for steps in (128, 256, 512):
        coarse = dW.reshape(steps, -1, 3, columns).sum(1)
        away = at_the_end(chain, coarse, noise, langevin=langevin) - reference
        strong.append(np.sqrt((away**2).mean()))
        weak.append(np.abs(away.mean(1)).max())  # of the mean, by the same noise: little variance
    order = [-np.polyfit(np.log([1, 2, 4]), np.log(e), 1)[0] for e in (strong, weak)]
    kind = "langevin" if langevin else "overdamped"
    print(f"{kind}, {law}: strong errors {strong}, order {order[0]:.2f}; weak order {order[1]:.2f}")
    return order


@pytest.mark.parametrize("law, langevin", [("none", False), ("none", True), ("smooth", True)])
def test_where_friction_is_smooth_the_order_is_one(law, langevin):
    # Noise that does not depend on the state: Euler's method is of strong order one. The finest
    # step stands for the exact path, which lifts the measured order by up to log2(8/7) / 2 = 0.1.
    strong, weak = orders(law, langevin=langevin, noise=0.05)
    assert strong == pytest.approx(1, abs=0.12)
    assert weak == pytest.approx(1, abs=0.15)


def test_dry_friction_costs_some_of_the_strong_order():
    # Its force jumps at v = 0: paths that stick and slip at other steps than the exact one's.
    strong, weak = orders("dry", langevin=True, noise=0.05)
    assert 0.7 < strong < 1
    assert 0.8 < weak < 1.3


def test_the_overdamped_step_belongs_to_the_model():
    """At fixed eps, dt -> 0 turns friction into the constant force (mu_right - mu_left) / 2 to the
    left: kicks eps / sqrt(dt) outgrow it. Towards that limit the order is one half."""
    noise = 0.3  # kicks well above friction already
    chain = Chain(n_blocks=3, friction_right=0.1, friction_left=0.02)
    K, pull = chain.stiffness * laplacian(3), np.array([0, 0, chain.stiffness])
    # Mean of the limit, dx = (pull - K x - c) dt + eps dW from 0.
    c = (chain.friction_right - chain.friction_left) / 2
    values, vectors = np.linalg.eigh(K)
    limit = vectors @ ((1 - np.exp(-values * T)) / values * (vectors.T @ (pull - c)))
    errors, seed = [], 7
    print("seed", seed)
    for steps in (256, 1024, 4096):  # before that Euler's own first-order error is as large
        rng = np.random.default_rng(seed)
        dW = rng.standard_normal((steps, 3, 500)) * np.sqrt(T / steps)
        dW = np.concatenate([dW, -dW], axis=2)  # antithetic: the noise's own part cancels
        mean = at_the_end(chain, dW, noise, langevin=False).mean(1)
        errors.append(np.abs(mean - limit).max())
    order = -np.polyfit(np.log([1, 4, 16]), np.log(errors), 1)[0]
    print(f"overdamped, dry: errors of the mean {errors}, order {order:.2f}")
    assert order == pytest.approx(0.5, abs=0.15)


def test_the_smooth_chain_is_the_same_by_sdeint():
    """Euler's method of sdeint with the same Wiener increments, at the same and half the step."""
    chain = Chain(n_blocks=3, **LAWS["smooth"])
    n, noise, seed = 3, 0.05, 1
    print("seed", seed)
    K, pull = chain.stiffness * laplacian(n), np.array([0, 0, chain.stiffness])

    def drift(z, t):
        x, v = z[:n], z[n:]
        mu = np.where(v > 0, chain.friction_right, chain.friction_left)
        return np.concatenate([v, pull - K @ x - v - mu * np.tanh(v / chain.law.velocity)])

    diffusion = np.vstack([np.zeros((n, n)), noise * np.eye(n)])
    fine = np.random.default_rng(seed).standard_normal((1600, n)) * np.sqrt(T / 1600)
    apart = []
    for steps in (800, 1600):
        dW = fine.reshape(steps, -1, n).sum(1)
        times = np.linspace(0, T, steps + 1)
        theirs = sdeint.itoEuler(drift, lambda z, t: diffusion, np.zeros(2 * n), times, dW=dW)
        ours = at_the_end(chain, dW[:, :, None], noise, langevin=True)
        apart.append(np.abs(ours[:, 0] - theirs[-1, :n]).max())
    print("largest difference at 800 and 1600 steps:", apart)
    # Two first-order schemes for one path: what they differ by halves with the step.
    assert apart[0] < 0.01
    assert apart[0] / apart[1] == pytest.approx(2, abs=0.2)
