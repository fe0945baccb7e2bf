"""The house's look fills in what the caller has not set, and gives way to what they have."""

import functools
import re

import matplotlib as mpl
import numpy as np
import pytest
from argument_calls import CALLS, POSITIONAL
from matplotlib import style as styles
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from loadpath import plots
from tests.plots.test_plots import synthetic_history, synthetic_profile

FIGURES = sorted(
    name
    for name in plots.__all__
    if f"loadpath.plots.{name}" in CALLS
    and "drawing" not in CALLS[f"loadpath.plots.{name}"]()
    and name != "Film"
)
"""All that draws, by name."""


def draw(name):
    arguments = CALLS[f"loadpath.plots.{name}"]()
    drawing = getattr(plots, name)(*arguments.pop(POSITIONAL, ()), **arguments)
    return drawing if isinstance(drawing, Figure) else drawing.get_figure(root=True)


@functools.cache
def usual(name):
    """A figure as it is drawn where nothing is set; tests look at it, and change nothing."""
    return draw(name)


def lay_out(figure):
    """Make what a figure makes as it is drawn, but for its places: they change no size, no colour,
    and take half of the time.
    """
    figure.set_layout_engine("none")
    figure.draw_without_rendering()


def texts(figure):
    """What is written on a figure and can be seen."""
    lay_out(figure)
    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]


def test_all_that_draws_is_tried():
    assert {"energies", "layer_load_curve", "figure_phase_diagrams"} <= set(FIGURES)
    assert len(FIGURES) >= 45


def test_without_settings_the_house_has_its_own_look():
    ax = plots.energies(synthetic_profile())
    assert ax.xaxis.label.get_fontsize() == 10 and ax.get_xticklabels()[0].get_fontsize() == 9.5
    assert not ax.spines["top"].get_visible() and ax.lines[0].get_linewidth() == 1.6
    assert tuple(ax.get_figure().get_size_inches()) == (5.6, 3.8)


@pytest.mark.parametrize("name", FIGURES)
def test_a_font_of_20_points_stays_one(name):
    sizes = {text.get_fontsize() for text in texts(usual(name))}
    with mpl.rc_context({"font.size": 20}):
        large = [text.get_fontsize() for text in texts(draw(name))]
    assert sorted(set(large)) == pytest.approx([2 * size for size in sorted(sizes)])


def test_sizes_colours_and_lines_of_the_caller_are_kept():
    mine = {
        **{"axes.labelsize": 7, "xtick.labelsize": "x-large", "legend.fontsize": 13},
        **{"lines.linewidth": 5.0, "figure.figsize": (6.0, 9.0), "axes.facecolor": "#eeeeee"},
        **{"axes.grid": True, "legend.frameon": False, "savefig.dpi": 50},
    }
    with mpl.rc_context(mine):
        ax = plots.learning_curves(synthetic_history())
        png = plots.png(ax)
    assert ax.xaxis.label.get_fontsize() == 7 and ax.get_xticklabels()[0].get_fontsize() > 13
    assert ax.get_legend().get_texts()[0].get_fontsize() == 13
    assert ax.lines[0].get_linewidth() == 5.0 and ax.get_xgridlines()[0].get_visible()
    assert mpl.colors.to_hex(ax.get_facecolor()) == "#eeeeee"
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (300, 450)


def test_the_layout_of_the_caller_is_kept():
    with mpl.rc_context({"figure.autolayout": True}):
        engine = plots.energies(synthetic_profile()).get_figure().get_layout_engine()
    assert type(engine).__name__ == "TightLayoutEngine"


@pytest.mark.parametrize("style", ["ggplot", "dark_background", "seaborn-v0_8-talk", "classic"])
def test_styles_of_matplotlib_are_respected(style):
    with styles.context(style):
        ax = plots.energies(synthetic_profile())
        wanted = mpl.rcParams["axes.facecolor"], mpl.rcParams["font.size"]
        ax.get_figure().draw_without_rendering()
    assert mpl.colors.to_hex(ax.get_facecolor()) == mpl.colors.to_hex(wanted[0])
    with styles.context(style):
        expected = mpl.font_manager.FontProperties(size=mpl.rcParams["axes.labelsize"])
        size = expected.get_size_in_points()
    assert ax.xaxis.label.get_fontsize() == pytest.approx(size)


def drawn_colours(ax):
    """Colours of lines on plain ground: those over a map of colours stand on its colours."""
    if ax.images or any(type(c).__name__ == "QuadMesh" for c in ax.collections):
        return []
    lines = [line for line in ax.lines if np.size(line.get_xdata())]
    colours = [mpl.colors.to_rgb(line.get_color()) for line in lines if line.get_ls() != "None"]
    colours += [mpl.colors.to_rgb(line.get_markeredgecolor()) for line in lines
                if line.get_marker() not in ("None", "", None)]  # fmt: skip
    for part in ax.collections:
        if isinstance(part, LineCollection) and part.get_array() is None:
            colours += [tuple(colour[:3]) for colour in part.get_colors()]
    return colours


@pytest.mark.parametrize("name", FIGURES)
def test_on_a_dark_ground_nothing_is_black(name):
    with styles.context("dark_background"):
        figure = draw(name)
        lay_out(figure)
    for ax in figure.axes:
        dark = [colour for colour in drawn_colours(ax) if max(colour) < 0.2]
        assert dark == []
    # And on the usual ground nothing is white.
    light = [c for ax in usual(name).axes for c in drawn_colours(ax) if min(c) > 0.95]
    assert light == []


FORMULA = re.compile(r"(?<!\\)\$.*?(?<!\\)\$")
SPECIAL = re.compile(r"(?<!\\)[%#&_~^]")
"""What TeX would take for a command or an error outside a formula."""


@pytest.mark.parametrize("name", FIGURES)
def test_what_is_written_is_also_correct_tex(name):
    with mpl.rc_context({"text.usetex": True}):
        # Only what would be handed to TeX is wanted; TeX itself need not be there.
        arguments = CALLS[f"loadpath.plots.{name}"]()
        drawing = getattr(plots, name)(*arguments.pop(POSITIONAL, ()), **arguments)
    figure = drawing.get_figure(root=True) if isinstance(drawing, Axes) else drawing
    written = []
    for text in figure.findobj(Text):
        assert text.get_usetex()
        written.append(text.get_text())
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        written += axis.get_major_formatter().format_ticks(axis.get_majorticklocs())
    assert any(written)
    wrong = [text for text in written if SPECIAL.search(FORMULA.sub("", text))]
    assert wrong == []


def test_names_of_layers_are_drawn_as_they_are():
    from loadpath.plots.style import literal

    assert literal("block_1.$x$") == r"block_1.\$x\$"
    with mpl.rc_context({"text.usetex": True}):
        assert literal("a_1 {50 %} ~^#&$") == (
            r"a\_1 \{50 \%\} \textasciitilde{}\textasciicircum{}\#\&\$"
        )
        assert literal(r"a\b") == r"a\textbackslash{}b"


def test_a_notebook_shows_what_draws_by_a_picture_of_its_size():
    for drawing in (plots.energies(synthetic_profile()), plots.figure_1b(synthetic_profile())):
        picture, size = drawing._repr_png_()
        figure = plots.style.figure_of(drawing)
        inches = figure.get_size_inches()
        assert [size["width"], size["height"]] == [round(96 * each) for each in inches]
        # Of a PNG, width and height stand in its header; 200 dots an inch are finer than the page.
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        dots = [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)]
        assert dots == [int(200 * each) for each in inches]
        assert figure._repr_png_()[1] == size  # laid out anew, so not to the last dot


def test_figures_of_pyplot_are_shown_by_pyplot_alone():
    from matplotlib import pyplot

    figure, ax = pyplot.subplots()
    try:
        assert plots.energies(synthetic_profile(), ax) is ax
        assert not hasattr(ax, "_repr_png_") and not hasattr(figure, "_repr_png_")
    finally:
        pyplot.close(figure)
    own = Figure().subplots()
    assert plots.energies(synthetic_profile(), own)._repr_png_()[0]


def test_a_figure_that_a_notebook_shows_can_be_pickled():
    import pickle

    figure = plots.figure_1b(synthetic_profile())
    again = pickle.loads(pickle.dumps(figure))
    assert again._repr_png_() == figure._repr_png_()
