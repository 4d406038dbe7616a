"""Starts daemons or clients of tests as forks of one process that has done their imports: in a tenth of the time.

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
from typing import TYPE_CHECKING, Any, Literal, Self

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import IO

_DAEMONS_IMPORT = (
    "phsearch.daemon.start",
    "phsearch.daemon.run",
    "phsearch.adapters.store.lance",
    "support.machine.fake_power",
    "support.worker_forks",
    "phsearch.adapters.images",
    "phsearch.worker.photo_reader",
    "phsearch.worker.serve_batches",
)
_CLIENTS_IMPORT = ("phsearch.cli", "phsearch.cli.search_request", "phsearch.cli.group", "phsearch.cli.program")
_MCP_IMPORTS = ("phsearch.cli.mcp_server.server", "phsearch.cli.mcp_server.stdio")
FORKS_WORKERS = "forks-workers"
"""The command line of what starts a daemon's workers as forks: a child of the daemon that is no worker."""

EXECUTES_WORKERS = "PHSEARCH_TEST_EXECUTES_WORKERS"
"""Set for daemons whose workers are executed: where the time that a worker takes to start is what is tested."""

_MAX_REQUEST = 1 << 16
_MOUNTS, _OWN_DIRECTORY = 0x00020000, 0x00000200  # CLONE_NEWNS, CLONE_FS
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
    """The process that forks `daemons`, `clients` or `mcp` clients: from the first fork to the end of the context."""

    def __init__(self, forked: Literal["daemons", "clients", "mcp"]) -> None:
        self._forked = forked
        self._requests, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._requests.close()
        self._theirs.close()
        if self._process is not None:
            self._process.wait()

    def start(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        stderr: IO[bytes],
        stdout: IO[bytes] | int = 1,
        stdin: IO[bytes] | None = None,
        cwd: Path | None = None,
        mounts_of: int | None = None,
    ) -> ForkedProcess:
        """Run a Python program or module, given by the command that would execute it.

        It sees the mounts that the process `mounts_of` sees, which only root can have it do.
        """
        if self._process is None:
            # No mark of `leftovers`: it outlives the test file.
            own = {"PATH": os.environ["PATH"], "PADDING": _PADDING}
            program = [sys.executable, __file__, self._forked, str(self._theirs.fileno()), _PADDING]
            self._process = subprocess.Popen(program, env=own, pass_fds=[self._theirs.fileno()])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        place = {"cwd": str(cwd or Path.cwd()), "mounts_of": mounts_of}
        request = json.dumps({"command": list(command), "env": dict(env), **place}).encode()
        with theirs, stdin or Path(os.devnull).open("rb") as given:
            out = stdout if isinstance(stdout, int) else stdout.fileno()
            socket.send_fds(self._requests, [request], [given.fileno(), out, stderr.fileno(), theirs.fileno()])
        return ForkedProcess(int(ours.recv(_MAX_REQUEST)), ours)


def main() -> None:
    """Serve; in a fork, run its program, which ends as any program does."""
    # Ctrl-C reaches the whole group; the tests end us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    forked = sys.argv[1]
    if forked == "daemons":
        _import_for_daemons()
    else:
        _import_for_clients(*(_MCP_IMPORTS if forked == "mcp" else ()))
    command = _Server(socket.socket(fileno=int(sys.argv[2]))).run()
    if command:
        if forked == "daemons" and EXECUTES_WORKERS not in os.environ:
            command = importlib.import_module("support.worker_forks").start() or command
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _run(command)


def _run(command: Sequence[str]) -> None:
    """Run a program or module, and end at once: not through the end of all that was imported."""
    try:
        if command[1] == "-m":
            runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(command[1], run_name="__main__")
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            raise  # the interpreter prints it
        status = end.code or 0
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _import_for_daemons() -> None:
    """Import what daemons import, and leave no thread: a fork has only the one that forks."""
    # As the daemon sets them before these imports.
    os.environ |= {"LANCEDB_LOG": "error", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    for name in _DAEMONS_IMPORT:
        importlib.import_module(name)
    background: Any = importlib.import_module("lancedb.background_loop").LOOP
    background.loop.call_soon_threadsafe(background.loop.stop)  # each fork starts its own
    background.thread.join()
    background.loop.close()
    gc.freeze()  # no fork collects what is here, at its end above all


def _import_for_clients(*others: str) -> None:
    for name in (*_CLIENTS_IMPORT, *others):
        importlib.import_module(name)
    commands: Any = importlib.import_module("phsearch.cli.group").commands
    for name in commands.list_commands(None):
        commands.get_command(None, name)
    gc.freeze()


class _Server:
    """Forks for each request, and reports the exit status of each fork."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._selector = selectors.DefaultSelector()
        self._selector.register(requests, selectors.EVENT_READ)

    def run(self) -> list[str]:
        """Return the command to run, in a fork; [] when no more requests come."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._requests:
                    self._report_exit(key.fd, *key.data)
                elif (command := self._fork()) is not None:
                    return command

    def _fork(self) -> list[str] | None:
        """Serve a request. Return the command to run, if this is the fork, and [] if there is no request."""
        message, descriptors, *_ = socket.recv_fds(self._requests, _MAX_REQUEST, 4)
        if not message:
            return []
        *streams, reply = descriptors
        request = json.loads(message)
        mounts_of = request.pop("mounts_of")
        exit_status = socket.socket(fileno=reply)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lancedb warns of forks: had it been at work, it might hang
            if mounts_of is not None:
                _enter_mounts(mounts_of)  # before the fork, in which a thread of lancedb starts at once
            pid = os.fork()
            if pid and mounts_of is not None:
                _enter_mounts(os.getppid())
        if pid == 0:
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            exit_status.close()
            self._close()
            command = become(**request)
        else:
            exit_status.send(b"%d" % pid)
            self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, exit_status))
            command = None
        for stream in streams:
            os.close(stream)
        return command

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


def _enter_mounts(process: int) -> None:
    """See the mounts that another process sees."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{process}/ns/mnt").open("rb") as namespace:
        # A library may have left a thread, and the working directory must not be shared with it.
        if libc.unshare(_OWN_DIRECTORY) or libc.setns(namespace.fileno(), _MOUNTS):
            raise OSError(ctypes.get_errno(), "cannot enter the mount namespace")


def become(command: list[str], env: dict[str, str], cwd: str) -> list[str]:
    """Take arguments, environment and working directory, also as /proc shows them. Return the command."""
    sys.argv = command[2:] if command[1] == "-m" else command[1:]
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    overwrite_command(command)
    _overwrite(2, [f"{name}={value}" for name, value in env.items()])
    return command


def overwrite_command(command: Sequence[str]) -> None:
    """Take a command line, as /proc shows it."""
    _overwrite(0, command)


def _overwrite(place: int, texts: Iterable[str]) -> None:
    """Write arguments (0) or environment (2) of this process, in place of those that it was executed with."""
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = (int(number) for number in stat[45 + place : 47 + place])
    content = b"".join(os.fsencode(text) + b"\0" for text in texts)
    assert len(content) < end - start
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, content, len(content))


if __name__ == "__main__":
    main()
