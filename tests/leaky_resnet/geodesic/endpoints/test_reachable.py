"""Ends that no path joins, refused before any work."""

import pytest
import torch
from exact_paths import random

from loadpath.leaky_resnet.geodesic import solve
from loadpath.leaky_resnet.geodesic.endpoints.reachable import check_reachable


@pytest.mark.parametrize(
    "x, y, activation, reason",
    [
        (torch.ones(4, 3), random(4, 3, seed=0), "relu", "y must be equal where x is, but rows 0"),
        (random(9, 3, seed=0), torch.zeros(9, 3), "identity", "y must have the rank of x"),
        (random(9, 3, seed=0), random(9, 3, seed=1), "identity", "y must be a linear map of x"),
        (torch.eye(3), torch.eye(3)[[1, 0, 2]], "identity", "positive determinant"),
    ],
)
def test_ends_that_no_path_joins_are_refused(x, y, activation, reason):
    options = dict(effective_depth=1.0, width=3, depth=4, endpoint="fixed", bias=False)
    with pytest.raises(ValueError, match=reason):
        solve(x, y, activation=activation, **options)


def test_a_bias_moves_all_samples_alike():
    x = random(9, 3, seed=0)
    check_reachable(x, 2 * x + torch.arange(3), width=3, activation="identity", bias=True)
    with pytest.raises(ValueError, match="y must be a linear map of x"):
        check_reachable(x, 2 * x + torch.arange(3), width=3, activation="identity", bias=False)
