"""The one way in for samples of one's own: `as_pair` for one set of them, `as_data` for two."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from loadpath.checks import check_choice, check_count, check_flag, check_seed
from loadpath.data.columns import (
    TASKS,
    Task,
    as_classes,
    as_inputs,
    as_outputs,
    task_of,
)
from loadpath.data.forms import halves, is_frame, split_halves
from loadpath.data.image_samples import Targets, one_hot
from loadpath.data.normalization import mean_and_scale, normalized
from loadpath.data.samples import Data, Provenance
from loadpath.data.splitting import some_of, split

FLAGS = {"False": "0", "True": "1"}
"""The numbers of flags."""


def as_pair(
    x: Any, y: Any = None, *, task: Task | None = None, flat: bool = True
) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of your own as two tensors, as they are: nothing is scaled.

    This is what functions that look at one set of samples call on what they are given, such as
    `lp.geodesic.solve`, `lp.mechanics.profile` and `lp.diagnose`.

    Parameters
    ----------
    x : array_like, DataFrame, or both halves in one
        Inputs, (sample, feature); or with `y` left out, a pair (x, y), a mapping or scikit-learn's
        Bunch of `data` and `target` or of `x` and `y`, a TensorDataset, or a `Data`, of which the
        training samples are taken.
    y : array_like, Series or str, optional
        Targets; where `x` is a DataFrame also the name of a column of it, or a list of names.
    task : {"regression", "classification"}, optional
        What the targets are. If left out, whole numbers in one column are classes, and all other
        numbers are outputs.
    flat : bool, optional
        Whether inputs must be (sample, feature); else a sample may have any shape.

    Returns
    -------
    x : Tensor
        (sample, feature), of the type and on the device that it had.
    y : Tensor
        (sample, output), or (sample,) int64 class numbers.

    Raises
    ------
    ValueError
        If there is no such form or column, if numbers are not finite or not equally many, if
        matrices are sparse, or if classes are words: what number a net gives each of them, only
        `as_data` of all samples can tell.

    Examples
    --------
    >>> import loadpath as lp
    >>> x, y = lp.data.as_pair([[0.5], [1.5], [2.5]], [1.0, 2.0, 3.0])
    >>> x.shape, y.shape
    (torch.Size([3, 1]), torch.Size([3, 1]))
    """
    if task is not None:
        check_choice("task", task, TASKS)
    check_flag("flat", flat)
    x, y = halves(x, y, name="x")
    inputs = as_inputs("x", x, flat=flat)
    if (task or task_of("y", y)) == "regression":
        targets = as_outputs("y", y)
    else:
        targets, names = as_classes("y", y)
        if names is not None:
            targets = _numbers("y", y, names)[targets]
    _check_equally_many(inputs, targets, "x", "y")
    return inputs, targets.to(y.device) if isinstance(y, Tensor) else targets


def as_data(
    data: Any,
    y: Any = None,
    *,
    task: Task | None = None,
    targets: Targets = "labels",
    n_train: int | None = None,
    n_test: int | None = None,
    normalize: bool = True,
    seed: int = 0,
) -> Data:
    r"""Make a Data of samples of your own, whatever they come as.

    Parameters
    ----------
    data : Data, pair, mapping, TensorDataset, array_like or DataFrame
        A pair (x, y); a mapping or scikit-learn's Bunch of `data` and `target`, or of `x` and `y`;
        a TensorDataset; or x alone with `y` beside it. Samples that are split already come as
        ((x_train, y_train), (x_test, y_test)), or as a mapping of these four names. A `Data` is
        returned as it is.
    y : array_like, Series or str, optional
        Targets; where x is a DataFrame also the name of a column of it, or a list of names.
    task : {"regression", "classification"}, optional
        What the targets are. If left out, whole numbers, words and flags in one column are
        classes, and all other numbers are outputs.
    targets : {"labels", "onehot"}, optional
        What is learnt of classes: labels, or one-hot vectors by regression.
    n_train, n_test : int, optional
        Numbers of samples, drawn by `seed`. If both are left out, one sample in five is held back
        for testing, but two of each class are always kept for training.
    normalize : bool, optional
        Whether every input and every regression output is mapped by $t \mapsto (t - m) / s$, with
        the mean and the standard deviation of its training part.
    seed : int, optional
        Seed of what is drawn.

    Returns
    -------
    Data
        The samples in float64. Classes that are not numbered from 0 are numbered in order, and
        `provenance["classes"]` has their names.

    Raises
    ------
    ValueError
        If there is no such form or column, if a column holds words, if numbers are not finite or
        not equally many, if a class has one sample or mixes numbers and words, if matrices are
        sparse, or for what `Data` refuses.

    Examples
    --------
    >>> import loadpath as lp
    >>> x = [[0.1], [0.2], [0.3], [1.1], [1.2], [1.3]]
    >>> data = lp.data.as_data((x, ["low", "low", "low", "high", "high", "high"]))
    >>> data.task, len(data.x_train), len(data.x_test), data.provenance["classes"]
    ('classification', 5, 1, 'high, low')
    """
    if isinstance(data, Data) and y is None:
        return data
    check_options(task=task, targets=targets, n_train=n_train, n_test=n_test, seed=seed)
    check_flag("normalize", normalize)
    generator = torch.Generator().manual_seed(int(seed))
    parts = split_halves(data) if y is None else None
    if parts is None:
        names = ("x of data", "y of data") if y is None else ("data", "y")
        x, y = halves(data, y)
        inputs = as_inputs(names[0], x).detach().cpu()
        found, classes, task = _targets(names[1], y, task)
        _check_equally_many(inputs, found, *names)
        labels = found if task == "classification" else None
        train, test = split(len(inputs), labels, n_train, n_test, generator)
        chosen = (inputs[train], found[train], inputs[test], found[test])
    else:
        chosen, classes, task = _of_parts(parts, task)
        chosen = (
            *some_of("n_train", *chosen[:2], n_train, generator),
            *some_of("n_test", *chosen[2:], n_test, generator),
        )
    provenance: Provenance = {
        "source": "the user's own",
        "normalize": str(normalize).lower(),
        "n_train": len(chosen[0]),
        "n_test": len(chosen[2]),
        "seed": int(seed),
    }
    if classes is not None:
        provenance["classes"] = ", ".join(classes)
    # Copies, so that what is done to the user's arrays later changes nothing here.
    x_train, y_train, x_test, y_test = (t.clone() for t in chosen)
    raw = Data(
        x_train=x_train.double(),
        y_train=y_train,
        x_test=x_test.double(),
        y_test=y_test,
        task=task,
        provenance=provenance,
    )
    if targets == "onehot":
        raw = one_hot(raw)
    return normalized(raw) if normalize else raw


def as_training(
    data: Any,
    *,
    task: Task | None = None,
    targets: Targets = "labels",
    n_train: int | None = None,
    normalize: bool = True,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Return inputs and targets as `as_data` has them for training, with no sample held back.

    Parameters
    ----------
    data : pair, mapping or frame
        As for `as_data`; of samples that are split already, those for training.
    task, targets, n_train, normalize, seed
        As for `as_data`.

    Returns
    -------
    x : Tensor
        (sample, feature), float64.
    y : Tensor
        (sample, output), float64; or (sample,) int64 class numbers.

    Raises
    ------
    ValueError
        For what `as_data` refuses.
    """
    check_options(task=task, targets=targets, n_train=n_train, seed=seed)
    parts = split_halves(data)
    given, own = halves(data) if parts is None else parts[:2]
    x = as_inputs("x of data", given).detach().cpu().double()
    y, _, task = _targets("y of data", own, task)
    _check_equally_many(x, y, "x of data", "y of data")
    x, y = some_of("n_train", x, y, n_train, torch.Generator().manual_seed(int(seed)))
    if targets == "onehot":
        if task == "regression":
            raise ValueError("targets must be 'labels' for a regression, got 'onehot'.")
        y = torch.nn.functional.one_hot(y).double()
    if normalize:
        mean, scale = mean_and_scale(x)
        x = (x - mean) / scale
        if y.is_floating_point():
            mean, scale = mean_and_scale(y)
            y = (y - mean) / scale
    return x.clone(), y.clone()


def check_options(
    *,
    task: object = None,
    targets: object = "labels",
    n_train: object = None,
    n_test: object = None,
    seed: object = 0,
) -> None:
    """Refuse options of `as_data` that are out of range.

    Raises
    ------
    ValueError
        If one is; the message names it.
    """
    if task is not None:
        check_choice("task", task, TASKS)
    check_choice("targets", targets, ("labels", "onehot"))
    if targets == "onehot" and task == "regression":
        raise ValueError("targets must be 'labels' for a regression, got 'onehot'.")
    for name, count, fewest in (("n_train", n_train, 2), ("n_test", n_test, 1)):
        if count is not None:
            check_count(name, count, fewest)
    check_seed("seed", seed)


def _targets(name: str, y: Any, task: Task | None) -> tuple[Tensor, list[str] | None, Task]:
    """Return targets on the CPU, the names of classes, and the task."""
    task = task or task_of(name, y)
    if task == "regression":
        return as_outputs(name, y).detach().cpu().double(), None, task
    numbers, names = as_classes(name, y)
    _check_classes(name, numbers, names, y)
    return numbers, names, task


def _of_parts(
    parts: tuple[Any, Any, Any, Any], task: Task | None
) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], list[str] | None, Task]:
    """Return samples that are split already, their classes numbered alike in both parts."""
    x_train, y_train, x_test, y_test = parts
    if is_frame(x_train) and is_frame(x_test) and [*x_train.columns] != [*x_test.columns]:
        raise ValueError(
            "x_test of data must have the columns of x_train, "
            f"{', '.join(map(str, x_train.columns))}, got {', '.join(map(str, x_test.columns))}."
        )
    inputs = [
        as_inputs(f"{name} of data", x).detach().cpu()
        for name, x in (("x_train", x_train), ("x_test", x_test))
    ]
    train, classes, task = _targets("y_train of data", y_train, task)
    if task == "regression":
        test = as_outputs("y_test of data", y_test).detach().cpu().double()
    else:
        numbers, names = as_classes("y_test of data", y_test)
        known = classes or [str(i) for i in range(int(train.max()) + 1)]
        its = names or [str(i) for i in range(int(numbers.max()) + 1)]
        stray = next((each for each in its if each not in known), None)
        if stray is not None:
            raise ValueError(
                f"y_test of data must hold classes of y_train, {', '.join(known[:8])}, got {stray}."
            )
        test = torch.tensor([known.index(each) for each in its])[numbers]
    for name, x, y in (("train", inputs[0], train), ("test", inputs[1], test)):
        _check_equally_many(x, y, f"x_{name} of data", f"y_{name} of data")
    return (inputs[0], train, inputs[1], test), classes, task


def _numbers(name: str, y: Any, names: list[str]) -> Tensor:
    """Return classes that are not numbered in order as the numbers that they are."""
    try:
        return torch.tensor([int(FLAGS.get(each, each)) for each in names])
    except ValueError:
        raise ValueError(
            f"{name} must hold class numbers, got words such as {names[0]!r}: "
            "lp.data.as_data numbers them."
        ) from None


def _check_classes(name: str, numbers: Tensor, names: list[str] | None, y: Any) -> None:
    """Refuse fewer than two classes, and a class of one sample, by the names that classes have."""
    counts = numbers.bincount()
    title = names or [str(i) for i in range(len(counts))]
    if len(counts) < 2:
        raise ValueError(f"{name} must hold at least 2 classes, got {title[0]!r} alone.")
    if int(counts.min()) < 2:
        numeric = "" if title[0].isalpha() else "; if these are outputs, pass task='regression'"
        raise ValueError(
            f"{name} must hold at least 2 samples of every class, and it has 1 of class "
            f"{title[int(counts.argmin())]!r}{numeric}."
        )


def _check_equally_many(x: Tensor, y: Tensor, x_name: str, y_name: str) -> None:
    """Refuse inputs and targets that are not one each."""
    if len(x) != len(y):
        raise ValueError(
            f"{x_name} and {y_name} must be of as many samples, got {len(x)} and {len(y)}."
        )
