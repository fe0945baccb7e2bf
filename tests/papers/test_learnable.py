"""Figure 2 on teachers that can be learned: the grid, and what is measured of its nets."""

import numpy as np
import pytest
import torch

from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.leaky_resnet.geodesic import Phase
from loadpath.leaky_resnet.training import Adam
from loadpath.papers import learnable as runs
from loadpath.papers.runs import EXPERIMENTS


@pytest.fixture(scope="module")
def measured():
    """One tiny cell, its phases cut short."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "SAMPLES", 40)
        patch.setattr(runs, "TEST_SAMPLES", 30)
        patch.setattr(runs, "DEPTHS", (4, 5))
        patch.setattr(runs, "WARM_START", Adam(20))
        short = Phase(0.1, 5, single=True, settled=False, tolerances=0.0)
        patch.setattr(runs, "APPROACH", (short,))
        patch.setattr(runs, "FINAL", Phase(0.01, 5))
        patch.setattr(runs, "MOST_PHASES", 2)
        return runs.learnable(
            teacher="fully-connected", effective_depth=3.0, weight_decay=0.01, seed=2, width=20
        )


def test_every_net_is_measured(measured):
    assert dict(measured.sizes) == {"depth": 2, "rule": 3, "step": 5}
    assert bool(measured["test_error"].notnull().all() and (measured["test_error"] > 0).all())
    assert bool((measured["iterations"] <= 20 + 5 + 2 * 5).all())
    assert measured.attrs["seed"] == 2 and '"seed": 1002' in measured.attrs["parameters"]


def test_rules_have_their_steps(measured):
    steps = measured["layer_step"].sel(depth=4, step=slice(0, 4))
    np.testing.assert_allclose(steps.sum("step"), 1, rtol=1e-12)  # sums of float64 numbers
    np.testing.assert_allclose(steps.sel(rule="equidistant"), 0.25, rtol=1e-12)
    assert steps.sel(rule="irregular").values.argmax() == 1  # large in the middle
    assert float(abs(steps.sel(rule="adaptive") - 0.25).max()) > 0.001
    assert bool(measured["layer_step"].sel(depth=4).isel(step=4).isnull().all())


def few(teacher):
    """A few samples of a teacher."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "SAMPLES", 30)
        patch.setattr(runs, "TEST_SAMPLES", 10)
        return runs.samples(teacher, 0)


def test_the_net_is_left_at_its_own_steps_when_the_gap_is_measured():
    data = few("fully-connected")
    net = runs._net(data, "irregular", 4, 20, 3.0, 0)
    x, before = data.x_train.double(), net.layer_steps.clone()
    far = runs._mesh_gap(net, x)
    assert torch.equal(net.layer_steps, before)
    mesh = meshes.Adaptive(net, every=1)
    for _ in range(20):
        mesh.step(x)
    assert runs._mesh_gap(net, x) < far / 2


def test_errors_are_shares_of_the_variance():
    y = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    assert runs._variance(y) == 1.0


def test_the_grid_is_the_registered_one():
    cells = EXPERIMENTS["learnable"].cells(range(12))
    assert len(cells) == 12 * 13 and len({tuple(cell.values()) for cell in cells}) == len(cells)
    assert [cell["seed"] for cell in cells] == sorted(cell["seed"] for cell in cells)
    control = [cell for cell in cells if cell["teacher"] == runs.CONTROL and cell["seed"] == 0]
    assert [(cell["effective_depth"], cell["weight_decay"]) for cell in control] == [(3.0, 0.01)]
    assert 18 in runs.DEPTHS and min(runs.DEPTHS) == 4


def test_teachers_differ_in_their_leak():
    leaks = [few(f"leak-{leak}").provenance["effective_depth"] for leak in (0.1, 1)]
    assert leaks == [0.1, 1.0]
