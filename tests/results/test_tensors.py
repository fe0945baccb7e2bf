"""Tensors and their metadata survive the disk bit for bit; what is damaged or foreign is named."""

import pytest
import torch
from safetensors.torch import load_file, save_file

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
    with pytest.raises(OSError, match=r"' cannot be read \(Is a directory\)\.$"):
        results.load_tensors(tmp_path, format="sums-1", what="file of sums")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="sums' is cut short or damaged.$"):
        results.load_tensors(path, format="sums-1", what="file of sums")


def test_every_changed_byte_is_seen(tmp_path):
    path = results.save_tensors(TENSORS, tmp_path / "sums", metadata={"format": "sums-1"})
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="sums' (is cut short or damaged|has format).*\\.$"):
            results.load_tensors(path, format="sums-1", what="file of sums", former="sums-0")


def test_other_readers_of_safetensors_read_it(tmp_path):
    path = results.save_tensors(TENSORS, tmp_path / "sums", metadata={"format": "sums-1"})
    found = load_file(path)
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())


def test_files_of_an_earlier_format_have_no_digest_and_are_read_with_a_note(tmp_path, caplog):
    path = tmp_path / "sums"
    save_file(TENSORS, path, metadata={"format": "sums-0", "note": "a note"})
    asked = {"format": "sums-1", "what": "file of sums", "former": "sums-0"}
    tensors, metadata = results.load_tensors(path, **asked)
    assert torch.equal(tensors["factor"], TENSORS["factor"])
    assert metadata == {"format": "sums-0", "note": "a note"}
    assert [record.getMessage() for record in caplog.records] == [
        f"{str(path)!r} has no digest, as files of loadpath 0.1.0 have none: damage to it would "
        "not show."
    ]
    save_file(TENSORS, path, metadata={"format": "sums-1"})  # had one when it was written
    with pytest.raises(ValueError, match="sums' is cut short or damaged.$"):
        results.load_tensors(path, **asked)
