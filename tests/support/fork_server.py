"""Starts the daemons of tests as forks of one process that has done their imports: in a tenth of the time.

A fork runs the program from its first line, with arguments, environment and stderr of its own, as if it had been
executed. Programs with an effect on imports, or under another command (strace, nsenter), have to be executed.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import IO

_IMPORTS = (
    "phsearch.daemon.start",
    "phsearch.daemon.run",
    "phsearch.adapters.store.lance",
    "support.machine.fake_power",
)
_MAX_REQUEST = 1 << 16
_PADDING = "-" * (1 << 14)
"""Space for the arguments and the environment of a fork, where /proc shows them."""


class ForkedProcess:
    """A fork, with what tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, exit_status: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._exit_status = exit_status

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, or None while the process runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status when the process has ended. Raise TimeoutExpired."""
        if self.returncode is None:
            self._exit_status.settimeout(timeout)
            try:
                self.returncode = int(self._exit_status.recv(_MAX_REQUEST))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(f"the fork {self.pid}", timeout or 0) from None
            self._exit_status.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that forks; it starts with the first fork, and ends with `close`."""

    def __init__(self) -> None:
        self._requests, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._requests.close()
        self._theirs.close()
        if self._process is not None:
            self._process.wait()

    def start(self, command: Sequence[str], env: Mapping[str, str], stderr: IO[bytes]) -> ForkedProcess:
        """Run a Python program, given by the command that would execute it."""
        if self._process is None:
            # No mark of `leftovers`: it outlives the test file.
            own = {"PATH": os.environ["PATH"], "PADDING": _PADDING}
            program = [sys.executable, __file__, str(self._theirs.fileno()), _PADDING]
            self._process = subprocess.Popen(program, env=own, pass_fds=[self._theirs.fileno()])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps({"command": list(command), "env": dict(env), "cwd": os.getcwd()}).encode()
        with theirs:
            socket.send_fds(self._requests, [request], [stderr.fileno(), theirs.fileno()])
        return ForkedProcess(int(ours.recv(_MAX_REQUEST)), ours)


def main() -> None:
    """Serve; in a fork, run its program, which ends as any program does."""
    # Ctrl-C reaches the whole group; the tests end us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _import_for_daemons()
    program = _Server(socket.socket(fileno=int(sys.argv[1]))).run()
    if program:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        runpy.run_path(program, run_name="__main__")


def _import_for_daemons() -> None:
    """Import what daemons import, and leave no thread: a fork has only the one that forks."""
    # As the daemon sets them before these imports.
    os.environ |= {"LANCEDB_LOG": "error", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    for name in _IMPORTS:
        importlib.import_module(name)
    background: Any = importlib.import_module("lancedb.background_loop").LOOP
    background.loop.call_soon_threadsafe(background.loop.stop)  # each fork starts its own
    background.thread.join()
    background.loop.close()
    gc.freeze()  # no fork collects what is here, at its end above all


class _Server:
    """Forks for each request, and reports the exit status of each fork."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._selector = selectors.DefaultSelector()
        self._selector.register(requests, selectors.EVENT_READ)

    def run(self) -> str:
        """Return the program to run, in a fork; "" when no more requests come."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._requests:
                    self._report_exit(key.fd, *key.data)
                elif (program := self._fork()) is not None:
                    return program

    def _fork(self) -> str | None:
        """Serve a request. Return the program to run, if this is the fork, and "" if there is no request."""
        message, descriptors, *_ = socket.recv_fds(self._requests, _MAX_REQUEST, 2)
        if not message:
            return ""
        stderr, reply = descriptors
        exit_status = socket.socket(fileno=reply)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lancedb warns of forks: had it been at work, it might hang
            pid = os.fork()
        if pid == 0:
            os.dup2(stderr, 2)
            exit_status.close()
            self._close()
            program = _become(**json.loads(message))
        else:
            exit_status.send(b"%d" % pid)
            self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, exit_status))
            program = None
        os.close(stderr)
        return program

    def _report_exit(self, pidfd: int, pid: int, exit_status: socket.socket) -> None:
        _, status = os.waitpid(pid, 0)
        with exit_status, contextlib.suppress(BrokenPipeError):  # the test may have ended before
            exit_status.send(b"%d" % os.waitstatus_to_exitcode(status))
        self._selector.unregister(pidfd)
        os.close(pidfd)

    def _close(self) -> None:
        for key in self._selector.get_map().values():
            os.close(key.fd)
            if key.data is not None:
                key.data[1].close()
        self._requests.detach()
        self._selector.close()


def _become(command: list[str], env: dict[str, str], cwd: str) -> str:
    """Take arguments, environment and working directory, also as /proc shows them. Return the program."""
    sys.argv = command[1:]
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    places = [int(number) for number in stat[45:49]]
    _overwrite(places[0], places[1], command)
    _overwrite(places[2], places[3], [f"{name}={value}" for name, value in env.items()])
    return command[1]


def _overwrite(start: int, end: int, texts: Iterable[str]) -> None:
    """Write texts between two addresses of this process, in place of those that it was executed with."""
    content = b"".join(os.fsencode(text) + b"\0" for text in texts)
    assert len(content) < end - start
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, content, len(content))


if __name__ == "__main__":
    main()
