"""Examples run as they stand, and find what they say they find."""

import runpy
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_bottleneck_finds_the_rank_of_the_teacher():
    found = runpy.run_path(str(EXAMPLES / "bottleneck.py"))["main"]()
    assert found["bottleneck rank"] == found["rank of the teacher"] == 2
    assert found["drop after that singular value"] > 5
    # The cost of identity counts dimensions: near 8 at the input, near 2 where the path is slow.
    assert found["cost of identity at the input"] > 5
    assert abs(found["least cost of identity"] - 2) < 0.6
    assert found["stationarity residual mid-path"] < 0.15
