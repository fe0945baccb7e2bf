"""Endings of file names: none that promises another format than is written."""

from __future__ import annotations

from pathlib import Path

ENDINGS = {
    "netCDF": (".nc", ".nc4", ".cdf", ".netcdf", ".h5", ".hdf5"),
    "safetensors": (".safetensors",),
    "HTML": (".html", ".htm"),
}
"""The endings under which each format is known; netCDF-4 files are HDF5 files."""
DATA_ENDINGS = (".npz", ".csv", ".parquet")
"""Endings of files of samples that are read."""

_KNOWN = {*DATA_ENDINGS, *(each for endings in ENDINGS.values() for each in endings)}


def check_ending(name: str, path: Path, format: str) -> None:
    """Refuse a file name whose ending promises another format than is written.

    A name without an ending promises nothing, and numbers after a point, as in "run-0.1", are none.

    Parameters
    ----------
    name : str
        The argument, for the message.
    path : Path
        The file.
    format : str
        What is written: a key of `ENDINGS`.

    Raises
    ------
    ValueError
        If another program would take the file for something else.
    """
    ending = path.suffix.lower()
    if not ending and path.name.lower() in _KNOWN:  # ".csv" alone is a name that begins with a dot
        ending = path.name.lower()
    if ending.strip(".0123456789") and ending not in ENDINGS[format]:
        raise ValueError(
            f"{name} must end in {ENDINGS[format][0]}, for what is written is {format}, got "
            f"{str(path)!r}."
        )


def is_data_file(name: str) -> bool:
    """Tell whether a text names a file of samples, by its ending.

    Parameters
    ----------
    name : str
        A path, or the name of something else.

    Returns
    -------
    bool
        Whether it ends as such files do.
    """
    return Path(name).suffix.lower() in DATA_ENDINGS
