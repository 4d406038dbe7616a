"""One tower worker as a child process: start it, talk frames with it, end it.

Workers are started by exec, never forked: neither LanceDB nor CUDA survives a fork.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phsearch.domain.types import DeviceChoice, ModelIdentity
from phsearch.errors import ModelUnavailableError
from phsearch.service.workers import frames
from phsearch.service.workers.log_reader import StderrLogger
from phsearch.service.workers.monitor import wait_while_active

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# The daemon's end of a worker's socket pair.
#
# asyncio's streams forget what has arrived once a write fails, and a worker that crashes leaves both behind: results on
# their way to us and a closed door for what we were about to send. Here the two directions know nothing of each other,
# so that every frame a worker ever sent is read.


_CHUNK = 1 << 18


class FrameSocket:
    """Frames over one socket. One task at a time may receive, and one may send."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._buffer = bytearray()

    async def send_frame(self, data: bytes | bytearray) -> None:
        """Send bytes. Raises OSError when the other side is gone."""
        await asyncio.get_running_loop().sock_sendall(self._connection, data)

    async def receive_frame(self) -> frames.Frame:
        """Wait for one frame; cancelling loses nothing.

        Raises EOFError or OSError once there are no more, ValueError for what is none.
        """
        while (frame := frames.decode(self._buffer)) is None:
            await self._readable()
            with contextlib.suppress(BlockingIOError):
                chunk = self._connection.recv(_CHUNK)
                if not chunk:
                    raise EOFError
                self._buffer += chunk
        return frame

    async def _readable(self) -> None:
        # Not sock_recv(): what it has read is lost when it is cancelled at that moment.
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._connection, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._connection)

    def close(self) -> None:
        """Hang up; nothing may be under way."""
        self._connection.close()


log = logging.getLogger("phsearch.worker")

_STALL_SECONDS = 300.0
"""Loading may take an hour, when the weights are downloaded. But doing nothing for five minutes is not loading: even a
hub that does not answer is given up by its library after seconds, and asked again."""
_STOP_SECONDS = 3.0

_SESSION_NICE = 10
"""About a tenth of the time beside one busy session, as CPUWeight=20 gives a sixth: there may be many, each counts as
one, and with 19 a worker beside a dozen of them would hardly ever start.
"""

_KILL_SECONDS = 15.0
"""Its priority is the lowest, and on a busy machine even its end takes its time."""


class WorkerDiedError(Exception):
    """The worker process ended, by itself or by force; `status` as subprocess gives it, None while nobody knows."""

    def __init__(self, status: int | None = None) -> None:
        super().__init__(_exit_text(status))
        self.status = status


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker says once its tower is loaded."""

    identity: ModelIdentity
    device: str
    precision: str
    multilingual: bool
    pid: int
    batch_size: int = 1
    device_choice: DeviceChoice = field(default_factory=DeviceChoice)
    source: str = ""
    """Where its weights are."""
    logit_scale: float = 100.0
    """What the model multiplies its cosines with before a softmax."""
    sandbox: str = ""
    """What keeps hostile photos from doing harm, in words."""


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
    oom_score_adj: int = 0
    roots: Callable[[], Sequence[str]] = tuple
    """The photo folders that are there now: what a worker may read is settled when it starts."""

    @property
    def name(self) -> str:
        """What its worker is called."""
        return {"text": "query", "image": "index"}.get(str(self.setup.get("tower")), str(self.setup.get("tower")))


class WorkerProcess:
    """A running worker whose tower is loaded."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket, said: StderrLogger) -> None:
        self._process = process
        self._socket = FrameSocket(connection)
        self._stderr = said
        self.info: WorkerInfo

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @classmethod
    async def start_process(cls, command: WorkerCommand) -> WorkerProcess:
        """Start a worker and wait for its tower. Raises ModelUnavailableError, WorkerDiedError or StalledError."""
        ours, theirs = socket.socketpair()
        said, says = os.pipe2(os.O_CLOEXEC)
        try:
            # On the main thread: a worker asks to die with the thread that started it.
            process = _spawn(command, theirs, says)
        except BaseException:
            ours.close()
            os.close(said)
            raise
        finally:
            theirs.close()
            os.close(says)
        worker = cls(process, ours, StderrLogger(said, f"{command.name} worker {process.pid}"))
        setup = {**command.setup, "roots": list(command.roots())}
        try:
            header, _ = await wait_while_active(worker.request(setup), pid=worker.pid, idle_seconds=_STALL_SECONDS)
        except WorkerDiedError:
            status = await worker.wait()
            await worker.kill()
            worker.log_stderr_tail()
            raise WorkerDiedError(status) from None
        except BaseException:
            await worker.kill()
            raise
        if header["op"] == "unavailable":
            await worker.stop()
            raise ModelUnavailableError(header["reason"], header["hint"])
        del header["op"]
        values = {
            "identity": ModelIdentity(**header["identity"]),
            "device_choice": DeviceChoice(**header.get("device_choice", {})),
        }
        worker.info = WorkerInfo(**header | values)
        return worker

    async def send_message(self, header: dict[str, Any], payload: bytes | bytearray = b"") -> None:
        """Send one frame. Raises WorkerDiedError."""
        try:
            await self._socket.send_frame(frames.encode_header(header, len(payload)))
            if payload:
                await self._socket.send_frame(payload)
        except OSError:
            raise WorkerDiedError from None

    async def receive_message(self) -> frames.Frame:
        """Wait for one frame. Raises WorkerDiedError once all that the worker sent is read; nonsense ends it."""
        try:
            return await self._socket.receive_frame()
        except (EOFError, OSError):
            raise WorkerDiedError from None
        except (ValueError, RecursionError):
            self.kill_nowait()  # nobody knows where its next frame begins
            raise WorkerDiedError from None

    async def request(self, header: dict[str, Any], payload: bytes | bytearray = b"") -> frames.Frame:
        """Send one frame and wait for the next that comes. Raises WorkerDiedError."""
        await self.send_message(header, payload)
        return await self.receive_message()

    def log_stderr_tail(self) -> None:
        """Log what the worker said last, as it may say why it ended."""
        self._stderr.log_tail()

    async def wait(self, seconds: float = _STOP_SECONDS) -> int | None:
        """Wait a moment for a worker that hung up to end; gives its exit status, negative for a signal, or None."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return await asyncio.to_thread(self._process.wait, seconds)
        return None

    def kill_nowait(self) -> None:
        """End the worker at once; what it has sent may still be received."""
        self._process.kill()

    async def stop(self) -> None:
        """End the worker kindly: it exits when its connection closes."""
        self._socket.close()
        if await self.wait() is None:
            await self.kill()
        self._stderr.close()

    async def kill(self) -> None:
        """End the worker at once, and hang up."""
        self._process.kill()
        self._socket.close()
        if await self.wait(_KILL_SECONDS) is None:
            # Caught in a read of a disk that does not answer: even the kernel must wait for that, we need not.
            log.warning("worker %d was killed but does not end: what it reads from may not answer", self._process.pid)
        self._stderr.close()


def _spawn(command: WorkerCommand, connection: socket.socket, stderr: int) -> subprocess.Popen[bytes]:
    # Popen here and not asyncio's: its child watcher would compete with our own wait().
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [*command.program, str(connection.fileno())],
        env=dict(command.env),
        pass_fds=[connection.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=command.nice > 0,
    )
    if command.nice:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, command.nice)
        # Outside control groups the kernel shares the processor among sessions first, and a nice value counts only
        # within one: beside two busy programs of another session a worker with 19 took 72 % of the time.
        with contextlib.suppress(OSError):
            Path(f"/proc/{process.pid}/autogroup").write_text(str(min(command.nice, _SESSION_NICE)))
    if command.oom_score_adj:
        with contextlib.suppress(OSError):
            Path(f"/proc/{process.pid}/oom_score_adj").write_text(str(command.oom_score_adj))
    return process


def _exit_text(status: int | None) -> str:
    if status is None:
        return "it ended"
    if status >= 0:
        return f"it ended with exit status {status}"
    try:
        return f"it was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"it was ended by signal {-status}"
