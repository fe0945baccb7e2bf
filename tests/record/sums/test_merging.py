"""Merged sums against those of one process over all samples."""

import os
import sys

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from exact_paths import random
from safetensors.torch import save_file
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from loadpath.measures.separation import ClassMoments, TargetMoments
from loadpath.record import Moments, all_merge, load_sums, save_sums, second_moments, stream
from loadpath.record.sums.merging import FORMAT
from loadpath.results import load_tensors, save_tensors

EXACT = dict(rtol=1e-12, atol=1e-12)
KINDS = (Moments, ClassMoments, TargetMoments)


def sums_of(part):
    """Of three kinds, over a part of 90 samples."""
    A, dA, H = random(3, 90, 5, seed=0)
    labels, y = torch.arange(90) % 3, random(90, 2, seed=1)
    moments, classes, targets = Moments(5), ClassMoments(5, 3), TargetMoments(5, 2)
    if len(A[part]):
        moments.update(A[part], dA[part])
        classes.update(H[part], labels[part])
        targets.update(H[part].float(), y[part])
    return {"layer/0": moments, "layer/0 classes": classes, "targets": targets}


def assert_same(found, expected):
    assert found.settings() == expected.settings()
    assert found.count == expected.count
    torch.testing.assert_close(
        found.factor.T @ found.factor, expected.factor.T @ expected.factor, **EXACT
    )
    if isinstance(found, ClassMoments):
        assert torch.equal(found.counts, expected.counts)
        assert found.log_separation() == pytest.approx(expected.log_separation(), rel=1e-10)
    if isinstance(found, TargetMoments):
        assert found.epsilon == expected.epsilon > 0


def test_saved_halves_merge_to_the_whole(tmp_path):
    for name, part in (("a", slice(0, 7)), ("b", slice(7, 90))):
        save_sums(sums_of(part), tmp_path / name)
    a, b = (load_sums(tmp_path / name, *KINDS) for name in "ab")
    whole = sums_of(slice(0, 90))
    assert list(a) == list(whole)
    for name, expected in whole.items():
        assert_same(a[name].merge(b[name]), expected)


def test_what_is_loaded_goes_on_growing(tmp_path):
    A = random(40, 5, seed=3)
    first, whole = (Moments(5, velocity=False, sketch=4, sketch_seed=9) for _ in range(2))
    first.update(A[:13])
    save_sums({"a": first}, tmp_path / "half")
    again = load_sums(tmp_path / "half", Moments)["a"]
    again.update(A[13:])
    whole.update(A)
    assert_same(again, whole)


def test_nothing_is_overwritten_unasked(tmp_path):
    sums = {"a": Moments(2)}
    save_sums(sums, tmp_path / "half")
    with pytest.raises(FileExistsError, match="exists already"):
        save_sums(sums, tmp_path / "half")
    save_sums(sums, tmp_path / "half", overwrite=True)
    assert load_sums(tmp_path / "half", Moments)["a"].count == 0


def test_bad_files_are_one_sentence(tmp_path):
    path = tmp_path / "half"
    with pytest.raises(FileNotFoundError, match="There is no file of sums"):
        load_sums(path, Moments)
    save_sums(sums_of(slice(0, 90)), path)
    with pytest.raises(ValueError, match="holds TargetMoments under 'targets', and kinds has Mom"):
        load_sums(path, Moments, ClassMoments)
    whole = path.read_bytes()
    for length in (0, 5, 200, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is cut short or damaged") as error:
            load_sums(path, *KINDS)
        assert "\n" not in str(error.value)
    save_file({"x": torch.ones(2)}, path)
    with pytest.raises(ValueError, match="has format None, but a file of sums that this"):
        load_sums(path, *KINDS)
    path.write_bytes(whole)
    tensors, metadata = load_tensors(path, format=FORMAT, what="file of sums")
    metadata["contents"] = metadata["contents"].replace('"width": 5', '"width": 6', 1)
    save_tensors(tensors, path, metadata=metadata, overwrite=True)
    with pytest.raises(ValueError, match="is damaged at 'layer/0'"):
        load_sums(path, *KINDS)


def test_one_process_has_all_there_is():
    sums = sums_of(slice(0, 9))["targets"]
    assert all_merge(sums) is sums


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 6), nn.Tanh()).double()


def in_one_of_two(rank, folder):
    """What each of two processes does; asserts there fail the test here."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    try:
        mine = sums_of(slice(0, 4) if rank == 0 else slice(4, 90))
        merged = {name: all_merge(sums) for name, sums in mine.items()}
        save_sums(merged, os.path.join(folder, f"merged-{rank}"))
        none = all_merge(sums_of(slice(0, 90 * rank))["layer/0 classes"])
        assert none.count == 90  # process 0 had no sample
        with pytest.raises(ValueError, match="process 1 are not as those of process 0"):
            all_merge(Moments(5 + rank))
        x = random(60, 5, seed=2)[rank::2]
        model = DistributedDataParallel(net())
        moments = second_moments(stream(model, list(x.split(8)), layers="*"))
        save_sums({k: all_merge(m) for k, m in moments.items()}, f"{folder}/stream-{rank}")
    finally:
        dist.destroy_process_group()


@pytest.mark.skipif(sys.platform == "win32", reason="gloo meets through a file elsewhere")
def test_two_processes_merge_to_what_one_process_has(tmp_path):
    mp.spawn(in_one_of_two, args=(str(tmp_path),), nprocs=2)
    merged, other = (load_sums(tmp_path / f"merged-{rank}", *KINDS) for rank in (0, 1))
    assert all(torch.equal(merged[name].factor, other[name].factor) for name in merged)
    for name, expected in sums_of(slice(0, 90)).items():
        assert_same(merged[name], expected)
    streamed = load_sums(tmp_path / "stream-1", Moments)
    expected = second_moments(stream(net(), [random(60, 5, seed=2)], layers="*"))
    assert list(streamed) == list(expected) == ["input", "0", "1", "2", "3"]
    for name, moments in expected.items():
        assert_same(streamed[name], moments)
        assert moments.velocity == (name in ("0", "1", "2"))


@pytest.mark.parametrize(
    "contents",
    ["null", "{}", "[1]", '[["a"]]', '[["a", "Moments", null]]', '[[1, "Moments", {}]]', "[", None],
)
def test_a_file_without_sums_is_one_sentence(contents, tmp_path):
    metadata = {"format": FORMAT} | ({} if contents is None else {"contents": contents})
    path = save_tensors({"0.factor": torch.zeros(2, 2)}, tmp_path / "sums", metadata=metadata)
    with pytest.raises(ValueError, match="sums' is no file of sums: its contents cannot be read.$"):
        load_sums(path, Moments)
