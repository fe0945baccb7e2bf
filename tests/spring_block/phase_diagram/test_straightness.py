"""The correlation of a diagram: SciPy's on the same numbers, and diagrams whose answer is known."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from loadpath.measures.separation import LoadCurve
from loadpath.spring_block.phase_diagram import correlation
from loadpath.spring_block.phase_diagram.straightness import _pearson, _ranks, _spearman


def diagram(accuracy, bent, kind="fuzziness"):
    """A diagram (slope, noise, seed) as `collect` makes them, of one convention."""
    dims = ("slope", "noise", "seed")
    return xr.Dataset(
        {
            "test_accuracy": (dims, accuracy),
            "concavity": ((*dims, "kind"), np.asarray(bent)[..., None]),
        },
        coords={"kind": [kind]},
    )


def noisy(seeds=5):
    rng = np.random.default_rng(3)
    bent = rng.uniform(-0.4, 0.4, (3, 4, seeds))
    return diagram(0.9 - np.abs(bent) + 0.2 * rng.standard_normal(bent.shape), bent)


def flat(ds):
    return -np.abs(ds.concavity).to_numpy().ravel(), ds.test_accuracy.to_numpy().ravel()


def test_accuracy_that_falls_linearly_with_bend_is_correlated_by_1():
    bent = np.random.default_rng(0).uniform(-0.4, 0.4, (3, 4, 5))
    found = correlation(diagram(0.9 - np.abs(bent), bent), method="pearson")
    np.testing.assert_allclose([found.value, found.low, found.high], 1, rtol=1e-12)
    assert (found.n_nets, found.n_left_out) == (60, 0)


def test_ranks_do_not_mind_a_curved_relation():
    bent = np.random.default_rng(0).uniform(-0.4, 0.4, (3, 4, 5))
    ds = diagram(np.exp(-20 * np.abs(bent)), bent)
    assert correlation(ds, method="spearman").value == pytest.approx(1, rel=1e-12)
    assert correlation(ds, method="pearson").value < 0.95


@pytest.mark.parametrize(
    "method, theirs", [("spearman", stats.spearmanr), ("pearson", stats.pearsonr)]
)
def test_the_value_is_scipys(method, theirs):
    ds = noisy()
    assert correlation(ds, method=method).value == pytest.approx(theirs(*flat(ds))[0], rel=1e-12)


@pytest.mark.parametrize("ours, theirs", [(_spearman, stats.spearmanr), (_pearson, stats.pearsonr)])
def test_weights_are_repetitions(ours, theirs):
    # With ties, in the numbers themselves and by repetition.
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 6, 30).astype(float), rng.integers(0, 6, 30).astype(float)
    weights = rng.multinomial(30, [1 / 30] * 30, size=4)
    expected = [theirs(np.repeat(x, w), np.repeat(y, w))[0] for w in weights]
    np.testing.assert_allclose(ours(x, y, weights.astype(float)), expected, rtol=1e-12)


def test_tied_values_share_their_mean_rank():
    weights = np.array([[1.0, 1, 1, 1], [1, 0, 2, 1]])
    ranks = _ranks(np.array([5.0, 2, 5, 7]), weights)
    # The first draw holds 2 5 5 7, the second 5 5 5 7; ranks are counted from 1/2.
    np.testing.assert_array_equal(ranks, [[2, 0.5, 2, 3.5], [1.5, 0, 1.5, 3.5]])


def test_seeds_that_are_alike_leave_no_doubt_and_drawing_cells_does():
    # What is drawn is seeds: copies of one seed are one observation, not many nets.
    one = noisy(seeds=1)
    ds = xr.concat([one] * 6, "seed")
    found = correlation(ds)
    assert found.low == pytest.approx(found.value, abs=1e-12) == found.high
    found = correlation(ds, over="seeds and cells")
    assert found.low < found.value - 0.05 and found.high > found.value + 0.05


def test_the_interval_covers_as_often_as_it_says():
    # 12 seeds whose cells share an error of the seed: nets are far from independent.
    rng = np.random.default_rng(5)
    hits, rounds = 0, 60
    bent = np.linspace(-0.4, 0.4, 16).reshape(4, 4, 1)

    def draw(seeds):
        x = np.broadcast_to(bent, (4, 4, seeds))
        slope = 1 + rng.standard_normal(seeds)  # of accuracy against bend, one of each seed
        return diagram(-slope * np.abs(x) + 0.05 * rng.standard_normal(x.shape), x)

    truth = correlation(draw(20_000), method="pearson", n_bootstrap=40).value
    for _ in range(rounds):
        found = correlation(draw(12), method="pearson", n_bootstrap=200)
        hits += found.low <= truth <= found.high
    # 95 % by name; percentile intervals of 12 clusters are somewhat short.
    assert 0.85 < hits / rounds < 0.99


def test_nets_without_numbers_are_counted_and_left_out():
    ds = noisy()
    ds.test_accuracy[0, 0, 0] = np.nan
    ds.concavity[1, 1, 2] = np.nan
    ds.concavity[1, 1, 3] = np.inf
    found = correlation(ds, method="pearson")
    x, y = flat(ds)
    whole = np.isfinite(x) & np.isfinite(y)
    assert found.value == pytest.approx(stats.pearsonr(x[whole], y[whole])[0], rel=1e-12)
    assert (found.n_nets, found.n_left_out) == (57, 3)


def test_the_same_seed_draws_the_same_and_dimensions_may_stand_in_any_order():
    ds = noisy()
    assert correlation(ds, seed=4) == correlation(
        ds.transpose("seed", "kind", "noise", "slope"), seed=4
    )
    assert correlation(ds, seed=4) != correlation(ds, seed=5)


@pytest.mark.parametrize(
    "options, said",
    [
        (dict(kind="other"), "kind must be one of"),
        (dict(method="kendall"), "method must be one of spearman, pearson, got 'kendall'."),
        (dict(between="seeds"), "between must be one of nets, cells, got 'seeds'."),
        (dict(over="cells"), "over must be one of seeds, seeds and cells, got 'cells'."),
        (dict(level=1.0), "level must be between 0 and 1, got 1.0."),
        (dict(n_bootstrap=39), "n_bootstrap must be a whole number of at least 40, not 39."),
    ],
)
def test_bad_options_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        correlation(noisy(), **options)


def test_diagrams_without_an_answer_are_refused():
    ds = noisy()
    with pytest.raises(ValueError, match="at least 2 seeds to draw from, got 1"):
        correlation(ds.isel(seed=[0]))
    with pytest.raises(ValueError, match="at least 3 nets with numbers, got 0"):
        correlation(ds.assign(test_accuracy=ds.test_accuracy * np.nan))
    with pytest.raises(
        ValueError, match="test_accuracy must not be the same for all nets, got 1.0"
    ):
        correlation(ds.assign(test_accuracy=xr.ones_like(ds.test_accuracy)))


def with_curves(bent, accuracy, falls=2.0):
    """A diagram (slope, noise, seed) whose curves of four layers fall by `falls` and are bent."""
    line, hump = np.linspace(1, 0, 4), np.array([0, 1, 1, 0])
    curves = (line + 2 * np.asarray(bent)[..., None] * hump) * np.asarray(falls)[..., None]
    ds = diagram(accuracy, np.asarray(bent))
    dims = (*ds.test_accuracy.dims, "kind", "layer")
    return ds.assign(log_separation=(dims, curves[..., None, :])).assign_coords(
        slope=[0.0, 0.5, 1.0], noise=[0.0, 0.1, 0.2, 0.3], seed=np.arange(curves.shape[2])
    )


def shaken(seeds, rng):
    """Nets that fall by amounts of their own, so that a mean curve is no mean of shapes."""
    bent = np.linspace(-0.3, 0.4, 12).reshape(3, 4, 1) + 0.05 * rng.standard_normal((3, 4, seeds))
    accuracy = 0.9 - 0.3 * np.abs(bent) + 0.05 * rng.standard_normal(bent.shape)
    return with_curves(bent, accuracy, rng.uniform(1, 3, bent.shape))


@pytest.mark.parametrize(
    "method, theirs", [("spearman", stats.spearmanr), ("pearson", stats.pearsonr)]
)
def test_between_cells_the_value_is_scipys_of_mean_curves(method, theirs):
    ds = shaken(5, np.random.default_rng(8))
    found = correlation(ds, method=method, between="cells")
    cells = [ds.isel(slope=i, noise=j) for i, j in np.ndindex(3, 4)]
    bends = [
        LoadCurve(cell.log_separation.mean("seed").squeeze().values, "fuzziness").concavity
        for cell in cells
    ]
    means = [cell.test_accuracy.mean().item() for cell in cells]
    assert found.value == pytest.approx(theirs(-np.abs(bends), means)[0], rel=1e-12)
    assert (found.n_nets, found.n_left_out) == (60, 0)
    assert found.low < found.value < found.high
    wide = correlation(ds, method=method, between="cells", over="seeds and cells")
    assert wide.value == found.value and wide.low < found.low and wide.high > found.high


def test_cells_that_do_not_fall_do_not_count_between_cells():
    ds = shaken(5, np.random.default_rng(9))
    rest = correlation(ds.isel(slope=[0, 1]), between="cells", method="pearson")
    ds.log_separation[2] = 0.1 * np.random.default_rng(1).standard_normal((4, 5, 1, 4))
    found = correlation(ds, between="cells", method="pearson")
    assert found.value == pytest.approx(rest.value, rel=1e-12)
    assert (found.n_nets, found.n_left_out) == (40, 20)
    alike = ds.assign(test_accuracy=ds.test_accuracy * 0 + 0.5)
    with pytest.raises(ValueError, match="must have cells that differ in test_accuracy"):
        correlation(alike, between="cells")
    ds.log_separation[:2] *= 0
    with pytest.raises(ValueError, match="ds must have at least 3 cells that count, got 0."):
        correlation(ds, between="cells")


def crossed(rng, subsets, nets, by_subset, by_net):
    """Nets whose accuracy falls with their bend by an amount of their subset and of their seed."""
    effect = 1 + by_subset * rng.standard_normal((subsets, 1)) + by_net * rng.standard_normal(nets)
    bent = np.linspace(-0.3, 0.4, 12).reshape(3, 4, 1) + 0.02 * rng.standard_normal(
        (3, 4, subsets * nets)
    )
    # What a cell's accuracy has beside is the same for all nets, so that means are not on a line.
    beside = np.random.default_rng(0).normal(size=(3, 4, 1)) / 10
    accuracy = beside - effect.ravel() * np.abs(bent) + 0.05 * rng.standard_normal(bent.shape)
    return with_curves(bent, accuracy).assign_coords(
        data_seed=("seed", np.repeat(np.arange(subsets), nets)),
        net_seed=("seed", np.tile(np.arange(nets), subsets)),
    )


@pytest.mark.parametrize("between, rounds", [("nets", 60), ("cells", 15)])
def test_the_interval_covers_other_subsets_too(between, rounds):
    rng = np.random.default_rng(11)
    options = dict(method="pearson", between=between)
    many = crossed(rng, 3000, 1, 0.2, 0.0)
    x, y = -np.abs(many.concavity.to_numpy()), many.test_accuracy.to_numpy()
    if between == "cells":
        x, y = -np.abs(many.concavity.mean("seed").to_numpy()), y.mean(2)
    truth = stats.pearsonr(x.ravel(), y.ravel())[0]
    hits = naive = 0
    for _ in range(rounds):
        ds = crossed(rng, 5, 4, 0.2, 0.0)
        found = correlation(ds, **options)
        hits += found.low <= truth <= found.high
        if between == "nets":
            one = correlation(ds.drop_vars("data_seed"), n_bootstrap=100, **options)
            naive += one.low <= truth <= one.high
    # 95 % by name. Intervals that take 20 nets of 5 subsets for independent hold it less often.
    assert hits >= 0.85 * rounds and naive < 0.8 * rounds


def test_subsets_that_are_alike_leave_no_doubt():
    ds = crossed(np.random.default_rng(3), 1, 1, 0, 0)
    same = xr.concat([ds] * 6, "seed", data_vars="all").assign_coords(
        seed=np.arange(6),
        data_seed=("seed", [0, 0, 0, 1, 1, 1]),
        net_seed=("seed", [0, 1, 2] * 2),
    )
    found = correlation(same)
    assert found.low == pytest.approx(found.value, abs=1e-6) == found.high
    wide = correlation(same, over="seeds and cells")
    assert wide.low < found.value - 0.05 and wide.high > found.value + 0.005
