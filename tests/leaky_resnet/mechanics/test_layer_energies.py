"""Energies of one step against scikit-learn, closed forms and the bound of Proposition 1.

Every seed is a parameter of its test, so that a failure shows it.
"""

import math

import pytest
import torch
from exact_paths import random
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge

from loadpath.leaky_resnet import mechanics
from loadpath.measures import spectrum, stable_rank
from loadpath.record import features
from loadpath.threads import torch_threads

SEEDS = st.integers(0, 10_000)


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with torch_threads(1):
        yield


A, NAN = torch.ones(5, 3), torch.full((5, 3), float("nan"))


def test_cost_of_identity_equals_a_kernel_ridge_of_scikit_learn():
    A = random(60, 8, seed=2)
    S, gamma = features(A).numpy(), 0.7
    dual = KernelRidge(alpha=gamma, kernel="linear").fit(S, A.numpy()).dual_coef_
    ours = mechanics.cost_of_identity(A, gamma=gamma)
    assert float(ours) == pytest.approx((A.numpy() * dual).sum(), rel=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, rank=st.integers(1, 5))
def test_nuclear_stable_rank_bounds_the_plain_cost_of_identity_from_below(seed, rank):
    # Proposition 1, without bias as in the paper, with more neurons than samples so that K has
    # full rank and the plain cost is finite. gamma_0 = 1e-10 stands for the pseudo-inverse: it
    # lowers the cost of identity, and the bound by no more than a factor 1 + 6e-10.
    A = random(6, rank, seed=seed) @ random(rank, 20, seed=seed + 1)
    gamma = mechanics.kernel_gamma(A, 1e-10, bias=False)
    COI = mechanics.cost_of_identity(A, gamma=gamma, bias=False)
    assert float(stable_rank(A)) <= float(COI) * (1 + 1e-8)


def test_cost_of_identity_of_a_nonnegative_matrix_without_bias_is_its_stabilized_rank():
    A = random(50, 3, seed=4).abs() @ random(3, 7, seed=5).abs()
    s = spectrum(A)
    ours = mechanics.cost_of_identity(A, gamma=0.2, bias=False)
    assert float(ours) == pytest.approx(float((s**2 / (s**2 + 0.2)).sum()), rel=1e-10)


def test_a_layer_without_any_activation_costs_more_than_any_other_but_is_no_nan():
    A = -torch.ones(4, 2)
    gamma = mechanics.kernel_gamma(A, 1e-2, bias=False)
    assert 1e50 < float(mechanics.cost_of_identity(A, gamma=gamma, bias=False)) < math.inf
    assert float(mechanics.cost_of_identity(0 * A, gamma=gamma, bias=False)) == 0


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda m: m.cost_of_identity(A, gamma=0.0), "gamma must be finite and above 0, got 0.0"),
        (
            lambda m: m.cost_of_identity(A, gamma=math.nan),
            "gamma must be finite .* got nan",
        ),
        (lambda m: m.cost_of_identity(A, gamma=1e-20), "gamma must be at least .* got 1e-20"),
        (lambda m: m.cost_of_identity(NAN, gamma=1.0), "A must be finite, got 15 entries"),
        (lambda m: m.cost_of_identity(A[0], gamma=1.0), r"A must be a non-empty .* got \(3,\)"),
        (
            lambda m: m.cost_of_identity(A, gamma=1.0, activation="cube"),
            "activation must be one of .* got 'cube'",
        ),
        (
            lambda m: m.kinetic_energy(A, A, effective_depth=-1.0, gamma=1.0),
            "effective_depth must be finite and at least 0, got -1.0",
        ),
        (
            lambda m: m.kinetic_energy(A, A.T, effective_depth=1.0, gamma=1.0),
            r"dA must have shape \(5, 3\), got \(3, 5\)",
        ),
        (lambda m: m.cross_term(A, NAN, gamma=1.0), "dA must be finite"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call(mechanics)
    assert "\n" not in str(error.value)
