"""The power of loss in depth, of losses whose power is known."""

import math

import numpy as np
import pytest

from loadpath.laws import depth_power


def test_a_power_that_is_known_is_found_above_its_floor():
    depths = np.array([4, 8, 16, 32])
    found = depth_power(depths, 0.3 + 2.0 * depths**-0.5, floor=0.3)
    assert found.power == pytest.approx(0.5, abs=1e-12)
    assert found.scatter == pytest.approx(0, abs=1e-12)


def test_the_interval_covers_the_power_of_noisy_losses():
    rng, covered = np.random.default_rng(1), 0
    depths = np.array([4, 8, 16, 32, 64])
    for _ in range(400):
        losses = depths**-1.0 * np.exp(0.2 * rng.standard_normal(5))
        found = depth_power(depths, losses)
        covered += found.low <= 1.0 <= found.high
    assert 364 <= covered <= 394  # 99.9 % of a binomial of 400 and 0.95, seed 1


def test_two_nets_have_a_power_and_no_interval():
    found = depth_power([2, 4], [1.0, 0.5])
    assert found.power == pytest.approx(1.0) and math.isnan(found.low)


@pytest.mark.parametrize(
    "depths, losses, options, words",
    [
        ([4, 8], [1.0], {}, "must be of one length"),
        ([4, 4], [1.0, 1.0], {}, "two different depths"),
        ([0, 4], [1.0, 1.0], {}, "depths must be"),
        ([4, 8], [1.0, 0.2], {"floor": 0.2}, "losses must be above floor"),
        ([4, 8], [1.0, math.nan], {}, "losses must be"),
        ([4, 8], [1.0, 0.5], {"level": 2.0}, "level must be"),
    ],
)
def test_what_has_no_power_is_refused(depths, losses, options, words):
    with pytest.raises(ValueError, match=words):
        depth_power(depths, losses, **options)
