"""The certificate: against exact stationary nets, `mechanics.profile` and known verdicts."""

import dataclasses
import math

import pytest
import torch
import xarray as xr
from exact_paths import random, relu_stationary_net, smooth_stationary_net, square_net

from loadpath import LeakyResNet
from loadpath.leaky_resnet import mechanics
from loadpath.leaky_resnet.geodesic.certificate.certificate import certify
from loadpath.leaky_resnet.geodesic.certificate.conservation import conservation
from loadpath.leaky_resnet.geodesic.certificate.subgradient import least_norm
from tests.leaky_resnet.geodesic.certificate.test_subgradient import (
    DECAY,
    pinned_net,
    random_problem,
)


def mesh(kind, depth):
    q = (torch.arange(depth, dtype=torch.float64) + 0.5) / depth
    steps = {
        "equidistant": torch.ones_like(q),
        "wave": 1 + 0.5 * torch.sin(2 * math.pi * q),
        "tent": 1.5 - 2 * (q - 0.5).abs(),
    }[kind]
    return steps / steps.sum()


@pytest.mark.parametrize("step", ["euler", "exponential"])
@pytest.mark.parametrize("kind", ["equidistant", "wave", "tent"])
def test_the_hamiltonian_is_predicted_to_second_order(step, kind):
    drift, unexplained = [], []
    for depth in (160, 320):
        options = {"step": step, "layer_steps": mesh(kind, depth)}
        net, y, path, _ = smooth_stationary_net(depth, seed=3, **options)
        found = least_norm(net, path[0], y, weight_decay=DECAY)
        assert float(found.residual.max()) < 1e-11
        energy = conservation(net, found)
        drift.append(energy.spread)
        unexplained.append(energy.unexplained)
    # What the mesh explains is of order 1, what it leaves of order 2, up to the next order:
    # measured 1.90 to 1.98 here, and nearer to 2 with every doubling.
    assert math.log2(unexplained[0] / unexplained[1]) == pytest.approx(2, abs=0.12)
    assert unexplained[1] < 0.1 * drift[1]
    assert energy.predicted_spread == pytest.approx(energy.spread, rel=0.2)


def test_kinks_crossed_within_steps_cost_the_prediction_an_order():
    unexplained = []
    for depth in (40, 640):
        net, y, path, _ = relu_stationary_net(depth, seed=3)
        energy = conservation(net, least_norm(net, path[0], y, weight_decay=DECAY, iterations=0))
        unexplained.append(energy.unexplained)
    # Order 1 at least, over a factor 16: every crossing leaves an error of the size of its step.
    assert unexplained[1] < unexplained[0] / 8


@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_certificate_agrees_with_profile(step):
    steps = mesh("wave", 4)
    net, x, y = random_problem(2, step=step, layer_steps=steps)
    certificate = certify(net, x, y, weight_decay=DECAY, kink_width=1e-9)
    ds = mechanics.profile(net, x, y, weight_decay=DECAY)
    same = {
        "gradient_residual": "stationarity",
        "residual": "stationarity",  # no activation is that near to its kink
        "hamiltonian": "hamiltonian",
        "symmetric_hamiltonian": "symmetric_hamiltonian",
        "symmetric_spread": "hamiltonian_spread",
        "balancedness": "balancedness",
        "data_term": "data_term",
        "objective": "objective",
    }
    for mine, theirs in same.items():
        value = torch.as_tensor(getattr(certificate, mine), dtype=torch.float64)
        assert value.numpy() == pytest.approx(ds[theirs].values, rel=1e-9, abs=1e-12), mine
    squares = certificate.negative_share.square()
    assert squares.numpy() == pytest.approx(ds.negative_fraction.values, rel=1e-9)

    merged = xr.merge([ds, certificate.dataset()])
    assert set(merged.dims) >= {"layer", "step", "kink_width"}
    for name, variable in certificate.dataset().data_vars.items():
        assert variable.attrs["long_name"] and variable.attrs["units"], name
    assert merged["least_norm_residual"].attrs["verdict"] == "not converged"


def test_verdicts():
    net, y, path, _ = smooth_stationary_net(20, seed=3)
    smooth = certify(net, path[0], y, weight_decay=DECAY)
    assert smooth.verdict == "stationary" and len(smooth.widths) == 1

    net, x, y = pinned_net()
    pinned = certify(net, x, y, weight_decay=DECAY)
    assert pinned.verdict == "stationary up to relu kinks"
    assert pinned.on_kink.tolist() == [0.0, 0.5]  # one of two samples, of layer 1
    assert max(pinned.worst_by_width) < 1e-4
    assert pinned.verdict_at(2.0) == "stationary"

    net, x, y = random_problem(0)
    assert certify(net, x, y, weight_decay=DECAY).verdict == "not converged"


def test_words_say_the_verdict_with_its_numbers():
    net, x, y = pinned_net()
    pinned = certify(net, x, y, weight_decay=DECAY)
    said = " ".join(pinned.words())
    assert "sit on a kink" in said and "the plain gradient is off by 119 %" in said
    off = dataclasses.replace(pinned, residual=torch.tensor([0.02, 0.5]))
    assert off.verdict_at(0.6) == "stationary up to relu kinks"
    assert off.words(0.1)[0].startswith("Not converged: layer 2 is 50 % out of balance")
    assert pinned.words(2.0)[0].startswith("Every layer is within 119 % of balance")
    for sentence in pinned.words():
        assert sentence.endswith(").") or sentence.endswith(".")
        assert any(letter.isdigit() for letter in sentence)
    with pytest.raises(ValueError, match="tolerance must be finite and above 0, got 0"):
        pinned.words(0)

    refined = dataclasses.replace(
        pinned,
        refinement=((40, 1.25), (80, 1.2)),
        continuum_objective=1.15,
        refinement_order=1.02,
    )
    told = refined.words()[-1]
    assert "With 80 layers the objective is 1.2 instead of" in told
    assert "extrapolated to infinitely many it is 1.15 (measured order 1 in" in told
    ds = refined.dataset()
    assert ds.refined_objective.values.tolist() == [1.25, 1.2]
    assert float(ds.continuum_objective) == 1.15


def test_a_trivial_minimum_is_told():
    net = LeakyResNet(3, 2, width=5, depth=8, effective_depth=4.0, dtype=torch.float64)
    net.weights.data.zero_()
    x, y = random(30, 3, seed=0), random(30, 2, seed=1)
    y -= y.mean(0)
    certificate = certify(net, x, y, weight_decay=DECAY)
    assert certificate.trivial
    assert any("trivial minimum" in sentence for sentence in certificate.words())
    # Large weights that have learned nothing are no minimum at all.
    net.weights.data += 10
    assert not certify(net, x, y, weight_decay=DECAY).trivial


@pytest.mark.parametrize("negative", [0.0, 0.3])
def test_a_bottleneck_is_stable_where_it_is_non_negative(negative):
    # Layers 1 to 3 project everything on one direction u, the layers after hold it there exactly
    # (W = L~ times a matrix with relu(u) -> u), and the last two turn it.
    u = torch.tensor([1.0, 0.5, -negative], dtype=torch.float64)
    away = torch.tensor([0.1, 1.0, 1.0], dtype=torch.float64)
    hold = torch.outer(u, u.relu()) / u.relu().square().sum()
    depth, leak = 20, 15.0
    net = square_net(3, depth, effective_depth=leak, bias=False)
    net.weights.data[:3] = leak * torch.outer(u, torch.ones(3, dtype=torch.float64))
    net.weights.data[3:18] = leak * hold
    net.weights.data[18:] = leak * torch.outer(away, u.relu())
    x = random(30, 3, seed=0).abs()
    certificate = certify(net, x, random(30, 3, seed=1), weight_decay=DECAY, iterations=0)
    layers = certificate.waist.nonzero().flatten().tolist()
    assert layers and min(layers) > 3 and max(layers) < 18
    # 1e-4: the bias-free input leaks away by 1 - rho L~ = 1/4 a layer.
    expected = negative / float(u.norm())
    assert float(certificate.negative_share[layers[-1]]) == pytest.approx(expected, abs=1e-4)
    assert certificate.stable is (negative == 0)
    assert ("is non-negative but for" in " ".join(certificate.words())) is (negative == 0)


def test_without_a_bottleneck_or_a_relu_nothing_is_said_of_stability():
    net, x, y = random_problem(0, depth=2)
    assert certify(net, x, y, weight_decay=DECAY, iterations=0).stable is None
    net, x, y = random_problem(0, activation="tanh")
    certificate = certify(net, x, y, weight_decay=DECAY)
    assert certificate.stable is None and bool(certificate.balancedness.isnan().all())
    assert not any("biases" in sentence for sentence in certificate.words())


def test_float32_nets_and_class_numbers_are_taken():
    net, x, y = random_problem(0, loss="cross-entropy", dtype=torch.float32)
    certificate = certify(net, x.float(), y, weight_decay=DECAY, loss="cross-entropy")
    assert certificate.residual.dtype == torch.float64
    assert net.weights.dtype == torch.float32


@pytest.mark.parametrize("name", ["weight_decay", "kink_width", "tolerance"])
def test_bad_arguments_are_named(name):
    net, x, y = random_problem(0)
    with pytest.raises(ValueError, match=f"{name} must be finite and above 0, got -1"):
        certify(net, x, y, **{"weight_decay": DECAY, name: -1.0})
