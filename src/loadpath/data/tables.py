"""Files of one's own as tables: CSV and Parquet by pandas, NumPy archives by their arrays."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadpath.checks import as_path, check_text
from loadpath.data.files import read_archive
from loadpath.data.forms import SPLIT_KEYS, take_columns
from loadpath.storage import DATA_ENDINGS, check_unpacked

SEPARATORS = (",", ";", "\t")
"""What stands between the columns of a CSV file."""
_NPZ = "x and y, or x_train, y_train, x_test and y_test"


def check_table(path: str | Path, target: str | Sequence[str] | None) -> Path:
    """Refuse a file of another kind, and a table without a target, before anything is read.

    Parameters
    ----------
    path : str or Path
        The file.
    target : str or sequence of str or None
        The column to learn, or several.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If the ending is of no kind that is read, or if no column of a table is named.
    """
    path = as_path("path", path)
    ending = path.suffix.lower()
    if ending not in DATA_ENDINGS:
        raise ValueError(f"path must end in {', '.join(DATA_ENDINGS)}, got {str(path)!r}.")
    for name in [target] if isinstance(target, str) else target or []:
        check_text("target", name)
    if ending != ".npz" and not target:
        raise ValueError(f"target must name the column of {str(path)!r} to learn, got nothing.")
    return path


def read_own_file(path: str | Path, target: str | Sequence[str] | None = None) -> Any:
    """Read inputs and targets from a file, in a form that `as_data` and `as_pair` take.

    Parameters
    ----------
    path : str or Path
        A file that ends in .npz, .csv or .parquet. A CSV file begins with a line of column names.
    target : str or sequence of str, optional
        The column to learn, or several; of an archive the array, which has one other beside it.

    Returns
    -------
    tuple or dict
        (x, y), or a dict of x_train, y_train, x_test and y_test.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is empty, damaged or of another kind, or has no such column, or if pyarrow, which
        reads Parquet, is not installed.
    """
    path = check_table(path, target)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}.")
    if path.suffix.lower() == ".npz":
        return _arrays(path, target)
    frame = _csv(path) if path.suffix.lower() == ".csv" else _parquet(path)
    if not len(frame):
        raise ValueError(f"the file {str(path)!r} has no rows.")
    return take_columns(frame, target or (), of=f"the file {str(path)!r}")


def _arrays(path: Path, target: str | Sequence[str] | None) -> Any:
    """Return the arrays of an archive by what they are."""
    arrays = read_archive(path)
    held = ", ".join(sorted(arrays)) or "none"
    if target is not None:
        name = target if isinstance(target, str) else next(iter(target))
        others = [key for key in arrays if key != name]
        if not isinstance(target, str) or name not in arrays or len(others) != 1:
            raise ValueError(
                f"target must name one of two arrays of {str(path)!r}, got {target!r}, and it "
                f"holds {held}."
            )
        return arrays[others[0]], arrays[name]
    if set(SPLIT_KEYS) <= arrays.keys():
        return {key: arrays[key] for key in SPLIT_KEYS}
    if {"x", "y"} <= arrays.keys():
        return arrays["x"], arrays["y"]
    raise ValueError(
        f"the file {str(path)!r} must hold the arrays {_NPZ}, and it holds {held}; of two arrays "
        "target names the one to learn."
    )


def _csv(path: Path) -> Any:
    """Return the table of a CSV file with a line of names."""
    import pandas as pd

    # Before pandas 3 the quick reader, which is off by the last bit, was the default.
    exact: Any = {} if int(pd.__version__.split(".")[0]) > 2 else {"float_precision": "round_trip"}
    try:
        with path.open(encoding="utf-8-sig") as file:
            names = file.readline()
        separator = max(SEPARATORS, key=names.count)
        with warnings.catch_warnings():
            # pandas warns of rows that are longer than the rest, and cuts them.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                sep=separator,
                encoding="utf-8-sig",
                low_memory=False,
                **exact,
                index_col=False,
            )
    except UnicodeDecodeError:
        raise ValueError(f"the file {str(path)!r} is no text in UTF-8.") from None
    except pd.errors.EmptyDataError:
        raise ValueError(f"the file {str(path)!r} is empty.") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ValueError(f"the file {str(path)!r} is no table: {reason}.") from None
    titles = [str(title) for title in frame.columns]
    if all(map(_is_number, titles)):
        raise ValueError(
            f"the file {str(path)!r} must begin with a line of column names, got {titles[0]}."
        )
    if any(title.startswith("Unnamed: ") for title in titles):
        raise ValueError(
            f"the file {str(path)!r} must have a name for every column, and one has none; if it is "
            "an index, write the file without it."
        )
    return frame


def _parquet(path: Path) -> Any:
    """Return the table of a Parquet file."""
    if importlib.util.find_spec("pyarrow") is None:
        raise ValueError(f"reading {str(path)!r} needs pyarrow: pip install 'loadpath[parquet]'.")
    import pandas as pd
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            meta = file.metadata
            check_unpacked(path, 8 * meta.num_rows * meta.num_columns)
        return pd.read_parquet(path, engine="pyarrow")
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")[:200]
        raise ValueError(f"the file {str(path)!r} is no whole Parquet file: {reason}.") from None


def _is_number(text: str) -> bool:
    """Tell whether a name is a number, as where a file has no line of names."""
    try:
        float(text)
    except ValueError:
        return False
    return True
