"""Pair sums against U-statistics over all quadruples of samples, and kernels of N x N."""

import itertools

import numpy as np
import pytest
import torch
from exact_paths import random

from loadpath.measures import PairSums


def pair(seed, n, width_x=4, width_y=3):
    X = random(n, width_x, seed=seed)
    Y = X[:, :1] * random(1, width_y, seed=seed + 50) + random(n, width_y, seed=seed + 100)
    return X, Y


def sums_of(X, Y=None, batch=1000):
    sums = PairSums(X.shape[1]) if Y is None else PairSums(X.shape[1], Y.shape[1])
    for start in range(0, len(X), batch):
        part = slice(start, start + batch)
        sums.update(X[part]) if Y is None else sums.update(X[part], Y[part])
    return sums


def hsic_of_kernels(K, L):
    """HSIC_1 as printed: Song et al. 2012, equation 5."""
    n = len(K)
    K, L = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
    one = np.ones(n)
    middle = (one @ K @ one) * (one @ L @ one) / ((n - 1) * (n - 2))
    return (np.trace(K @ L) + middle - 2 / (n - 2) * one @ K @ L @ one) / (n * (n - 3))


def over_quadruples(X, Y):
    """E[((x1 - x2)(x3 - x4))((y1 - y2)(y3 - y4))] / 4 and E[|x1 - x2|^2 |y3 - y4|^2] / 4."""
    squares, traces = [], []
    for i, j, k, l in itertools.permutations(range(len(X)), 4):
        dx, ex, dy, ey = X[i] - X[j], X[k] - X[l], Y[i] - Y[j], Y[k] - Y[l]
        squares.append(float((dx @ ex) * (dy @ ey)) / 4)
        traces.append(float((dx @ dx) * (ey @ ey)) / 4)
    return np.mean(squares), np.mean(traces)


@pytest.mark.parametrize("n", [4, 5, 7])
def test_both_products_are_the_means_over_all_quadruples(n):
    # The kernels are unbiased for ||Cov(x, y)||^2 and Tr Cov(x) Tr Cov(y) term by term, as the
    # covariance of x1 - x2 is twice that of x, so that the means over quadruples are too.
    X, Y = pair(n, n)
    sums = sums_of(X, Y)
    squares, traces = over_quadruples(X, Y)
    assert sums.hsic() == pytest.approx(squares, rel=1e-12, abs=1e-12)
    assert sums.trace_product() == pytest.approx(traces, rel=1e-12)
    own = sums_of(X)
    squares, traces = over_quadruples(X, X)
    assert own.hsic() == pytest.approx(squares, rel=1e-12)
    assert own.trace_product() == pytest.approx(traces, rel=1e-12)


@pytest.mark.parametrize("n, batch", [(40, 40), (40, 1), (200, 33)])
def test_streamed_hsic_is_that_of_the_kernels(n, batch):
    X, Y = pair(n, n)
    X, Y = X + 3, Y - 2
    sums = sums_of(X, Y, batch)
    K, L = (X @ X.T).numpy(), (Y @ Y.T).numpy()
    assert sums.hsic() == pytest.approx(hsic_of_kernels(K, L), rel=1e-11)
    H = np.eye(n) - 1 / n
    biased = np.trace(H @ K @ H @ L) / (n - 1) ** 2
    assert sums.biased_hsic() == pytest.approx(biased, rel=1e-11)


def test_a_mean_a_million_times_the_spread_costs_no_digits_that_the_data_have():
    X, Y = pair(1, 300)
    expected = sums_of(X, Y)
    far_x, far_y = X + 1e6, Y - 3e6
    moved = sums_of(far_x, far_y, batch=37)
    # The data carry 3e6 eps = 7e-10 of the spread each; fourth moments some times that.
    assert moved.hsic() == pytest.approx(expected.hsic(), rel=1e-8)
    assert moved.trace_product() == pytest.approx(expected.trace_product(), rel=1e-8)
    # Directly from kernels nothing is left of it: 1e24 eps is far above the value.
    direct = hsic_of_kernels((far_x @ far_x.T).numpy(), (far_y @ far_y.T).numpy())
    assert abs(direct / expected.hsic() - 1) > 1e-2


def test_samples_in_an_order_of_their_own_are_as_good_as_shuffled():
    # Means of the first batches are far from the mean of all.
    X, Y = pair(2, 400)
    X = X + 1000 * torch.arange(4.0).repeat_interleave(100)[:, None]
    order = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    sorted_, shuffled = sums_of(X, Y, 10), sums_of(X[order], Y[order], 400)
    assert sorted_.hsic() == pytest.approx(shuffled.hsic(), rel=1e-9)
    assert sorted_.trace_product() == pytest.approx(shuffled.trace_product(), rel=1e-12)


def test_merge_is_associative_and_commutes_and_leaves_its_parts_alone():
    parts = [sums_of(*(part + 10 * s for part in pair(s, 20 + s))) for s in range(3)]
    a, b, c = parts
    before = a.cross.clone(), a.scatter_x
    ways = [a.merge(b).merge(c), a.merge(b.merge(c)), c.merge(b).merge(a)]
    together = [
        torch.cat(z)
        for z in zip(
            *(tuple(part + 10 * s for part in pair(s, 20 + s)) for s in range(3)), strict=True
        )
    ]
    ways.append(sums_of(*together))
    for way in ways:
        assert way.count == 63
        assert way.hsic() == pytest.approx(ways[0].hsic(), rel=1e-11)
        assert way.trace_product() == pytest.approx(ways[0].trace_product(), rel=1e-11)
        torch.testing.assert_close(way.mean_x, together[0].mean(0), rtol=1e-12, atol=1e-12)
    assert torch.equal(a.cross, before[0]) and a.scatter_x == before[1]
    empty = PairSums(4, 3)
    assert empty.merge(a).hsic() == a.merge(empty).hsic() == a.hsic()


def test_singular_values_are_those_of_the_centred_features():
    X, _ = pair(3, 50)
    X = X + 100
    expected = torch.linalg.svdvals(X - X.mean(0))
    torch.testing.assert_close(sums_of(X, batch=8).singular_values(), expected, rtol=1e-10, atol=0)
    few = sums_of(random(3, 8, seed=4)).singular_values()
    assert len(few) == 2
    flat = sums_of(torch.outer(random(30, seed=5), random(6, seed=6))).singular_values()
    assert float(flat[0]) > 0 and float(flat[1:].max()) == 0


@pytest.mark.parametrize("dtype, spread, constant", [
    (torch.float32, 1e-8, True), (torch.float32, 1e-3, False),
    (torch.float64, 1e-8, False), (torch.float64, 0.0, True), (torch.float16, 1e-4, True),
])  # fmt: skip
def test_constant_is_judged_by_the_rounding_of_the_type(dtype, spread, constant):
    X = (1 + spread * random(50, 3, seed=7)).to(dtype)
    assert sums_of(X).constant == constant


@pytest.mark.parametrize("width", [1, 6])
def test_all_sums_of_zero_features_are_zero(width):
    sums = sums_of(torch.zeros(9, width))
    assert sums.hsic() == sums.trace_product() == 0 and sums.constant


X, Y = pair(9, 10)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: PairSums(0), "width_x must be a whole number of at least 1, not 0"),
        (lambda: PairSums(3, 0), "width_y must be a whole number of at least 1, not 0"),
        (lambda: PairSums(4, 3).update(X), "Y must be passed unless .* but it is missing"),
        (lambda: PairSums(4).update(X, X), "Y must be passed unless .* but it is given"),
        (lambda: PairSums(4, 3).update(X, Y[1:]), r"as many rows as X \(10\), got 9"),
        (lambda: PairSums(5).update(X), r"X must have shape \(10, 5\), got \(10, 4\)"),
        (lambda: PairSums(4).update(X * float("nan")), "X must be finite, got 40 entries"),
        (lambda: sums_of(X[:3]).hsic(), "at least 4 samples, got 3"),
        (lambda: sums_of(X[:3]).trace_product(), "at least 4 samples, got 3"),
        (lambda: sums_of(X[:1]).biased_hsic(), "at least 2 samples, got 1"),
        (lambda: PairSums(4).singular_values(), "at least one sample, got 0"),
        (lambda: sums_of(X, Y).singular_values(), "must pair X with itself"),
        (
            lambda: PairSums(4).merge(PairSums(4, 4)),
            r"other must have widths \(4, 4\) of X with itself, got widths \(4, 4\)\.",
        ),
        (lambda: PairSums(4, 3).merge(PairSums(4, 2)), r"widths \(4, 3\), got widths \(4, 2\)"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
