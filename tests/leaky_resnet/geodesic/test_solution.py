"""What a solved path says of its own mechanics, for both kinds of step."""

import functools
import math

import numpy as np
import pytest
import torch
import xarray as xr

from loadpath import plots, results
from loadpath.leaky_resnet import geodesic, mechanics
from loadpath.leaky_resnet.keeping import OF_PATH

LEAK = 3.0
RATIO = torch.tensor([2.0, 0.8], dtype=torch.float64)
"""Singular values at the end of the path; they are 1 at its start."""


@functools.cache
def solved(depth, step):
    """The linear path from the identity to diag(RATIO), with the momenta that hold its ends."""
    return geodesic.solve(
        torch.eye(2, dtype=torch.float64), torch.diag(RATIO), effective_depth=LEAK, width=2,
        depth=depth, step=step, endpoint="fixed", activation="identity", bias=False,
        tolerance=1e-4, threads=1, progress=False,
    )  # fmt: skip


@pytest.mark.parametrize("step, depth", [("euler", 16), ("exponential", 8), ("exponential", 16)])
def test_a_solved_commuting_geodesic_has_its_exact_hamiltonian(step, depth):
    found = solved(depth, step)
    assert found.status == "converged"
    # Equal growth in every layer: 1 + g V = (s_1 / s_0)^(1 / L), V = W - L~, for each mode.
    gain = -math.expm1(-LEAK / depth) / LEAK if step == "exponential" else 1 / depth
    V = (RATIO ** (1 / depth) - 1) / gain
    H = float((V**2 - LEAK**2).sum()) / (2 * LEAK)
    ds = found.dataset()
    # Weights are stationary to 1e-4, and H is as good; by momenta without the factor g / rho it
    # would be off by 11 and 4 % at depths 8 and 16.
    for values in (ds["hamiltonian"], ds["least_norm_hamiltonian"], found.hamiltonian):
        np.testing.assert_allclose(values, H, rtol=1e-3)
    np.testing.assert_allclose(ds["dimension"], -2 / LEAK * H, rtol=1e-3)


def test_variables_of_momenta_are_those_of_the_path_for_exponential_steps():
    found = solved(8, "exponential")
    ds, ratio = found.dataset(), -math.expm1(-LEAK / 8) / (LEAK / 8)
    momenta = [ratio * B for B in found.B]
    for l, (A, B) in enumerate(zip(found.A, momenta, strict=True)):
        assert float(ds["momentum_norm"][l]) == pytest.approx(float(B.norm()), rel=1e-12)
        paired = float(ds["momentum_activation_norm"][l])
        assert paired == pytest.approx(float((B.T @ A).norm()), rel=1e-12)
    for l, (A, B) in enumerate(zip(found.A, momenta[1:], strict=False)):
        H = mechanics.hamiltonian(A, B, effective_depth=LEAK, activation="identity", bias=False)
        assert float(ds["hamiltonian"][l]) == pytest.approx(float(H), rel=1e-12)
        # As stationary as it was solved, of weights of about 4.
        torch.testing.assert_close(found.W[l], LEAK * B.T @ A, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", (*OF_PATH, "residuals", "hamiltonians", "descent"))
def test_a_figure_is_that_of_the_function_of_its_name(name):
    found = solved(8, "exponential")
    figure = found.plot(name)
    ds = found.history if name == "descent" else found.dataset()
    exact = getattr(plots, name)(ds).get_figure()
    pairs = [[line.get_xydata() for ax in f.axes for line in ax.lines] for f in (figure, exact)]
    for one, other in zip(*pairs, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    with pytest.raises(ValueError, match=f"name must be one of .*{name}.*, got '{name}s'"):
        found.plot(f"{name}s")


def test_what_is_kept_is_read_back(tmp_path):
    found = solved(8, "exponential")
    found.save(tmp_path)
    xr.testing.assert_equal(results.load(tmp_path / "geodesic.nc"), found.dataset())
    xr.testing.assert_equal(results.load(tmp_path / "history.nc"), found.history)
    path = tmp_path / "model.safetensors"
    weights, _ = results.load_tensors(path, format="pt", what="net")
    assert torch.equal(weights["weights"], found.W)
    with pytest.raises(FileExistsError, match="holds model.safetensors, history.nc, geodesic.nc"):
        found.save(tmp_path)
