"""The table from a source's name to its reader, and one function that reads any of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadpath.checks import check_choice
from loadpath.data.arrays import from_archive
from loadpath.data.images import cifar10, digits, fashion_mnist, mnist
from loadpath.data.samples import Data
from loadpath.data.teachers import teacher

READERS: dict[str, Callable[..., Data]] = {
    "teacher": teacher,
    "digits": digits,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
    "npz": from_archive,
}
"""The reader of every source. Its parameters say which options the source has."""


def load(name: str, folder: str | Path | None = None, *, seed: int = 0, **options: Any) -> Data:
    """Read the samples of a source by its name.

    Parameters
    ----------
    name : str
        The source: "teacher", "digits", "mnist", "fashion-mnist", "cifar10", or "npz" for an
        archive of your own.
    folder : str or Path, optional
        Where the files are, or the archive itself. Sources that need no files refuse it.
    seed : int, optional
        What a source draws at random, it draws by this seed. An archive draws nothing.
    **options
        Options of the source's own reader, such as `targets`, `n_train`, `n_test` and `image_size`
        of images, or `dims` of a teacher. An option that is None counts as not given.

    Returns
    -------
    Data
        Training and test samples.

    Raises
    ------
    ValueError
        If there is no such source, if it lacks an option that was given or the folder that it
        needs, or for what its reader refuses.
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
    reader = READERS[name]
    wanted = {key: value for key, value in options.items() if value is not None}
    if "seed" in inspect.signature(reader).parameters:
        wanted["seed"] = seed
    return reader(**wanted) if folder is None else reader(folder, **wanted)


def check_options(name: str, folder: str | Path | None = None, **options: Any) -> None:
    """Refuse what `load` would refuse before it reads: a source, an option or a missing folder.

    Parameters
    ----------
    name : str
        The source.
    folder : str or Path, optional
        Where its files are.
    **options
        Options of its reader; None counts as not given.

    Raises
    ------
    ValueError
        If there is no such source, if it has no such option, or if it needs a folder.
    """
    check_choice("name", name, READERS)
    known = inspect.signature(READERS[name]).parameters
    for option, value in {"folder": folder, **options}.items():
        if value is not None and option not in known:
            raise ValueError(f"{option} must not be set for {name}, got {value!r}.")
    if folder is None and "folder" in known:
        raise ValueError(f"folder must name where the files of {name} are, got nothing.")
