"""How often intervals of `lp.diagnose` hold what other samples give, or very many samples.

`python -m pytest -m slow -s tests/diagnosis/test_coverage.py` prints the table of
docs/diagnose.md.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn

import loadpath as lp

pytestmark = pytest.mark.slow
DRAWS, SAMPLES, KEPT, CLASSES = 200, 1500, 500, 4
LARGE = 400_000
"""Samples that stand for all there are: their own error is 6 % of that of 1,500."""
MEASURES = (
    "cost_of_identity",
    "kinetic_energy",
    "stable_rank_nuclear",
    "log_separation",
    "load",
    "concavity",
    "nc1",
)
OF_KINDS = ("log_separation", "load", "concavity")
ERROR = math.sqrt(0.95 * 0.05 / DRAWS)
"""Standard error of a coverage of 0.95 that is measured on so many draws: 0.015."""


class Residual(nn.Module):
    """h + W relu(h) + b."""

    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, h):
        return h + self.linear(h.relu())


def net(width):
    torch.manual_seed(0)
    return nn.Sequential(*(Residual(width) for _ in range(3)))


def classes(n, width, seed, size):
    """Batches of Gaussian classes, whose means differ by 2.8 standard deviations."""
    generator = torch.Generator().manual_seed(seed)
    for count in [size] * (n // size):
        y = torch.randint(CLASSES, (count,), generator=generator)
        yield torch.randn(count, width, generator=generator) + 2 * torch.eye(CLASSES, width)[y], y


def diagnosed(width, n, seed, kept, size):
    measures = ("energies", "separation", "collapse")
    loader = classes(n, width, seed, size)
    return lp.diagnose(net(width), loader, layers=Residual, measures=measures, kept=kept)


@pytest.mark.parametrize("width", [8, 32])
def test_intervals_narrowed_to_all_samples(width):
    truth = diagnosed(width, LARGE, 10**6, kept=20, size=20_000)
    draws = [diagnosed(width, SAMPLES, seed, KEPT, size=500) for seed in range(DRAWS)]
    for name in MEASURES:
        if name in OF_KINDS:
            parts = [(f"{name} {kind}", {"kind": kind}) for kind in truth["kind"].values]
        else:
            parts = [(name, {})]
        for words, part in parts:
            value, low, high = (
                np.stack([np.atleast_1d(ds[name + end].sel(part).values) for ds in draws])
                for end in ("", "_low", "_high")
            )
            exact = np.atleast_1d(truth[name].sel(part).values)
            known = ~np.isnan(low).any(0)
            value, low, high, exact = value[:, known], low[:, known], high[:, known], exact[known]
            mean, error = value.mean(0), value.std(0)
            of_mean, of_truth = (((low <= x) & (x <= high)).mean() for x in (mean, exact))
            bias = (mean - exact) / error
            print(
                f"\nwidth {width}, {words} {np.abs(exact).mean():.3g}: held the mean of such "
                f"samples {of_mean:.3f}, the large sample's value {of_truth:.3f}; bias "
                f"{(mean - exact).mean():+.2g}, {bias.mean():+.2f} standard deviations"
            )
            if name == "concavity":  # a ratio of two small numbers: these nets hardly separate
                continue
            assert of_mean > 0.95 - 4 * ERROR, words
            # Sums correct no bias. That of two layers is alike, so that loads have next to none.
            if name == "load":
                assert of_truth > 0.95 - 4 * ERROR, words
