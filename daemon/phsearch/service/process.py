"""One tower worker as a child process: start it, talk frames with it, end it.

Workers are started by exec, never forked: neither LanceDB nor CUDA survives a fork.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phsearch.domain.types import ModelIdentity
from phsearch.errors import ModelUnavailableError
from phsearch.service import frames

if TYPE_CHECKING:
    from collections.abc import Mapping

_STOP_SECONDS = 3.0


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


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """How to start a worker: its first frame, its environment, its program and how low its priority is."""

    setup: Mapping[str, Any]
    env: Mapping[str, str]
    program: tuple[str, ...]
    nice: int = 0


class Worker:
    """A running worker whose tower is loaded."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket) -> None:
        self._process = process
        self._connection = connection
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
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
            worker._reader, worker._writer = await asyncio.open_unix_connection(sock=ours, limit=1 << 26)
            await worker.send(dict(command.setup))
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
            self._writer.write(frames.pack(header, payload))
            await self._writer.drain()
        except OSError:
            raise WorkerDiedError from None

    async def receive(self) -> frames.Frame:
        """Wait for one frame. Raises WorkerDiedError."""
        try:
            return await frames.read(self._reader)
        except (EOFError, OSError):
            raise WorkerDiedError from None

    async def stop(self) -> None:
        """End the worker kindly: it exits when its connection closes."""
        await self._close()
        try:
            await asyncio.to_thread(self._process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            await self.kill()

    async def kill(self) -> None:
        """End the worker at once."""
        self._process.kill()
        await self._close()
        await asyncio.to_thread(self._process.wait)

    async def _close(self) -> None:
        if hasattr(self, "_writer"):
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        else:
            self._connection.close()


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
    return process
