import subprocess
import sys

import numpy as np
import pytest

import loadpath as lp
from loadpath.spring_block.chain import Chain, Dry, Smooth
from loadpath.spring_block.chain.exact import laplacian


def test_a_chain_is_built_and_solved_without_torch():
    program = """
import sys
import loadpath as lp
chain = lp.spring_block.Chain()
lp.spring_block.rest_state(chain), lp.spring_block.mean_field(chain, noise=0.01, n_steps=10)
rooms = {name.split(".")[1] for name in sys.modules if name.startswith("loadpath.")}
print("torch" in sys.modules, *sorted(rooms))
"""
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert said.split() == ["False", "checks", "results", "spring_block", "storage", "threads"]


@pytest.mark.parametrize("by", ["wall", "force"])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_modes_are_the_eigenvalues_of_the_laplacian(n, by):
    expected = np.linalg.eigvalsh(laplacian(n, by))
    # Both are exact up to rounding of numbers of order 4.
    np.testing.assert_allclose(Chain(n_blocks=n).modes(by), expected, atol=1e-13)


@pytest.mark.parametrize("viscosity", [1.0, 21.0])
@pytest.mark.parametrize("velocity", [1e-3, 0.1, 10.0])
def test_smooth_friction_balances_the_force(velocity, viscosity):
    force = np.linspace(-1, 1, 2001).reshape(3, -1)
    right, left = np.full(667, 0.1), np.full(667, 0.3)
    v = force.copy()
    Smooth(velocity).slip(v, right, left, viscosity, np.empty_like(v))
    friction = np.where(v > 0, right, left) * np.tanh(v / velocity)
    # Newton goes on to rounding; tanh turns an error of 1e-15 in v / velocity into as much.
    np.testing.assert_allclose(viscosity * v + friction, force, atol=1e-13)


def test_dry_friction_is_the_limit_of_smooth_friction():
    force = np.linspace(-1, 1, 2001).reshape(3, -1)
    right, left = np.full(667, 0.1), np.full(667, 0.3)
    dry, smooth = force.copy(), force.copy()
    Dry().slip(dry, right, left, 1.0, np.empty_like(dry))
    Smooth(1e-6).slip(smooth, right, left, 1.0, np.empty_like(dry))
    held = (force >= -0.3) & (force <= 0.1)
    assert (dry[held] == 0).all() and (dry[~held] != 0).all()
    # tanh(v / 1e-6) is within 1e-6 of 1 where v > 7e-6, and v stays below that where it is not.
    np.testing.assert_allclose(smooth, dry, atol=1e-5)


@pytest.mark.parametrize(
    "name, value",
    [
        ("n_blocks", 0),
        ("n_blocks", 2.5),
        ("stiffness", 0.0),
        ("stiffness", -1.0),
        ("stiffness", float("nan")),
        ("friction_right", -0.1),
        ("friction_left", float("inf")),
        ("target", 0.0),
        ("law", "dry"),
    ],
)
def test_bad_chains_are_refused_in_one_sentence(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be [^\n]*{value}'?\.$"):
        Chain(**{name: value})


def test_a_smooth_law_needs_a_velocity():
    with pytest.raises(ValueError, match=r"^velocity must be finite and above 0, got 0\.$"):
        Smooth(0)


@pytest.mark.parametrize("by", ["wall", "force"])
@pytest.mark.parametrize("dynamics", ["overdamped", "langevin"])
def test_steps_are_stable_up_to_the_bound_and_not_beyond(dynamics, by):
    chain = Chain(stiffness=2.0, friction_right=0, friction_left=0)
    bound = chain.stable_dt(dynamics, mass=0.7, damping=0.3, by=by)
    K = chain.stiffness * laplacian(chain.n_blocks, by)
    one = np.eye(chain.n_blocks)

    def radius(dt):
        if dynamics == "overdamped":
            return np.abs(np.linalg.eigvals(one - dt * K)).max()
        share = 1 / (0.7 + 0.3 * dt)
        velocity = np.hstack([-share * dt * K, share * 0.7 * one])
        M = np.vstack([np.hstack([one, 0 * one]) + dt * velocity, velocity])
        return np.abs(np.linalg.eigvals(M)).max()

    assert radius(0.999 * bound) < 1 < radius(1.001 * bound)
    with pytest.raises(ValueError, match=r"^dt must be below [0-9.]+, where"):
        lp.spring_block.simulate(
            chain, dynamics=dynamics, dt=1.001 * bound, mass=0.7, damping=0.3, by=by, n_steps=10
        )
