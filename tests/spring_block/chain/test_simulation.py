import itertools
import tracemalloc

import numpy as np
import pytest
import torch

import loadpath as lp
from loadpath.spring_block.chain import (
    Chain,
    Smooth,
    decaying,
    engine,
    jerks,
    reheated,
    rest_state,
    simulate,
    steady,
    switched_off,
)
from loadpath.spring_block.chain.engine import stream_seeds


def plain(chain, kicks, *, dt, langevin, mass, damping, target):
    """The equations of formulas.md, block by block in plain Python; kicks (step, block)."""
    n = chain.n_blocks
    x, v = [0.0] * (n + 2), [0.0] * n
    path = [x[1:-1]]
    for kick in kicks:
        x[-1] = target
        forces = [
            chain.stiffness * (x[l + 1] - 2 * x[l] + x[l - 1]) + kick[l - 1]
            for l in range(1, n + 1)
        ]
        for l, f in enumerate(forces):
            viscosity = 1.0
            if langevin:
                f += mass * v[l] / dt
                viscosity = mass / dt + damping
            if f > chain.friction_right:
                v[l] = (f - chain.friction_right) / viscosity
            elif f < -chain.friction_left:
                v[l] = (f + chain.friction_left) / viscosity
            else:
                v[l] = 0.0
        for l in range(n):
            x[l + 1] += dt * v[l]
        path.append(x[1:-1])
    return np.array(path)


@pytest.mark.parametrize("n, steps", [(1, 300), (4, 300), (200, 20)])
@pytest.mark.parametrize("common_noise", [False, True])
@pytest.mark.parametrize("dynamics", ["overdamped", "langevin"])
def test_it_is_the_equations_written_out_block_by_block(dynamics, common_noise, n, steps):
    chain = Chain(n_blocks=n, stiffness=0.6, friction_right=0.03, friction_left=0.05)
    options = dict(dt=0.04, mass=0.7, damping=0.4)
    ds = simulate(
        chain, dynamics=dynamics, noise=0.02, n_steps=steps, n_replicas=3, seed=11,
        record_every=1, common_noise=common_noise, **options,
    )  # fmt: skip
    # The stream of a group of eight, as the engine promises it: by seed and group alone.
    stream = torch.Generator().manual_seed(stream_seeds(11, 1)[0])
    m = 1 if common_noise else n
    drawn = torch.empty(steps, m, 8).normal_(generator=stream).double().numpy()
    size = 0.02 * (np.sqrt(n) if common_noise else 1) / np.sqrt(0.04)
    for r in range(3):
        kicks = size * np.broadcast_to(drawn[:, :, r], (steps, n))
        expected = plain(chain, kicks, langevin=dynamics == "langevin", target=1.0, **options)
        # The same arithmetic in another order.
        np.testing.assert_allclose(ds["position"][r], expected, atol=1e-12)


def test_dry_friction_truly_holds():
    ds = simulate(Chain(), dynamics="langevin", dt=0.01, n_steps=20_000)
    last = ds["position"][0, -20:].values
    assert (np.ptp(last, axis=0) == 0).all()  # exactly, not nearly
    blocks = last[-1]
    force = np.diff(np.concatenate([[0], blocks, [1]]), 2)
    assert (force <= 0.1).all() and (force >= -0.1).all()
    creeping = simulate(Chain(law=Smooth(0.01)), dynamics="langevin", dt=0.01, n_steps=3000)
    assert (np.ptp(creeping["position"][0, -20:, -1].values) > 0).all()


def test_inertia_overshoots_the_overdamped_rest_state():
    """Why `rest_state` is of the overdamped chain only."""
    heavy = simulate(Chain(), dynamics="langevin", damping=0.05, dt=0.01, n_steps=20_000)
    assert np.abs(heavy["load"][0, -1].values - rest_state(Chain())).max() > 0.05


@pytest.mark.parametrize("dynamics", ["overdamped", "langevin"])
@pytest.mark.parametrize("law", [lp.spring_block.Dry(), Smooth(0.05)])
def test_the_same_seed_gives_the_same_numbers_in_any_company(dynamics, law):
    chain = Chain(n_blocks=3, law=law)
    options = dict(dynamics=dynamics, noise=0.02, n_steps=700, seed=4)
    few = simulate(chain, n_replicas=2, threads=1, **options)
    many = simulate(chain, n_replicas=601, threads=2, **options)  # groups of another size
    assert np.array_equal(few["position"], many["position"][:2])
    assert np.array_equal(
        many["position"], simulate(chain, n_replicas=601, threads=1, **options)["position"]
    )
    other = simulate(chain, n_replicas=2, **{**options, "seed": 5})
    assert not np.array_equal(few["position"][:, -1], other["position"][:, -1])


@pytest.mark.parametrize("by", ["wall", "force"])
@pytest.mark.parametrize("common_noise", [False, True])
@pytest.mark.parametrize("dynamics", ["overdamped", "langevin"])
def test_the_numbers_are_the_same_without_numba(dynamics, common_noise, by, monkeypatch):
    options = dict(
        dynamics=dynamics, common_noise=common_noise, by=by, noise=0.03, noise_decay=0.1,
        n_steps=900, n_replicas=70, mass=0.7, damping=0.3, record_every=7,
        pull=jerks(1.0, count=4, every=100, n_steps=900),
    )  # fmt: skip
    chain = Chain(stiffness=0.7, friction_left=0.05)
    assert engine.step_drawn is not None  # the test extra brings numba
    compiled = simulate(chain, **options)
    monkeypatch.setattr(engine, "step_drawn", None)
    assert np.array_equal(compiled["load"], simulate(chain, **options)["load"])


@pytest.mark.parametrize("n", [1, 5])
def test_a_longer_run_begins_as_a_shorter_one(n):
    """However many normals are drawn at a time: here 21 steps' worth, and 3,000 at once."""
    chain = Chain(n_blocks=n)
    options = dict(noise=0.02, n_replicas=11, record_every=3, seed=8)
    long = simulate(chain, n_steps=3000, **options)
    short = simulate(chain, n_steps=21, **options)
    assert np.array_equal(short["position"], long["position"][:, :8])


def test_how_many_normals_are_drawn_at_a_time_does_not_matter(monkeypatch):
    options = dict(noise=0.02, n_steps=500, n_replicas=11, seed=8)
    at_once = simulate(Chain(n_blocks=5), **options)
    monkeypatch.setattr(engine, "DRAWN", 1000)  # 25 steps' worth, made 26
    assert np.array_equal(at_once["load"], simulate(Chain(n_blocks=5), **options)["load"])


def test_replicas_are_independent_of_each_other():
    free = Chain(n_blocks=1, friction_right=0, friction_left=0)
    ds = simulate(free, noise=0.1, dt=0.5, n_steps=2000, n_replicas=20, record_every=10, seed=1)
    x = ds["position"].values[:, 20:, 0]  # some 180 records, 5 time units or 10 decays apart
    correlation = np.corrcoef(x) - np.eye(20)
    # 190 pairs of standard error 1 / sqrt(180); 4.5 of them.
    assert np.abs(correlation).max() < 4.5 / np.sqrt(180)


@pytest.mark.parametrize("n", [1, 3, 7])
@pytest.mark.parametrize("friction", [0.0, 0.003])
def test_common_noise_is_that_of_the_authors_notebook(friction, n, monkeypatch):
    # dv = ... + eps exp(-lambda t) ones((n, n)) @ dW, as their notebook has it, from increments of
    # n Wiener processes; `simulate` is given the one normal whose sqrt(n dt) is their sum.
    steps, dt, eps, decay, seed = 400, 0.05, 0.003, 0.1, 3
    dW = np.random.default_rng(seed).standard_normal((steps, n)) * np.sqrt(dt)
    z = dW.sum(1) / np.sqrt(n * dt)
    lanes = np.broadcast_to(z[None, :, None, None], (1, steps, 1, engine.LANES))
    monkeypatch.setattr(engine, "normals", lambda scheme, groups: iter([lanes]))
    monkeypatch.setattr(engine, "step_drawn", None)
    chain = Chain(
        n_blocks=n, stiffness=0.1, friction_right=friction, friction_left=4 / 3 * friction
    )
    ds = simulate(
        chain, dynamics="langevin", noise=eps, noise_decay=decay, common_noise=True, dt=dt,
        n_steps=steps, record_every=1,
    )  # fmt: skip
    K = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    pull = 0.1 * np.eye(n)[-1]
    x, v = np.zeros(n), np.zeros(n)
    for step in range(steps):
        shake = eps * np.exp(-decay * dt * step) * np.ones((n, n)) @ dW[step]
        # Implicit in damping and friction, which stick: v' + dt (v' + friction(v')) = impulse.
        impulse = v + dt * (pull - 0.1 * K @ x) + shake
        held = np.clip(impulse, -dt * chain.friction_left, dt * chain.friction_right)
        v = (impulse - held) / (1 + dt)
        x = x + dt * v
        # Rounding, of numbers of order 1.
        np.testing.assert_allclose(ds["position"][0, step + 1], x, rtol=0, atol=1e-13)


def test_common_noise_moves_all_blocks_alike():
    loose = Chain(n_blocks=3, stiffness=1e-9, friction_right=0, friction_left=0)
    x = simulate(loose, noise=0.1, n_steps=50, common_noise=True)["position"][0].values
    # Springs this loose pull by 1e-9 in the half unit of time.
    np.testing.assert_allclose(x[:, 0], x[:, 2], atol=1e-9)
    apart = simulate(loose, noise=0.1, n_steps=50)["position"][0].values
    assert np.abs(apart[-1, 0] - apart[-1, 2]) > 1e-3


def test_records_are_those_of_every_kth_step():
    options = dict(noise=0.02, n_steps=100, n_replicas=2, seed=2)
    all_of_them = simulate(Chain(), record_every=1, **options)
    some = simulate(Chain(), record_every=30, **options)
    assert dict(some.sizes) == {"replica": 2, "time": 4, "block": 7, "spring": 8}
    np.testing.assert_allclose(some.time, [0, 0.3, 0.6, 0.9], rtol=1e-15)
    assert np.array_equal(some["position"], all_of_them["position"][:, ::30][:, :4])
    ends = np.concatenate(
        [np.zeros((2, 4, 1)), some["position"].values, np.ones((2, 4, 1))], axis=-1
    )
    np.testing.assert_array_equal(some["load"], np.diff(ends, axis=-1))
    assert some.attrs["friction_right"] == 0.1 and some.attrs["seed"] == 2


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_memory_does_not_grow_with_the_steps_between_records(noise, monkeypatch):
    peaks = []
    monkeypatch.setattr(torch, "empty", lambda *shape: torch.from_numpy(np.empty(shape, "float32")))
    monkeypatch.setattr(torch, "zeros", lambda *shape: torch.from_numpy(np.zeros(shape, "float32")))
    for n_steps in (4_000, 40_000):
        tracemalloc.start()
        try:
            simulate(Chain(), noise=noise, n_steps=n_steps, record_every=n_steps, n_replicas=100)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    # The normals of all steps would be 112 MB more; a schedule has 8 bytes for each step.
    assert peaks[0] > 2e5  # the buffers are seen
    assert peaks[1] - peaks[0] < 40 * 36_000


def test_a_start_other_than_zero():
    start = np.linspace(0, 1, 9)[1:-1]
    ds = simulate(Chain(), start=start, n_steps=100)
    # Equal loads feel no force, and stay to rounding.
    np.testing.assert_allclose(ds["position"][0, -1], start, atol=1e-15)


def test_noise_that_decays_is_a_schedule_and_a_number():
    options = dict(dynamics="langevin", dt=0.05, n_steps=200, seed=3)
    by_rate = simulate(Chain(), noise=0.1, noise_decay=0.5, **options)
    by_step = simulate(Chain(), noise=decaying(0.1, rate=0.5, dt=0.05, n_steps=200), **options)
    # The same products in another order.
    np.testing.assert_allclose(by_rate["position"], by_step["position"], atol=1e-14)


def test_schedules_are_what_they_say():
    np.testing.assert_allclose(switched_off(0.2, after=2, n_steps=4), [0.2, 0.2, 0, 0])
    hot = reheated(0.2, every=3, rate=1.0, dt=1.0, n_steps=5)
    np.testing.assert_allclose(hot, 0.2 * np.exp([0, -1, -2, 0, -1.0]))
    np.testing.assert_allclose(steady(2.0, over=4, n_steps=6), [0.5, 1, 1.5, 2, 2, 2])
    np.testing.assert_allclose(jerks(1.0, count=2, every=2, n_steps=5), [0.5, 0.5, 1, 1, 1])


def test_a_chain_shaken_only_at_first_stays_as_it_was_left():
    noise = switched_off(0.02, after=3000, n_steps=6000)
    ds = simulate(Chain(), noise=noise, n_steps=6000, n_replicas=4, seed=1)
    x = ds.sel(time=[30.0, 60.0], method="nearest")["position"].values
    force = np.diff(np.concatenate([np.zeros((4, 1)), x[:, 0], np.ones((4, 1))], 1), 2)
    held = np.abs(force) < 0.1  # of their own; others slip back and may take neighbours along
    assert held.all(1).any()
    for r in np.flatnonzero(held.all(1)):
        assert np.array_equal(x[r, 0], x[r, 1])


def test_a_force_stretches_the_last_spring():
    ds = simulate(Chain(stiffness=2.0), by="force", pull=np.full(4000, 0.5), n_steps=4000)
    assert (ds["load"][0, :, -1] == 0.25).all()
    assert "force" in ds and "wall" not in ds


def test_a_wall_is_recorded_where_it_was():
    pull = steady(1.0, over=50, n_steps=100)
    ds = simulate(Chain(), pull=pull, n_steps=100, record_every=20)
    np.testing.assert_allclose(ds["wall"], [0.02, 0.4, 0.8, 1, 1, 1])
    np.testing.assert_allclose(ds["load"].sum("spring")[0], ds["wall"], atol=1e-15)


BAD = [
    ("noise", -0.1, "finite and at least 0"),
    ("noise", float("nan"), "finite, got nan"),
    ("noise", [0.1, 0.2], "one value for each of 20 steps"),
    ("noise", [0.1] * 19 + [-1.0], "at least 0 in every step, got -1"),
    ("pull", [1.0] * 19, "one value for each of 20 steps"),
    ("pull", [1.0] * 19 + [float("inf")], "finite, got inf at index 19"),
    ("start", [0.0], "7 finite positions"),
    ("dt", 0.0, "finite and above 0"),
    ("dt", 0.6, "below 0.5198, where overdamped steps of this chain become unstable"),
    ("n_steps", 0, "whole number of at least 1"),
    ("n_replicas", 0, "whole number of at least 1"),
    ("n_replicas", 2**31 - 1, "small enough to fit into memory"),
    ("record_every", 21, "at most n_steps = 20"),
    ("seed", -1, "whole number of at least 0"),
    ("threads", 0, "whole number of at least 1"),
    ("mass", 0.0, "finite and above 0"),
    ("damping", -1.0, "finite and at least 0"),
    ("noise_decay", -1.0, "finite and at least 0"),
    ("dynamics", "brownian", "one of overdamped, langevin"),
    ("by", "hand", "one of wall, force"),
]


@pytest.mark.parametrize("name, value, said", BAD)
def test_bad_input_is_one_sentence(name, value, said):
    with pytest.raises(ValueError, match=rf"^{name} must (be|have) [^\n]*{said}[^\n]*\.$"):
        simulate(**{"chain": Chain(), "n_steps": 20, **{name: value}})


@pytest.mark.parametrize(
    "make, name",
    [
        (lambda: decaying(-1.0, rate=1, dt=1, n_steps=3), "noise"),
        (lambda: decaying(1.0, rate=-1, dt=1, n_steps=3), "rate"),
        (lambda: switched_off(1.0, after=-1, n_steps=3), "after"),
        (lambda: reheated(1.0, every=0, rate=1, dt=1, n_steps=3), "every"),
        (lambda: steady(0.0, over=3, n_steps=3), "target"),
        (lambda: jerks(1.0, count=0, every=1, n_steps=3), "count"),
        (lambda: jerks(1.0, count=1, every=1, n_steps=0), "n_steps"),
    ],
)
def test_bad_schedules_are_one_sentence(make, name):
    with pytest.raises(ValueError, match=rf"^{name} must be [^\n]*\.$"):
        make()


def test_the_bound_in_the_sentence_is_the_bound():
    for n, k in itertools.product((1, 7), (1.0, 4.0)):
        chain = Chain(n_blocks=n, stiffness=k)
        bound = chain.stable_dt()
        assert bound > 0.5 / k  # of springs without end
        simulate(chain, dt=0.999 * bound, n_steps=5)
