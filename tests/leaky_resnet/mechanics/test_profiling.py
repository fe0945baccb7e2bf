"""`mechanics.profile` on nets whose mechanics is known, and on bad input.

Every seed is a parameter of its test, so that a failure shows it.
"""

import copy
import inspect
import math

import numpy as np
import pytest
import torch
import xarray as xr
from exact_paths import (
    commuting_net,
    random,
    relu_stationary_net,
    smooth_stationary_net,
    square_net,
)

import loadpath as lp
from loadpath import results
from loadpath.cli.options.geodesic import GeodesicOptions
from loadpath.cli.options.models import DiagnoseOptions
from loadpath.cli.options.train import TrainOptions
from loadpath.leaky_resnet import data_term, mechanics, momenta
from loadpath.leaky_resnet.mechanics.labels import LABELS
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.threads import torch_threads

S0 = torch.tensor([2.0, 1.0, 0.7], dtype=torch.float64)
LOG_RATIO = torch.tensor([0.8, 0.4, -0.3], dtype=torch.float64)
LEAK, DECAY = 3.0, 0.1


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with torch_threads(1):
        yield


def commuting_profile(depth, seed=0, step="euler", **options):
    net, x, y = commuting_net(
        S0, LOG_RATIO, depth=depth, effective_depth=LEAK, seed=seed, weight_decay=DECAY, step=step
    )
    return mechanics.profile(net, x, y, weight_decay=DECAY, **options)


def orders(errors):
    """Observed orders of convergence when the layer step is halved from one error to the next."""
    return [math.log2(a / b) for a, b in zip(errors, errors[1:], strict=False)]


def gain(depth, step):
    """What a layer of equal steps multiplies S W^T by."""
    return -math.expm1(-LEAK / depth) / LEAK if step == "exponential" else 1 / depth


@pytest.mark.parametrize("step", ["euler", "exponential"])
@pytest.mark.parametrize("seed", [0, 1])
def test_discrete_linear_commuting_geodesic_is_exact(seed, step):
    # W = log(s1/s0) + L~ in every layer: s_l = s_0 (1 + g log(s1/s0))^l, and dA = log(s1/s0) A.
    depth, gamma0 = 10, 1e-2
    ds = commuting_profile(depth, seed=seed, gamma0=gamma0, step=step)
    l, g = torch.arange(depth + 1)[:, None], gain(depth, step)
    s = S0 * (1 + g * LOG_RATIO) ** l
    gamma = gamma0 * s.max(1).values ** 2
    share = s**2 / (s**2 + gamma[:, None])
    start = share[:-1]
    kinetic = (LOG_RATIO**2 * start).sum(1) / (2 * LEAK)
    exact = {
        "gamma": gamma,
        "cost_of_identity": share.sum(1),
        "kinetic_energy": kinetic,
        "cross_term": (LOG_RATIO * start).sum(1),
        "stable_hamiltonian": kinetic - LEAK / 2 * start.sum(1),
        "representation_spectrum": s.sort(1, descending=True).values,
        "representation_norm": s.norm(dim=1),
        "stable_rank_nuclear": s.sum(1) ** 2 / (s**2).sum(1),
        "stable_rank_operator": (s**2).sum(1) / s.max(1).values ** 2,
        "weight_norm": (LOG_RATIO + LEAK).norm().expand(depth),
        "weight_spectrum": (LOG_RATIO + LEAK).sort(descending=True).values.expand(depth, 3),
        "stationarity": torch.zeros(depth),
        "balancedness": torch.zeros(depth),
        "action": ((LOG_RATIO + LEAK) ** 2).sum() / (2 * LEAK),
        "path_length": (2 * LEAK * kinetic).sqrt().sum() * g,
        "speed": g * depth * (LOG_RATIO * s[:-1]).norm(dim=1) / s[1:].norm(dim=1),
        # B is W / L~ over A: its singular values are those of both at the layer before.
        "momentum_norm": ((LOG_RATIO + LEAK) / (LEAK * s[:-1])).norm(dim=1),
    }
    ds["momentum_norm"] = "step", ds["momentum_norm"].values[1:]
    for name, expected in exact.items():
        np.testing.assert_allclose(ds[name], expected, rtol=1e-9, atol=1e-9, err_msg=name)
    # In the pairing of the Hamiltonian the formula of the continuous geodesic is exact.
    dimension = 3 - float((LOG_RATIO**2).sum()) / LEAK**2
    np.testing.assert_allclose(ds["dimension"], dimension, rtol=1e-9)
    np.testing.assert_allclose(ds["hamiltonian"], -LEAK / 2 * dimension, rtol=1e-9)
    assert float(ds["hamiltonian_spread"]) < 1e-9


@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_linear_commuting_geodesic_converges_to_the_continuous_one_at_first_order(step):
    end, middle, own = [], [], []
    depths = (32, 64, 128)
    for depth in depths:
        ds = commuting_profile(depth, step=step, gamma0=1e-2)
        s1, half = S0 * LOG_RATIO.exp(), S0 * (LOG_RATIO / 2).exp()
        gamma = 1e-2 * half.max() ** 2
        found = torch.tensor(ds["representation_spectrum"][-1].values)
        end.append(float((found - s1).abs().max()))
        COI = float((half**2 / (half**2 + gamma)).sum())
        middle.append(abs(float(ds["cost_of_identity"][depth // 2]) - COI))
        # The dimension of the geodesic between the net's own two ends, whose W is a little less.
        own_dimension = 3 - float(((found / S0).log() ** 2).sum()) / LEAK**2
        own.append(abs(float(ds["dimension"][0]) - own_dimension))
    for errors in (end, middle, own):
        assert orders(errors) == pytest.approx([1, 1], abs=0.1)
    # A layer takes log(1 + g x) = rho x - rho^2 (x^2 + x L~) / 2 of the way, the last for
    # exponential steps only, so that sum x^2 / L~^2 of the whole way is off by rho times this:
    leading = (LOG_RATIO**3 + (LOG_RATIO**2 * LEAK if step == "exponential" else 0)).sum()
    # extrapolated from the last two, with an error of second order, (L~ / 64)^2 of it.
    scaled = [error * depth for error, depth in zip(own, depths, strict=True)]
    assert 2 * scaled[2] - scaled[1] == pytest.approx(float(leading) / LEAK**2, rel=5e-3)


@pytest.mark.parametrize(
    "seed, step", [(0, "euler"), (1, "euler"), (2, "euler"), (1, "exponential")]
)
def test_conservation_laws_hold_to_their_order_in_the_layer_step(seed, step):
    # Stationary, linear with biases, not commuting: nothing is constant by symmetry. The factor
    # g / rho of exponential steps delays the orders: 0.87, 0.93 and 0.97 of the drift, say.
    balance, drift, symmetric = [], [], []
    for depth in (64, 128, 256) if step == "euler" else (128, 256, 512):
        net, y, path, _ = smooth_stationary_net(depth, seed=seed, step=step)
        ds = mechanics.profile(net, path[0], y, weight_decay=DECAY)
        assert float(ds["stationarity"].max()) < 1e-12
        balance.append(float(abs(ds["balancedness"]).max()))
        H, Hs = ds["hamiltonian"], ds["symmetric_hamiltonian"]
        drift.append(float(H.max() - H.min()))
        symmetric.append(float(Hs.max() - Hs.min()))
    assert orders(balance) == pytest.approx([1, 1], abs=0.1)
    assert orders(drift) == pytest.approx([1, 1], abs=0.1)
    assert orders(symmetric) == pytest.approx([2, 2], abs=0.1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_balancedness_and_conservation_survive_the_kinks_of_relu(seed):
    errors, spreads = [], []
    for depth in (32, 128):
        net, y, path, _ = relu_stationary_net(depth, seed=seed)
        assert bool(((path[0] > 0) != (path[-1] > 0)).any())
        ds = mechanics.profile(net, path[0], y, weight_decay=DECAY)
        assert float(ds["stationarity"].max()) < 1e-12
        errors.append(float(abs(ds["balancedness"]).max()))
        spreads.append(float(ds["hamiltonian_spread"]))
        assert spreads[-1] < 0.2 * mechanics.hamiltonian_spread(
            torch.tensor(ds["hamiltonian"].values)
        )
    # A step over a kink errs at first order even in the symmetric Hamiltonian.
    assert orders(errors)[0] == pytest.approx(2, abs=0.4)
    assert spreads[1] < spreads[0] / 1.5


@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_profile_equals_the_functions_of_tensors(step):
    options = dict(effective_depth=2.0, step=step, seed=3, dtype=torch.float64)
    net = LeakyResNet(5, 2, width=6, depth=4, **options)
    net.set_layer_steps(torch.tensor([0.1, 0.4, 0.3, 0.2], dtype=torch.float64))
    net.weights.data[:, :, -1] = random(4, 6, seed=4)
    x, y = random(70, 5, seed=5), random(70, 2, seed=6)
    ds = mechanics.profile(net, x, y, weight_decay=DECAY, gamma0=1e-3)
    path, B = momenta(net, x, y, weight_decay=DECAY)
    B = mechanics.step_momenta(net, B)
    W, leak = net.weights.detach(), dict(effective_depth=2.0)
    for l, A in enumerate(path):
        gamma = mechanics.kernel_gamma(A, 1e-3)
        expected = {
            "gamma": gamma,
            "cost_of_identity": mechanics.cost_of_identity(A, gamma=gamma),
            "stable_rank_nuclear": mechanics.stable_rank(A),
            "stable_rank_operator": mechanics.stable_rank(A, "operator"),
            "representation_spectrum": mechanics.spectrum(A),
            "centred_spectrum": mechanics.spectrum(A, centred=True),
            "representation_norm": A.norm(),
            "momentum_norm": mechanics.momentum_norm(B[l]),
            "momentum_activation_norm": mechanics.momentum_activation_norm(A, B[l]),
            "negative_fraction": A.clamp_max(0).square().sum() / A.square().sum(),
        }
        if l < 4:
            dA = net.features(A) @ W[l].T - 2.0 * A
            energies = mechanics.energies(A, dA, gamma=gamma, **leak)
            expected |= {
                "hamiltonian": mechanics.hamiltonian(A, B[l + 1], **leak),
                "kinetic_energy": energies.kinetic_energy,
                "cross_term": energies.cross_term,
                "stable_hamiltonian": energies.stable_hamiltonian,
                "stationarity": mechanics.stationarity(W[l], A, B[l + 1], **leak),
                "weight_spectrum": torch.linalg.svdvals(W[l]),
            }
        for name, value in expected.items():
            np.testing.assert_allclose(ds[name][l], value, rtol=1e-8, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(ds["speed"], mechanics.relative_speed(path, net.layer_steps))
    np.testing.assert_allclose(
        ds["symmetric_hamiltonian"], mechanics.symmetric_hamiltonian(path, B, **leak), rtol=1e-8
    )
    length = mechanics.path_length(path, net.layer_steps, gamma0=1e-3)
    assert float(ds["path_length"]) == pytest.approx(float(length), rel=1e-8)
    data_term = float((path[-1] @ net.output_map - y).square().sum() / 70)
    assert float(ds["data_term"]) == pytest.approx(data_term, rel=1e-12)
    assert float(ds["objective"]) == pytest.approx(
        data_term + DECAY * float(net.regularizer().detach()), rel=1e-12
    )
    assert mechanics.bottleneck_rank(path).rank == int(ds["bottleneck_rank"])
    np.testing.assert_allclose(ds["p"], [0, 0.1, 0.5, 0.8, 1], rtol=1e-12)
    np.testing.assert_allclose(ds["p_step"], ds["p"][:-1])


@pytest.mark.parametrize(
    "activation, bias", [("relu", True), ("leaky_relu", False), ("identity", True)]
)
def test_an_exponential_net_of_equal_steps_is_an_euler_net(activation, bias):
    # With G = (1 - exp(-L~/L)) L / L~: leakage L~ G, weights G W and weight decay lambda / G make
    # the same path, of G times the action. So every mechanical quantity follows from Euler's.
    leak, depth = 6.0, 5
    options = dict(activation=activation, bias=bias)
    net = square_net(4, depth, effective_depth=leak, step="exponential", seed=21, **options)
    G = -math.expm1(-leak / depth) * depth / leak
    twin = square_net(4, depth, effective_depth=leak * G, **options)
    twin.weights.data[:] = G * net.weights.data
    x, y = 1 + random(30, 4, seed=22), random(30, 4, seed=23)  # some of each relu are on
    ds = mechanics.profile(net, x, y, weight_decay=DECAY)
    expected = mechanics.profile(twin, x, y, weight_decay=DECAY / G)
    scaled = {
        "hamiltonian", "symmetric_hamiltonian", "kinetic_energy", "cross_term",
        "stable_hamiltonian", "action", "regularizer", "weight_norm", "weight_spectrum",
    }  # fmt: skip
    assert {"balancedness", "dimension", "momentum_norm", "stationarity"} <= set(ds)
    for name in ds.data_vars:
        factor = G if name in scaled else 1.0
        np.testing.assert_allclose(
            factor * ds[name], expected[name], rtol=1e-9, atol=1e-11, err_msg=name
        )


@pytest.mark.parametrize("step, leak", [("exponential", 4.0), ("euler", 0.0)])
def test_the_discrete_stationarity_is_the_gradient_of_the_objective(step, leak):
    net = square_net(4, 3, effective_depth=leak, step=step, seed=7)
    x, y = random(30, 4, seed=8), random(30, 4, seed=9)
    ds = mechanics.profile(net, x, y, weight_decay=DECAY)
    objective = data_term(net(x), y, "mse") + DECAY * net.regularizer()
    (gradient,) = torch.autograd.grad(objective, net.weights)
    scale = DECAY / net.coupling * net.layer_steps
    residual = gradient.norm(dim=(1, 2)) / (scale * net.weights.detach().norm(dim=(1, 2)))
    np.testing.assert_allclose(ds["stationarity"], residual, rtol=1e-9)
    assert ("dimension" in ds) == (leak > 0)


@pytest.mark.parametrize("batch_size", [1, 17, 64, 10_000])
def test_the_batches_do_not_matter_nor_does_float32(batch_size):
    net = LeakyResNet(5, 3, width=4, depth=3, effective_depth=2.0, seed=10)
    before = copy.deepcopy(net.state_dict())
    x, y = random(64, 5, seed=11).float(), torch.arange(64) % 3
    options = dict(weight_decay=DECAY, loss="cross-entropy")
    whole = mechanics.profile(copy.deepcopy(net).double(), x.double(), y, **options)
    ds = mechanics.profile(net, x, y, batch_size=batch_size, **options)
    for name in ds.data_vars:
        np.testing.assert_allclose(ds[name], whole[name], rtol=1e-10, atol=1e-12, err_msg=name)
    assert ds["hamiltonian"].dtype == np.float64
    # The user's model is as it was.
    assert net.weights.dtype == torch.float32 and net.weights.requires_grad
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_every_variable_is_labelled_and_survives_the_disk(tmp_path):
    ds = commuting_profile(6)
    assert set(ds.data_vars) == set(LABELS)
    for name in [*ds.data_vars, "p", "p_step"]:
        assert ds[name].attrs["long_name"] and ds[name].attrs["units"], name
    assert ds["slow"].dtype == np.int8
    back = results.load(results.save(ds, tmp_path / "profile.nc"))
    assert back.identical(ds)


def test_what_is_not_defined_is_absent():
    net = square_net(3, 2, effective_depth=1.0, activation="tanh")
    ds = mechanics.profile(net, random(9, 3, seed=12), random(9, 3, seed=13), weight_decay=DECAY)
    assert "balancedness" not in ds and "dimension" in ds


def test_fewer_samples_than_neurons_leave_zeros_in_the_spectra():
    net = square_net(6, 2, effective_depth=1.0)
    ds = mechanics.profile(net, random(2, 6, seed=14), random(2, 6, seed=15), weight_decay=DECAY)
    assert ds["representation_spectrum"].shape == (3, 6)
    assert float(abs(ds["representation_spectrum"][:, 2:]).max()) < 1e-14
    assert float(abs(ds["centred_spectrum"][:, 1:]).max()) < 1e-14


@pytest.mark.parametrize("bias", [True, False])
def test_a_dead_net_is_described_without_nan(bias):
    # The trivial minimum: all weights zero. Without bias also the activations may all be zero.
    net = square_net(3, 2, effective_depth=1.0, bias=bias)
    net.weights.data.zero_()
    x = -random(9, 3, seed=16).abs()
    ds = mechanics.profile(net, x, 0 * x, weight_decay=DECAY)
    for name in ds.data_vars:
        assert not bool(ds[name].isnull().any()), name
    assert float(ds["weight_norm"].max()) == 0


def forward(A, weights, *, decay, gain):
    """A bare bias-free Leaky ResNet: A_l = d_l A_{l-1} + g_l relu(A_{l-1}) W_l^T."""
    path = [A]
    for W, d, g in zip(weights, decay, gain, strict=True):
        path.append(d * path[-1] + g * torch.relu(path[-1]) @ W.T)
    return path


@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_unit_leakage_over_a_longer_range_is_the_same_net(step):
    # Range [0, c] with leakage 1 and W / c equals range [0, 1] with leakage c; the action
    # (1/2) sum (c rho) ||W / c||^2 equals (1/2c) sum rho ||W||^2.
    c, depth = 5.0, 8
    net = square_net(4, depth, effective_depth=c, step=step, bias=False, seed=17)
    x, long = random(20, 4, seed=18), c * net.layer_steps
    decay = 1 - long if step == "euler" else torch.exp(-long)
    W = net.weights.detach() / c
    path = forward(x, W, decay=decay, gain=1 - decay)
    for ours, other in zip(net.path(x), path, strict=True):
        torch.testing.assert_close(ours.detach(), other, rtol=1e-9, atol=1e-9)
    action = 0.5 * (long * W.square().sum((1, 2))).sum()
    assert float(net.regularizer().detach()) == pytest.approx(float(action), rel=1e-9)


@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_raising_the_leakage_by_c_shrinks_the_path_by_exp_minus_c_p(step):
    # With the same weights to first order in rho. Exactly, with weights scaled by (g d')/(d g')
    # (d, g before and d', g' after), which is 1 + O(rho): the exponential step then maps A_p to
    # e^{-cp} A_p, and Euler maps it to its own e^{-cp}, the product of (1 - rho (L+c))/(1 - rho L).
    c, leak, x = 1.5, 2.0, random(20, 4, seed=19)
    W = 2 * random(4, 4, seed=20)
    errors = []
    for depth in (32, 64, 128):
        nets = [
            square_net(4, depth, effective_depth=L, step=step, bias=False) for L in (leak, leak + c)
        ]
        (d0, g0), (d1, g1) = (net.coefficients() for net in nets)
        for net in nets:
            net.weights.data[:] = W
        low, high = (net.path(x) for net in nets)
        factor = torch.exp(-c * nets[0].p)
        errors.append(float((high[-1] - factor[-1] * low[-1]).detach().norm()))
        nets[1].weights.data *= (g0 * d1 / (d0 * g1))[:, None, None]
        shrink = torch.cat([torch.ones(1, dtype=torch.float64), (d1 / d0).cumprod(0)])
        if step == "exponential":
            torch.testing.assert_close(shrink, factor, rtol=1e-12, atol=0)
        for A, B, f in zip(low, nets[1].path(x), shrink, strict=True):
            torch.testing.assert_close(B.detach(), f * A.detach(), rtol=1e-9, atol=1e-9)
    assert orders(errors) == pytest.approx([1, 1], abs=0.1)


X, Y = torch.ones(6, 3), torch.ones(6, 2)
LABELS_OF_X = torch.tensor([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize(
    "x, y, options, sentence",
    [
        (X, Y, dict(weight_decay=0.0), "weight_decay must be finite and above 0, got 0.0"),
        (X, Y, dict(gamma0=-1.0), "gamma0 must be finite and above 0, got -1.0"),
        (X, Y, dict(batch_size=0), "batch_size must be a whole number of at least 1, not 0"),
        (X, Y, dict(loss="mae"), "loss must be one of mse, cross-entropy, got 'mae'"),
        (X[:, :2], Y, {}, r"x must be \(sample, 3\), got \(6, 2\)"),
        (X[:0], Y[:0], {}, "x must hold samples, got none"),
        (X, Y[:5], {}, "x and y must be of as many samples, got 6 and 5"),
        (X * math.nan, Y, {}, "x must be finite"),
        (X, Y / 0, {}, "y must be finite"),
        (
            X,
            Y,
            dict(loss="cross-entropy"),
            r"y must hold one class for each sample, got .*\(6, 2\)",
        ),
        (X, X[:, 0] / 2, dict(loss="cross-entropy"), "classes as whole numbers or words, got 0.5"),
        (X, LABELS_OF_X + 1, dict(loss="cross-entropy"), "class numbers 0 to 1, got 1 to 2"),
    ],
)
def test_bad_input_is_one_sentence(x, y, options, sentence):
    net = LeakyResNet(3, 2, width=4, depth=2, effective_depth=1.0)
    with pytest.raises(ValueError, match=sentence) as error:
        mechanics.profile(net, x, y, **{"weight_decay": DECAY, **options})
    assert "\n" not in str(error.value)


def test_weights_that_blew_up_are_one_sentence():
    net = LeakyResNet(3, 2, width=4, depth=2, effective_depth=1.0)
    net.weights.data[0, 0, 0] = math.inf
    with pytest.raises(ValueError, match="model must have finite weights"):
        mechanics.profile(net, X, Y, weight_decay=DECAY)


def test_the_loss_follows_from_the_targets_and_both_halves_may_come_in_one():
    net = LeakyResNet(3, 2, width=4, depth=2, effective_depth=1.0)
    named = mechanics.profile(net, X, LABELS_OF_X, weight_decay=0.1, loss="cross-entropy")
    assert named.attrs["loss"] == "cross-entropy"
    for given in [
        (X, LABELS_OF_X),
        (X.numpy(), LABELS_OF_X.tolist()),
        ((X, LABELS_OF_X),),
        ({"data": X, "target": LABELS_OF_X},),
    ]:
        xr.testing.assert_equal(mechanics.profile(net, *given, weight_decay=0.1), named)
    outputs = mechanics.profile(net, X, Y, weight_decay=0.1, loss="mse")
    xr.testing.assert_equal(mechanics.profile(net, X.numpy(), Y.numpy(), weight_decay=0.1), outputs)


def test_the_stabilizer_is_the_same_wherever_none_is_given():
    given = [
        inspect.signature(function).parameters["gamma0"].default
        for function in (
            *(lp.mechanics.profile, lp.diagnose, lp.training.Run.profile, lp.training.Run.plot),
            *(lp.geodesic.Geodesic.dataset, lp.geodesic.Geodesic.plot),
        )
    ]
    given += [options.gamma0 for options in (TrainOptions, GeodesicOptions, DiagnoseOptions)]
    assert set(given) == {1e-3}
