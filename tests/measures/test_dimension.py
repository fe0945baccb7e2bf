"""TwoNN against another package, distances written out, and clouds of known dimension."""

import math

import numpy as np
import pytest
import skdim
import torch
from exact_paths import random
from scipy.spatial.distance import cdist

from loadpath.measures import dimension as module
from loadpath.measures import nearest_two, two_nn, two_nn_by_scale
from loadpath.statistics import Reservoir


def cube(n, d, seed, *, width=10):
    """Uniform in a d-dimensional cube, turned into `width` dimensions."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.rand(n, d, generator=generator, dtype=torch.float64)
    return X @ torch.linalg.qr(random(width, width, seed=1)).Q[:d] + 7


@pytest.mark.parametrize("n, width, offset", [(200, 3, 0.0), (157, 40, 1e4)])
def test_neighbours_are_those_of_all_distances(n, width, offset, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 50 * n)  # several chunks, the last one not full
    X = random(n, width, seed=n) + offset
    D = cdist(X.numpy(), X.numpy())
    np.fill_diagonal(D, np.inf)
    near = nearest_two(X)
    np.testing.assert_array_equal(near.indices, D.argsort(1)[:, :2])
    np.testing.assert_allclose(near.distances, np.sort(D, 1)[:, :2], rtol=1e-10)


def test_distances_far_below_the_size_of_the_features_keep_their_digits():
    # Pairs 1e-6 apart in a cloud of size 1: |x|^2 + |y|^2 - 2 x y has an error of 1e-16, 1e-4 of
    # the squared distance; from differences it is 1e-10.
    X = random(100, 5, seed=2)
    X = torch.cat([X, X + 1e-6 * random(100, 5, seed=3)])
    near = nearest_two(X)
    expected = (X[:100] - X[100:]).norm(dim=1)
    torch.testing.assert_close(near.distances[:100, 0], expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("discarded", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("n, d", [(300, 2), (400, 7)])
def test_the_value_is_that_of_scikit_dimension(n, d, discarded):
    X = cube(n, d, seed=n)
    with np.errstate(divide="ignore"):  # it takes the log of 0 for its line, whatever the method
        oracle = skdim.id.TwoNN(discard_fraction=discarded, method="mle").fit(X.numpy()).dimension_
    found = two_nn(X, discarded=discarded)
    assert found.value == pytest.approx(oracle, rel=1e-9)
    assert (found.n, found.status) == (n, "estimated")
    if discarded:  # the paper's own fit of the same ratios
        line = skdim.id.TwoNN(discard_fraction=discarded).fit(X.numpy()).dimension_
        assert found.value == pytest.approx(line, rel=0.1)


def test_the_value_is_the_formula_written_out():
    X = random(80, 4, seed=4)
    D = np.sort(cdist(X.numpy(), X.numpy()), 1)
    log_mu = np.sort(np.log(D[:, 2] / D[:, 1]))
    k = 72
    expected = (k - 1) / (log_mu[:k].sum() + (80 - k) * log_mu[k - 1])
    assert two_nn(X).value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("d, rel", [(1, 0.05), (2, 0.05), (5, 0.1)])
def test_clouds_of_known_dimension(d, rel):
    found = [two_nn(cube(1000, d, seed=s)) for s in range(4)]
    assert np.mean([f.value for f in found]) == pytest.approx(d, rel=rel)


def test_neither_rotation_nor_scale_nor_coordinates_matter():
    X = cube(300, 3, seed=5)
    expected = two_nn(X)
    moved = two_nn(1e-5 * X @ torch.linalg.qr(random(10, 10, seed=6)).Q - 3)
    padded = two_nn(torch.cat([X, torch.full((300, 4), 2.0)], dim=1))
    for found in (moved, padded):
        for name in ("value", "low", "high"):
            assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-6)


@pytest.mark.parametrize("d", [1, 2, 8])
def test_intervals_cover_what_the_estimate_tends_to(d):
    # The mean over many clouds, rather than d, from which high dimensions are far at any n; the
    # interval speaks of chance, not of that.
    found = [two_nn(cube(250, d, seed=100 + s)) for s in range(150)]
    centre = np.mean([f.value for f in found])
    covered = np.mean([f.low <= centre <= f.high for f in found])
    assert 0.95 - 4 * 0.018 <= covered <= 1.0


def test_copies_of_a_sample_count_once():
    X = cube(200, 2, seed=7)
    doubled = torch.cat([X, X[:90], X[:5]])
    found = two_nn(doubled)
    assert (found.value, found.n) == (two_nn(X).value, 200)
    same = two_nn(torch.ones(90, 3))
    assert same.status == "constant features" and math.isnan(same.value) and same.n == 1
    few = two_nn(torch.cat([X[:20]] * 10))
    assert (few.status, few.n) == ("not enough samples", 20)
    assert two_nn(X[:1]).status == two_nn(X[:49]).status == "not enough samples"
    assert two_nn(X[:50]).status == "estimated"


def test_a_lattice_has_no_ratio_to_speak_of():
    # All ratios are 1: no dimension is as likely as an infinite one.
    grid = torch.cartesian_prod(torch.arange(10.0), torch.arange(10.0))
    assert two_nn(grid).status == "not enough samples"


def test_by_scale_noise_fades_as_neighbourhoods_grow():
    # A circle and noise of 0.003 in 10 dimensions: neighbours are 6.3 / n apart, so that at many
    # samples they see the noise, at few the circle.
    angle = 2 * math.pi * torch.rand(4000, generator=torch.Generator().manual_seed(8)).double()
    X = torch.zeros(4000, 10, dtype=torch.float64)
    X[:, 0], X[:, 1] = angle.cos(), angle.sin()
    found = two_nn_by_scale(X + 0.001 * random(4000, 10, seed=9), n_scales=6)
    assert [f.n for f in found] == [4000, 2000, 1000, 500, 250, 125]
    values = [f.value for f in found]
    assert values[0] > 2.5 > 1.5 > values[-1]
    assert found[0] == two_nn(X + 0.001 * random(4000, 10, seed=9))


def test_a_reservoir_gives_the_same_dimension_whatever_the_batches():
    X = cube(700, 3, seed=10)
    values = []
    for batch in (30, 700):
        kept = Reservoir(300)
        for indices in torch.arange(700).split(batch):
            kept.update(indices, X[indices])
        values.append(two_nn(kept.rows()).value)
    assert values[0] == values[1] == pytest.approx(3, rel=0.3)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: two_nn(torch.ones(5)), "X must be a non-empty"),
        (lambda: two_nn(torch.full((60, 2), math.nan)), "X must be finite, got 120 entries"),
        (
            lambda: two_nn(cube(60, 2, 0), discarded=1.0),
            "discarded must lie in \\[0, 1\\), got 1.0",
        ),
        (lambda: two_nn(cube(60, 2, 0), level=2), "level must be between 0 and 1, got 2"),
        (lambda: two_nn_by_scale(cube(60, 2, 0), n_scales=0), "n_scales must be .* not 0"),
        (lambda: nearest_two(torch.ones(2, 2)), "X must have at least 3 rows, got 2"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
