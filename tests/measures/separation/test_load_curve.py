"""Load curves: scores worked out by hand, and the bootstrap against many independent draws."""

import dataclasses
import math

import numpy as np
import pytest

from loadpath.measures.separation import LoadCurve, log_separation, target_separation


def test_scores_of_a_curve_worked_out_by_hand():
    curve = LoadCurve([4.0, 3.5, 2.0, 0.0])
    assert curve.load.tolist() == [0.5, 1.5, 2.0]
    assert curve.total == 4.0
    assert curve.first_minus_last == -1.5
    # Loads less their mean 4/3: -5/6, 1/6, 2/3; squares 25/36 + 1/36 + 16/36 = 7/6.
    assert curve.imbalance == pytest.approx(math.sqrt(7 / 18))
    # Normalized 1, 7/8, 1/2, 0 less 1, 2/3, 1/3, 0: 5/24 + 4/24 over 4 layers.
    assert curve.concavity == pytest.approx(3 / 32)


@pytest.mark.parametrize("seed", range(3))
def test_concavity_is_the_mean_of_the_normalized_curve_over_its_chord(seed):
    load = np.random.default_rng(seed).uniform(size=9)
    curve = LoadCurve.from_loads(load)
    D = curve.log_separation
    normalized = (D - D.min()) / (D.max() - D.min())
    chord = np.interp(np.arange(10), [0, 9], [1, 0])
    assert curve.concavity == pytest.approx((normalized - chord).mean(), abs=1e-14)


def test_deep_work_is_concave_shallow_work_convex_equal_work_neither():
    rising = np.arange(1.0, 8.0)
    assert LoadCurve.from_loads(rising).concavity > 0
    assert LoadCurve.from_loads(rising[::-1]).concavity == pytest.approx(
        -LoadCurve.from_loads(rising).concavity
    )
    equal = LoadCurve.from_loads(np.ones(7))
    assert abs(equal.concavity) < 1e-15 and equal.imbalance == 0 and equal.first_minus_last == 0
    # All the work in the last of L layers: mean 1 - 1 / (L + 1) less 1/2, below the bound 1/2.
    assert LoadCurve.from_loads([0, 0, 0, 1]).concavity == pytest.approx(0.3)


def test_scores_do_not_depend_on_offset_and_concavity_not_on_scale():
    D = np.array([3.0, 2.5, 1.0, 0.9])
    curve, other = LoadCurve(D), LoadCurve(10 * D - 7)
    assert other.concavity == pytest.approx(curve.concavity)
    assert other.imbalance == pytest.approx(10 * curve.imbalance)
    np.testing.assert_allclose(other.load, 10 * curve.load)


def test_an_inverse_curve_rises_and_has_the_loads_of_one_that_falls():
    D = np.array([3.0, 2.5, 1.0, 0.9])
    falls, rises = LoadCurve(D, "trace_ratio"), LoadCurve(-D, "inverse")
    assert rises.log_separation.tolist() == (-D).tolist()
    np.testing.assert_array_equal(rises.load, falls.load)
    for score in ("total", "concavity", "imbalance", "first_minus_last"):
        assert getattr(rises, score) == getattr(falls, score)
    # A layer that halves the scatter about class means works under all conventions.
    draw = np.random.default_rng(0)
    labels = np.arange(40) % 2
    means, about = np.array([[0.0, 0.0], [1.0, 2.0]])[labels], draw.normal(size=(40, 2))
    for k in (0, 1):
        about[labels == k] -= about[labels == k].mean(0)
    for kind in ("fuzziness", "trace_ratio", "inverse"):
        curve = LoadCurve.from_features([means + about, means + about / 2], labels, kind=kind)
        assert curve.load[0] == pytest.approx(math.log(4))


def test_curves_that_do_not_fall():
    assert LoadCurve([1.0, 1.0, 1.0]).concavity == 0
    assert LoadCurve([0.1] * 7).concavity == 0  # whose mean is not 0.1 to the last digit
    assert LoadCurve([1.0, 2.0, 1.0]).concavity == math.inf
    assert LoadCurve([1.0, 0.0, 1.0]).concavity == -math.inf
    rising = LoadCurve([0.0, 2.0, 3.0])
    assert rising.total == -3 and rising.concavity > 0  # above its chord all the same
    assert LoadCurve([2.0, 1.0]).concavity == 0


def test_loads_make_the_curve_that_has_them():
    load = np.array([0.0, 0.1, 0.4, 0.5])
    curve = LoadCurve.from_loads(load)
    np.testing.assert_allclose(curve.load, load, atol=1e-15)
    np.testing.assert_allclose(curve.log_separation, 1 - np.array([0, 0, 0.1, 0.5, 1]), atol=1e-15)
    scaled = LoadCurve.from_loads(3 * load, total=2.0)
    np.testing.assert_allclose(scaled.load, 2 * load, atol=1e-15)
    assert scaled.total == pytest.approx(2.0)


def test_a_curve_is_frozen_and_keeps_a_copy():
    D = np.array([2.0, 1.0, 0.0])
    curve = LoadCurve(D)
    D[0] = 9
    assert curve.log_separation[0] == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        curve.kind = "inverse"
    with pytest.raises(ValueError, match="read-only"):
        curve.log_separation[0] = 1


def layers(seed, *, n=60, amplitudes=(0.8, 1.2, 2.5)):
    """Three classes in 4 dimensions, farther apart from layer to layer; samples shared."""
    draw = np.random.default_rng([123, seed])
    labels = np.arange(n) % 3
    means = np.array([[1, 0, 0, 0], [-1, 1, 0, 0], [0, -1, 0, 0]])[labels]
    about = draw.normal(size=(n, 4))
    extra = draw.normal(size=(len(amplitudes), n, 4))
    return [a * means + about + 0.3 * e for a, e in zip(amplitudes, extra, strict=True)], labels


@pytest.mark.parametrize("kind", ["fuzziness", "trace_ratio", "inverse"])
def test_a_curve_of_features_has_the_separation_of_each_layer(kind):
    features, labels = layers(0)
    features[1] = features[1].astype(np.float32)
    features[2] = features[2][:, :3]  # widths may differ
    curve = LoadCurve.from_features(features, labels, kind=kind)
    expected = [log_separation(H, labels, kind) for H in features]
    assert curve.log_separation.tolist() == expected
    assert curve.kind == kind and curve.replicates is None
    y = np.random.default_rng(0).normal(size=(60, 2))
    expected = [target_separation(H, y, kind) for H in features]
    assert LoadCurve.from_targets(features, y, kind=kind).log_separation.tolist() == expected


def test_the_names_of_0_1_0_go_on_working():
    features, labels = layers(0)
    old, new = LoadCurve.of(features, labels), LoadCurve.from_features(features, labels)
    assert old.log_separation.tolist() == new.log_separation.tolist()
    y = np.random.default_rng(0).normal(size=(60, 2))
    old, new = LoadCurve.of_targets(features, y), LoadCurve.from_targets(features, y)
    assert old.log_separation.tolist() == new.log_separation.tolist()


def test_replicates_depend_on_the_seed_alone_and_share_their_samples():
    features, labels = layers(1)
    few = LoadCurve.from_features(features, labels, n_bootstrap=3, seed=5)
    many = LoadCurve.from_features(features, labels, n_bootstrap=6, seed=5)
    np.testing.assert_array_equal(few.replicates, many.replicates[:3])
    other = LoadCurve.from_features(features, labels, n_bootstrap=3, seed=6)
    assert (few.replicates != other.replicates).all()
    # Layers that are alike have no load in any replicate, since the samples are the same in both.
    twice = LoadCurve.from_features([features[0], features[0]], labels, n_bootstrap=40)
    assert (np.diff(twice.replicates) == 0).all()
    np.testing.assert_array_equal(twice.load_interval(), [[0], [0]])


def test_intervals_are_ordered_and_turn_with_the_kind():
    replicates = np.random.default_rng(2).normal([3.0, 2.0, 0.0], 0.1, size=(200, 3))
    falls = LoadCurve([3.0, 2.0, 0.0], None, replicates)
    rises = LoadCurve([-3.0, -2.0, 0.0], "inverse", -replicates)
    for score in ("total", "concavity", "imbalance", "first_minus_last"):
        low, high = falls.interval(score)
        assert low < getattr(falls, score) < high
        assert rises.interval(score) == (low, high)
        inner = falls.interval(score, level=0.5)
        assert low < inner[0] < inner[1] < high
    # Independent errors of 0.1 in every layer: variance 0.02 a load, covariance -0.01 of
    # neighbours, known to sqrt(2 / 200) = 10 %.
    np.testing.assert_allclose(
        falls.load_covariance, [[0.02, -0.01], [-0.01, 0.02]], atol=4 * 0.1 * 0.02
    )


def test_the_bootstrap_error_is_the_spread_over_independent_draws():
    D = np.array([LoadCurve.from_features(*layers(seed)).load for seed in range(2, 102)])
    inside = [
        np.sqrt(np.diag(LoadCurve.from_features(*layers(seed), n_bootstrap=50).load_covariance))
        for seed in range(2, 12)
    ]
    # The spread of 100 draws is known to 7 %, the mean of 10 bootstraps to about as much; the
    # bootstrap itself is off by terms of 1 / n_k = 5 %.
    np.testing.assert_allclose(np.mean(inside, axis=0), D.std(0, ddof=1), rtol=0.35)


@pytest.mark.slow
def test_intervals_cover_the_truth_about_as_often_as_they_say():
    # Truth by one draw of 300,000 samples, whose own error is 1/30 of what it is compared with.
    amplitudes, trials = (0.8, 1.0, 1.5, 2.5), 100
    for kind in ("fuzziness", "trace_ratio", "inverse"):
        truth = LoadCurve.from_features(*layers(0, n=300_000, amplitudes=amplitudes), kind=kind)
        hits = dict.fromkeys(("total", "concavity", "imbalance", "first_minus_last"), 0)
        for seed in range(1, 1 + trials):
            features, labels = layers(seed, n=300, amplitudes=amplitudes)
            curve = LoadCurve.from_features(features, labels, kind=kind, n_bootstrap=100)
            for score in hits:
                low, high = curve.interval(score)
                hits[score] += low <= getattr(truth, score) <= high
        print(kind, {score: count / trials for score, count in hits.items()})
        # 95 % nominal; a basic interval loses 2 to 5 points, and 100 trials have an error of 3.
        assert all(count / trials >= 0.82 for count in hits.values()), (kind, hits)


GOOD, LABELS = layers(9)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: LoadCurve([1.0]), r"log_separation must be a list of at least 2 .* got shape"),
        (lambda: LoadCurve([[1.0, 2.0]]), r"got shape \(1, 2\)"),
        (lambda: LoadCurve([1.0, [2.0]]), "log_separation must hold real numbers"),
        (lambda: LoadCurve([1.0, math.nan]), "must be finite, got nan at index 1"),
        (lambda: LoadCurve([-math.inf, 1.0]), "must be finite, got -inf at index 0"),
        (lambda: LoadCurve([1.0, 0.0], "ratio"), "kind must be one of .* got 'ratio'"),
        (lambda: LoadCurve([1.0, 0.0], None, [[1.0]]), r"replicates must be \(replicate, 2\)"),
        (lambda: LoadCurve.from_loads([]), "load must be a list of at least 1"),
        (lambda: LoadCurve.from_loads([1, math.inf]), "load must be finite, got inf at index 1"),
        (lambda: LoadCurve.from_loads([1, -1], total=1.0), "load must not sum to 0"),
        (lambda: LoadCurve.from_loads([1], total=math.nan), "total must be finite, got nan"),
        (
            lambda: LoadCurve.from_features(GOOD[:1], LABELS),
            "features must have at least 2 layers, got 1",
        ),
        (
            lambda: LoadCurve.from_features([GOOD[0], GOOD[1][1:]], LABELS),
            r"features\[1\] must be .*\(59, 4",
        ),
        (
            lambda: LoadCurve.from_features([GOOD[0], GOOD[1] / 0.0], LABELS),
            r"features\[1\] must be finite",
        ),
        (
            lambda: LoadCurve.from_features([GOOD[0], 0 * GOOD[1]], LABELS),
            r"features\[1\].*not separated",
        ),
        (
            lambda: LoadCurve.from_features(GOOD, LABELS, n_bootstrap=-1),
            "n_bootstrap must be .* not -1",
        ),
        (lambda: LoadCurve.from_features(GOOD, LABELS, seed=-1), "seed must be .* not -1"),
        (
            lambda: LoadCurve.from_features(GOOD, LABELS + 5),
            "at least 2 samples of each .* 0 of class 0",
        ),
        (lambda: LoadCurve.from_targets(GOOD, LABELS), r"y must be \(60, output\)"),
        (lambda: LoadCurve(range(3)).interval("total"), "n_bootstrap must be at least 40"),
        (lambda: LoadCurve(range(3)).interval("area"), "score must be one of .* got 'area'"),
        (lambda: LoadCurve(range(3)).load_interval(level=1.0), "level must be between"),
        (lambda: LoadCurve(range(3)).load_covariance, "n_bootstrap must be at least 2"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
