"""Processes that a test has started and not ended: found by a mark that every process of this one inherits."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

VARIABLE = "PHSEARCH_TEST_RUNNER"


def mark_children() -> None:
    """Mark what this process starts from now on."""
    os.environ[VARIABLE] = str(os.getpid())


def kill_leftovers(basetemp: Path, grace: float) -> list[str]:
    """Return what still runs after so many seconds, and kill it: marked processes, and those at home in `basetemp`."""
    deadline = time.monotonic() + grace
    while (found := _running(basetemp)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [f"{pid}: {command}" for pid, command in found.items()]


def _running(basetemp: Path) -> dict[int, str]:
    """Return the command lines of the processes; a zombie has no environment and is none of them."""
    marked, at_home = f"\0{VARIABLE}={os.getpid()}\0".encode(), f"={basetemp}/".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environment = b"\0" + (folder / "environ").read_bytes()
            if folder.name != str(os.getpid()) and (marked in environment or at_home in environment):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = command.decode(errors="replace")
    return found
