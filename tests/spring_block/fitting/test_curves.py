"""What errors estimated from a few replicas do to intervals and p-values, where all is linear."""

import numpy as np
import pytest

from loadpath.spring_block.fitting.curves import observe

SPRINGS, SHARED = 6, 2


def linear_fits(levels, replicas, *, sets, seed):
    """Whether each parameter's interval holds the truth, 0, and p-values, for many data sets.

    Loads are linear in two parameters that levels share and one of each level, and Gaussian: the
    problem of `fit` near its minimum, solved in closed form.
    """
    rng = np.random.default_rng(seed)
    n, q = SPRINGS - 1, SHARED + levels
    mix = 0.01 * rng.standard_normal((SPRINGS, SPRINGS))
    size = np.exp(rng.standard_normal(levels))  # one shape of errors, sizes of their own
    slopes = rng.standard_normal((levels, SPRINGS, q))
    for level in range(levels):
        slopes[level, :, SHARED:] *= np.arange(levels) == level
    slopes -= slopes.mean(1, keepdims=True)  # of loads that sum to the target
    covered, p = [], []
    for _ in range(sets):
        noise = rng.standard_normal((replicas, levels, SPRINGS)) @ mix.T * size[:, None]
        loads = 1 / SPRINGS + noise - noise.mean(2, keepdims=True)
        observed = observe(loads, errors=None, covariance=None, target=1.0, model_error=1e-9)
        X, y = observed.whitener @ slopes, observed.loads - 1 / SPRINGS
        y = np.einsum("lns,ls->ln", observed.whitener, y)
        weight = np.ones(levels)
        for _ in range(3):
            root = np.sqrt(weight)[:, None]
            A, b = (root[..., None] * X).reshape(-1, q), (root * y).ravel()
            H = np.einsum("ni,nj->ij", A, A)  # too small for BLAS to share among threads
            best = np.linalg.solve(H, b @ A)
            distance = ((y - X @ best) ** 2).sum(1)
            weight = observed.weight(distance, q)
        rise = best**2 / np.diag(np.linalg.inv(H))
        covered.append(rise < observed.quantile(0.95, 1, q))
        p.append(observed.p_value(float(distance.sum()), levels * n - q))
    return observed, np.array(covered), np.array(p)


@pytest.mark.parametrize(
    ("levels", "replicas", "errors"),
    [
        (1, 8, "pooled replicas"),
        (3, 6, "pooled replicas"),
        (1, 12, "replicas"),
        (3, 16, "replicas"),
    ],
)
def test_intervals_and_p_values_keep_what_they_promise(levels, replicas, errors):
    sets, seed = 1000, 2
    observed, covered, p = linear_fits(levels, replicas, sets=sets, seed=seed)
    print(f"seed {seed}, {sets} sets: covered {covered.mean(0)}, p below 0.05 {np.mean(p < 0.05)}")
    assert observed.errors == errors
    # 3 standard errors of one count, for the mean of some; and what approximations for several
    # levels may cost.
    slack = 3 * np.sqrt(0.05 * 0.95 / sets) + (0 if levels == 1 else 0.01)
    assert covered.mean() == pytest.approx(0.95, abs=slack)
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=slack)
    assert np.mean(p < 0.5) == pytest.approx(0.5, abs=slack + 0.03)
