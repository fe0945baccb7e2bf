"""Laws of one small path, measured once for all tests that read them."""

import functools

from loadpath.laws import measure_representations
from tests.laws.test_definitions import EQUAL


@functools.cache
def equal():
    """The laws of a path that separates by equal parts."""
    return measure_representations(EQUAL, untrained=[EQUAL] * 2, n_orders=19, progress=False)
