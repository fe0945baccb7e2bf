"""Words about a picture follow from what is drawn, and are not the same for other numbers."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from loadpath import plots
from loadpath.report.pictures import alt_text
from tests.plots.test_plots import synthetic_profile


def said_of(y, x=None):
    """What is said of one curve."""
    ax = Figure().subplots()
    ax.plot(np.arange(len(y)) if x is None else x, y, label="it")
    ax.set(xlabel="time", ylabel="size")
    return alt_text(plots.panels_of(ax))


@pytest.mark.parametrize(
    "y, said",
    [
        ([5, 3, 1], "falls from 5 at 0 to 1 at 2"),
        ([1, 2, 7], "rises from 1 at 0 to 7 at 2"),
        ([9, 1, 4], "falls from 9 at 0 to 1 at 1 and ends with 4 at 2"),
        ([2, 8, 4, 1], "rises from 2 at 0 to 8 at 1 and ends with 1 at 3"),
        (
            [4, 1, 9, 5],
            "begins with 4 at 0, is least, 1 at 1, and largest, 9 at 2, and ends with 5",
        ),
        ([3, 3.01, 3], "stays at 3"),
        ([100, 95, 102], "stays between 95 and 102"),
        ([2], "is 2 at 0"),
        ([-5, np.nan, -1], "rises from -5 at 0 to -1 at 2"),
    ],
)
def test_the_course_of_a_curve_is_told(y, said):
    assert said_of(y).startswith(f"Size over time: it {said}")


def test_marks_in_any_order_are_told_from_left_to_right():
    assert "rises from 1 at 10 to 3 at 30" in said_of([3, 1, 2], x=[30, 10, 20])


def test_many_curves_are_counted_and_the_first_and_last_told():
    ax = Figure().subplots()
    for i in range(9):
        ax.plot([0, 1], [i, i + 1], label=f"_layer {i + 1}")
    text = alt_text(plots.panels_of(ax))
    assert "9 curves between 0 and 9; layer 1 rises from 0 at 0 to 1 at 1; layer 9 rises" in text
    assert "layer 5" not in text


def test_levels_stretches_points_and_maps_are_told():
    ax = Figure().subplots()
    ax.plot([0, 1], [0, 1], label="it")
    ax.axhline(0.5, label="tolerance")
    ax.axvspan(0.2, 0.4, label="slow")
    ax.axvspan(0.6, 0.7, label="_again")
    ax.scatter([1, 2], [3, 5], label="ends")
    text = alt_text(plots.panels_of(ax))
    assert "line at 0.5: tolerance; slow from 0.2 to 0.4" in text
    assert "ends at 2 points, 1 to 2 across and 3 to 5 up" in text
    figure = Figure()
    ax = figure.subplots()
    shown = ax.imshow([[1.0, 2.0], [np.nan, 7.0]])
    ax.set(xlabel="noise", ylabel="slope")
    figure.colorbar(shown, ax=ax).set_label("accuracy")
    (panel,) = plots.panels_of(figure)  # the bar of colours is none
    assert alt_text([panel]) == (
        "Slope over noise: accuracy from 1 at slope 0 and noise 0 to 7 at slope 1 and noise 1."
    )


def test_the_words_about_a_figure_of_ours_have_its_numbers():
    profile = synthetic_profile()
    text = alt_text(plots.panels_of(plots.speed(profile)))
    speeds = profile["speed"].values
    assert f"falls from {speeds[0]:.3g} at 0 to {speeds.min():.3g} at" in text
    assert "slow stretch from 0.3 to 0.7" in text and "$" not in text and "\\" not in text
