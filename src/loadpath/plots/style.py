"""One look for every figure: sizes, colour-blind-safe colours, scales, legends above the data."""

import functools
import io
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, SymmetricalLogLocator

from loadpath.checks import check_number, check_type

# Okabe and Ito's palette, which colour-blind readers tell apart.
BLACK, GREY = "#000000", "#8C8C8C"
BLUE, ORANGE, GREEN, RED, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9"

STYLE: dict[Any, Any] = {
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.4,
    "legend.borderpad": 0.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "figure.figsize": (5.6, 3.8),
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "svg.fonttype": "none",  # text stays text: it can be searched, edited and read aloud
    "svg.hashsalt": "loadpath",  # the same figure gives the same file
    "pdf.fonttype": 42,  # TrueType, which journals ask for; matplotlib's own 3 is outlines
    "ps.fonttype": 42,
}
"""rc parameters of every figure, set only while one is drawn or saved.

Those that the caller has set, by `matplotlib.rcParams`, a style or a matplotlibrc, are kept: what
differs from matplotlib's own default stays. Sizes of text, and with them those of figures, follow
the caller's `font.size`: as given they are for 10 points."""

SIZES = {
    "axes.titlesize": 1.0,
    "xtick.labelsize": 0.95,
    "ytick.labelsize": 0.95,
    "legend.fontsize": 0.95,
}
"""Sizes of text, as shares of `font.size`."""

FONT_SIZE = 10.0
"""The size of text that sizes of figures are for, in points; matplotlib's default too."""

PIXELS_PER_INCH = 96
"""Of pages, by CSS: the picture has more, for screens that are finer."""

P = ParamSpec("P")
T = TypeVar("T")


def parameters() -> dict[Any, Any]:
    """Return what of the house's style applies: all that the caller has not set."""
    size = mpl.rcParams["font.size"]
    wanted = STYLE | {name: share * size for name, share in SIZES.items()}
    wanted["figure.figsize"] = figure_size(*STYLE["figure.figsize"])
    ours: dict[Any, Any] = {
        name: value
        for name, value in wanted.items()
        if mpl.rcParams[name] == mpl.rcParamsDefault[name]
    }
    if ours.get("figure.constrained_layout.use") and mpl.rcParams["figure.autolayout"]:
        del ours["figure.constrained_layout.use"]  # the caller chose the other layout
    return ours


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Make a function draw in the house's style, and put the caller's rc parameters back."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> T:
        with mpl.rc_context(parameters()):
            drawing = draw(*args, **kwargs)
        if isinstance(drawing, Axes | Figure):
            _show_in_notebooks(drawing)
        return drawing

    return drawn


def _show_in_notebooks(drawing: Axes | Figure) -> None:
    """Let a notebook show a drawing where a cell ends with it, once.

    Figures of pyplot are left as they are: its inline backend shows them by itself. Others would
    show as their names, as nothing registers them.
    """
    figure = figure_of(drawing)
    if figure.canvas.manager is None:
        for each in (drawing, figure):
            # IPython asks the object, and Axes and Figures are matplotlib's own classes.
            vars(each)["_repr_png_"] = functools.partial(_notebook_png, figure)


def _notebook_png(figure: Figure) -> tuple[bytes, dict[str, int]]:
    """Return a figure as IPython takes pictures: a PNG, and its size on the page in pixels."""
    buffer = io.BytesIO()
    with mpl.rc_context(parameters()):
        figure.savefig(buffer, format="png")
    width, height = (round(PIXELS_PER_INCH * inches) for inches in figure.get_size_inches())
    return buffer.getvalue(), {"width": width, "height": height}


def ink() -> str:
    """Return the colour of text, for lines that are to stand out from the ground like it."""
    return to_hex(mpl.rcParams["text.color"])


def paper() -> str:
    """Return the colour of the ground, for marks that are to look hollow."""
    return to_hex(mpl.rcParams["axes.facecolor"])


def text_size(share: float) -> float:
    """Return a size of text, in points, as a share of the caller's `font.size`."""
    return share * float(mpl.rcParams["font.size"])


def figure_size(width: float, height: float) -> tuple[float, float]:
    """Return a size, in inches, at which text of the caller's `font.size` has the same room.

    The width and height are those for text of 10 points.
    """
    return text_size(width / FONT_SIZE), text_size(height / FONT_SIZE)


def literal(text: str) -> str:
    r"""Return a text, such as the name of a layer, so that it is drawn as it is.

    A dollar would begin a formula, and with `text.usetex` an underscore or a per cent sign would be
    a command of TeX.
    """
    if not mpl.rcParams["text.usetex"]:
        return text.replace("$", r"\$")
    for sign, written in _IN_TEX:
        text = text.replace(sign, written)
    return text


# The backslash comes first: the others bring new ones.
_IN_TEX = (
    ("\\", "\N{REVERSE SOLIDUS OPERATOR}"),
    *((sign, "\\" + sign) for sign in "{}$&#%_"),
    ("~", r"\textasciitilde{}"),
    ("^", r"\textasciicircum{}"),
    ("\N{REVERSE SOLIDUS OPERATOR}", r"\textbackslash{}"),
)


PATH_LABEL = "position along the path, $p$"
EFFECTIVE_DEPTH_LABEL = r"effective depth $\tilde{L}$"


def figure_of(drawing: Axes | Figure) -> Figure:
    """Return the Figure that `drawing` is or belongs to."""
    check_type("drawing", drawing, Axes | Figure, "Axes or a Figure of matplotlib")
    figure = drawing if isinstance(drawing, Figure) else drawing.get_figure(root=True)
    assert figure is not None  # only Axes removed from their figure have none
    return figure


def finished(drawing: Axes | Figure, warning: str = "") -> Figure:
    """Return the figure of a drawing, with a warning over it if there is one."""
    figure = figure_of(drawing)
    if warning:
        figure.suptitle(warning, color=RED, fontsize=text_size(1.0))
    return figure


def axes_or_new(ax: Axes | None) -> Axes:
    """Return `ax`, or the only Axes of a new figure."""
    if ax is not None:
        check_type("ax", ax, Axes, "Axes of matplotlib")
    return Figure().subplots() if ax is None else ax


def plain_numbers(ax: Axes) -> None:
    """Write 0.1 and not a power of ten where an axis is logarithmic."""
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())


def attribute(ds: xr.Dataset | xr.DataArray, name: str, argument: str = "ds") -> float:
    """Return a number among the attrs of a Dataset or of a variable, which must have it."""
    if name not in ds.attrs:
        raise ValueError(f"{argument}.attrs lacks {name!r}, which this figure needs.")
    check_number(f"{argument}.attrs[{name!r}]", ds.attrs[name])
    return float(ds.attrs[name])


def line(
    ax: Axes, x: np.ndarray, y: np.ndarray, colour: str, label: str, marker: str = "", ls: str = "-"
) -> None:
    """Draw y over x where y is finite, so that a value not measured leaves no gap."""
    known = np.isfinite(y)
    # A hundred records of a history would hide the line under markers.
    ax.plot(x[known], y[known], color=colour, label=label, marker=marker, ls=ls)


def legend_above(ax: Axes, columns: int = 2, *, named: Mapping[str, Artist] | None = None) -> None:
    """Put the legend over the axes, where it covers no data: of `named`, or of what has a label."""
    artists = {} if named is None else {"handles": named.values(), "labels": named.keys()}
    ax.legend(**artists, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)


def path_axis(ax: Axes, ylabel: str) -> None:
    """Label the axes of a figure against p, from 0 to 1."""
    ax.set(xlabel=PATH_LABEL, ylabel=ylabel, xlim=(-0.015, 1.015))


def nodes_rug(ax: Axes, profile: xr.Dataset) -> None:
    """Mark the nodes of the mesh by ticks that stand on the p axis."""
    p = profile["p"].values
    on_axis = ax.get_xaxis_transform()
    ax.plot(p, np.full(len(p), 0.015), "|", color=ink(), ms=5, transform=on_axis, label="_nodes")


def rank_line(ax: Axes, rank: float, label: str) -> None:
    """Mark a bottleneck rank by a thin dashed line, if there is one."""
    if rank > 0:
        ax.axhline(rank, color=ink(), lw=0.9, ls="--", label=f"{label}, {rank:g}")


def dimension_scale(ax: Axes) -> None:
    """Scale a y axis of dimensions: logarithmic above 1 if some are large, linear down to 0.

    Near 0 it stays linear because a dimension of 0.01 means none, and because the Hamiltonian of
    a net that is far from a geodesic may be negative, which ought to show.
    """
    low, high = ax.dataLim.intervaly
    if max(high, -low) > 20:
        ax.set_yscale("symlog", linthresh=1, linscale=0.4)
        large = max(high, -low) > 2000 or low < -20
        subs = [1.0] if large else [1.0, 2.0, 5.0]
        ax.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=subs))
        ax.yaxis.set_major_formatter(FuncFormatter(_number))
        ax.set_ylim(1.3 * low if low < 0 else 0, 1.3 * high)
    else:
        ax.set_ylim(low - 0.06 * (high - low) if low < 0 else 0, None)


def size_scale(ax: Axes, floor: float = 0.0) -> None:
    """Scale a y axis of sizes: logarithmic if they span more than a factor 20, else from 0.

    Values under `floor` times the largest are left out of the logarithmic axis. Axes that share
    the y axis of `ax` count too.
    """
    limits = [sibling.dataLim for sibling in ax.get_shared_y_axes().get_siblings(ax)]
    low, high = min(limit.minposy for limit in limits), max(limit.y1 for limit in limits)
    if not np.isfinite(low) or high <= 20 * low:
        ax.set_ylim(0, 1.06 * high if high > 0 else 1)
        return
    low = max(low, floor * high)
    ax.set_yscale("log", nonpositive="mask")
    ax.set_ylim(0.75 * low, 1.35 * high)
    subs = (1.0, 2.0, 5.0) if high / low < 300 else (1.0,)
    ax.yaxis.set_major_locator(LogLocator(subs=subs))
    ax.yaxis.set_major_formatter(FuncFormatter(_number))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _number(value: float, _: int | None = None) -> str:
    """Write a tick in plain digits where they are short, as a power of ten elsewhere."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:g}"
    exponent = np.floor(np.log10(abs(value)) + 1e-9)
    digit = round(value / 10**exponent)
    return f"${'' if digit == 1 else f'{digit}' + chr(92) + 'times '}10^{{{exponent:.0f}}}$"
