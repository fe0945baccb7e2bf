import threading
import time

import pytest
import torch

from loadpath.threads import cores, side_by_side


def test_items_keep_their_order_and_run_beside_each_other():
    seen = set()

    def double(item: int) -> int:
        seen.add(threading.get_ident())
        time.sleep(0.02 * (5 - item))  # the first to begin is the last to end
        return 2 * item

    assert side_by_side(double, range(5)) == [0, 2, 4, 6, 8]
    assert threading.get_ident() not in seen
    assert len(seen) == min(5, cores(None))


def test_each_runs_torch_on_one_thread_and_the_number_is_put_back():
    before = torch.get_num_threads()
    assert side_by_side(lambda _: torch.get_num_threads(), range(3)) == [1, 1, 1]
    assert torch.get_num_threads() == before


def test_an_error_is_the_first_items_and_threads_are_put_back():
    before = torch.get_num_threads()

    def fail(item: int) -> None:
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        side_by_side(fail, range(4))
    assert torch.get_num_threads() == before
