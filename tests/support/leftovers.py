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


def kill_leftovers(folder: Path, *, grace: float = 0.0, marked: bool = False) -> list[str]:
    """Return what still runs after so many seconds, and kill it: processes whose environment names a path in `folder`.

    With `marked` these are also all that this process has started, and what they started.
    """
    deadline = time.monotonic() + grace
    while (found := _running(folder, marked=marked)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [f"{pid}: {command}" for pid, command in found.items()]


def _running(folder: Path, *, marked: bool) -> dict[int, str]:
    """Return the command lines of the processes; a zombie has no environment and is none of them."""
    signs = [f"={folder}/".encode()] + ([f"\0{VARIABLE}={os.getpid()}\0".encode()] if marked else [])
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environment = b"\0" + (process / "environ").read_bytes()
            if process.name != str(os.getpid()) and any(sign in environment for sign in signs):
                command = (process / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ")
                found[int(process.name)] = command.decode(errors="replace")
    return found
