"""Two ridge regressions: against scikit-learn's, against each other, and where they differ."""

import numpy as np
import pytest
import torch
from exact_paths import random
from sklearn.linear_model import Ridge

from loadpath.measures.ridge import RidgeBySingularValues, ridge_path_by_squares


def centred(*size, seed):
    rows = random(*size, seed=seed)
    return rows - rows.mean(0)


@pytest.mark.parametrize("n, width", [(50, 6), (20, 30)])
def test_both_are_the_regression_of_scikit_learn(n, width):
    H, y = centred(n, width, seed=0), centred(n, 2, seed=1)
    share = 0.01
    alpha = share * float(H.square().sum()) / width
    expected = Ridge(alpha=alpha, fit_intercept=False, solver="svd").fit(H.numpy(), y.numpy()).coef_
    for found in (
        RidgeBySingularValues(H, share).coefficients(y),
        ridge_path_by_squares(H, y, [1.0, alpha / n])[1],
    ):
        np.testing.assert_allclose(found, expected.T, rtol=1e-9, atol=1e-12)


def test_singular_values_keep_what_squares_lose():
    # One direction is 1e-9 of the other: its square is below the rounding of theirs. Turned by
    # 45 degrees, so that both features carry both.
    H = centred(40, 2, seed=2) * torch.tensor([1.0, 1e-9])
    y = H * torch.tensor([1.0, 1e9])  # each a direction alone, of one size
    turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64) / 2**0.5
    share = 1e-24
    alpha = share * float(H.square().sum()) / 2
    kept = turn @ RidgeBySingularValues(H @ turn, share).coefficients(y)
    assert float(kept[1, 1]) == pytest.approx(1e9, rel=1e-5)
    lost = turn @ ridge_path_by_squares(H @ turn, y, [alpha / 40])[0]
    assert abs(float(lost[1, 1]) - 1e9) > 1e7


def test_features_that_do_not_vary_have_no_coefficients():
    assert torch.equal(
        RidgeBySingularValues(torch.zeros(5, 3), 1.0).coefficients(torch.ones(5, 2)),
        torch.zeros(3, 2),
    )
