"""The page about spring-block chains: a film to play, their load curves, and what was run."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from loadpath import plots
from loadpath.checks import (
    as_list,
    as_path,
    check_dataset,
    check_flag,
    check_levels,
    check_text,
    check_type,
)
from loadpath.report.figures import Figure, draw_figure
from loadpath.report.page import environment
from loadpath.report.settings import rows, settings
from loadpath.storage import write_page

TRAJECTORIES = Figure(
    "Where the blocks are in time",
    plots.chain_trajectories,
    "Each line is one block, from the fixed end (dark) to the pulled end (light). Flat lines are "
    "blocks that friction holds; lines at equal distances are springs with equal loads.",
)
LOAD_CURVE = Figure(
    "Load curve at the end",
    plots.chain_load_curves,
    "How much of the way is left after each layer. Above the dashed line the deep springs carry "
    "more than their share, below it the shallow ones do. Open squares and diamonds are exact.",
)
LOAD_CURVES = Figure(
    "Load curves at the end",
    plots.chain_load_curves,
    "How much of the way is left after each layer. Above the dashed line the deep springs carry "
    "more than their share, below it the shallow ones do.",
)


def write_chain(
    path: str | os.PathLike[str],
    films: Iterable[plots.Film],
    chains: Iterable[xr.Dataset],
    *,
    title: str,
    words: Iterable[str],
    config: Mapping[str, Any],
    overwrite: bool = False,
) -> Path:
    """Write the page about spring-block chains, whole or not at all.

    Like the page about nets it asks nothing of the network; its script only draws the numbers that
    the page holds.

    Parameters
    ----------
    path : str or path
        Where to write it.
    films : iterable of Film
        What moves on the page, a film a chain.
    chains : iterable of xr.Dataset
        What `loadpath.spring_block.simulate` returned; the last chain is the one that the
        trajectories, `words` and `config` are about.
    title : str
        The heading of the page.
    words : iterable of str
        What came out, a line each.
    config : mapping
        What was asked for; becomes a table.
    overwrite : bool, optional
        Whether an earlier file may be replaced.

    Returns
    -------
    Path
        The page's path.

    Raises
    ------
    ValueError
        If there is no chain.
    FileExistsError
        If `path` exists and may not be replaced.
    """
    path = as_path("path", path)
    check_text("title", title)
    check_flag("overwrite", overwrite)
    check_type("config", config, Mapping, "a mapping of names to values")
    words, films = as_list("words", words, "texts"), as_list("films", films, "films")
    chains = as_list("chains", chains, "Datasets")
    for word in words:
        check_text("words", word)
    for film in films:
        check_type("films", film, plots.Film, "Films of loadpath.plots")
    for chain in chains:
        check_dataset(
            "chains", chain, "load(replica, time, spring)", "position(replica, time, block)"
        )
        check_levels("chains", chain, "time")
    if not chains:
        raise ValueError("chains must hold at least one chain, got 0.")
    curves = (
        draw_figure(LOAD_CURVE, chains[0]) if len(chains) == 1 else draw_figure(LOAD_CURVES, chains)
    )
    provenance = {name: value for name, value in chains[-1].attrs.items() if name != "parameters"}
    page = environment().get_template("chain.html.j2").render(
        title=title,
        scene=plots.scene_data(films),
        several=len(chains) > 1,
        shaken=any(film.shaken for film in films),
        words="\n".join(words),
        figures=[curves, draw_figure(TRAJECTORIES, chains[-1])],
        settings=settings(config, chains[-1]),
        provenance=list(rows(provenance)),
    )  # fmt: skip
    return write_page(path, page, overwrite=overwrite)
