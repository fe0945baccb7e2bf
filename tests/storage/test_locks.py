"""One writer a folder: who is refused, whose lock is broken, and what is left."""

import dataclasses
import errno
import os
import re
import subprocess
import sys

import pytest

from loadpath.storage import locks, one_writer
from loadpath.storage.locks import LOCK
from loadpath.storage.writers import HELD, UNKNOWN, Writer, start_of, this_process


def writer(**changes):
    """This process as it would stand in a lock, or one that differs from it."""
    return dataclasses.replace(this_process(token="0" * 16), **changes)


def lock(folder, **changes):
    """Put a lock into a folder."""
    folder.mkdir(exist_ok=True)
    (folder / LOCK).write_bytes(writer(**changes).as_bytes())


def gone():
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def parent():
    """Another process that is running: the one that started this one."""
    pid = os.getppid()
    return {"pid": pid, "start": start_of(pid)}


def test_a_folder_is_held_and_left_as_it_was(tmp_path):
    folder = tmp_path / "a" / "b"
    with one_writer(folder) as held:
        assert [path.name for path in folder.iterdir()] == [LOCK] and not held.lost()
    assert list(tmp_path.iterdir()) == []  # what was made for nothing is removed again
    with pytest.raises(KeyError), one_writer(folder):
        (folder / "result").touch()
        raise KeyError
    assert [path.name for path in folder.iterdir()] == ["result"]
    with one_writer(folder):
        pass
    assert folder.is_dir() and HELD == set()


def test_a_process_that_runs_is_told_apart_and_refuses(tmp_path, parent):
    lock(tmp_path, **parent)
    before = (tmp_path / LOCK).read_bytes()
    said = f"{str(tmp_path)!r} is being written to by process {parent['pid']} of {writer().host!r}"
    with pytest.raises(BlockingIOError, match=f"^{re.escape(said)} since .*; wait for it, or stop"):
        with one_writer(tmp_path):
            raise AssertionError("never here")
    assert (tmp_path / LOCK).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_a_second_time_in_one_process_is_refused(tmp_path):
    with one_writer(tmp_path):
        with pytest.raises(BlockingIOError, match=r"is being written to by this process; one at a"):
            with one_writer(tmp_path):
                raise AssertionError("never here")
        assert (tmp_path / LOCK).exists()  # the first one's


@pytest.mark.parametrize(
    "left",
    [
        lambda: {"pid": gone()},
        lambda: {"pid": os.getppid(), "start": 12.0},  # an id that was given again
        lambda: {},  # this process, which was interrupted before it could leave
        lambda: {"boot": "before", "since": 1e9},  # before the machine was started anew
    ],
    ids=["killed", "id given again", "interrupted", "machine started anew"],
)
def test_the_lock_of_a_writer_that_is_gone_is_broken(left, tmp_path):
    lock(tmp_path, **left())
    (tmp_path / f".x.nc.{gone()}.tmp").touch()
    with one_writer(tmp_path) as held:
        assert not held.lost()
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]  # and leftovers are cleared
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_that_nobody_has_fetched_is_gone(tmp_path):
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    lock(tmp_path, pid=process.pid, start=start_of(process.pid))
    with pytest.raises(BlockingIOError), one_writer(tmp_path):
        raise AssertionError("never here")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still listed
    with one_writer(tmp_path):
        pass
    process.communicate()


@pytest.mark.parametrize(
    "left",
    [
        {"host": "elsewhere"},
        {"host": "elsewhere", "pid": 2**22 + 1},
        {"boot": "another of this name", "since": 1e12},
        {"space": "pid:[1]"},
    ],
)
def test_what_cannot_be_seen_from_here_is_refused_with_what_to_do(left, tmp_path):
    lock(tmp_path, **left)
    said = f"cannot be seen from here; if it does not, remove {str(tmp_path / LOCK)!r}."
    with pytest.raises(BlockingIOError, match=f"of .* since .*{re.escape(said)}$"):
        with one_writer(tmp_path):
            raise AssertionError("never here")
    assert (tmp_path / LOCK).exists()


def test_a_process_whose_beginning_is_hidden_is_taken_to_run(parent):
    assert not writer(pid=parent["pid"], start=UNKNOWN).is_gone()


def test_no_damage_to_a_lock_breaks_it(tmp_path, parent, monkeypatch):
    monkeypatch.setattr(locks.time, "sleep", lambda seconds: None)
    lock(tmp_path, **parent)
    whole = (tmp_path / LOCK).read_bytes()
    damaged = [whole[:n] for n in range(0, len(whole), 40)]
    for i in range(0, len(whole), 11):
        damaged.append(whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :])
    for content in [*damaged, b"{}\n" * 40]:
        (tmp_path / LOCK).write_bytes(content)
        with pytest.raises(BlockingIOError, match=r"lock' is damaged and does not say who writes"):
            with one_writer(tmp_path):
                raise AssertionError("never here")
        assert (tmp_path / LOCK).read_bytes() == content


def test_a_folder_that_is_deleted_is_lost_and_another_may_have_it(tmp_path):
    folder = tmp_path / "folder"
    with one_writer(folder) as held:
        folder.rename(tmp_path / "moved")
        assert held.lost()
        with one_writer(folder) as other:
            assert held.lost() and not other.lost()
        folder.mkdir()
        lock(folder, host="elsewhere")
    assert (folder / LOCK).exists()  # the other one's


@pytest.mark.parametrize("fault", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links_there_is_still_one_writer(fault, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(os, "link", refuse)
    with one_writer(tmp_path) as held:
        assert not held.lost()
        with pytest.raises(BlockingIOError), one_writer(tmp_path):
            raise AssertionError("never here")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_lock_is_one_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=r"new' cannot be written to \(No space left on device\)\.$"):
        with one_writer(tmp_path / "new"):
            raise AssertionError("never here")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/new' cannot be written to \(Not a directory\)\.$"):
        with one_writer(tmp_path / "file" / "new"):
            raise AssertionError("never here")


def test_a_lock_that_another_took_since_is_not_broken(tmp_path, parent):
    path = tmp_path / LOCK
    lock(tmp_path, pid=gone())
    dead = locks._read(path)
    lock(tmp_path, **parent)  # which has broken it, and taken the folder
    locks._break(path, dead)
    assert locks._read(path).pid == parent["pid"]


def test_a_lock_that_another_is_breaking_is_left_to_it(tmp_path, parent):
    path = tmp_path / LOCK
    lock(tmp_path, pid=gone())
    dead = locks._read(path)
    (tmp_path / f"{LOCK}.breaking").write_bytes(writer(**parent).as_bytes())
    locks._break(path, dead)
    assert locks._read(path) == dead


def test_what_a_kill_leaves_while_a_lock_is_broken_is_cleared(tmp_path):
    (tmp_path / f"{LOCK}.breaking").write_bytes(writer(pid=gone()).as_bytes())
    (tmp_path / f"{LOCK}.breaking.breaking").write_bytes(b"damaged")
    with one_writer(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_it_is_written_in_a_form_that_is_read_back():
    one = this_process(token="x")
    assert Writer.from_bytes(one.as_bytes()) == one


CONTENDERS = """
import os, random, sys, time
from pathlib import Path
from loadpath.storage import one_writer
folder, inside = Path(sys.argv[1]), Path(sys.argv[2])
children = []
for seed in range(6):
    if not (child := os.fork()):
        random.seed(seed)
        taken, code = 0, 0
        begun = time.monotonic()
        # 0.8 s, and on a busy machine until it has been in some ten times.
        while not code and (time.monotonic() < begun + (0.8 if taken >= 10 else 30)):
            try:
                with one_writer(folder):
                    try:
                        os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                    except FileExistsError:
                        code = 3  # another was in
                    taken += 1
                    os.unlink(inside)
                    if random.random() < 0.1:
                        os._exit(9)  # without leaving, as a kill does
            except BlockingIOError:
                pass
        os._exit(code)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print(*codes)
"""


def test_of_many_that_find_a_dead_writer_one_alone_goes_on(tmp_path):
    for turn in range(2):
        folder = tmp_path / str(turn)
        lock(folder, pid=gone())
        done = subprocess.run(
            [sys.executable, "-c", CONTENDERS, folder, tmp_path / "inside"],
            capture_output=True,
            text=True,
            check=True,
        )
        codes = done.stdout.split()
        assert done.stderr == "" and "3" not in codes and set(codes) <= {"0", "9"}
        assert "9" in codes  # some died inside, and others went on
