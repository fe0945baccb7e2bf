"""How many threads a piece of work runs on: one for factorizations, else the cores at hand.

Torch is imported where it is used, so that rooms without tensors stay light.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from loadpath.checks import check_count

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Run torch on `count` threads within the block; also a decorator.

    Factorizations of small matrices gain little from more than one thread, and where other
    processes hold the cores, threads that wait for each other at every column make them ten to a
    hundred times slower.

    Parameters
    ----------
    count : int
        Threads of torch's own within the block.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def blas_libraries() -> ThreadpoolController:
    """Return the BLAS libraries of this process, whose threads can be limited.

    They are looked for once: to read what a process has loaded takes longer than many a training
    step.

    Returns
    -------
    ThreadpoolController
        Those of numpy, scipy and torch.
    """
    import scipy.linalg  # noqa: F401 (compiled code calls its BLAS, which must be found too)
    import torch  # noqa: F401 (and so must torch's)

    return ThreadpoolController().select(user_api="blas")


def cores(threads: int | None) -> int:
    """Return how many threads to use.

    Parameters
    ----------
    threads : int or None
        What the user asked for; None takes all cores that this process may run on.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        If `threads` is not a whole number of at least 1.
    """
    if threads is None:
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
    check_count("threads", threads, 1)
    return threads


def side_by_side(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Call `function` with every item on as many threads as there are cores.

    Each thread runs torch on one thread of its own: for factorizations, which gain little from
    more, that is all the cores' worth.

    Parameters
    ----------
    function : callable
        What is done with an item; it must be safe to run beside itself.
    items : iterable
        The items.

    Returns
    -------
    list
        What `function` returned, in the order of the items.

    Raises
    ------
    Exception
        The first item's error, of several; what has not begun is left out.
    """
    import torch

    # Limits are of the whole process: set here, so that no thread takes them back from another.
    with (
        torch_threads(1),
        ThreadPoolExecutor(cores(None), initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
