"""Cells of a tiny experiment, in a module of their own so that spawned processes can import it."""

import torch
import xarray as xr

from loadpath import LeakyResNet, data, fit, results
from loadpath.training import Adam


def train(*, effective_depth: float, seed: int) -> xr.Dataset:
    """A training run of a few steps; like all cells it is trained on one thread."""
    assert torch.get_num_threads() == 1
    teacher = data.teacher((5, 1, 5), n_train=40, n_test=20, seed=seed)
    model = LeakyResNet(5, 5, width=8, depth=4, effective_depth=effective_depth, seed=seed)
    history = fit(model, teacher, stages=[Adam(15)], progress=False).history
    return results.stamp(history.drop_vars("seconds"), effective_depth=effective_depth, seed=seed)


def fail_at_3(*, effective_depth: float, seed: int) -> xr.Dataset:
    """The same, but the cell at effective depth 3 cannot be run."""
    if effective_depth == 3.0:
        raise ValueError("no net at 3.")
    return train(effective_depth=effective_depth, seed=seed)


def cells(seeds):
    return [{"effective_depth": depth, "seed": s} for s in seeds for depth in (1.0, 2.0, 3.0)]
