"""The verdict about a law, from its number and its nulls."""

import numpy as np
import pytest

from loadpath.laws import Law, Null
from loadpath.laws.definitions import BY_NAME
from loadpath.statistics import Estimate


def law(value, nulls, *, name="slow middle", low=None, high=None):
    low, high = value - 0.1 if low is None else low, value + 0.1 if high is None else high
    estimate = Estimate(value, low, high, 50, "estimated")
    found = tuple(Null(n, np.array(v, dtype=float), value) for n, v in nulls.items())
    return Law(BY_NAME[name], estimate, found)


def test_p_values_count_the_net_itself():
    null = Null("depth", np.array([0.1, 0.2, 0.3, 0.4]), 0.2)
    assert null.p_value == pytest.approx(3 / 5)  # 0.1, 0.2 and the net
    assert null.p_opposite == pytest.approx(4 / 5)


def test_draws_within_rounding_are_equal():
    null = Null("depth", np.full(19, -1 + 1e-15), -1.0)
    assert null.p_value == null.p_opposite == 1.0


FAR, NEAR = np.full(19, 2.0), np.full(19, 0.1)


@pytest.mark.parametrize(
    "value, nulls, standing",
    [
        (0.5, {"untrained": FAR, "depth": FAR}, "holds"),
        (0.5, {"untrained": FAR, "depth": NEAR}, "not told from chance"),
        (1.5, {"untrained": FAR, "depth": FAR}, "contradicted"),  # on the other side of 1
        (0.5, {"untrained": NEAR, "depth": NEAR}, "contradicted"),  # further than any null
        (1.05, {"untrained": FAR, "depth": FAR}, "not told from chance"),  # too near to neutral
        (0.5, {}, "not measured"),
        (0.5, {"untrained": FAR[:18]}, "not told from chance"),  # 18 draws are too few for 0.05
    ],
)
def test_how_a_law_stands(value, nulls, standing):
    found = law(value, nulls)
    assert found.standing == standing
    assert found.verdict.startswith("Slow middle") and found.verdict.endswith(".")


def test_a_law_without_neutral_is_judged_by_its_nulls():
    assert law(5.0, {"untrained": FAR}, name="equal spacing").standing == "contradicted"
    assert law(1.0, {"untrained": FAR}, name="equal spacing").standing == "holds"


def test_the_verdict_names_what_comes_as_near():
    words = law(0.5, {"untrained": FAR, "depth": NEAR}).verdict
    assert words == (
        "Slow middle: not told from chance: relative speed of the middle third of the steps over "
        "that of the outer thirds 0.5 (0.4 to 0.6); the same steps in other orders (p = 1) come as "
        "near."
    )
    words = law(0.5, {"untrained": FAR, "depth": FAR}).verdict
    assert words.endswith(
        "nearer to 0 than untrained nets (2 in the median) and the same steps in other orders "
        "(2 in the median) come."
    )


def test_a_law_that_was_not_measured_says_why():
    found = Law(BY_NAME["equal separation"], None, (), "no labels")
    assert found.standing == "not measured"
    assert found.verdict == "Equal separation: not measured, because no labels."
