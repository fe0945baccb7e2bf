"""The key to small load curves bends as the curves do that it explains."""

import numpy as np
import pytest
from matplotlib import style as styles
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from loadpath.plots.miniatures import MEANINGS, Miniature, key


def entries(legend):
    """The curves of a key with their chords, by what is said of them."""
    legend.get_figure().draw_without_rendering()
    found = {}
    for handles, text in zip(
        legend.findobj(lambda a: type(a).__name__ == "DrawingArea"), legend.get_texts(), strict=True
    ):
        found[text.get_text()] = [c for c in handles.get_children() if type(c) is Line2D]
    return found


@pytest.mark.parametrize("bend, meaning", MEANINGS.items())
def test_curves_of_the_key_bend_as_its_words_say(bend, meaning):
    chord, curve = entries(key(Figure().subplots()))[meaning]
    above = curve.get_ydata() - chord.get_ydata()
    assert np.sign(above[1:-1]).tolist() == [np.sign(bend)] * (len(above) - 2)
    assert above[[0, -1]] == pytest.approx([0, 0], abs=1e-12)
    # Where the rest of the way is still to go, the deep layers are left to do it.
    assert ("deep" in meaning) == (bend > 0)
    assert Miniature(bend).bend == bend


def test_what_has_a_label_is_in_the_key_once():
    figure = Figure()
    for ax in figure.subplots(1, 2):
        ax.plot([0, 1], label="chain")
        ax.plot([0, 2], label="chain")
    assert list(entries(key(figure))) == ["chain", *MEANINGS.values()]


def test_a_key_to_black_lines_has_a_light_ground_on_a_dark_one():
    with styles.context("dark_background"):
        legend = key(Figure().subplots(), title="a title")
    assert to_hex(legend.get_frame().get_facecolor()) == "#ffffff"
    assert to_hex(legend.get_texts()[0].get_color()) == "#000000"
    assert to_hex(legend.get_title().get_color()) == "#000000"
