"""Starts the test workers of a forked daemon as forks, too, of a process that has done their imports.

That process is a child of the daemon, which has no thread to lose. It forks twice: when the process between the two
forks has ended, the kernel makes its child a child of the daemon, which takes in orphans. So the daemon is the parent
of its workers, as if it had executed them: it waits for them, and they end with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from phsearch.service.workers import process
from support.fork_server import FORKS_WORKERS, become, overwrite_command
from support.workers import FORKED_WORKERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MAX_REQUEST = 1 << 16
_SUBREAPER = 36
_HIGH = 1000


class ForkedWorker:
    """A worker, with what the daemon uses of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._returncode: int | None = None
        self._pidfd = os.pidfd_open(pid)
        self._lock = threading.Lock()

    def __del__(self) -> None:
        os.close(self._pidfd)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status when the process has ended, negative for a signal. Raise TimeoutExpired."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        if not poll.poll(None if timeout is None else timeout * 1000):
            raise subprocess.TimeoutExpired(f"the worker {self.pid}", timeout or 0)
        with self._lock:
            if self._returncode is None:
                self._returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            return self._returncode

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)


def start() -> list[str]:
    """Start the process that forks, in a daemon without threads. Return [], and in each of its forks the command."""
    requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1)
    daemon = os.getpid()
    if os.fork() == 0:
        requests.close()
        return _serve(theirs, daemon)
    theirs.close()

    def popen(command: Sequence[str], **options: Any) -> Any:
        forked = tuple(command[:2]) in FORKED_WORKERS
        return _fork_worker(requests, command, **options) if forked else subprocess.Popen(command, **options)

    vars(process)["subprocess"] = SimpleNamespace(**vars(subprocess) | {"Popen": popen})
    return []


def _fork_worker(
    requests: socket.socket,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    pass_fds: Sequence[int],
    stderr: int,
    start_new_session: bool,
    **_nowhere: Any,
) -> ForkedWorker:
    request = {"command": list(command), "env": dict(env), "cwd": os.getcwd(), "session": start_new_session}
    socket.send_fds(requests, [json.dumps(request).encode()], [*pass_fds, stderr])
    return ForkedWorker(int(requests.recv(_MAX_REQUEST)))


def _serve(requests: socket.socket, daemon: int) -> list[str]:
    """Fork for each request, until the daemon ends. Return in the forks, with their command."""
    overwrite_command([FORKS_WORKERS])
    while True:
        message, descriptors, *_ = socket.recv_fds(requests, _MAX_REQUEST, 2)
        if not message:
            os._exit(0)
        read, write = os.pipe()
        between = os.fork()
        if between == 0:
            between = os.getpid()
            if os.fork():
                os._exit(0)
            while os.getppid() == between:
                time.sleep(0.0005)
            if os.getppid() != daemon:
                os._exit(1)
            request = json.loads(message)
            if request.pop("session"):
                os.setsid()
            os.write(write, b"%d" % os.getpid())  # the daemon does the rest, as after Popen
            requests.detach()
            _keep_only(*descriptors, number=int(request["command"][-1]))
            become(**request)
            return list(request["command"])
        os.close(write)
        os.waitpid(between, 0)
        requests.send(os.read(read, _MAX_REQUEST))
        for descriptor in (*descriptors, read):
            os.close(descriptor)


def _keep_only(connection: int, stderr: int, *, number: int) -> None:
    """Leave the worker its connection, under its number, and the standard streams."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for target, source in ((0, nowhere), (1, nowhere), (2, stderr), (_HIGH, connection)):
        os.dup2(source, target)
    os.closerange(3, _HIGH)
    os.dup2(_HIGH, number)
    os.close(_HIGH)
