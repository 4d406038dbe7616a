"""The lock of a state folder: one daemon uses it, and writes into it which process it is and where it listens.

So whoever knows the state folder finds the daemon, whatever its environment: cron, su, ssh and a desktop session have
different runtime directories, or none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_LONGEST = 4096


class LockHolder(NamedTuple):
    """The process that has, or had, the lock, and its socket."""

    pid: int
    socket: str


def write_holder(lock: int, socket: str) -> None:
    """Write into the open lock file that this process listens on `socket`. Raises OSError."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"%d\n%s\n" % (os.getpid(), os.fsencode(socket)), 0)


def read_holder(path: Path) -> LockHolder | None:
    """Return what the last daemon wrote into a lock file, None where there is none or it says nothing."""
    try:
        with path.open("rb") as file:
            pid, socket, _ = file.read(_LONGEST).split(b"\n")
        return LockHolder(int(pid), os.fsdecode(socket))
    except (OSError, ValueError):
        return None


def locking_process(path: Path) -> int | None:
    """Return the pid of the process that holds the lock now, or None.

    It is read from /proc/locks: to try the lock could keep a daemon from starting.
    """
    try:
        inode = path.stat().st_ino
    except FileNotFoundError:
        return None
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        # "1: FLOCK  ADVISORY  WRITE 4711 fe:00:2148543 0 EOF"; on btrfs the device differs from stat's.
        fields = line.split()
        if "FLOCK" in fields and fields[-3].rpartition(":")[2] == str(inode):
            return int(fields[-4])
    return None
