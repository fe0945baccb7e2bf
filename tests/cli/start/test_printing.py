"""A closed pipe or a full disk behind standard output ends no command and loses no result."""

import errno
import io
import os
import sys

import pytest

from loadpath import cli, plots
from loadpath.cli.folders import CHAIN_FILES


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    monkeypatch.setattr(plots, "png", lambda _: b"a picture")


CHAIN = ("chain", "--n-blocks", "3", "--n-steps", "100", "--threads", "1")


class Broken(io.StringIO):
    """A stream that takes so many writes, and then none."""

    def __init__(self, code, taken=0):
        super().__init__()
        self.code, self.taken = code, taken

    def write(self, text):
        if self.taken == 0:
            raise OSError(self.code, os.strerror(self.code))
        self.taken -= 1
        return super().write(text)


@pytest.mark.parametrize("taken", [0, 1, 3])
@pytest.mark.parametrize(
    "code, exit_code, said",
    [
        (errno.EPIPE, 0, ""),
        (errno.ENOSPC, 1, "loadpath: what was printed is lost (No space left on device); what "),
    ],
)
def test_nothing_is_lost_but_what_was_to_be_printed(
    code, exit_code, said, taken, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "stdout", Broken(code, taken))
    assert cli.main([*CHAIN, "--out", str(tmp_path)]) == exit_code
    assert isinstance(sys.stdout, Broken)
    assert {path.name for path in tmp_path.iterdir()} == {*CHAIN_FILES} - {"animation.html"}
    assert capsys.readouterr().err.startswith(said)


def test_a_broken_error_stream_ends_no_command(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Broken(errno.ENOSPC))
    assert cli.main([*CHAIN, "--out", str(tmp_path)]) == 0
    assert cli.main([*CHAIN, "--out", str(tmp_path)]) == 2  # what it has to say is lost


def test_closed_streams_end_no_command(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)  # as Python starts after `>&-`
    assert cli.main([*CHAIN, "--out", str(tmp_path)]) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_what_is_left_when_python_ends_is_not_flushed_into_a_broken_stream():
    reader, writer = os.pipe()
    os.close(reader)
    stream = open(writer, "w")
    before, sys.stdout = sys.stdout, stream
    try:
        assert cli.main(["chain", "--no-such-option"]) == 2
        with pytest.raises(SystemExit):
            cli.main(["--version"])
    finally:
        sys.stdout = before
    stream.close()  # would raise, if it still led to the pipe


def test_an_interrupt_in_the_middle_of_a_line_ends_that_line_first(tmp_path, monkeypatch, capsys):
    class CutOff(io.StringIO):
        cut = False

        def write(self, text):
            if text == "\n" and not self.cut:  # what `print` writes last
                self.cut = True
                raise KeyboardInterrupt
            return super().write(text)

    stream = CutOff()
    monkeypatch.setattr(sys, "stdout", stream)
    assert cli.main([*CHAIN, "--out", str(tmp_path)]) == 130
    printed = stream.getvalue()
    assert stream.cut and printed.endswith(".\n") and not printed.endswith("\n\n")
    assert "interrupted by SIGINT" in capsys.readouterr().err
