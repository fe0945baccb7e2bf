"""Log separation of classes against linear algebra done another way, and against exact answers."""

import math
import pickle

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import loadpath as lp
from loadpath.measures.separation import ClassMoments, log_separation, stacked_separations

KINDS = ["fuzziness", "trace_ratio", "inverse"]
# Householder QR is backward stable; the pseudo-inverses add the condition of a well-made layer.
EXACT = dict(rel=1e-11, abs=1e-11)


def gaussian(seed, *, n=300, width=8, classes=4, apart=1.0):
    """Classes of unequal size whose scatter within is not isotropic."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(classes, n, p=np.arange(1, classes + 1) / sum(range(1, classes + 1)))
    labels[: 2 * classes] = np.repeat(np.arange(classes), 2)
    means = apart * draw.normal(size=(classes, width))
    H = means[labels] + draw.normal(size=(n, width)) @ draw.normal(size=(width, width))
    return H, labels


def independent(H, labels, kind):
    """The three conventions from covariances of scikit-learn's discriminant analysis."""
    # Priors are the class shares, so its covariance is Sigma_w; the total covariance is the sum.
    lda = LinearDiscriminantAnalysis(store_covariance=True).fit(H, labels)
    Sigma_w = lda.covariance_
    Sigma_b = np.cov(H, rowvar=False, bias=True) - Sigma_w
    if kind == "trace_ratio":
        return math.log(np.trace(Sigma_w) / np.trace(Sigma_b))
    if kind == "inverse":
        return math.log(np.trace(Sigma_b @ np.linalg.pinv(Sigma_w, hermitian=True)))
    rank = len(lda.classes_) - 1
    values, vectors = np.linalg.eigh(Sigma_b)
    top = vectors[:, -rank:]
    return math.log(np.trace(Sigma_w @ (top / values[-rank:]) @ top.T))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_each_convention_equals_an_independent_computation(kind, seed):
    H, labels = gaussian(seed)
    # The oracle subtracts covariances and takes eigenvalues of them: about 1e-13 / 1e-2.
    expected = independent(H, labels, kind)
    assert log_separation(H, labels, kind) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert log_separation(torch.from_numpy(H), torch.from_numpy(labels), kind) == pytest.approx(
        expected, rel=1e-9, abs=1e-9
    )


def test_the_default_is_fuzziness():
    H, labels = gaussian(3)
    assert log_separation(H, labels) == log_separation(H, labels, kind="fuzziness")


def exact_classes():
    """Four classes in 6 dimensions: Sigma_b = 1 in the first three, Sigma_w = 1 in all, exactly."""
    means = np.zeros((4, 6))
    means[:, :3] = [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
    about = math.sqrt(6) * np.concatenate([np.eye(6), -np.eye(6)])
    labels = np.repeat(np.arange(4), 12)
    return means[labels], np.tile(about, (4, 1)), labels


# docs/separation.md shows this table: what a layer does, and the load that each convention sees.
LAYERS = {
    "every sample half-way to its class mean": (
        lambda m, z: m + z / 2,
        [math.log(4), math.log(4), math.log(4)],
    ),
    "one class direction stretched tenfold": (
        lambda m, z: (m + z) * [10, 1, 1, 1, 1, 1],
        [0, math.log(2 / (105 / 102)), 0],
    ),
    "directions without classes left out": (
        lambda m, z: (m + z) * [1, 1, 1, 0, 0, 0],
        [0, math.log(2), 0],
    ),
    "one class direction left out": (
        lambda m, z: (m + z) * [0, 1, 1, 1, 1, 1],
        [math.log(3 / 2), math.log(2 / (5 / 2)), math.log(2 / 3)],
    ),
    "its means squeezed tenfold instead": (
        lambda m, z: m * [0.1, 1, 1, 1, 1, 1] + z,
        [math.log(3 / 102), math.log(2 / (6 / 2.01)), math.log(2.01 / 3)],
    ),
}


@pytest.mark.parametrize("what", LAYERS)
def test_loads_of_layers_with_exact_answers(what):
    means, about, labels = exact_classes()
    layer, expected = LAYERS[what]
    before, after = means + about, layer(means, about)
    for kind, load in zip(KINDS, expected, strict=True):
        curve = lp.separation.LoadCurve.of([before, after], labels, kind=kind)
        assert curve.load[0] == pytest.approx(load, **EXACT)


def test_classes_of_exact_scatter_have_the_exact_separation():
    means, about, labels = exact_classes()
    for kind, expected in zip(KINDS, [math.log(3), math.log(2), math.log(3)], strict=True):
        assert log_separation(means + about, labels, kind) == pytest.approx(expected, **EXACT)
    moments = ClassMoments(6, 4)
    moments.update(means + about, labels)
    scatter = moments.scatter()
    assert scatter.status == "separated"
    assert (scatter.between_rank, scatter.within_rank) == (3, 6)
    np.testing.assert_allclose(scatter.sigma_w, np.eye(6), atol=1e-13)
    np.testing.assert_allclose(scatter.sigma_b, np.diag([1, 1, 1, 0, 0, 0]), atol=1e-13)


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-6), (np.float32, 0.15)])
def test_a_linear_net_through_a_bottleneck_keeps_its_fuzziness(dtype, tolerance):
    # Features that fill K - 1 dimensions keep Tr(Sigma_w pinv Sigma_b) under any linear map of full
    # rank, however much it stretches: here up to 1e5, where a share of the largest eigenvalue
    # (1e-10) would drop directions. Rounding of the features, eps * 1e5, bounds the change.
    draw = np.random.default_rng(4)
    H, labels = gaussian(4, width=3)
    net = [H]
    for condition in (1e1, 1e3, 1e5):
        left = np.linalg.qr(draw.normal(size=(3, 3)))[0]
        right = np.linalg.qr(draw.normal(size=(10, 3)))[0].T
        net.append((H @ (left * np.geomspace(1, 1 / condition, 3)) @ right).astype(dtype))
    D = [log_separation(layer, labels) for layer in net]
    assert D == pytest.approx([D[0]] * 4, abs=tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_rank_of_degenerate_class_means_is_counted(dtype):
    # Four classes on a line, turned into 8 dimensions: rank 1, not classes - 1 = 3.
    draw = np.random.default_rng(5)
    labels = np.repeat(np.arange(4), 50)
    means = np.zeros((4, 8))
    means[:, 0] = [0, 1, 3, 7]
    about = np.tile(draw.normal(size=(25, 8)), (4, 1))
    about = np.concatenate([about, -about])  # so that sample means are these to rounding
    labels = np.concatenate([np.repeat(np.arange(4), 25)] * 2)
    turn = np.linalg.qr(draw.normal(size=(8, 8)))[0]
    H = ((means[labels] + about) @ turn).astype(dtype)
    moments = ClassMoments(8, 4)
    moments.update(H, labels)
    assert moments.scatter().between_rank == 1
    line = np.cov(about[:, 0], bias=True) / np.var([0, 1, 3, 7])
    # Float32 features are rounded at 1e-7.
    assert moments.log_separation() == pytest.approx(math.log(line), abs=1e-6)


def test_the_mean_over_many_draws_is_that_of_the_distribution():
    # Class means of +-1 in one dimension of two, unit scatter: Sigma_b = diag(1, 0), Sigma_w = I,
    # log (Tr Sigma_w / Tr Sigma_b) = log 2; finite samples bias it by about -3 / n. Seeds 0 to 39.
    n = 2000
    labels = np.arange(n) % 2
    means = np.array([[1.0, 0.0], [-1.0, 0.0]])[labels]
    D = [
        log_separation(
            means + np.random.default_rng(seed).normal(size=(n, 2)), labels, "trace_ratio"
        )
        for seed in range(40)
    ]
    error = np.std(D, ddof=1) / math.sqrt(len(D))
    assert abs(np.mean(D) - math.log(2)) < 4 * error + 3 / n


def test_features_that_know_nothing_score_as_few_samples_make_them():
    # Isotropic normal features: Tr Sigma_b / Tr Sigma_w is (K - 1) / (n - K) times an F variable,
    # and Tr(Sigma_b pinv Sigma_w) is Hotelling and Lawley's trace; both have known means.
    n, K, draws = 400, 5, 30
    labels = np.arange(n) % K
    for w in (10, 200):
        layers = [np.random.default_rng([15, w, i]).normal(size=(n, w)) for i in range(draws)]
        freedom = w * (n - K)
        means = {
            "trace_ratio": (K - 1) / (n - K) * freedom / (freedom - 2),
            "inverse": (K - 1) * w / (n - K - w - 1),
        }
        for kind, expected in means.items():
            sign = 1 if kind == "inverse" else -1
            found = np.exp([sign * log_separation(H, labels, kind) for H in layers])
            assert abs(found.mean() - expected) < 4 * found.std(ddof=1) / math.sqrt(draws)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [1, 7, 300])
def test_streaming_and_merging_give_what_one_pass_over_all_gives(kind, batch):
    H, labels = gaussian(6)
    order = np.argsort(labels, kind="stable")  # the worst order: classes come one by one
    H, labels = H[order], labels[order]
    streamed, left, right = ClassMoments(8, 4), ClassMoments(8, 4), ClassMoments(8, 4)
    for start in range(0, len(H), batch):
        part = slice(start, start + batch)
        streamed.update(H[part], labels[part])
        (left if start < 150 else right).update(H[part], labels[part])
    expected = log_separation(H, labels, kind)
    assert streamed.log_separation(kind) == pytest.approx(expected, **EXACT)
    assert left.merge(right).log_separation(kind) == pytest.approx(expected, **EXACT)
    assert right.merge(left).log_separation(kind) == pytest.approx(expected, **EXACT)
    assert streamed.count == left.merge(right).count == 300
    assert torch.equal(left.merge(right).counts, torch.from_numpy(np.bincount(labels)))
    assert streamed.factor.shape == (12, 12)


def test_means_are_those_of_the_samples():
    H, labels = gaussian(7)
    moments = ClassMoments(8, 4)
    moments.update(H, labels)
    again = pickle.loads(pickle.dumps(moments))
    for k in range(4):
        np.testing.assert_allclose(again.class_means()[k], H[labels == k].mean(0), atol=1e-12)
    np.testing.assert_allclose(again.mean(), H.mean(0), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_common_mean_leaves_the_scatter_its_digits(kind):
    H, labels = gaussian(8)
    # Features of 1e6 carry 1e-10 of the scatter's 1: Gram matrices would leave 1e-4.
    shifted = log_separation(H + 1e6, labels, kind)
    assert shifted == pytest.approx(log_separation(H, labels, kind), abs=1e-8)


def test_read_only_reversed_and_grad_carrying_features_are_taken():
    H, labels = gaussian(14)
    expected = log_separation(H, labels)
    frozen = H.copy()
    frozen.setflags(write=False)
    graph = torch.from_numpy(H).requires_grad_() * 1
    for features in (frozen, graph, H.tolist()):
        assert log_separation(features, labels) == expected
    assert log_separation(H[::-1], labels[::-1]) == pytest.approx(expected, **EXACT)


def test_scale_and_rotation_of_the_features_change_nothing():
    H, labels = gaussian(9)
    turn = np.linalg.qr(np.random.default_rng(9).normal(size=(8, 8)))[0]
    for kind in KINDS:
        expected = log_separation(H, labels, kind)
        assert log_separation(1e-3 * H @ turn, labels, kind) == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_extremes_are_infinities_with_words(dtype):
    draw = torch.Generator().manual_seed(10)
    labels = torch.arange(60) % 3
    means = torch.randn(3, 5, generator=draw, dtype=torch.float64)
    about = torch.randn(20, 5, generator=draw, dtype=torch.float64).repeat_interleave(3, 0)
    cases = {
        "collapsed": (means[labels], [-math.inf, -math.inf, math.inf]),
        "not separated": (about, [math.inf, math.inf, -math.inf]),
    }
    for status, (H, expected) in cases.items():
        moments = ClassMoments(5, 3)
        moments.update(H.to(dtype), labels)
        assert moments.scatter().status == status
        assert [moments.log_separation(kind) for kind in KINDS] == expected
    moments = ClassMoments(5, 3)
    moments.update(torch.full((60, 5), 0.1, dtype=dtype), labels)
    assert moments.scatter().status == "not separated"


def test_a_direction_without_scatter_is_named():
    H, labels = gaussian(11)
    H[:, 0] = labels  # exact in one direction
    moments = ClassMoments(8, 4)
    moments.update(H, labels)
    assert moments.scatter().status == "partly collapsed"
    assert moments.scatter().within_rank == 7
    assert moments.log_separation("inverse") == pytest.approx(
        log_separation(H[:, 1:], labels, "inverse"), **EXACT
    )


def test_fewer_samples_than_dimensions_invert_what_the_samples_fill():
    H, labels = gaussian(12, n=20, width=40)
    moments = ClassMoments(40, 4)
    moments.update(H, labels)
    assert moments.scatter().within_rank == 16  # samples - classes
    for kind in KINDS:
        expected = independent(H, labels, kind)
        # The oracle's small eigenvalues lie 1e-5 below the largest.
        assert moments.log_separation(kind) == pytest.approx(expected, rel=1e-7)


GOOD, LABELS = gaussian(13, n=20, width=3)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: log_separation(GOOD[0], LABELS), r"H must be a non-empty .* got \(3,\)"),
        (lambda: log_separation(GOOD, LABELS[1:]), r"labels must have shape \(20,\).*got \(19,\)"),
        (lambda: log_separation(GOOD, LABELS.astype(float)), "integers, got torch.float64"),
        (lambda: log_separation(GOOD, LABELS - 1), "labels must be .* got -1"),
        (lambda: log_separation(GOOD, LABELS * 100), "labels must be .* got 300"),
        (lambda: log_separation(GOOD, LABELS * 2), "at least 2 samples of each .* 0 of class 1"),
        (lambda: log_separation(GOOD, 0 * LABELS), "at least 2 classes, got class 0 alone"),
        (lambda: log_separation(GOOD, (np.arange(20) == 5) * 1), "got 1 of class 1"),
        (lambda: log_separation(GOOD, LABELS, "ratio"), "kind must be one of .* got 'ratio'"),
        (lambda: log_separation(GOOD * np.nan, LABELS), "H must be finite, got 60 entries"),
        (lambda: log_separation(GOOD * 1j, LABELS), "H must hold real numbers, got complex128"),
        (
            lambda: log_separation(torch.from_numpy(GOOD) > 0, LABELS),
            "real numbers, got torch.bool",
        ),
        (
            lambda: log_separation(GOOD, ["cat", "dog"] * 10),
            "labels must hold real numbers, got <U3",
        ),
        (lambda: ClassMoments(0, 2), "width must be a whole number of at least 1, not 0"),
        (lambda: ClassMoments(3, 1), "n_classes must be a whole number of at least 2, not 1"),
        (lambda: ClassMoments(3, 3).update(GOOD, LABELS), "class numbers 0 to 2, got 3"),
        (lambda: ClassMoments(4, 4).update(GOOD, LABELS), r"H must have shape \(20, 4\)"),
        (lambda: ClassMoments(3, 4).scatter(), "got 0 of class 0"),
        (lambda: ClassMoments(3, 4).merge(ClassMoments(3, 5)), "n_classes=4, got 5"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)


def test_classes_can_be_given_other_numbers_as_they_come():
    generator = torch.Generator().manual_seed(5)
    H = torch.randn(90, 4, generator=generator, dtype=torch.float64)
    labels = torch.arange(90) % 3
    moments = ClassMoments(4, 2)
    moments.update(H[labels < 2], labels[labels < 2])
    wider = moments.renumbered([1, None, 0, None])  # 0 -> 2, 1 -> 0, and 1 and 3 are new
    wider.update(H[labels == 2], torch.ones(30, dtype=torch.int64))
    assert wider.counts.tolist() == [30, 30, 30, 0] and wider.count == 90
    dense = wider.renumbered([2, 0, 1])
    assert dense.counts.tolist() == [30, 30, 30]
    for kind in ("fuzziness", "trace_ratio", "inverse"):
        # Another order of the same orthogonal factorizations.
        exact = log_separation(H, labels, kind)
        assert dense.log_separation(kind) == pytest.approx(exact, rel=1e-12)
    for numbers in ([0, 1], [2, 0, 1, 1]):
        with pytest.raises(ValueError, match="numbers must name every class that has samples once"):
            wider.renumbered(numbers)


def test_a_scatter_of_full_rank_is_inverted_as_its_modes_are():
    H, labels = gaussian(3, n=90, width=6, classes=3)
    for smallest, full in ((1.0, True), (1e-9, True), (1e-14, False)):
        scale = np.ones(6)
        scale[-1] = smallest
        moments = ClassMoments(6, 3)
        moments.update(H * scale, labels)
        scatter = moments.scatter()
        assert (scatter._within_inverse is not None) == full
        s, V, _ = scatter._within_modes
        by_modes = 2 * float(((scatter.between @ V) / s).norm().log())
        assert scatter.within_rank == len(s) == (6 if full else 5)
        # Both lose as many digits as there are between the largest and the smallest mode; where one
        # is rounding, there are the modes alone.
        tolerance = max(1e-12, 1e-14 / smallest) if full else 1e-12
        assert scatter.log_separation("inverse") == pytest.approx(by_modes, abs=tolerance)


# --- pseudo-inverses that cut off in float32, and classes that count alike ---


def authors_separation(h, labels):
    """What the code of [SB] computes: sums over classes and pseudo-inverses, all in float32."""
    h, n = h.float(), len(h)
    mean, width = h.mean(0), h.shape[1]
    between, within = torch.zeros(width, width), torch.zeros(width, width)
    for k in range(int(labels.max()) + 1):
        rows = h[labels == k]
        gap = (rows.mean(0) - mean)[:, None]
        between += len(rows) * gap @ gap.T / n
        about = rows - rows.mean(0)
        within += about.T @ about / n
    return {
        "fuzziness": float(torch.trace(within @ torch.linalg.pinv(between)).log()),
        "inverse": float(torch.trace(between @ torch.linalg.pinv(within)).log()),
    }


def squeezed(smallest, *, seed=0, width=20, classes=5, n=400):
    """Features one of whose directions, between means and within, is squeezed."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    means = np.zeros((classes, width))
    means[:, : classes - 1] = 2 * rng.normal(size=(classes, classes - 1))
    about = rng.normal(size=(n, width))
    for k in range(classes):  # no chance difference of means in the other directions
        about[labels == k] -= about[labels == k].mean(0)
    scale = np.ones(width)
    scale[0] = smallest
    H = (means[labels] + about) * scale
    return torch.from_numpy(H), torch.from_numpy(labels)


def test_float32_leaves_out_what_it_does_not_tell_from_zero():
    # The cut-off is 20 * 1.19e-7 = 2.4e-6 of the largest eigenvalue: 1.5e-3 of the largest size.
    for smallest, same in ((0.1, True), (1e-4, False)):
        H, labels = squeezed(smallest)
        theirs = authors_separation(H, labels)
        for kind in ("fuzziness", "inverse"):
            mine = log_separation(H, labels, kind, pseudo_inverse="float32")
            # Their sums round in float32, 1.2e-7, times the condition of what is kept.
            assert mine == pytest.approx(theirs[kind], abs=2e-3)
            exact = log_separation(H, labels, kind)
            if same:
                assert mine == pytest.approx(exact, abs=2e-3)
            else:  # the squeezed direction is as well separated as before, and float32 misses it
                assert mine < exact - 0.05
            # No invertible map of the features changes what is exact: 1e-16 over 1e-4, squared.
            assert exact == pytest.approx(log_separation(squeezed(1)[0], labels, kind), abs=1e-6)
        pair = [
            log_separation(H, labels, "trace_ratio", pseudo_inverse=p) for p in ("exact", "float32")
        ]
        assert pair[0] == pair[1]  # no pseudo-inverse stands in it


def test_float32_keeps_the_words_for_extremes():
    labels = torch.arange(60) % 3
    means = torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
    for kind, expected in (("fuzziness", -math.inf), ("inverse", math.inf)):
        assert log_separation(means[labels], labels, kind, pseudo_inverse="float32") == expected


def test_float32_means_the_cut_off_and_no_overflow():
    H, labels = squeezed(1e-4)
    for kind in ("fuzziness", "inverse"):
        mine = log_separation(H, labels, kind, pseudo_inverse="float32")
        for scale in (1e-60, 1e60):  # squares of which float32 does not hold
            other = log_separation(scale * H, labels, kind, pseudo_inverse="float32")
            assert other == pytest.approx(mine, rel=1e-11)


@pytest.mark.parametrize("seed", range(2))
def test_equal_classes_count_alike_however_many_samples_they_have(seed):
    H, labels = gaussian(seed)
    means = np.stack([H[labels == k].mean(0) for k in range(4)])
    apart = means - means.mean(0)
    Sigma_b = apart.T @ apart / 4
    Sigma_w = np.mean([np.cov(H[labels == k], rowvar=False, bias=True) for k in range(4)], axis=0)
    scatter = lp.separation.equal_class_scatter(H, labels)
    np.testing.assert_allclose(scatter.sigma_b.numpy(), Sigma_b, atol=1e-12)
    np.testing.assert_allclose(scatter.sigma_w.numpy(), Sigma_w, atol=1e-12)
    assert (scatter.between_rank, scatter.within_rank) == (3, 8)
    values, vectors = np.linalg.eigh(Sigma_b)
    top = vectors[:, -3:]
    expected = math.log(np.trace(Sigma_w @ (top / values[-3:]) @ top.T))
    mine = log_separation(H, labels, class_weights="equal")
    assert mine == pytest.approx(expected, rel=1e-9)
    assert abs(mine - log_separation(H, labels)) > 1e-3
    # Twice the samples of one class change nothing where classes count alike.
    again = np.concatenate([np.arange(len(H)), np.flatnonzero(labels == 2)])
    assert log_separation(H[again], labels[again], class_weights="equal") == pytest.approx(
        mine, rel=1e-11
    )


def test_classes_of_one_size_count_alike_anyway():
    means, about, labels = exact_classes()
    for kind, expected in zip(KINDS, [math.log(3), math.log(2), math.log(3)], strict=True):
        mine = log_separation(means + about, labels, kind, class_weights="equal")
        assert mine == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize(
    "options, sentence",
    [
        (dict(class_weights="all"), "class_weights must be one of samples, equal, got 'all'"),
        (dict(pseudo_inverse="half"), "pseudo_inverse must be one of exact, float32, got 'half'"),
        (dict(class_weights=None), "class_weights must be one of samples, equal, got None"),
    ],
)
def test_other_words_for_weights_and_inverses_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        log_separation(GOOD, LABELS, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_measured_together_have_the_numbers_of_each_by_itself(kind):
    H, labels = gaussian(7)
    wide, _ = gaussian(8, width=12)
    layers = [torch.from_numpy(each) for each in (H, wide[: len(H)], H**3, 100 + H)]
    alone = [log_separation(each, labels, kind) for each in layers]
    together = stacked_separations(layers, torch.from_numpy(labels), kind)
    # The K x K matrix has the squares of the condition of the means, 10 at most here.
    assert together == pytest.approx(alone, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_at_an_end_are_measured_as_they_are_one_by_one(kind):
    H, labels = gaussian(9, width=3, classes=4)
    labels = torch.from_numpy(labels)
    means = torch.nn.functional.one_hot(labels).double()
    few = torch.from_numpy(H[:, :1]).expand(-1, 3)  # class means that span one direction
    layers = [means[:, :3], torch.zeros(len(H), 3).double(), few, torch.from_numpy(H)]
    alone = [log_separation(each, labels, kind) for each in layers]
    assert stacked_separations(layers, labels, kind) == pytest.approx(alone, rel=1e-9)
    assert not np.isfinite(alone[:2]).any()
