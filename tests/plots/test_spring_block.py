"""Pictures of chains show the numbers of their Datasets."""

import numpy as np
import pytest

from loadpath import plots, spring_block
from loadpath.plots.spring_block import curve_of

CHAIN = spring_block.Chain(n_blocks=4, friction_right=0.1, friction_left=0.2)
OPTIONS = dict(n_steps=2000, n_replicas=12, record_every=100, threads=1)


@pytest.fixture(scope="module")
def shaken():
    pull = spring_block.steady(1.0, over=1000, n_steps=2000)
    ds = spring_block.simulate(CHAIN, noise=0.02, pull=pull, **OPTIONS)
    ds["rest_load"] = "spring", spring_block.rest_state(CHAIN)
    ds["mean_load"] = "spring", spring_block.mean_state(CHAIN)
    return ds.assign_attrs(label="shaken")


def line(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def test_a_load_curve_falls_from_1_to_0_by_the_share_of_each_load():
    np.testing.assert_allclose(curve_of(np.array([1.0, 2.0, 5.0])), [1, 7 / 8, 5 / 8, 0])


def test_the_mean_curve_is_drawn_with_its_spread_and_the_exact_ones(shaken):
    ax = plots.chain_load_curves(shaken)
    loads = shaken["load"].isel(time=-1)
    x = np.concatenate([[0], np.cumsum(loads.mean("replica"))])
    np.testing.assert_allclose(line(ax, "mean of 12 chains").get_ydata(), 1 - x, atol=1e-12)
    (band,) = ax.collections
    one = np.concatenate([np.zeros((12, 1)), loads.values.cumsum(1)], axis=1)
    height = band.get_paths()[0].get_extents().height
    sides = (1 - one.mean(0)) + np.array([[-1], [1]]) * one.std(0)
    assert height == pytest.approx(np.ptp(sides))
    for name, label in (
        ("rest_load", "at rest, exact"),
        ("mean_load", "shaken long enough, exact"),
    ):
        exact = 1 - np.cumsum([0, *shaken[name].values])
        np.testing.assert_allclose(line(ax, label).get_ydata(), exact, atol=1e-12)
    np.testing.assert_allclose(line(ax, "equal loads").get_xydata(), [[0, 1], [5, 0]])


def test_several_chains_are_told_apart_by_their_labels(shaken):
    still = spring_block.simulate(CHAIN, **{**OPTIONS, "n_replicas": 1}).assign_attrs(label="still")
    ax = plots.chain_load_curves([still, shaken])
    curves = [line(ax, label) for label in ("still", "shaken")]
    assert len({curve.get_color() for curve in curves}) == 2
    x = np.cumsum([0, *still["load"][0, -1].values])
    np.testing.assert_allclose(curves[0].get_ydata(), 1 - x, atol=1e-12)
    assert not any("exact" in str(line.get_label()) for line in ax.lines)


def test_trajectories_are_mean_positions_and_the_pulled_end(shaken):
    ax = plots.chain_trajectories(shaken)
    mean = shaken["position"].mean("replica")
    for drawn, block in zip(ax.lines, mean.transpose("block", "time").values, strict=False):
        np.testing.assert_allclose(drawn.get_ydata(), block)
        np.testing.assert_array_equal(drawn.get_xdata(), shaken["time"])
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), shaken["wall"], atol=1e-12)
    assert [text.get_text() for text in ax.texts] == ["1", "2", "3", "4", "pulled end"]


def test_labels_of_blocks_that_end_together_do_not_lie_on_each_other():
    still = spring_block.Chain(n_blocks=6, friction_right=2.0, friction_left=2.0)
    ax = plots.chain_trajectories(spring_block.simulate(still, n_steps=100))
    heights = np.sort([text.xy[1] for text in ax.texts])
    assert np.diff(heights).min() > 0.04


@pytest.mark.parametrize("draw", [plots.chain_load_curves, plots.chain_trajectories])
def test_a_missing_variable_is_named_in_one_sentence(draw, shaken):
    with pytest.raises(ValueError, match=r"^\w+ lacks the variables \['load'\]"):
        draw(shaken.drop_vars("load"))
