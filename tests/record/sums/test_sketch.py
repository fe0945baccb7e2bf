"""Sketches against the exact inner products. Seeds are the parameters shown."""

import pytest
import torch
from exact_paths import random

from loadpath.record import WIDE, Moments, Sketch, features


@pytest.mark.parametrize("cosine", [0.0, 0.8, 1.0])
def test_inner_products_are_unbiased_and_err_as_stated(cosine):
    w, k, draws = 1000, 64, 1000
    x, y = random(2, w, seed=0)
    y -= (y @ x) / (x @ x) * x
    x, y = x / x.norm(), y / y.norm()
    y = cosine * x + (1 - cosine**2) ** 0.5 * y
    errors = torch.empty(draws, dtype=torch.float64)
    for seed in range(draws):
        left, right = Sketch(w, k, seed)(torch.stack([x, y]))
        errors[seed] = left @ right - cosine
    rms = float(errors.square().mean().sqrt())
    # Exact: (1 + cos^2 - 2 sum x^2 y^2) / k, the last term near 6 / w at most. The root mean square
    # of `draws` near-normal errors is off by 1 / sqrt(2 draws) = 2.2 %.
    assert rms == pytest.approx(((1 + cosine**2) / k) ** 0.5, rel=0.09)
    assert abs(float(errors.mean())) < 4 * rms / draws**0.5
    assert rms < 1.09 * Sketch(w, k).error


def test_sketches_are_linear_and_do_not_depend_on_the_order_of_batches():
    A, B = random(2, 20, 300, seed=1)
    one, again, other = Sketch(300, 40, 5), Sketch(300, 40, 5), Sketch(300, 40, 6)
    torch.testing.assert_close(one(A) - one(B), again(A - B), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(one(A), torch.cat([again(A[:3]), again(A[3:])]))
    assert one == again and not torch.equal(one(A), other(A))


def test_moments_of_wide_features_are_those_of_their_sketches():
    A, dA = random(2, 30, 100, seed=2)
    moments = Moments(100, sketch=24, sketch_seed=3)
    moments.update(A, dA)
    project = moments.sketch
    assert project == Sketch(100, 24, 3)
    S, a, d = project(features(A, bias=False)), project(A), project(dA)
    rows = moments.rows()
    for left, right, expected in (
        (rows.S[:, :24], rows.A, S.T @ a),
        (rows.A, rows.dA, a.T @ d),
        (rows.S[:, 24:], rows.S[:, :24], S.sum(0, keepdim=True)),
    ):
        torch.testing.assert_close(left.T @ right, expected, rtol=1e-12, atol=1e-12)
    assert moments.factor.shape[1] == 1 + 3 * 24
    assert project.attrs() == {
        "sketch": 24,
        "sketch_seed": 3,
        "sketch_error_of_inner_products": pytest.approx((1 / 12) ** 0.5),
    }


def test_features_that_are_not_wide_are_kept_exactly():
    assert Moments(100, sketch=100).sketch is None
    assert Moments(100).sketch is None
    assert Moments(2 * WIDE, velocity=False, sketch=WIDE).sketch.size == WIDE == 2048


def test_sketched_spectrum_is_that_of_the_features():
    # Rank 3 in 3000 columns: the 3 singular values of a sketch of 512 are off by a few percent.
    A = random(200, 3, seed=4) @ random(3, 3000, seed=5)
    moments = Moments(3000, velocity=False, activation="identity", sketch=512)
    for part in A.split(32):
        moments.update(part)
    exact = torch.linalg.svdvals(A)[:3]
    found = torch.linalg.svdvals(moments.rows().A)
    assert float(((found[:3] - exact) / exact).abs().max()) < 3 * (2 / 512) ** 0.5
    assert float(found[3]) < 1e-10 * float(exact[0])


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: Sketch(10, 3), "size must be a whole number of at least 4, not 3"),
        (lambda: Sketch(10, 10), "sketch must be below the width 10, got 10"),
        (lambda: Sketch(10, 5, -1), "seed must be a whole number of at least 0, not -1"),
        (lambda: Sketch(10, 5)(torch.ones(2, 9)), r"rows must be \(row, 10\), got \(2, 9\)"),
        (lambda: Moments(10, sketch=0), "sketch must be a whole number of at least 4, not 0"),
        (lambda: Moments(10, sketch=2.5), "sketch must be a whole number of at least 4, not 2.5"),
        (
            lambda: Moments(10, sketch=5).merge(Moments(10, sketch=6)),
            "other must have sketch=5, got 6",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
