"""Which files of phsearch a photo and a query enter on their way: the fewer, the sooner a newcomer has read them all.

A file counts when one of its functions is called, in any thread of the process, between two signals. Importing a file
does not count, and neither does what a background task does meanwhile.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    # In place of this folder, whose modules are not to be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import phsearch
from support.harness import Daemon, daemon_program, photo, wait_until

if TYPE_CHECKING:
    from types import FrameType

VARIABLE = "PHSEARCH_TEST_TRACE"
"""Names the file that a traced process writes its list to."""

_PACKAGE = str(Path(phsearch.__file__).parent) + os.sep
_BACKGROUND = frozenset(
    {
        "_status_loop",
        "Heartbeat.run",
        "Albums.run",
        "RemovedRoots.run",
        "ConfigReloader.run",
        "ModelSwitch.run",
        "ModelSwitch._forget_former",
        "ModelChoiceFile.save",
    }
)
"""Tasks that watch the daemon from the side: what only they call is on nobody's route."""
_CLIENT = (sys.executable, str(Path(__file__)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Files below the package, sorted."""

    photo: list[str]
    """From the event of inotify to the row on the disk, in the daemon's main process."""
    worker: list[str]
    """Of the same photo, in the worker process that decodes it."""
    query: list[str]
    """From the words on the command line to the hits on the screen, in client and daemon."""


class Tracer:
    """Notes the files that this process enters while it is switched on."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._on = False

    def install(self) -> None:
        """Trace all threads that start from now on, and this one. SIGUSR1 switches on, SIGUSR2 writes the list."""
        fifo = f"{os.environ[VARIABLE]}.{os.getpid()}"
        os.mkfifo(fifo)  # a worker may write no files, but to what it opened before
        out = os.open(fifo, os.O_RDWR)

        def write(*_: Any) -> None:
            self._on = False
            os.write(out, json.dumps(sorted(self._files)).encode() + b"\n")

        signal.signal(signal.SIGUSR1, lambda *_: self.switch_on())
        signal.signal(signal.SIGUSR2, write)
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def switch_on(self) -> None:
        """Forget what was noted, and begin."""
        self._files.clear()
        self._on = True

    def run_client(self, words: list[str]) -> int:
        """Run the client in this process and return its exit status. Its files go to the file in $VARIABLE."""
        from phsearch import cli  # noqa: PLC0415 - importing it is no part of a query

        self._on = True
        sys.setprofile(self._note)
        try:
            return cli.run(words)
        finally:
            sys.setprofile(None)
            Path(os.environ[VARIABLE]).write_text(json.dumps(sorted(self._files)))

    def _note(self, frame: FrameType, event: str, _argument: Any) -> None:
        if self._on and event == "call":
            code = frame.f_code
            if code.co_name == "<module>" or not code.co_filename.startswith(_PACKAGE):
                return
            file = code.co_filename.removeprefix(_PACKAGE)
            if file not in self._files and _outermost(frame).f_code.co_qualname not in _BACKGROUND:
                self._files.add(file)


def _outermost(frame: FrameType) -> FrameType:
    """Return the first frame of phsearch that led to this one: that of a task, a callback or a thread's work."""
    outermost, at = frame, frame.f_back
    while at is not None and at.f_code.co_qualname != "Handle._run":  # below it is the event loop, and who runs that
        if at.f_code.co_filename.startswith(_PACKAGE):
            outermost = at
        at = at.f_back
    return outermost


class _Traced:
    """Processes of a traced daemon."""

    def __init__(self, trace: Path, pids: list[int]) -> None:
        self._fifos = {pid: os.open(f"{trace}.{pid}", os.O_RDONLY | os.O_NONBLOCK) for pid in pids}

    def begin(self) -> None:
        for pid in self._fifos:
            os.kill(pid, signal.SIGUSR1)
        time.sleep(0.3)  # a signal says nothing when it has arrived

    def end(self) -> dict[int, list[str]]:
        for pid in self._fifos:
            os.kill(pid, signal.SIGUSR2)
        return {pid: self._read(fifo) for pid, fifo in self._fifos.items()}

    def _read(self, fifo: int) -> list[str]:
        written = b""

        def whole() -> bool:
            nonlocal written
            try:
                written += os.read(fifo, 1 << 16)
            except BlockingIOError:
                return False
            return written.endswith(b"\n")

        wait_until(whole, "a traced process writes its list")
        files: list[str] = json.loads(written)
        return files


def measure_routes(home: Path) -> Routes:
    """Return the routes of one photo and of one query through a real daemon in `home`, whose model is a colour."""
    trace = home / "trace"
    daemon = Daemon(home, daemon_program("traced"), "[index]\nkeep_alive_seconds = 600\n")
    daemon.env[VARIABLE] = str(trace)
    daemon.start()
    try:
        for colour in ("red", "green", "blue"):
            photo(daemon.photos / f"{colour}.png", colour)
        daemon.settled()
        daemon.found("red")
        time.sleep(1)  # until the last connection is closed and the status is written
        traced = _Traced(trace, [daemon.pid, *daemon.workers()])

        def versions() -> int:
            return sum(1 for _ in daemon.state.glob("index/photos*/_versions/*"))

        before = versions()
        traced.begin()
        photo(daemon.photos / "new.png", "yellow")
        wait_until(lambda: versions() > before, "the photo is on the disk")
        of_photo = traced.end()

        traced.begin()
        env = daemon.env | {VARIABLE: f"{trace}.client"}
        os.spawnve(os.P_WAIT, sys.executable, [*_CLIENT, "yellow", "sky"], env)
        of_query = traced.end()
        client = json.loads(Path(f"{trace}.client").read_text())
    finally:
        daemon.stop()
    main = daemon.pid
    return Routes(
        photo=of_photo[main],
        worker=max((files for pid, files in of_photo.items() if pid != main), key=len),
        query=sorted({*of_query[main], *client}),
    )


if __name__ == "__main__":
    sys.exit(Tracer().run_client(sys.argv[1:]))
