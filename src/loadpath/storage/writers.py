"""Which process writes to a folder, and whether it has ended."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from loadpath.storage.digests import DIGEST_BYTES, digest_line

UNKNOWN = 0.0
"""When a process began that the system hides."""
HELD: set[str] = set()
"""Tokens of the locks that this process holds: one that it left by an interrupt is not there."""


@dataclass(frozen=True)
class Writer:
    """The process that writes to a folder, as its lock has it."""

    host: str
    """Name of its machine."""
    boot: str
    """What tells one start of that machine from another; "" where the system has no such thing."""
    space: str
    """In which of the machine's spaces of process ids it is (a container has its own)."""
    pid: int
    """Its process id."""
    start: float
    """When the process began, in the system's own count: an id may be given again."""
    since: float
    """When it took the folder, in seconds since 1970."""
    token: str
    """What tells one of its locks from the others."""

    def as_bytes(self) -> bytes:
        """Return what stands in the file of a lock."""
        content = json.dumps(asdict(self)).encode() + b"\n"
        return content + digest_line(content)

    @classmethod
    def from_bytes(cls, content: bytes) -> Writer:
        """Return whose lock a file is.

        Raises
        ------
        ValueError
            If it is damaged.
        """
        said = content[:-DIGEST_BYTES]
        if digest_line(said) != content[-DIGEST_BYTES:]:
            raise ValueError("The lock is damaged.")
        return cls(**json.loads(said))

    def is_gone(self) -> bool | None:
        """Return whether the process has ended; None if that cannot be seen from here."""
        here = this_process()
        if self.host != here.host:
            return None
        if self.boot != here.boot:
            return True if self.since < _boot_time() else None
        if self.space != here.space:
            return None
        if self.pid == here.pid and self.start == here.start:
            return self.token not in HELD
        start = start_of(self.pid)
        return start is None or UNKNOWN not in (start, self.start) and start != self.start


def this_process(token: str = "") -> Writer:
    """Return what tells this process from all others."""
    pid = os.getpid()
    start = start_of(pid)
    return Writer(
        host=socket.gethostname(),
        boot=_text("/proc/sys/kernel/random/boot_id"),
        space=_space(),
        pid=pid,
        start=UNKNOWN if start is None else start,
        since=time.time(),
        token=token,
    )


def start_of(pid: int) -> float | None:
    """Return when a process began, in the system's own count; None if there is none such.

    Linux counts from the start of the machine, so that setting its clock changes nothing.
    """
    said = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if said:
        return None if said[0] in "ZX" else float(said[19])  # killed, and not yet fetched
    if os.path.exists("/proc/self/stat"):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except OSError:
            pass
        return UNKNOWN
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return UNKNOWN


def _boot_time() -> float:
    """Return when this machine was started, in seconds since 1970."""
    return float(psutil.boot_time())


def _space() -> str:
    """Return which space of process ids this process is in."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _text(path: str) -> str:
    """Return what a file of the system says; "" if there is none."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
