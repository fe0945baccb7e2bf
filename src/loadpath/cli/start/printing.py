"""What is printed never decides over what is saved: a closed pipe or a full disk ends no command.

Without this, the first line that cannot be printed raises in the middle of the work, and Python
raises again when it flushes what is left at its end.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Forgiving:
    """A text stream that drops what it cannot write, and remembers why."""

    def __init__(self, stream: Any) -> None:
        """Wrap a stream."""
        self._stream = stream
        self.fault: OSError | None = None
        """Why the first line was lost; None if none was."""
        self.muted = self.barless = False
        """Whether nothing is written, and whether no progress is shown."""
        self._in_line = False
        """Whether a line may have been begun and not ended."""

    def __getattr__(self, name: str) -> Any:
        """Return anything else as the stream has it."""
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        """Return whether somebody looks on, for whom progress is shown."""
        return not self.barless and bool(self._stream.isatty())

    def write(self, text: str) -> int:
        """Write text, or drop it once something could not be written."""
        if self.muted or not text:
            return len(text)
        self._in_line = self._in_line or not text.endswith("\n")
        self._attempt(lambda: self._stream.write(text))
        self._in_line = not text.endswith("\n")
        return len(text)

    def end_line(self) -> None:
        """End a line that was begun: `print` writes what ends it by itself, and may be cut off."""
        if self._in_line:
            self.write("\n")
        self.flush()

    def writelines(self, lines: Any) -> None:
        """Write lines, as `write` does."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush what was written, or drop it."""
        self._attempt(self._stream.flush)

    def _attempt(self, act: Any) -> None:
        if self.fault is None:
            try:
                act()
            except OSError as error:
                self.fault = error


@contextmanager
def forgiving_streams() -> Iterator[Forgiving | None]:
    """Let nothing that is printed inside raise; yield standard output, None if it is closed."""
    before = sys.stdout, sys.stderr
    out, err = (None if stream is None else Forgiving(stream) for stream in before)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        for stream in filter(None, (out, err)):
            stream.flush()
            if stream.fault is not None:
                _discard(stream)
        sys.stdout, sys.stderr = before


def end_line() -> None:
    """End the line on standard output that was being printed."""
    if isinstance(sys.stdout, Forgiving):
        sys.stdout.end_line()


def be_quiet() -> None:
    """Print nothing more on standard output, and show no progress on standard error."""
    for stream, name in ((sys.stdout, "muted"), (sys.stderr, "barless")):
        if isinstance(stream, Forgiving):
            setattr(stream, name, True)


def lost(out: Forgiving | None) -> str:
    """Return why what was printed is lost; "" if nothing is, or nobody wants to read on."""
    if out is None:
        return ""
    out.flush()
    if out.fault is None or out.fault.errno == errno.EPIPE:
        return ""
    return out.fault.strerror or str(out.fault)


def _discard(stream: Forgiving) -> None:
    """Lead a broken stream nowhere, for Python flushes it once more when it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
