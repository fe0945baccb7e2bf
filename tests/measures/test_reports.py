"""What public bug reports found: the same numbers in another type, and offsets that round."""

import math

import pytest
import torch

from loadpath.measures import linear_cka, participation_ratio, self_sums
from loadpath.measures.separation import KINDS, ClassMoments, nc1, nc2

HALVES = (torch.bfloat16, torch.float16)
# width, classes, samples, distance of class means, mean of all features
SETTINGS = [
    (384, 5, 4000, 0.25, 0.0),
    (24, 10, 1500, 0.5, 0.0),
    (96, 3, 120, 0.5, 0.0),
    (200, 2, 1000, 5.0, 0.0),
    (48, 4, 800, 1.0, 4.0),
]


def drawn(width, classes, n, apart, offset, seed=0):
    generator = torch.Generator().manual_seed(seed)
    means = apart * torch.randn(classes, width, generator=generator)
    labels = torch.arange(n) % classes
    return means[labels] + torch.randn(n, width, generator=generator) + offset, labels


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_half_precision_gives_what_the_same_numbers_give_in_float32(dtype, setting):
    """Lightning 4840, TransformerLens 934: metrics in half precision that say something else."""
    H, labels = drawn(*setting)
    rounded = H.to(dtype)
    half, whole = (ClassMoments.from_features(X, labels) for X in (rounded, rounded.float()))
    for kind in KINDS:
        # The sums are float64 of the same numbers: only what counts as rounding may differ.
        assert half.log_separation(kind) == pytest.approx(whole.log_separation(kind), rel=1e-12)
        assert half.scatter().left_out(kind) == 0 and half.scatter().rounding_share(kind) < 0.01
        # And rounding itself changes little: its deviation is 0.4 % of a number of bfloat16, 1 %
        # of the scatter within where means are five deviations off.
        exact = ClassMoments.from_features(H, labels).log_separation(kind)
        assert half.log_separation(kind) == pytest.approx(exact, abs=0.01)
    assert (nc1(half), nc2(half)) == (nc1(whole), nc2(whole))
    assert half.scatter().status == whole.scatter().status == "separated"


@pytest.mark.parametrize("dtype", HALVES)
def test_ranks_and_alignment_of_half_precision_are_those_of_the_same_numbers(dtype):
    """Lightning 4840: here a mean of 20 deviations, which counted as constant in bfloat16."""
    X = (drawn(32, 2, 400, 1.0, 20.0)[0]).to(dtype)
    Y = X.flip(1) * 2  # exact in any binary type
    for measure in (lambda A, B: participation_ratio(self_sums(A)), linear_cka):
        half, whole = measure(X, Y), measure(X.float(), Y.float())
        assert half.value == pytest.approx(whole.value, rel=1e-12)
        assert half.status in ("estimated", "estimated, near rounding")


def test_one_huge_feature_does_not_make_rounding_of_the_others():
    """Language models have a feature of a thousand times the size: its rounding is its own."""
    H, labels = drawn(64, 4, 1000, 0.5, 0.0)
    H[:, 0] = 1000.0  # 8 is one step of bfloat16 there
    half, whole = (ClassMoments.from_features(X, labels) for X in (H.bfloat16(), H))
    for kind in ("fuzziness", "trace_ratio"):
        assert half.log_separation(kind) == pytest.approx(whole.log_separation(kind), abs=0.01)
        assert half.scatter().left_out(kind) == 0
    # Angles of means: one rounding is 0.4 % of a number, and averages out over 250 samples.
    assert nc2(half).angle == pytest.approx(nc2(whole).angle, rel=0.01)


def test_directions_that_rounding_can_make_are_left_out_and_counted():
    """TransformerLens 934, the other side: what half precision cannot hold is not measured."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(600) % 4
    weak = torch.tensor([1.0] * 6 + [1e-4] * 3)  # relative to 1 + scatter: a step is 8e-3
    H = 1 + weak * (torch.randn(4, 9, generator=generator)[labels] + 0.3)
    H = H + 0.3 * weak * torch.randn(600, 9, generator=generator)
    scatter = ClassMoments.from_features(H, labels).scatter()
    assert scatter.left_out("inverse") == 0
    turned = torch.linalg.qr(torch.randn(9, 9, generator=generator)).Q
    mixed = ((H - 1) @ turned).bfloat16()  # the weak directions drown in rounding of the strong
    scatter = ClassMoments.from_features(mixed, labels).scatter()
    assert scatter.left_out("inverse") == 3 and scatter.within_rank == 6
    assert scatter.left_out("fuzziness") == scatter.left_out("trace_ratio") == 0


def test_features_that_rounding_has_made_are_collapsed_in_half_precision():
    """Class means with a scatter of a hundredth of a rounding step: nothing is left of it."""
    labels = torch.arange(200) % 5
    means = torch.randn(5, 30, generator=torch.Generator().manual_seed(2))
    noise = 1e-5 * torch.randn(200, 30, generator=torch.Generator().manual_seed(3))
    scatter = ClassMoments.from_features((means[labels] + noise).bfloat16(), labels).scatter()
    assert scatter.status == "collapsed"
    assert scatter.log_separation("fuzziness") == -math.inf


def test_an_offset_of_a_million_in_float32_is_measured_and_noted():
    """A step of float32 at 1e6 is 1/16, and its deviation 2 % of features of deviation 1."""
    X = drawn(16, 2, 500, 1.0, 0.0, seed=4)[0]
    exact, far = participation_ratio(self_sums(X)), participation_ratio(self_sums(X + 1e6))
    assert exact.status == "estimated" and far.status == "estimated, near rounding"
    assert far.value == pytest.approx(exact.value, rel=2e-3)  # 2 (1/16)^2 / 12 of the scatter
    assert linear_cka(X + 1e6, X).status == "estimated, near rounding"
    assert participation_ratio(self_sums(X + 1e8)).status == "constant features"
