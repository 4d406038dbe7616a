"""What every benchmark uses: a private folder, photos, and daemons that are always stopped at the end."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phsearch.client import Client
from phsearch.errors import RemoteError
from support.harness import NO_POWER_DAEMON, Daemon, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.photos import Photos

MAIN, QUERY, INDEX = "main", "query worker", "index worker"
LONG = 300.0
"""Seconds to wait for something that takes a moment, also on a busy machine."""


@dataclass
class BenchContext:
    """The folder, photos and daemons of one run. `learnt` are facts about the run that only a running daemon knows."""

    folder: Path
    photos: Photos
    model: str
    quick: bool
    before: Path | None = None
    """Another checkout, to compare with."""
    size: int = 100_000
    """Photos in the library that `load` measures."""
    learnt: dict[str, str] = field(default_factory=dict)

    def count(self, usual: int, quick: int) -> int:
        """Return the number of samples."""
        return quick if self.quick else usual

    def daemon(self, name: str, sections: dict[str, Any] | None = None, *, before: bool = False) -> Daemon:
        """Return a daemon that is not started yet, in its own home folder; `sections` are those of config.toml.

        With `before` it is that of the other checkout.
        """
        sections = {**(sections or {})}
        sections["model"] = {"name": self.model, **sections.get("model", {})}
        lines = []
        for section, values in sections.items():
            lines.append(f"[{section}]")
            # JSON strings, numbers and booleans are also valid TOML.
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        home = self.folder / name
        home.mkdir()
        daemon = Daemon(home, self._program_before() if before else NO_POWER_DAEMON, "\n".join(lines) + "\n")
        if before:
            daemon.env["PYTHONPATH"] = f"{self.before}/daemon"
        return daemon

    def _program_before(self) -> tuple[str, ...]:
        assert self.before is not None
        project = tomllib.loads((self.before / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        module, _, function = project["scripts"]["phsearchd"].partition(":")
        return sys.executable, "-c", f"from {module} import {function}; {function}()"

    def learn(self, daemon: Daemon) -> None:
        """Record the device that the model runs on."""
        model = daemon.status()["model"]
        self.learnt["model"] = f"{model['name']} ({model['dim']} dimensions; {model['device']}, {model['precision']})"


@contextlib.contextmanager
def running(daemon: Daemon, *roots: Path) -> Iterator[Daemon]:
    """Start a daemon, and always stop it at the end."""
    try:
        yield daemon.start("--log-level", "info", roots=roots)
    finally:
        end(daemon)


def end(daemon: Daemon) -> None:
    """Stop a daemon that may not have started completely; its workers stop with it."""
    if daemon._process is None:
        return
    try:
        daemon.stop()
    except subprocess.TimeoutExpired:
        daemon.kill()


def processes(daemon: Daemon) -> dict[str, int]:
    """Return the process ids of a daemon by their role; the index worker is the one with a nice value."""
    found = {MAIN: daemon.pid}
    for pid in daemon.workers():
        # A worker may end between the two reads.
        with contextlib.suppress(ProcessLookupError):
            niced = os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, daemon.pid)
            found[INDEX if niced else QUERY] = pid
    return found


def warm(daemon: Daemon) -> None:
    """Wait until the daemon has answered some queries."""
    with Client(daemon.socket, LONG) as client:
        for word in ("cat", "coffee", "rocket", "motorcycle"):
            client.call("search", query=word)


def first_answer(daemon: Daemon, query: str) -> None:
    """Wait for the first answered query."""

    def answered() -> bool:
        with contextlib.suppress(RemoteError), Client(daemon.socket, 5) as client:
            # Not with the client's own retries, whose pauses would be part of the result.
            client._send_request("search", {"query": query}, time.monotonic() + client.timeout)
            return True
        return False

    wait_until(answered, "a query is answered", LONG)


def idle(daemon: Daemon, photos: int) -> None:
    """Wait until the library has at least this many photos and nothing is pending."""

    def done() -> bool:
        status = daemon.status()
        return status["photos"] >= photos and not status["pending"] and not status["scanning"]

    wait_until(done, f"{photos} photos are indexed", LONG)


def say(text: str) -> None:
    """Print what is being done."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
