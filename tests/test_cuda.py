"""Training, mechanics, geodesics, diagnosis and monitor on a GPU: what they are on the CPU.

Run by `make gpu`. LOADPATH_DEVICE names another device, such as cpu, to try the tests themselves.
"""

import os

import numpy as np
import pytest
import torch
from torch import nn

import loadpath as lp

DEVICE = os.environ.get("LOADPATH_DEVICE", "cuda")
pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(
        DEVICE.startswith("cuda") and not torch.cuda.is_available(), reason="no CUDA device is here"
    ),
]
# Sums are taken in another order there; in float64 and over short runs that stays near rounding.
EXACT = dict(rtol=1e-9, atol=1e-9)
# L-BFGS and the search for the smallest subgradient branch on last digits: both end at a point as
# good, not at the same one.
ALIKE = dict(rtol=1e-3)


def teacher():
    return lp.data.teacher(dims=(8, 2, 8), n_train=200, n_test=50, seed=0)


def trained(device, stages):
    net = lp.LeakyResNet(
        8, 8, width=16, depth=8, effective_depth=3.0, dtype=torch.float64, device=device
    )
    return lp.fit(net, teacher(), stages=stages, threads=1, progress=False)


def test_first_order_training_takes_the_same_steps():
    here, there = (trained(device, (lp.training.Adam(30),)) for device in ("cpu", DEVICE))
    torch.testing.assert_close(
        there.model.weights.detach().cpu(), here.model.weights.detach(), **EXACT
    )
    assert there.model.weights.device.type == torch.device(DEVICE).type


def test_training_to_the_end_reaches_the_same_objective():
    stages = (lp.training.Adam(200), lp.training.LBFGS(300))
    here, there = (trained(device, stages).history.objective[-1] for device in ("cpu", DEVICE))
    np.testing.assert_allclose(float(there), float(here), **ALIKE)


def test_mechanics_of_one_net_are_the_same():
    data, net = teacher(), trained("cpu", (lp.training.Adam(50),)).model
    here = lp.mechanics.profile(net, data.x_train, data.y_train, weight_decay=0.1)
    there = lp.mechanics.profile(
        net.to(DEVICE), data.x_train.to(DEVICE), data.y_train.to(DEVICE), weight_decay=0.1
    )
    for name in ("cost_of_identity", "kinetic_energy", "hamiltonian", "stationarity"):
        np.testing.assert_allclose(there[name].values, here[name].values, rtol=1e-7, err_msg=name)


def test_geodesics_reach_the_same_objective():
    data = teacher()
    here, there = (
        lp.geodesic.solve(
            data.x_train,
            data.y_train,
            effective_depth=3.0,
            width=16,
            depth=8,
            device=device,
            threads=1,
            progress=False,
        )
        for device in ("cpu", DEVICE)
    )
    assert there.status == here.status == "converged"
    np.testing.assert_allclose(there.objective, here.objective, rtol=1e-2)


def classifier():
    torch.manual_seed(0)
    layers = nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10)
    return nn.Sequential(*layers).double()


def test_a_diagnosis_is_the_same():
    data = lp.data.digits()
    here = lp.diagnose(classifier(), data)
    there = lp.diagnose(classifier().to(DEVICE), data, device=DEVICE)
    for name in ("log_separation", "cost_of_identity", "relative_step", "participation_ratio"):
        np.testing.assert_allclose(there[name].values, here[name].values, rtol=1e-6, err_msg=name)


def test_a_monitored_training_sees_the_same():
    data = lp.data.digits()
    x, y = data.x_train, data.y_train
    histories = []
    for device in ("cpu", DEVICE):
        net = classifier().to(device)
        probe = data.x_test[:128].to(device), data.y_test[:128].to(device)
        monitor = lp.diagnosis.Monitor(net, probe, every=10, budget=None)
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        for step in range(20):
            some = slice(step * 50, (step + 1) * 50)
            loss = nn.functional.cross_entropy(net(x[some].to(device)), y[some].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            monitor.step(loss)
        histories.append(monitor.history())
    here, there = histories
    np.testing.assert_allclose(
        there["participation_ratio"].values, here["participation_ratio"].values, rtol=1e-6
    )
