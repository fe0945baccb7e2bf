"""Tensors and their metadata survive the disk bit for bit; what is damaged or foreign is named."""

import pytest
import torch

from loadpath import results

TENSORS = {
    "factor": torch.tensor([[1e-300, -0.0]], dtype=torch.float64),
    "count": torch.tensor([3]),
}


def test_a_round_trip_is_exact(tmp_path):
    metadata = {"format": "sums-1", "note": "a note"}
    path = results.save_tensors(TENSORS, tmp_path / "new" / "sums", metadata=metadata)
    tensors, found = results.load_tensors(path, format="sums-1", what="file of sums")
    assert found == metadata and tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].numpy().tobytes() == tensor.numpy().tobytes()


def test_what_is_no_such_file_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file of sums .*none'"):
        results.load_tensors(tmp_path / "none", format="sums-1", what="file of sums")
    path = results.save_tensors(TENSORS, tmp_path / "sums", metadata={"format": "sums-1"})
    with pytest.raises(FileExistsError, match="exists already and overwrite is False"):
        results.save_tensors(TENSORS, path, metadata={"format": "sums-1"})
    with pytest.raises(ValueError, match="has format 'sums-1', but a checkpoint that .* has 'c-1'"):
        results.load_tensors(path, format="c-1", what="checkpoint")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="sums' is cut short or damaged"):
        results.load_tensors(path, format="sums-1", what="file of sums")
