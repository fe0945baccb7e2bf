"""The extrapolation to infinitely many layers."""

import math

import pytest

from loadpath.leaky_resnet.geodesic.certificate.refinement import extrapolated


@pytest.mark.parametrize("order", [0.7, 1.0, 2.0])
def test_extrapolation_is_exact_for_a_power_of_the_step(order):
    values = [3.0 + 2.0 * depth**-order for depth in (10, 20, 40)]
    limit, measured = extrapolated(values)
    assert limit == pytest.approx(3.0, rel=1e-12) and measured == pytest.approx(order, rel=1e-9)


def test_without_an_order_to_be_seen_the_first_is_taken():
    assert extrapolated([3.2, 3.1]) == (pytest.approx(3.0), None)
    limit, order = extrapolated([3.0, 3.2, 3.1])  # back and forth
    assert limit == pytest.approx(3.0) and math.isnan(order)
    assert extrapolated([3.0, 3.0, 3.0])[0] == 3.0
