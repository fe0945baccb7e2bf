"""Where each measure misleads, with the numbers that docs/measures.md quotes.

`python -m pytest -s tests/test_geometry_misleads.py` prints them.
"""

import math

import pytest
import torch
from exact_paths import random

from loadpath.measures import (
    StepSums,
    class_probe,
    effective_rank,
    effective_rank_of_spectrum,
    linear_cka,
    log_growth,
    relative_step,
    self_sums,
    turn,
    two_nn,
    two_nn_by_scale,
)
from tests.measures.test_dimension import cube
from tests.measures.test_ranks import sample


def one_group(before, after):
    sums = StepSums()
    sums.update(before, after)
    return [sums]


def test_one_large_direction_makes_strangers_alike():
    # A direction of ten times the size in common, 50 others in each layer unrelated.
    n = 2000
    common = 10 * random(n, 1, seed=0)
    X = torch.cat([common, random(n, 50, seed=1)], dim=1)
    Y = torch.cat([common, random(n, 50, seed=2)], dim=1)
    whole, rest = linear_cka(X, Y), linear_cka(X[:, 1:], Y[:, 1:])
    print(f"\nCKA with one large direction in common {whole.value:.3f}, without {rest.value:.3f}")
    assert whole.low > 0.98 and rest.low < 0 < rest.high


@pytest.mark.parametrize("n", [50, 500, 3000])
def test_an_effective_rank_does_not_count_directions_that_no_sample_shows(n):
    # Five directions, and 400 that share a forty-thousandth of the variance.
    variances = torch.cat([torch.ones(5), torch.full((400,), 3e-7)]).double()
    truth = effective_rank_of_spectrum(variances.sqrt())
    found = effective_rank(self_sums(sample(variances, n, n)))
    print(f"\nhidden tail, n {n}: effective rank {truth:.2f}, found {found}")
    if n == 50:
        assert found.status == "estimated" and found.high < truth  # passed the rule, and is wrong
    if n == 3000:
        assert found.value == pytest.approx(truth, rel=0.05)


def test_noise_has_more_dimensions_than_what_it_is_about():
    angle = 2 * math.pi * torch.rand(4000, generator=torch.Generator().manual_seed(8)).double()
    X = torch.stack([angle.cos(), angle.sin(), *torch.zeros(8, 4000).double()], dim=1)
    scales = two_nn_by_scale(X + 0.001 * random(4000, 10, seed=9), n_scales=6)
    print("\ncircle with noise:", [(f.n, round(f.value, 1)) for f in scales])
    assert scales[0].low > 2 and scales[-1].high < 2


def test_many_dimensions_are_undercounted():
    found = two_nn(cube(2000, 20, 0, width=20))
    print(f"\ncube of 20 dimensions, 2000 samples: {found}")
    assert found.high < 18


def test_a_collapsed_layer_has_the_dimension_of_its_noise():
    # Ten class means and scatter of a thousandth of their distance, in 5 directions.
    labels = torch.arange(2000) % 10
    H = random(10, 5, seed=3)[labels] + 1e-3 * random(2000, 5, seed=4)
    found = two_nn(H)
    print(f"\nten collapsed classes: {found}")
    assert found.value == pytest.approx(5, rel=0.15)


def test_growth_without_a_turn_and_steps_that_cancel():
    A, step = random(500, 20, seed=5), random(500, 20, seed=6)
    doubled = one_group(A, 2 * A)
    away, back, whole = one_group(A, A + step), one_group(A + step, A), one_group(A, A)
    print(
        f"\ndoubling: depth {log_growth(doubled).value:.3f}, step "
        f"{relative_step(doubled).value:.3f}, turn {turn(doubled).value:.3f}; there and back: "
        f"steps {relative_step(away).value:.3f}, {relative_step(back).value:.3f}, "
        f"depths {log_growth(away).value:.3f}, {log_growth(back).value:.3f}, "
        f"from first to last {relative_step(whole).value:.3f}"
    )
    assert log_growth(doubled).value == pytest.approx(math.log(2))
    assert turn(doubled).value == pytest.approx(0, abs=1e-7)
    assert relative_step(whole).value == 0 < 0.5 < relative_step(away).value
    normalized = A / A.norm(dim=1, keepdim=True)
    after = A + step
    after = after / after.norm(dim=1, keepdim=True)
    assert log_growth(one_group(normalized, after)).value == pytest.approx(0, abs=1e-12)


def test_a_probe_at_chance_does_not_mean_that_the_classes_are_not_there():
    # Exclusive or: each class has two opposite corners of a square.
    n = 2000
    corners = torch.tensor([[1.0, 1], [-1, -1], [1, -1], [-1, 1]]).double()
    which = torch.arange(n) % 4
    H = corners[which] + 0.1 * random(n, 2, seed=7)
    labels = which // 2
    plain = class_probe(H, labels).accuracy
    product = class_probe(H[:, :1] * H[:, 1:], labels).accuracy
    print(f"\nexclusive or: {plain}; of the product: {product}")
    assert plain.value < 0.7 and product.value == 1.0
