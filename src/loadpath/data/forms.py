"""What inputs and targets of one's own lie in, and how both are taken out of it as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch.utils.data import TensorDataset

from loadpath.checks import shown
from loadpath.data.samples import Data

FORMS = (
    "a pair (x, y), a mapping or Bunch of data and target or of x and y, a TensorDataset of two "
    "tensors, or a Data of loadpath.data"
)
"""The forms in words, for messages."""
KEYS = (("x", "y"), ("X", "y"), ("data", "target"), ("x_train", "y_train"))
"""Names under which a mapping has inputs and targets."""
SPLIT_KEYS = ("x_train", "y_train", "x_test", "y_test")
"""Names under which a mapping has samples that are split already."""


def is_frame(value: object) -> bool:
    """Tell whether something is a pandas DataFrame, without pandas being loaded for it.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    bool
        Whether it is one.
    """
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(value).__mro__}
    return "pandas.DataFrame" in kinds


def halves(given: Any, y: Any = None, *, name: str = "data") -> tuple[Any, Any]:
    """Return inputs and targets of one set of samples, as they lie in what was given.

    Parameters
    ----------
    given : object
        Inputs, if `y` is given; else both, in one of the `FORMS`. Of a `Data`, and of a mapping
        that is split already, the training samples are taken.
    y : object, optional
        Targets; or where `given` is a DataFrame, the name of a column of it, or several.
    name : str
        The argument's name, as its caller knows it.

    Returns
    -------
    x, y : object
        Inputs and targets.

    Raises
    ------
    ValueError
        If `given` is in no such form, or has no such column.
    """
    if isinstance(given, type):
        raise ValueError(f"{name} must be {FORMS}, got the class {given.__name__}.")
    if y is not None:
        if isinstance(given, Data):
            raise ValueError(
                f"y must be left out beside a Data, which has its own, got {shown(y)}."
            )
        return _with_column(given, y, "y")
    if isinstance(given, Data):
        return given.x_train, given.y_train
    if isinstance(given, TensorDataset):
        if len(given.tensors) != 2:
            raise ValueError(f"{name} must be {FORMS}, got one of {len(given.tensors)} tensors.")
        return given.tensors
    if isinstance(given, Mapping) and not is_frame(given):
        for one, other in KEYS:
            if one in given and other in given:
                return _with_column(given[one], given[other], name)
        held = ", ".join(map(str, given)) or "nothing"
        raise ValueError(f"{name} must be {FORMS}, got a mapping that holds {held}.")
    if isinstance(given, tuple | list) and len(given) == 2:
        return _with_column(given[0], given[1], name)
    if all(hasattr(given, part) for part in ("data", "target")):
        return _with_column(given.data, given.target, name)
    if is_frame(given):
        raise ValueError(
            f"{name} must say which column is the target, as in (frame, 'price'), got a frame of "
            f"{_columns(given)} alone."
        )
    raise ValueError(f"{name} must be {FORMS}, got {_described(given)}.")


def is_one_set(given: Any) -> bool:
    """Tell samples with their targets from a loader, which yields batches.

    Parameters
    ----------
    given : object
        What was given.

    Returns
    -------
    bool
        Whether it is a Bunch or mapping of data and target, a frame with the name of its target, or
        a tuple (x, y) of arrays whose samples are of different shapes. A tuple of two arrays of one
        shape may be two batches, and a list is one of batches.
    """
    if isinstance(given, Mapping) and not is_frame(given):
        return "data" in given and "target" in given
    if not isinstance(given, tuple) or len(given) != 2:
        return False
    x, y = given
    if is_frame(x):
        return True
    shape = tuple(getattr(x, "shape", ()))
    if len(shape) < 2:
        return False
    if isinstance(y, list):
        return bool(y) and all(isinstance(each, int | float) for each in y)
    targets = tuple(getattr(y, "shape", ()))
    return len(targets) > 0 and shape[1:] != targets[1:]


def split_halves(given: Any, *, name: str = "data") -> tuple[Any, Any, Any, Any] | None:
    """Return the parts of samples that are split already, and None of others.

    Parameters
    ----------
    given : object
        A mapping of `SPLIT_KEYS`, ((x_train, y_train), (x_test, y_test)), or anything else.
    name : str
        The argument's name, as its caller knows it.

    Returns
    -------
    tuple or None
        x_train, y_train, x_test and y_test.

    Raises
    ------
    ValueError
        If there are four parts in a row, whose order nobody can tell.
    """
    if isinstance(given, Mapping) and not is_frame(given):
        if "x_test" in given or "y_test" in given:
            missing = [key for key in SPLIT_KEYS if key not in given]
            if missing:
                raise ValueError(
                    f"{name} must hold all of {', '.join(SPLIT_KEYS)} or only x and y; no "
                    f"{missing[0]}."
                )
            x_train, y_train, x_test, y_test = (given[key] for key in SPLIT_KEYS)
            return x_train, y_train, x_test, y_test
        return None
    if not isinstance(given, tuple | list):
        return None
    if len(given) == 4 and isinstance(given, tuple):
        raise ValueError(
            f"{name} must say which of its four parts is which: pass ((x_train, y_train), "
            "(x_test, y_test)), or a dict of these names."
        )
    if len(given) == 2 and all(isinstance(part, tuple) and len(part) == 2 for part in given):
        (x_train, y_train), (x_test, y_test) = given
        if _is_matrix(x_train) and _is_matrix(x_test):
            return *_with_column(x_train, y_train, name), *_with_column(x_test, y_test, name)
    return None


def _is_matrix(value: Any) -> bool:
    """Tell whether something has rows of its own: an array, a frame, or a list of lists."""
    if hasattr(value, "shape"):
        return len(value.shape) > 1
    first = value[0] if isinstance(value, Sequence) and len(value) else None
    return isinstance(first, list | tuple)


def _with_column(x: Any, y: Any, name: str) -> tuple[Any, Any]:
    """Return x and y, taken apart where y names columns of the frame x."""
    if isinstance(y, str) or (
        isinstance(y, list | tuple) and is_frame(x) and y and all(isinstance(c, str) for c in y)
    ):
        if not is_frame(x):
            raise ValueError(
                f"{name} must hold a target for each sample, got {shown(y)}; only a DataFrame has "
                "columns."
            )
        # The words may be classes of as many samples, and no columns.
        if isinstance(y, str) or len(y) != len(x) or all(name in x.columns for name in y):
            return take_columns(x, y)
    return x, y


def take_columns(frame: Any, target: str | Sequence[str], *, of: str = "the frame") -> Any:
    """Return a frame without its target columns, and these.

    Parameters
    ----------
    frame : DataFrame
        All columns.
    target : str or sequence of str
        The column that is to be learnt, or several.
    of : str
        What the frame is called in messages.

    Returns
    -------
    x, y : DataFrame, and Series or DataFrame
        The other columns, and the target; a DataFrame where several are named.

    Raises
    ------
    ValueError
        If a column is not there, is there twice, or no other is left.
    """
    one = isinstance(target, str)
    wanted = [target] if isinstance(target, str) else list(target)
    names = [str(name) for name in frame.columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{of} must have a different name for every column, and two are {twice}.")
    for name in wanted:
        if name not in names:
            raise ValueError(
                f"target must name a column of {of}, got {name!r}; it has {_columns(frame)}."
            )
    places = [names.index(name) for name in wanted]
    others = [i for i in range(len(names)) if i not in places]
    if not others:
        raise ValueError(f"{of} must have columns beside the target, got {_columns(frame)} alone.")
    return frame.iloc[:, others], frame.iloc[:, places[0] if one else places]


def _columns(frame: Any) -> str:
    """Return the names of the columns, the first of them where they are many."""
    names = [str(name) for name in frame.columns]
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return (", ".join(names[:8]) or "no columns") + more


def _described(given: Any) -> str:
    """Say what was given in its place."""
    shape = getattr(given, "shape", None)
    kind = type(given).__name__
    if shape is not None:
        return f"{kind} of shape {tuple(shape)} alone"
    if isinstance(given, tuple | list):
        return f"a {kind} of {len(given)} parts"
    if isinstance(given, str):
        return f"{shown(given)}; lp.data.load reads files and the sources that have names"
    return shown(given)
