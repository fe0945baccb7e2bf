"""Every law against a path built to obey it exactly, and one built to break it."""

import math

import numpy as np
import pytest
import torch

from loadpath.laws import DEFINITIONS, Representations
from loadpath.laws.definitions import BY_NAME

N, W = 60, 6
KINDS = ("fuzziness", "trace_ratio", "inverse")
SEPARATION = [f"equal load, {part}, {kind}" for part in ("bend", "spread") for kind in KINDS]


def separating(scales):
    """Three classes whose scatter about their means shrinks by known factors from layer to layer.

    The scatter has no mean in any class, so that all three log separations are known to be
    constants and 2 log(scale).
    """
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(N) % 3
    means = torch.randn(3, W, generator=draw, dtype=torch.float64)
    noise = torch.randn(N, W, generator=draw, dtype=torch.float64)
    for k in range(3):
        noise[labels == k] -= noise[labels == k].mean(0)
    return Representations.from_features([means[labels] + s * noise for s in scales], labels)


def turning(angles):
    """Samples on circles, which turn by known angles from layer to layer."""
    draw = torch.Generator().manual_seed(1)
    radius = 1 + torch.rand(N, 1, generator=draw, dtype=torch.float64)
    at = np.concatenate([[0.0], np.cumsum(angles)])
    rows = [radius * torch.from_numpy(np.array([[math.cos(a), math.sin(a)]])) for a in at]
    return Representations.from_features(rows)


def moving(steps):
    """Samples that all take the same steps, (step, width)."""
    steps = torch.as_tensor(np.array(steps), dtype=torch.float64)
    start = torch.randn(N, steps.shape[1], generator=torch.Generator().manual_seed(2)).double()
    at = torch.cat([torch.zeros(1, steps.shape[1], dtype=torch.float64), steps.cumsum(0)])
    return Representations.from_features([start + each for each in at])


def growing(factors):
    x = torch.randn(N, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return Representations.from_features([f * x for f in factors])


def of_ranks(ranks):
    """Layers with known numbers of equal singular values, and no mean."""
    rows = []
    for rank in ranks:
        half = torch.zeros(8, 8, dtype=torch.float64)
        half[range(rank), range(rank)] = 1.0
        rows.append(torch.cat([half, -half]))
    return Representations.from_features(rows)


EQUAL = separating(np.exp(-0.5 * np.arange(6)))
LATE = separating([1.0, 1.0, 1.0, 1.0, 1.0, 0.05])
UP_AND_DOWN = separating([1.0, 0.5, 1.0, 0.5, 1.0, 0.5])
LINE = moving(np.tile([1.0, 2.0, 0.0, 0.0, 0.0, 0.0], (5, 1)))
CORNERS = moving(np.diag([1.0, 3.0, 1.0, 3.0, 1.0, 3.0]))
SLOW = turning([0.8, 0.8, 0.1, 0.1, 0.8, 0.8])
FAST = turning([0.1, 0.1, 0.8, 0.8, 0.1, 0.1])

CASES = [
    *((name, EQUAL, 0.0) for name in SEPARATION),
    # One load of 1 among five: the mean over its chord is (5 - 3) / 6 of the fall.
    *((f"equal load, bend, {kind}", LATE, 2 / 6) for kind in KINDS),
    # Loads 0, 0, 0, 0, a: deviation 0.4 a, mean 0.2 a.
    *((f"equal load, spread, {kind}", LATE, 2.0) for kind in KINDS),
    ("equal separation", EQUAL, -1.0),
    # r of (1, 1, 1, 1, 1, 0) with 0 to 5: -2.5 / sqrt(17.5 * 5 / 6)
    ("equal separation", LATE, -2.5 / math.sqrt(17.5 * 5 / 6)),
    ("monotone collapse", EQUAL, -1.0),
    # Ranks 5, 2, 5, 2, 5, 2 in place of 1 to 6, but for rounding of what is equal.
    ("slow middle", SLOW, math.sin(0.05) / math.sin(0.4)),
    ("slow middle", FAST, math.sin(0.4) / math.sin(0.05)),
    ("bottleneck rank", of_ranks([8, 4, 2, 4, 6]), 2 / 6),
    ("bottleneck rank", of_ranks([2, 4, 8, 4, 2]), 2.0),
    ("equal spacing", LINE, 0.0),
    ("equal spacing", CORNERS, 0.5),  # lengths 1, 3, 1, 3, ...: deviation 1, mean 2
    ("steps on a line", LINE, 1.0),
    ("steps on a line", CORNERS, math.sqrt(6)),
    ("geometric growth", growing([1.0, 2.0, 4.0, 8.0]), 0.0),
    # Log growths log 2, 0 and log 2: deviation sqrt(2) / 3, mean 2 / 3.
    ("geometric growth", growing([1.0, 2.0, 2.0, 4.0]), math.sqrt(2) / 2),
]


@pytest.mark.parametrize("name, path, value", CASES)
def test_the_statistic_of_a_path_that_is_known(name, path, value):
    # 1e-7 is what logarithms of float64 traces of 60 samples leave, with room.
    assert BY_NAME[name].statistic_of(path) == pytest.approx(value, abs=1e-7)


def test_collapse_that_comes_and_goes_is_not_monotone():
    assert BY_NAME["monotone collapse"].statistic_of(UP_AND_DOWN) > -0.75


def test_a_readout_that_gains_equal_parts_falls_straight_and_another_does_not():
    # A target hidden in noise that shrinks: what is missed falls by the square of the scale.
    draw = torch.Generator().manual_seed(4)
    y = torch.randn(400, 1, generator=draw, dtype=torch.float64)
    noise = torch.randn(400, 1, generator=draw, dtype=torch.float64)

    def path(scales):
        rows = [torch.cat([y + s * noise, s * noise**2], dim=1) for s in scales]
        return Representations.from_features(rows, y)

    law = BY_NAME["equal readout"]
    # 1 - R^2 is near s^2 for small s only, hence a tolerance of 1 %.
    assert law.statistic_of(path(0.3 * np.exp(-0.3 * np.arange(6)))) == pytest.approx(-1, abs=1e-2)
    assert law.statistic_of(path([0.3, 0.3, 0.3, 0.3, 0.3, 0.01])) > -0.8


def test_the_metric_speed_is_that_of_the_inverse_kernel():
    law, path = BY_NAME["slow middle, metric"], SLOW
    speeds = []
    for A, B in zip(path.rows, path.rows[1:], strict=False):
        S = torch.cat([A.relu(), torch.ones(N, 1)], dim=1)
        K = S @ S.T
        gamma = 1e-3 * torch.linalg.matrix_norm(S, 2) ** 2
        inverse = torch.linalg.inv(K + gamma * torch.eye(N))
        speeds.append(float(((B - A).T @ inverse @ (B - A)).trace().sqrt()) * 6)
    # An inverse of condition 1e3 in float64.
    np.testing.assert_allclose(law.curve(path), speeds, rtol=1e-8)
    assert law.statistic_of(SLOW) < 0.3 < 3 < law.statistic_of(FAST)


def test_every_law_is_tried():
    tried = {name for name, _, _ in CASES}
    assert {each.name for each in DEFINITIONS} - tried == {"slow middle, metric", "equal readout"}


def test_laws_of_order_see_no_order_in_what_they_say_they_do_not():
    order = torch.tensor([3, 1, 4, 0, 5, 2])
    sums = CORNERS.increments[order].cumsum(0)
    other = CORNERS.with_rows([CORNERS.rows[0], *(CORNERS.rows[0] + each for each in sums)])
    for law in DEFINITIONS:
        if law.order == "none":
            assert law.statistic_of(other) == pytest.approx(law.statistic_of(CORNERS), rel=1e-12)


@pytest.mark.parametrize(
    "name, path, reason",
    [
        ("equal separation", LINE, "no labels"),
        ("monotone collapse", growing([1.0, 2.0, 3.0]), "no labels"),
        (
            "equal spacing",
            growing([1.0, 2.0, 3.0]),
            "fewer than 3 steps between layers of one width",
        ),
        (
            "equal spacing",
            Representations.from_features([torch.ones(4, 2), torch.ones(4, 3), torch.ones(4, 2)]),
            "fewer than 3 steps between layers of one width",
        ),
        (
            "equal separation",
            Representations.from_features(
                [H[:4] for H in LINE.rows], [5] * 4, answer_kind="tokens"
            ),
            "labels are tokens",
        ),
    ],
)
def test_why_a_law_cannot_be_measured(name, path, reason):
    assert BY_NAME[name].missing(path) == reason
