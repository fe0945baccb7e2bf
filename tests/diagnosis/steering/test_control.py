"""Integral control: it finds a zero, waits at limits without winding up, and says what it did."""

import math

import pytest

from loadpath.diagnosis.steering.control import IntegralControl


def steered(curve, place, *, gain=0.5, looks=200):
    control = IntegralControl(gain)
    places, moves = [place], []
    for _ in range(looks):
        place, move = control.next_place(place, curve(place))
        places.append(place)
        moves.append(move)
    return places, moves


@pytest.mark.parametrize("start", [0.0, 0.3, 1.0])
def test_it_settles_where_the_curve_is_straight(start):
    places, _ = steered(lambda u: 0.3 * (0.4 - u), start)
    assert places[-1] == pytest.approx(0.4, abs=1e-6)


def test_without_overshoot_of_a_curve_that_answers_at_once():
    places, _ = steered(lambda u: 0.3 * (0.4 - u), 1.0)
    assert all(a >= b >= 0.4 - 1e-12 for a, b in zip(places, places[1:], strict=False))


@pytest.mark.parametrize(
    "bend, end, word", [(0.2, 1.0, "at the noisy limit"), (-0.2, 0.0, "at the calm limit")]
)
def test_nothing_winds_up_at_a_limit(bend, end, word):
    places, moves = steered(lambda u: bend, 0.5)
    assert places[-1] == end and moves[-1] == word
    # After 180 looks at the limit one look the other way is enough to leave it.
    place, move = IntegralControl(0.5).next_place(places[-1], -bend)
    assert place == pytest.approx(end - 0.5 * bend) and move == "moved"


def test_a_curve_that_bends_by_anything_moves_the_knob_by_half_its_gain_at_most():
    assert IntegralControl(0.2).next_place(0.5, 80.0)[0] == pytest.approx(0.6)
    assert IntegralControl(0.2).next_place(0.5, math.nan) == (0.5, "held: no curve")


def test_another_target_is_steered_to():
    control, place = IntegralControl(1.0, target=0.1), 0.0
    for _ in range(200):
        place, _ = control.next_place(place, 0.3 - place)
    assert place == pytest.approx(0.2, abs=1e-9)
