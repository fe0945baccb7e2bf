"""Which samples are trained on, and which are held back for testing."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

TEST_SHARE = 5
"""Of samples that come without a split, one in five is for testing."""


def split(
    n: int, labels: Tensor | None, n_train: int | None, n_test: int | None, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Draw the places of training and test samples.

    Parameters
    ----------
    n : int
        Number of samples there are.
    labels : Tensor or None
        (n,) class numbers, of which two each are kept for training.
    n_train, n_test : int or None
        Numbers of samples; what is left, and one in five, if not given.
    generator : Generator
        What they are drawn by.

    Returns
    -------
    train, test : Tensor
        Places, int64, in random order.

    Raises
    ------
    ValueError
        If there are too few samples.
    """
    if n < 3:
        raise ValueError(f"data must have at least 3 samples, one of them for testing, got {n}.")
    held = min(max(1, n // TEST_SHARE), n - (n_train or 2)) if n_test is None else n_test
    if held < 1 or held + (n_train or 2) > n:
        raise ValueError(
            f"n_train and n_test must fit into the {n} samples that there are, got {n_train} and "
            f"{n_test}."
        )
    order = torch.randperm(n, generator=generator)
    if labels is not None:
        # The first two of every class come last in line for testing, and first for training.
        kept = torch.zeros(n, dtype=torch.bool)
        for label in labels.unique():
            kept[order[labels[order] == label][:2]] = True
        order = torch.cat([order[~kept[order]], order[kept[order]]])
        free = n - int(kept.sum())
        if free < 1 or (n_test is not None and n_test > free):
            raise ValueError(
                "data must have two training samples of every class and one sample for testing, "
                f"got {n} samples of {len(labels.unique())} classes and n_test={n_test}."
            )
        held = min(held, free)
        if n_train is not None and n_train < int(kept.sum()):
            raise ValueError(
                f"n_train must be at least {int(kept.sum())}, two of every class, got {n_train}."
            )
    test, train = order[:held], order[held:].flip(0)
    return train[:n_train], test


def some_of(
    name: str, x: Tensor, y: Tensor, count: int | None, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Draw some of the samples of one part, or keep all in their order.

    Parameters
    ----------
    name : str
        The argument that says how many.
    x, y : Tensor
        Inputs and targets.
    count : int or None
        How many; None keeps all.
    generator : Generator
        What they are drawn by.

    Returns
    -------
    x, y : Tensor
        Those that were drawn.

    Raises
    ------
    ValueError
        If there are not as many.
    """
    if count is None:
        return x, y
    if count > len(x):
        raise ValueError(f"{name} must be at most the {len(x)} samples there are, got {count}.")
    chosen = torch.randperm(len(x), generator=generator)[:count]
    return x[chosen], y[chosen]
