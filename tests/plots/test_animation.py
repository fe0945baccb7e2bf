"""A film of a chain has the positions of its run, and a page gets the same."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from loadpath import plots, spring_block
from loadpath.plots import animation
from loadpath.plots.spring_block import block_colours

CHAIN = spring_block.Chain(n_blocks=4, friction_right=0.1, friction_left=0.2)


@pytest.fixture(scope="module")
def shaken():
    pull = spring_block.steady(1.0, over=1000, n_steps=2000)
    return spring_block.simulate(
        CHAIN, noise=0.02, pull=pull, n_steps=2000, n_replicas=12, record_every=100, threads=1
    )


def test_a_film_is_the_first_replica_and_the_mean_at_the_end(shaken):
    film = plots.Film.from_dataset(shaken, label="a", verdict="lazy")
    np.testing.assert_array_equal(film.time, shaken["time"])
    np.testing.assert_allclose(film.position[:, 1:-1], shaken["position"][0], atol=1e-12)
    np.testing.assert_allclose(film.position[:, -1], shaken["wall"], atol=1e-12)
    assert (film.position[:, 0] == 0).all() and film.shaken
    mean = shaken["position"].isel(time=-1).mean("replica")
    np.testing.assert_allclose(film.mean[1:-1], mean, atol=1e-12)


def test_a_long_film_keeps_its_first_and_last_instant(shaken, monkeypatch):
    monkeypatch.setattr(animation, "FRAMES", 8)
    film = plots.Film.from_dataset(shaken, label="a", verdict="lazy")
    np.testing.assert_allclose(film.time, [0, 3, 6, 9, 12, 15, 18, 20])


def test_lengths_are_in_units_of_the_pull():
    chain = spring_block.Chain(n_blocks=2, target=5.0)
    film = plots.Film.from_dataset(
        spring_block.simulate(chain, n_steps=50), label="a", verdict="lazy"
    )
    assert film.position[-1, -1] == 1.0 and film.mean[-1] == 1.0 and not film.shaken


def test_blocks_and_unstretched_springs_are_drawn_alike():
    film = plots.Film.from_dataset(
        spring_block.simulate(CHAIN, n_steps=1, record_every=1), label="a", verdict="lazy"
    )
    # 4 blocks and 5 springs, and the pulled end as long as a block: 0.8 in all.
    assert film.block == pytest.approx(0.08)


def test_a_page_gets_the_same_film_as_plain_numbers(shaken):
    film = plots.Film.from_dataset(shaken, label="a", verdict="lazy")
    scene = plots.scene_data([film])
    (chain,) = scene["chains"]
    np.testing.assert_allclose(chain["position"], film.position, atol=5e-5)
    np.testing.assert_allclose(chain["mean"], film.mean, atol=5e-5)
    np.testing.assert_allclose(chain["time"], film.time)
    assert chain["colours"][0] == to_hex(block_colours(4)[0])
    assert (chain["label"], chain["verdict"], chain["block"]) == ("a", "lazy", film.block)
