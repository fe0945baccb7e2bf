"""Statistics where there is nothing to divide by; the rest is tried in test_definitions.py."""

import math

import numpy as np
import pytest
import torch

from loadpath.laws import Representations, scores


@pytest.mark.parametrize(
    "score, curve, value",
    [
        (scores.bend, [1.0, 1.0, 1.0], 0.0),
        (scores.uneven_loads, [1.0, 1.0, 1.0], 0.0),
        (scores.uneven_loads, [1.0, 2.0, 1.0], math.inf),
        (scores.straightness, [1.0, 1.0, 1.0], 0.0),
        (scores.monotonicity, [1.0, 1.0, 1.0], 0.0),
        (scores.monotonicity, [1.0, 0.9, 0.1], -1.0),
        (scores.middle_to_ends, [0.0, 1.0, 0.0], math.inf),
        (scores.middle_to_ends, [2.0, 1.0, 2.0], 0.5),
        (scores.middle_to_ends, [2.0, 4.0, 1.0, 1.0, 3.0, 3.0], 1.0 / 3.0),
        (scores.least_inside, [0.0, 1.0, 1.0], math.inf),
        (scores.uneven_growth, [0.0, 0.0, 0.0], 0.0),
    ],
)
def test_numbers_that_are_known(score, curve, value):
    assert score(np.array(curve)) == pytest.approx(value, abs=1e-12)


def still(rows):
    return Representations.from_features([torch.as_tensor(H, dtype=torch.float64) for H in rows])


def test_samples_that_never_move_have_even_steps_and_no_line():
    path = still([np.ones((2, 1))] * 4)
    assert scores.uneven_steps(path) == 0.0
    assert scores.line_shape(path) == 3.0  # no direction in common


def test_steps_that_cancel_are_as_far_from_a_line_as_can_be():
    path = still([[[0.0]], [[1.0]], [[0.0]], [[1.0]], [[0.0]]])
    assert scores.line_shape(path) == 4.0


def test_steps_of_no_length_are_left_out_of_the_line():
    path = still([[[0.0]], [[1.0]], [[1.0]], [[2.0]]])
    assert scores.line_shape(path) == pytest.approx(1.0)
