"""What results about nets have in common: figures by their names, and files in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from loadpath import results
from loadpath.checks import as_path, check_flag
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.results import Status

OF_PATH = (
    *("energies", "ranks", "momenta", "stationarity", "speed", "mesh", "path_2d"),
    *("representation_spectrum", "weight_spectrum"),
)
"""Figures of what `mechanics.profile` returns, by the names of their functions in `plots`."""


def drawn(name: str, ds: xr.Dataset, status: Status) -> Any:
    """Return the figure of a Dataset that a function of `plots` draws.

    Parameters
    ----------
    name : str
        The function.
    ds : Dataset
        What it draws.
    status : Status
        How the computation ended. If the result must not be read, the figure says so.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    from loadpath import plots  # loads matplotlib, which training needs not

    warning = f"Not to be read: {status}" if status.why_not_read else ""
    return plots.finished(getattr(plots, name)(ds), warning)


def save_net(
    folder: str | Path, model: LeakyResNet, datasets: Mapping[str, xr.Dataset], *, overwrite: bool
) -> Path:
    """Write a net and Datasets about it to a folder.

    Parameters
    ----------
    folder : str or Path
        The folder, which is made if it is not there.
    model : LeakyResNet
        The net, which becomes model.safetensors: weights, maps and layer steps.
    datasets : mapping of str to Dataset
        Each becomes a netCDF file of its name.
    overwrite : bool
        Whether files of these names are replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        If a file is there already and `overwrite` is False; nothing is written then.
    OSError
        If a file cannot be written.
    """
    check_flag("overwrite", overwrite)
    folder = as_path("folder", folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"folder must be a folder, but {str(folder)!r} is a file.")
    weights = folder / "model.safetensors"
    paths = {name: folder / f"{name}.nc" for name in datasets}
    there = [path.name for path in (weights, *paths.values()) if path.exists()]
    if there and not overwrite:
        raise FileExistsError(
            f"{str(folder)!r} holds {', '.join(there)} already, and overwrite is False."
        )
    for name, ds in datasets.items():
        results.save(ds, paths[name], overwrite=overwrite)
    # The format is what transformers and others call tensors of PyTorch.
    results.save_tensors(
        model.state_dict(), weights, metadata={"format": "pt"}, overwrite=overwrite
    )
    return folder
