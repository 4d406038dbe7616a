"""One tower worker as a child process: start it, talk frames with it, end it.

Workers are started by exec, never forked: neither LanceDB nor CUDA survives a fork.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phsearch.domain.types import ModelIdentity
from phsearch.errors import ModelUnavailableError
from phsearch.service import frames
from phsearch.service.pipe import Pipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

log = logging.getLogger("phsearch.worker")

_STOP_SECONDS = 3.0
_KILL_SECONDS = 15.0
"""Its priority is the lowest, and on a busy machine even its end takes its time."""


class WorkerDiedError(Exception):
    """The worker process ended, by itself or by force."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What a worker says once its tower is loaded."""

    identity: ModelIdentity
    device: str
    precision: str
    multilingual: bool
    pid: int
    batch_size: int = 1
    confinement: str = ""


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """How to start a worker: its first frame, its environment, its program and how low its priority is.

    `nice` is the processor's, `expendable` (0 to 1000) the kernel's when it runs out of memory: it ends the most
    expendable process, so that the worker goes before the daemon, and before whatever the owner is working with.
    """

    setup: Mapping[str, Any]
    env: Mapping[str, str]
    program: tuple[str, ...]
    nice: int = 0
    expendable: int = 0
    roots: Callable[[], Sequence[str]] = tuple
    """The photo folders that are there now: what a worker may read is settled when it starts."""


class Worker:
    """A running worker whose tower is loaded."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket) -> None:
        self._process = process
        self._pipe = Pipe(connection)
        self.ready: Ready

    @classmethod
    async def start(cls, command: WorkerCommand) -> Worker:
        """Start a worker and wait for its tower. Raises ModelUnavailableError or WorkerDiedError."""
        ours, theirs = socket.socketpair()
        with theirs:
            # On the main thread: a worker asks to die with the thread that started it.
            process = _spawn(command, theirs)
        worker = cls(process, ours)
        try:
            await worker.send({**command.setup, "roots": list(command.roots())})
            header, _ = await worker.receive()
        except BaseException:
            await worker.kill()
            raise
        if header["op"] == "unavailable":
            await worker.stop()
            raise ModelUnavailableError(header["reason"], header["hint"])
        del header["op"]
        worker.ready = Ready(**header | {"identity": ModelIdentity(**header["identity"])})
        return worker

    async def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Send one frame. Raises WorkerDiedError."""
        try:
            await self._pipe.send(frames.pack(header, payload))
        except OSError:
            raise WorkerDiedError from None

    async def receive(self) -> frames.Frame:
        """Wait for one frame. Raises WorkerDiedError once all that the worker sent is read."""
        try:
            return await self._pipe.receive()
        except (EOFError, OSError):
            raise WorkerDiedError from None

    async def ended(self, seconds: float = _STOP_SECONDS) -> int | None:
        """Wait a moment for a worker that hung up to end; gives its exit status, negative for a signal, or None."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return await asyncio.to_thread(self._process.wait, seconds)
        return None

    def end(self) -> None:
        """End the worker at once; what it has sent may still be received."""
        self._process.kill()

    async def stop(self) -> None:
        """End the worker kindly: it exits when its connection closes."""
        self._pipe.close()
        if await self.ended() is None:
            await self.kill()

    async def kill(self) -> None:
        """End the worker at once, and hang up."""
        self._process.kill()
        self._pipe.close()
        if await self.ended(_KILL_SECONDS) is None:
            # Caught in a read of a disk that does not answer: even the kernel must wait for that, we need not.
            log.warning("worker %d was killed but does not end: what it reads from may not answer", self._process.pid)


def _spawn(command: WorkerCommand, connection: socket.socket) -> subprocess.Popen[bytes]:
    # Popen here and not asyncio's: its child watcher would compete with our own wait().
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [*command.program, str(connection.fileno())],
        env=dict(command.env),
        pass_fds=[connection.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    if command.nice:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, command.nice)
    if command.expendable:
        with contextlib.suppress(OSError):
            Path(f"/proc/{process.pid}/oom_score_adj").write_text(str(command.expendable))
    return process
