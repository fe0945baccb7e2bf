"""Ctrl-C, SIGTERM and a closed terminal end a command in one sentence, whatever it is at.

While a command runs they raise KeyboardInterrupt, so that it can leave its folder. Before and after
that, when modules are imported and when Python ends, such an error could come out of any place as a
traceback, and there is nothing to leave: the process ends at once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
SIGNALS = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
"""What interrupts a command; SIGHUP is sent when a terminal is closed."""
TWICE_SECONDS = 1.0
"""Signals that come so soon after another are the same interrupt: a group may get two."""


class Interrupts:
    """The interrupts of a command line, taken within a block.

    Parameters
    ----------
    own : bool
        Whether the process is there for the command line alone, and may be ended.
    """

    def __init__(self, *, own: bool) -> None:
        self.name = "loadpath"
        """What is being run, as it stands before sentences."""
        self.kept: Callable[[], str] = lambda: "nothing was begun"
        """Says what is kept of it."""
        self.code = 0
        """The exit code once all is done."""
        self.running = False
        """Whether an interrupt is raised, for the command to clear up."""
        self._own, self._done, self._pid = own, False, os.getpid()
        self._signum, self._time = 0, 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        """Take the signals that are not ignored already, as those of background jobs may be."""
        with suppress(ValueError):  # in another thread than the first, none can be taken
            for signum in SIGNALS:
                if signal.getsignal(signum) not in (signal.SIG_IGN, None):
                    self._before[signum] = signal.signal(signum, self._take)
        if self._own:
            sys.unraisablehook = self._raise_again
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back, unless the process ends now."""
        self.running, self._done = False, True
        if not self._own:
            for signum, before in self._before.items():
                signal.signal(signum, before)

    def sentence(self) -> str:
        """Say what was interrupted, by what, and what is kept."""
        kept = ""
        with suppress(Exception):
            kept = f"; {self.kept()}"
        by = signal.Signals(self._signum or signal.SIGINT).name
        return f"{self.name}: interrupted by {by}{kept}."

    def exit_code(self) -> int:
        """Return the exit code that shells give to a process that the signal ended."""
        return 128 + (self._signum or signal.SIGINT)

    def _take(self, signum: int, frame: FrameType | None) -> None:
        """Raise, or end the process."""
        if os.getpid() != self._pid:  # a child that was forked, which has nothing to say
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        if self._done:
            os._exit(self.code)
        if self._signum and time.monotonic() - self._time < TWICE_SECONDS:
            return
        again, self._signum, self._time = bool(self._signum), signum, time.monotonic()
        if self._own and (again or not self.running):
            with suppress(OSError):
                os.write(2, f"{self.sentence()}\n".encode())
            os._exit(self.exit_code())
        raise KeyboardInterrupt

    def _raise_again(self, unraisable: Any) -> None:
        """Send an interrupt once more that came where Python only prints and drops it."""
        if not isinstance(unraisable.exc_value, KeyboardInterrupt):
            if not self._signum:  # objects that an interrupt left half made cannot be cleared up
                sys.__unraisablehook__(unraisable)
            return
        from threading import Timer

        signum, self._signum = self._signum or signal.SIGINT, 0
        Timer(0.05, os.kill, (self._pid, signum)).start()
