"""Files are whole or not there, never over older ones unless asked, and a fault is one sentence."""

import errno
import hashlib
import os
import subprocess
import sys

import pytest

from loadpath.storage import clear_leftovers, write_atomic, write_page


def test_the_data_reach_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("replace"), replace(a, b)))
    write_atomic(tmp_path / "page.html", b"page")
    assert events == ["fsync", "replace", "fsync"]


def test_a_file_is_not_written_over_an_older_one_unasked(tmp_path):
    path = write_atomic(tmp_path / "new" / "file", b"old")
    with pytest.raises(FileExistsError, match="file' exists already and overwrite is False.$"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert write_atomic(path, b"new", overwrite=True).read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EDQUOT])
def test_what_the_system_refuses_is_one_sentence_and_the_old_file_stays(
    step, code, tmp_path, monkeypatch
):
    path = write_atomic(tmp_path / "run.nc", b"old")

    def refused(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, step, refused)
    with pytest.raises(OSError) as caught:
        write_atomic(path, b"new", overwrite=True)
    assert str(caught.value) == f"{str(path)!r} cannot be written ({os.strerror(code)})."
    assert caught.value.errno == code
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"x.nc' cannot be written \(Not a directory\)\.$"):
        write_atomic(tmp_path / "file" / "x.nc", b"")
    with pytest.raises(ValueError, match=r"path must be shorter, got '.*\.$"):
        write_atomic(tmp_path / ("x" * 300), b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"folder' cannot be written \(Is a directory\)\.$"):
        write_atomic(tmp_path / "folder", b"", overwrite=True)


@pytest.mark.skipif(os.name != "posix", reason="the umask is POSIX")
@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_modes_follow_the_umask(mask, mode, tmp_path):
    before = os.umask(mask)
    try:
        path = write_atomic(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode


def test_a_page_ends_with_its_digest_in_a_comment(tmp_path):
    content = write_page(tmp_path / "page.html", "<p>γ</p>").read_bytes()
    body, last = content.splitlines(keepends=True)
    assert body.decode() == "<p>γ</p>\n"
    digest = hashlib.sha256(body).hexdigest()
    assert last.decode() == f"<!-- loadpath-sha256 {digest} -->\n"


def test_what_dead_writers_left_is_cleared_and_nothing_else(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    dead = tmp_path / f".run.nc.{process.pid}.tmp"
    reused = tmp_path / f".history.nc.{os.getpid()}.tmp"  # by a process before this one
    others = [
        tmp_path / f".model.{os.getpid()}.tmp",
        tmp_path / ".hidden.tmp",
        tmp_path / "run.nc",
    ]
    for path in (dead, reused, *others):
        path.write_bytes(b"part")
    os.utime(reused, (0, 0))
    assert clear_leftovers(tmp_path) == sorted([reused, dead])
    assert sorted(tmp_path.iterdir()) == sorted(others)
    assert clear_leftovers(tmp_path / "none") == []
