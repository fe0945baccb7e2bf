"""Guaranteed looks: counted on runs of every length, without a model."""

import math
import random
import re

import pytest

from loadpath.diagnosis.monitor.schedule import Schedule


def guaranteed_looks(schedule, steps, others=()):
    """Steps at which a run of so many is looked at, with other looks at the steps of `others`."""
    last = schedule.first_step
    looks = [last]
    for number in range(last + 1, last + steps + 1):
        if number >= schedule.guaranteed_by(last) or number in others:
            last = number
            looks.append(number)
    return looks


@pytest.mark.parametrize("first_step", [0, 7])
@pytest.mark.parametrize("guaranteed", [1, 10, 13])
def test_a_run_of_any_length_has_as_many_looks_before_its_end(first_step, guaranteed):
    schedule = Schedule(100, first_step, None, guaranteed)
    looks = [look - first_step for look in guaranteed_looks(schedule, 1500)]
    for length in range(guaranteed + 2, 1500):
        between = [look for look in looks if 0 < look < length]
        assert len(between) >= guaranteed
        assert 2 * between[-1] >= length  # no half of the run is unseen
        # What they cost: the first ones, and one for each doubling.
        assert len(between) <= guaranteed + math.log2(length / guaranteed)


@pytest.mark.parametrize("guaranteed", [0, 1, 10, 13])
def test_a_run_of_known_length_has_exactly_as_many_evenly_spread(guaranteed):
    for length in range(guaranteed + 1, 400):
        schedule = Schedule(100, 3, 3 + length, guaranteed)
        looks = guaranteed_looks(schedule, length)
        assert looks[0] == 3 and looks[-1] == 3 + length and len(looks) == guaranteed + 2
        gaps = [b - a for a, b in zip(looks, looks[1:], strict=False)]
        assert max(gaps) - min(gaps) <= 1


def test_other_looks_count_and_each_part_of_the_run_has_one():
    seed = 5
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(200):
        length = draw.randrange(11, 500)
        others = {draw.randrange(1, length) for _ in range(draw.randrange(30))}
        looks = guaranteed_looks(Schedule(100, 0, length, 10), length, others)
        for part in range(10):
            start, end = part * length // 11, (part + 1) * length // 11
            assert any(start < look <= end for look in looks)
        needed = [look for look in looks if look not in others]
        assert len(needed) <= 12
    # Where looks come as often anyway, none is added but the last.
    every = range(0, 2000, 100)
    assert guaranteed_looks(Schedule(100, 0, 2000, 10), 2000, every) == [*every, 2000]
    every = range(0, 2001, 100)
    assert guaranteed_looks(Schedule(100, 0, None, 10), 2000, every) == sorted(
        {*range(11), 20, 40, 80, *every}
    )


def test_a_run_shorter_than_its_looks_is_looked_at_in_every_step():
    for last_step in (None, 8):
        assert guaranteed_looks(Schedule(100, 0, last_step, 10), 8) == list(range(9))


def test_a_run_that_is_longer_than_was_said_is_looked_at_as_one_of_unknown_length():
    schedule = Schedule(100, 0, 22, 10)
    assert guaranteed_looks(schedule, 200)[-4:] == [22, 44, 88, 176]
    assert guaranteed_looks(Schedule(100, 0, 22, 0), 200) == [0, 22]
    assert guaranteed_looks(Schedule(100, 0, None, 0), 200) == [0]


def test_a_run_that_goes_on_keeps_its_parts_and_another_one_has_its_own():
    schedule = Schedule(100, 0, 110, 10)
    assert schedule.resumed(4, 110, 60) == Schedule(100, 4, 110, 10)
    assert schedule.resumed(4, 60, 60) == Schedule(100, 60, 110, 10)
    assert schedule.resumed(4, None, 200) == Schedule(100, 200, None, 10)
    assert Schedule(100, 0, None, 10).resumed(4, None, 60) == Schedule(100, 4, None, 10)
    # The last look of the earlier run may lie before the start of this one.
    assert schedule.resumed(4, 60, 60).guaranteed_by(50) == 60 + 50 // 11


def test_looks_count_apart_at_the_cadence_or_at_the_parts_of_a_short_run():
    assert Schedule(100, 0, None, 10).apart == 100
    assert Schedule(100, 0, 5000, 10).apart == 100
    assert Schedule(100, 30, 140, 10).apart == 10
    assert Schedule(100, 0, 3, 10).apart == 1


@pytest.mark.parametrize(
    "values, words",
    [
        ((0, 0, None, 10), "every must be a whole number of at least 1, not 0."),
        ((100, -1, None, 10), "first_step must be a whole number of at least 0, not -1."),
        ((100, 0, None, -1), "guaranteed must be a whole number of at least 0, not -1."),
        ((100, 0, None, 2.5), "guaranteed must be a whole number of at least 0, not 2.5."),
        ((100, 7, 7, 10), "last_step must be a whole number of at least 8, not 7."),
        ((100, 0, math.inf, 10), "last_step must be a whole number of at least 1, not inf."),
    ],
)
def test_bad_numbers_are_refused_in_a_sentence(values, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Schedule(*values)
