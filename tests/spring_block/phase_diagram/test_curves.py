"""Curves as arrays: against `LoadCurve`, and by hand where they are not finite or rise."""

import numpy as np
import pytest

from loadpath.measures.separation import LoadCurve
from loadpath.spring_block.phase_diagram.curves import (
    curve_from_loads,
    falling_curves,
    finite_concavity,
    normalized_loads,
)


@pytest.mark.parametrize("kind", ["fuzziness", "trace_ratio", "inverse"])
def test_concavity_is_that_of_load_curves(kind):
    D = np.random.default_rng(0).normal(size=(3, 5, 8)).cumsum(-1)
    found = finite_concavity(falling_curves(D, kind))
    expected = [[LoadCurve(curve, kind).concavity for curve in row] for row in D]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_curve_that_is_infinite_has_no_concavity():
    D = np.array([[3.0, 1.0, 0.0], [3.0, -np.inf, 0.0], [np.nan, 1.0, 0.0]])
    found = finite_concavity(D)
    assert found[0] == pytest.approx(LoadCurve(D[0]).concavity)
    assert np.isnan(found[1:]).all()


def test_curves_and_their_loads_are_the_same_thing():
    loads = np.random.default_rng(1).dirichlet(np.ones(6), size=(2, 3))
    curves = curve_from_loads(loads)
    np.testing.assert_allclose(curves[..., 0], 1)
    np.testing.assert_allclose(curves[..., -1], 0, atol=1e-15)
    np.testing.assert_allclose(normalized_loads(5 + 3 * curves, 0.0), loads, atol=1e-14)


def test_negative_loads_count_up_to_the_share_that_is_given():
    D = np.array([[3.0, 3.2, 1.0, 0.0], [3.0, 3.6, 1.0, 0.0]])
    for backward, counts in ((0.05, [0, 0]), (0.1, [1, 0]), (0.3, [1, 1])):
        loads = normalized_loads(D, backward)
        np.testing.assert_array_equal(np.isfinite(loads).all(-1), counts)
    np.testing.assert_allclose(loads[0], [-0.2 / 3, 2.2 / 3, 1 / 3])
