"""How often intervals hold the truth, and what bias is left: the tables of docs/measures.md.

`python -m pytest -m slow -s tests/test_geometry_coverage.py` prints them.
"""

import math

import numpy as np
import pytest
import torch
from exact_paths import random

from loadpath.measures import (
    StepSums,
    alignment,
    class_probe,
    debiased_cka,
    effective_rank,
    effective_rank_of_spectrum,
    log_growth,
    participation_ratio,
    participation_ratio_of_spectrum,
    relative_step,
    self_sums,
    two_nn,
)
from loadpath.statistics import Grouped, groups_of, merged
from tests.measures.test_dimension import cube
from tests.measures.test_ranks import SPECTRA, sample

pytestmark = pytest.mark.slow
DRAWS = 200
ERROR = math.sqrt(0.95 * 0.05 / DRAWS)
"""Of a coverage of 0.95 measured on so many draws: 0.015."""


def covered(found, truth):
    return float(np.mean([f.low <= truth <= f.high for f in found]))


def cka_parts(X, Y):
    groups = Grouped(lambda: alignment(X.shape[1], Y.shape[1]))
    groups.update(groups_of(torch.arange(len(X))), X, Y)
    return groups.parts


@pytest.mark.parametrize("width", [6, 60])
@pytest.mark.parametrize("n", [50, 500])
@pytest.mark.parametrize("coupling", [0.0, 0.3, 3.0])
def test_cka(width, n, coupling):
    mix = coupling * random(width, width, seed=100) / math.sqrt(width)
    cov_y = mix.T @ mix + torch.eye(width)
    truth = float(mix.square().sum() / (math.sqrt(width) * cov_y.norm()))
    found, plain = [], []
    for seed in range(DRAWS):
        X = random(n, width, seed=seed)
        parts = cka_parts(X, X @ mix + random(n, width, seed=seed + 10_000))
        found.append(debiased_cka(parts))
        plain.append(merged(parts).biased_cka())
    values = np.array([f.value for f in found])
    share = covered(found, truth)
    print(
        f"\nCKA width {width} n {n} truth {truth:.3f}: plain {np.mean(plain):.3f}, "
        f"debiased {values.mean():.3f} +- {values.std():.3f}, covers {share:.3f}"
    )
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(DRAWS) + 2 / n
    # At 0 the estimate is degenerate (its first-order term vanishes): intervals are too wide there.
    assert share > 0.95 - 4 * ERROR - (0.05 if n < 100 else 0.0)


ALL_SPECTRA = SPECTRA | {
    "slow power law": torch.arange(1, 201, dtype=torch.float64) ** -0.5,
    "fast power law": torch.arange(1, 201, dtype=torch.float64) ** -2.0,
}


@pytest.mark.parametrize("name", ALL_SPECTRA)
@pytest.mark.parametrize("n", [50, 250, 500, 1250])
def test_ranks(name, n):
    variances = ALL_SPECTRA[name]
    truths = (
        participation_ratio_of_spectrum(variances.sqrt()),
        effective_rank_of_spectrum(variances.sqrt()),
    )
    ratios, ranks, plain = [], [], []
    for seed in range(DRAWS // 2):
        parts = self_sums(sample(variances, n, seed))
        ratios.append(participation_ratio(parts))
        ranks.append(effective_rank(parts))
        s = merged(parts).singular_values()
        plain.append((participation_ratio_of_spectrum(s), effective_rank_of_spectrum(s)))
    known = [f for f in ranks if f.known]
    rank = np.mean([f.value for f in known]) if known else math.nan
    print(
        f"\nranks {name}, n {n}: participation ratio {truths[0]:.2f}, "
        f"plain {np.mean([p[0] for p in plain]):.2f}, "
        f"corrected {np.mean([f.value for f in ratios]):.2f}, "
        f"covers {covered(ratios, truths[0]):.2f}; effective rank {truths[1]:.2f}, "
        f"plain {np.mean([p[1] for p in plain]):.2f}, corrected {rank:.2f}, "
        f"told {len(known) / len(ranks):.2f}, covers "
        f"{covered(known, truths[1]) if known else math.nan:.2f}"
    )
    assert covered(ratios, truths[0]) > 0.95 - 4 * math.sqrt(2) * ERROR
    if known:
        assert rank == pytest.approx(truths[1], rel=0.02)
        assert covered(known, truths[1]) > 0.95 - 4 * math.sqrt(2) * ERROR


@pytest.mark.parametrize("d", [1, 2, 5, 10, 20])
@pytest.mark.parametrize("n", [100, 500])
def test_two_nn(d, n):
    found = [two_nn(cube(n, d, seed=s, width=40)) for s in range(DRAWS // 2)]
    values = np.array([f.value for f in found])
    share = covered(found, values.mean())
    print(
        f"\nTwoNN cube of {d}, n {n}: {values.mean():.2f} +- {values.std():.2f}, covers its mean "
        f"{share:.2f}, covers {d} {covered(found, d):.2f}"
    )
    assert share > 0.95 - 4 * math.sqrt(2) * ERROR
    if d <= 2:
        assert values.mean() == pytest.approx(d, rel=0.1)
    else:  # the density is not constant so far out: undercounted, the more the fewer the samples
        assert 0.6 * d < values.mean() < d


@pytest.mark.parametrize("n", [50, 500])
@pytest.mark.parametrize("size", [0.05, 1.0])
def test_steps(n, size):
    steps, depths = [], []
    for seed in range(DRAWS):
        A = random(n, 10, seed=seed)
        groups = Grouped(StepSums)
        groups.update(groups_of(torch.arange(n)), A, A + size * random(n, 10, seed=seed + 10_000))
        steps.append(relative_step(groups.parts))
        depths.append(log_growth(groups.parts, kind="rms"))
    shares = (
        covered(steps, size / math.sqrt(1 + size**2)),
        covered(depths, math.log(1 + size**2) / 2),
    )
    print(f"\nsteps of {size}, n {n}: relative step covers {shares[0]:.3f}, depth {shares[1]:.3f}")
    assert min(shares) > 0.95 - 4 * ERROR - (0.02 if n < 100 else 0.0)


@pytest.mark.parametrize("n", [100, 1000])
def test_probes(n):
    # Two classes at +-1 along one of 4 directions: the accuracy of (w, b) on new samples is
    # Phi((w_0 + b) / |w|) / 2 + Phi((w_0 - b) / |w|) / 2 whatever was fitted; here it is measured.
    labels = torch.arange(n) % 2
    H_new, labels_new = random(200_000, 4, seed=1), torch.arange(200_000) % 2
    H_new[:, 0] += 2.0 * labels_new - 1
    values, best = [], 0.8413
    inside = 0
    for seed in range(DRAWS):
        H = random(n, 4, seed=seed + 5)
        H[:, 0] += 2.0 * labels - 1
        found = class_probe(H, labels, kind="ridge", seed=seed)
        values.append(found.accuracy.value)
        inside += found.accuracy.low <= best <= found.accuracy.high
    print(
        f"\nprobe n {n}: accuracy {np.mean(values):.3f} +- {np.std(values):.3f}, best {best}, "
        f"covers {inside / DRAWS:.3f}"
    )
    assert np.mean(values) == pytest.approx(best, abs=0.03)
    assert inside / DRAWS > 0.9
