import numpy as np
import pytest

from loadpath.leaky_resnet.geodesic.descent.quasi_newton import QuasiNewton


def quadratic(n, condition, seed):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    H, b = Q * np.logspace(0, np.log10(condition), n) @ Q.T, rng.standard_normal(n)
    return H, b, lambda v: (float(v @ H @ v) / 2 - float(b @ v), H @ v - b)


def two_loops(pairs, gradient):
    """The direction of the textbook's two-loop recursion, in float64."""
    q, along = -gradient, []
    for s, y in reversed(pairs):
        along.append((s @ q) / (s @ y))
        q = q - along[-1] * y
    s, y = pairs[-1]
    q = q * (s @ y) / (y @ y)
    for (s, y), a in zip(pairs, reversed(along), strict=True):
        q = q + (a - (y @ q) / (s @ y)) * s
    return q


@pytest.mark.parametrize("history, steps", [(20, 8), (5, 13)])
def test_its_direction_is_that_of_the_two_loops(history, steps):
    # With a memory that is not full yet, and one that has dropped its oldest pairs.
    _, _, function = quadratic(30, 100, seed=0)
    search = QuasiNewton(function, np.zeros(30), history=history)
    pairs = []
    for _ in range(steps):
        before, gradient = search.at.copy(), search.gradient
        assert search.iterate()
        pairs.append((search.at - before, search.gradient - gradient))
    expected = two_loops(pairs[-history:], search.gradient)
    # The memory is in float32: 1e-7, times what is lost in sums of the products.
    np.testing.assert_allclose(
        search._direction(), expected, rtol=0, atol=1e-4 * np.linalg.norm(expected)
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_it_minimizes_to_the_precision_of_float64(seed):
    H, b, function = quadratic(60, 1e4, seed)
    search = QuasiNewton(function, np.zeros(60), history=40)
    while search.iterate():  # some 470 steps, until nothing lower is found
        pass
    # There the value's own rounding, 1e-16, hides what is gained: an error of about its root,
    # times that of the condition number.
    exact = np.linalg.solve(H, b)
    assert np.linalg.norm(search.at - exact) < 1e-6 * np.linalg.norm(exact)


def test_every_step_goes_down_and_none_is_taken_at_the_minimum():
    _, _, function = quadratic(10, 10, seed=2)
    search = QuasiNewton(function, np.ones(10), history=5)
    values = [search.value]
    while search.iterate():
        values.append(search.value)
    assert len(values) > 5
    assert np.all(np.diff(values) < 0)
    at = search.at.copy()
    assert not search.iterate()
    np.testing.assert_array_equal(search.at, at)


def test_it_goes_on_with_what_it_remembers():
    H, b, function = quadratic(30, 100, seed=3)
    search = QuasiNewton(function, np.zeros(30), history=40)
    unbroken = QuasiNewton(function, np.zeros(30), history=40)
    for _ in range(12):
        search.iterate(), unbroken.iterate()
    search.change_function(function)
    for _ in range(12):
        search.iterate(), unbroken.iterate()
    # Of the same function, it makes the same steps: only products in float32 were taken anew.
    np.testing.assert_allclose(search.at, unbroken.at, rtol=1e-5)

    # Of one with its minimum elsewhere and the same curvature, it needs fewer than from nothing.
    def moved(v):
        return float(v @ H @ v) / 2 + float(b @ v), H @ v + b

    def steps(search):
        count = 0
        while np.linalg.norm(search.gradient) > 1e-3 and search.iterate():
            count += 1
        return count

    start = search.at.copy()
    search.change_function(moved)
    assert steps(search) < steps(QuasiNewton(moved, start, history=40)) / 2
