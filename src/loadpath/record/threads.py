"""How many threads: for factorizations one, for all else the cores that are free to be used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from loadpath.data.arrays import check_count


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
