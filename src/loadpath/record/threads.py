"""How many threads: for factorizations one, for all else the cores that are free to be used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from loadpath.data.arrays import check_count

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Run torch on `count` threads within; also a decorator.

    Factorizations of small matrices gain little from more than one, and where other processes
    hold the cores, threads that wait for each other at every column make them ten to a hundred
    times slower.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores(threads: int | None) -> int:
    """Threads to use: all cores that this process may run on, unless told otherwise."""
    if threads is None:
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
    check_count("threads", threads, 1)
    return threads


def side_by_side(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """`function` of every item, in their order, on as many threads as there are cores.

    Each runs torch on one thread: for factorizations, whose own threads gain little, that is all
    the cores' worth. Of several errors the first item's is raised, and what has not begun is left.
    """
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
