"""The reservoir: the same samples whatever the batches, each as likely as any other."""

import numpy as np
import pytest
import torch
from scipy import stats

from loadpath.statistics import Reservoir
from loadpath.statistics.reservoir import hashes


def filled(size, indices, *, seed=0, batch=7):
    kept = Reservoir(size, seed=seed)
    for part in indices.split(batch):
        kept.update(part, torch.stack([part, part**2], dim=1).float())
    return kept


@pytest.mark.parametrize("batch", [1, 7, 500])
@pytest.mark.parametrize("order", ["forward", "backward", "shuffled"])
def test_neither_batches_nor_order_matter(batch, order):
    indices = torch.arange(500)
    expected = filled(20, indices)
    if order == "backward":
        indices = indices.flip(0)
    elif order == "shuffled":
        indices = torch.randperm(500, generator=torch.Generator().manual_seed(1))
    kept = filled(20, indices, batch=batch)
    assert torch.equal(kept.indices(), expected.indices())
    assert torch.equal(kept.rows(), expected.rows())
    assert torch.equal(kept.rows()[:, 0].long(), kept.indices())  # rows went with their indices


def test_it_keeps_the_smallest_hashes():
    smallest = np.argsort(hashes(torch.arange(500), 3))[:20]
    assert filled(20, torch.arange(500), seed=3).indices().tolist() == smallest.tolist()


def test_processes_merge_to_one_stream_even_if_they_share_samples():
    indices = torch.arange(300)
    one = filled(25, indices)
    shares = [filled(25, indices[rank::3]) for rank in range(3)]
    merged = shares[2].merge(shares[0]).merge(shares[1])
    assert torch.equal(merged.indices(), one.indices())
    assert torch.equal(merged.rows(), one.rows())
    # A sampler that fills up its last batch repeats samples: they count once.
    padded = filled(25, torch.cat([indices, indices[:40], indices[:40]]))
    assert torch.equal(padded.indices(), one.indices())
    assert torch.equal(one.merge(padded).indices(), one.indices())


def test_fewer_samples_than_room_are_all_kept_and_an_empty_batch_changes_nothing():
    kept = filled(100, torch.arange(30))
    assert sorted(kept.indices().tolist()) == list(range(30)) and kept.count == 30
    kept.update(torch.empty(0, dtype=torch.int64), torch.empty(0, 2))
    assert kept.count == 30
    assert kept.merge(Reservoir(100)).count == Reservoir(100).merge(kept).count == 30


def test_every_sample_is_as_likely_as_any_other():
    # Of 400 seeds, each index is kept a binomial number of times: chi-square over 200 indices; the
    # variance is that of drawing without replacement.
    counts = np.zeros(200)
    for seed in range(400):
        counts[filled(50, torch.arange(200), seed=seed, batch=200).indices().numpy()] += 1
    statistic = ((counts - 100) ** 2).sum() / (400 * 0.25 * 0.75) * 199 / 200
    assert 1e-3 < stats.chi2.sf(statistic, 199) < 1 - 1e-3


def test_hashes_are_distinct_and_uniform():
    h = hashes(torch.arange(200_000), 0)
    assert len(np.unique(h)) == len(h)
    assert stats.kstest(h / 2.0**64, "uniform").pvalue > 1e-3
    # The reference output of splitmix64 started at 0.
    assert int(hashes(torch.tensor([0]), 0)[0]) != 0
    from loadpath.statistics import reservoir

    assert int(reservoir._mixed(np.array([0], dtype=np.uint64))[0]) == 0xE220A8397B1DCDAF


def test_rows_keep_their_dtype_and_may_be_of_any_shape():
    kept = Reservoir(4)
    kept.update(torch.arange(9), torch.arange(9) % 3)
    assert kept.rows().dtype == torch.int64
    assert torch.equal(kept.rows(), kept.indices() % 3)
    images = Reservoir(4)
    images.update(torch.arange(9), torch.zeros(9, 2, 5, 5, dtype=torch.float16))
    assert images.rows().shape == (4, 2, 5, 5) and images.rows().dtype == torch.float16
    assert torch.equal(images.indices(), kept.indices())  # labels and features stay together


def test_what_it_gives_away_is_not_what_it_keeps():
    kept = filled(5, torch.arange(9))
    kept.rows().zero_()
    kept.indices().zero_()
    assert torch.equal(kept.rows()[:, 0].long(), kept.indices()) and kept.rows().sum() > 0


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: Reservoir(0), "size must be a whole number of at least 1, not 0"),
        (lambda: Reservoir(3, seed=-1), "seed must be a whole number of at least 0, not -1"),
        (lambda: Reservoir(3).rows(), "at least one sample, got 0"),
        (
            lambda: Reservoir(3).update(torch.arange(2), torch.ones(3, 1)),
            r"rows must have one row for each of 2 indices, got shape \(3, 1\)",
        ),
        (
            lambda: filled(3, torch.arange(9)).update(torch.arange(2), torch.ones(2, 3)),
            r"rows must be torch.float32 of \(2,\) as those before, got torch.float32 of \(3,\)",
        ),
        (
            lambda: Reservoir(3).update(torch.tensor([0.0]), torch.ones(1)),
            "indices must be whole numbers",
        ),
        (lambda: Reservoir(3).merge(Reservoir(4)), "other must have size=3, got 4"),
        (lambda: Reservoir(3).merge(Reservoir(3, seed=2)), "other must have seed=0, got 2"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
