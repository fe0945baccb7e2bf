"""Ctrl-C, SIGTERM and SIGHUP: one sentence and the exit code, whatever a command is at."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from loadpath import cli
from loadpath.cli import chain
from loadpath.cli.start import Interrupts, interrupts

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
INTERRUPTED_AT = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, *_):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {signum})

import loadpath.cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run in the background
sys.meta_path.insert(0, Interrupting())
sys.argv = ["loadpath", "chain", "--out", {out!r}]
sys.exit(loadpath.cli.main())
"""


@pytest.mark.parametrize(
    "module, signum, name",
    [
        ("jsonargparse", signal.SIGINT, "loadpath"),
        ("jsonargparse", signal.SIGTERM, "loadpath"),
        ("xarray", signal.SIGINT, "loadpath chain"),
        ("numpy", signal.SIGTERM, "loadpath chain"),
        ("numpy", signal.SIGHUP, "loadpath chain"),
    ],
)
def test_while_it_imports_it_is_one_sentence(module, signum, name, tmp_path):
    out = tmp_path / "out"
    code = INTERRUPTED_AT.format(module=module, signum=int(signum), out=str(out))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = f"{name}: interrupted by {signum.name}; nothing was begun.\n"
    assert (done.returncode, done.stdout, done.stderr) == (128 + signum, "", said)
    assert not out.exists()


@pytest.mark.parametrize("signum", SIGNALS)
def test_while_it_runs_it_leaves_its_folder_and_says_what_is_kept(
    signum, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"

    def interrupted(options):
        assert (out / ".loadpath.lock").exists()
        (out / "chain.nc").touch()
        os.kill(os.getpid(), signum)
        time.sleep(5)
        raise AssertionError("never here")

    monkeypatch.setattr(chain, "run", interrupted)
    before = {each: signal.getsignal(each) for each in SIGNALS}
    monkeypatch.setattr(signal, "getsignal", lambda signum: signal.SIG_DFL)
    assert cli.main(["chain", "--out", str(out)]) == 128 + signum
    monkeypatch.undo()
    for each, handler in before.items():
        assert signal.getsignal(each) in (handler, signal.SIG_DFL)
        signal.signal(each, handler)
    assert capsys.readouterr().err == (
        f"loadpath chain: interrupted by {signum.name}; what was in {str(out)!r} is whole "
        "(chain.nc).\n"
    )
    assert [path.name for path in out.iterdir()] == ["chain.nc"]


@pytest.fixture
def taken(monkeypatch):
    """Interrupts of a command that runs in a process of its own, which is not really ended."""
    left, sent = [], []
    monkeypatch.setattr(os, "_exit", left.append)
    monkeypatch.setattr(os, "kill", lambda pid, signum: sent.append(signum))
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = {each: signal.getsignal(each) for each in SIGNALS}
    with Interrupts(own=True) as taken:
        taken.running, taken.left, taken.sent = True, left, sent
        yield taken
    for each, handler in before.items():
        signal.signal(each, handler)


def take(taken, signum=signal.SIGTERM):
    taken._take(signum, None)


def test_the_same_signal_twice_is_one_interrupt_and_a_later_one_ends_at_once(taken, capfd):
    with pytest.raises(KeyboardInterrupt):
        take(taken)
    take(taken, signal.SIGHUP)  # `systemctl stop` may send both
    assert taken.left == [] and taken.exit_code() == 143
    taken._time -= 2 * interrupts.TWICE_SECONDS
    with pytest.raises(KeyboardInterrupt):  # where `os._exit` returns, as here
        take(taken, signal.SIGINT)
    assert taken.left == [130]
    assert capfd.readouterr().err == "loadpath: interrupted by SIGINT; nothing was begun.\n"


def test_once_all_is_done_a_signal_ends_the_process_with_its_code(taken):
    taken.code = 2
    taken.__exit__()
    with pytest.raises(KeyboardInterrupt):
        take(taken)
    assert taken.left[0] == 2


def test_in_a_forked_child_a_signal_does_what_it_does_by_default(taken, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: -1)
    take(taken)
    assert taken.sent == [signal.SIGTERM] and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_an_interrupt_that_python_drops_is_sent_again(taken, capsys):
    class Dropping:
        def __del__(self):
            taken._take(signal.SIGTERM, None)

    Dropping()
    deadline = time.monotonic() + 10
    while not taken.sent and time.monotonic() < deadline:
        time.sleep(0.01)
    assert taken.sent == [signal.SIGTERM] and taken._signum == 0
    assert capsys.readouterr().err == ""


def test_what_the_shell_has_made_a_process_ignore_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with Interrupts(own=False):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_sentence_that_cannot_be_made_does_not_stop_the_end():
    taken = Interrupts(own=False)
    taken.kept = lambda: 1 / 0
    assert re.fullmatch(r"loadpath: interrupted by SIGINT\.", taken.sentence())
