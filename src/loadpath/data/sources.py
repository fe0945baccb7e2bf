"""The table from a source's name to its reader, and one function that reads any of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from loadpath.checks import shown
from loadpath.data.arrays import from_archive
from loadpath.data.columns import Task
from loadpath.data.image_samples import Targets
from loadpath.data.images import cifar10, digits, fashion_mnist, mnist
from loadpath.data.own import as_data, as_training
from loadpath.data.samples import Data
from loadpath.data.tables import check_table, read_own_file
from loadpath.data.teachers import teacher
from loadpath.storage import DATA_ENDINGS, is_data_file

READERS: dict[str, Callable[..., Data]] = {
    "teacher": teacher,
    "digits": digits,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
    "npz": from_archive,
}
"""The reader of every source. Its parameters say which options the source has."""


def own_file(
    path: str | Path,
    *,
    target: str | Sequence[str] | None = None,
    task: Task | None = None,
    targets: Targets = "labels",
    n_train: int | None = None,
    n_test: int | None = None,
    normalize: bool = True,
    seed: int = 0,
) -> Data:
    """Read a file of your own; `load` does, whose page says what the arguments are.

    Returns
    -------
    Data
        Training and test samples.

    Raises
    ------
    ValueError
        For what `as_data` refuses, and for files that are empty, damaged or lack the target.
    FileNotFoundError
        If there is no such file.
    """
    given = read_own_file(path, target)
    with _naming(path):
        data = as_data(
            given,
            task=task,
            targets=targets,
            n_train=n_train,
            n_test=n_test,
            normalize=normalize,
            seed=seed,
        )
    data.provenance["source"] = Path(path).name
    if target is not None:
        data.provenance["target"] = target if isinstance(target, str) else ", ".join(target)
    return data


def load_training(
    path: str | Path, *, target: str | Sequence[str] | None = None, **options: Any
) -> tuple[Tensor, Tensor]:
    """Read a file of your own for what needs no test samples: none is held back.

    Parameters
    ----------
    path : str or Path
        The file, as for `load`.
    target : str or sequence of str, optional
        The column to learn, or several.
    **options
        `task`, `targets`, `n_train`, `normalize` and `seed`, as for `load`.

    Returns
    -------
    x, y : Tensor
        Inputs, and outputs or class numbers.

    Raises
    ------
    ValueError
        For what `load` refuses.
    FileNotFoundError
        If there is no such file.
    """
    given = read_own_file(path, target)
    with _naming(path):
        return as_training(given, **options)


@contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """Say in messages of the block which file they are about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"the file {str(path)!r} cannot be learnt from: {error}") from None


def load(
    name: str | Path, folder: str | Path | None = None, *, seed: int = 0, **options: Any
) -> Data:
    """Read the samples of a file of your own, or of a source by its name.

    Parameters
    ----------
    name : str or Path
        A file that ends in .npz, .csv or .parquet; or the source: "teacher", "digits", "mnist",
        "fashion-mnist", "cifar10", or "npz" for an archive that is split already.
    folder : str or Path, optional
        Where the files are, or the archive itself. Sources that need no files, and files
        themselves, refuse it.
    seed : int, optional
        What a source draws at random, it draws by this seed. An archive that is split already
        draws nothing.
    **options
        Options of the source's own reader, such as `targets`, `n_train`, `n_test` and `image_size`
        of images, or `dims` of a teacher. A file has `target`, the column to learn, or a list of
        several, and `task`, `targets`, `n_train`, `n_test` and `normalize` as `as_data` has them.
        A CSV file begins with a line of column names; all columns but the targets are inputs. An
        archive holds x and y, or x_train, y_train, x_test and y_test. An option that is None
        counts as not given.

    Returns
    -------
    Data
        Training and test samples.

    Raises
    ------
    ValueError
        If there is no such source, if it lacks an option that was given or the folder that it
        needs, or for what its reader refuses; `as_data` says what of files.
    FileNotFoundError
        If the files are not there.

    Examples
    --------
    >>> import loadpath as lp
    >>> data = lp.data.load("digits", n_train=1000, seed=1)
    >>> data.x_train.shape, data.task
    (torch.Size([1000, 64]), 'classification')
    """
    check_options(name, folder, **options)
    reader, own = _reader(name)
    wanted = {key: value for key, value in options.items() if value is not None}
    if "seed" in inspect.signature(reader).parameters:
        wanted["seed"] = seed
    places = (name,) if own else () if folder is None else (folder,)
    return reader(*places, **wanted)


def check_options(name: str | Path, folder: str | Path | None = None, **options: Any) -> None:
    """Refuse what `load` would refuse before it reads: a source, an option or a missing folder.

    Parameters
    ----------
    name : str or Path
        The source, or the file.
    folder : str or Path, optional
        Where its files are.
    **options
        Options of its reader; None counts as not given.

    Raises
    ------
    ValueError
        If there is no such source, if it has no such option, or if it needs a folder.
    """
    reader, own = _reader(name)
    known = inspect.signature(reader).parameters
    if own:
        check_table(name, options.get("target"))
    for option, value in {"folder": folder, **options}.items():
        if value is not None and option not in known:
            raise ValueError(f"{option} must not be set for {name}, got {value!r}.")
    if folder is None and "folder" in known:
        raise ValueError(f"folder must name where the files of {name} are, got nothing.")


def _reader(name: object) -> tuple[Callable[..., Data], bool]:
    """Return what reads a source, and whether that is a file of the user's own."""
    if isinstance(name, str) and name in READERS:
        return READERS[name], False
    if isinstance(name, str | Path) and is_data_file(str(name)):
        return own_file, True
    raise ValueError(
        f"name must be one of {', '.join(READERS)}, or a file that ends in "
        f"{', '.join(DATA_ENDINGS)}, got {shown(name)}."
    )
