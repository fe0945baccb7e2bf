"""Files are whole or not there, and never over older ones unless that is asked for."""

import os

import pytest

from loadpath import results


def test_the_data_reach_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("replace"), replace(a, b)))
    results.write_text_atomic(tmp_path / "page.html", "page")
    assert events[:2] == ["fsync", "replace"]


def test_text_is_written_whole_and_not_over_older_text(tmp_path):
    path = results.write_text_atomic(tmp_path / "config.yaml", "width: 100 # γ\n")
    assert path.read_text(encoding="utf-8") == "width: 100 # γ\n"
    with pytest.raises(FileExistsError):
        results.write_text_atomic(path, "width: 50\n")
    results.write_text_atomic(path, "width: 50\n", overwrite=True)
    assert path.read_text() == "width: 50\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_raises_leaves_the_old_file_and_no_other(tmp_path):
    path = results.write_text_atomic(tmp_path / "page.html", "old")
    with pytest.raises(RuntimeError, match="midway"):
        with results.atomic_path(path, overwrite=True) as temporary:
            temporary.write_text("ne")
            raise RuntimeError("midway")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
