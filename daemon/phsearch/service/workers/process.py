"""A worker as a child process: starts it, exchanges frames with it, ends it.

Workers are started by exec, never forked: neither LanceDB nor CUDA survives a fork.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch.domain.types import RuntimePlan
from phsearch.errors import GraphError, ModelUnavailableError, UnknownModelError
from phsearch.service.workers import frames
from phsearch.service.workers.command import WorkerInfo
from phsearch.service.workers.limits import (
    CHECK_SECONDS,
    LONGEST_STEP,
    MemoryExceededError,
    StalledError,
    cpu_and_faults,
)
from phsearch.service.workers.log_reader import StderrLogger
from phsearch.timing import RunningClock, StallTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.service.workers.command import WorkerCommand, WorkerSetup
    from phsearch.service.workers.limits import MemoryLimit

log = logging.getLogger("phsearch.worker")

_CHUNK = 1 << 18

_STALL_SECONDS = 300.0
"""A download may take an hour. But five minutes without any activity are a hang: a line that is silent is given up
after seconds, and asked again."""
_STOP_SECONDS = 3.0
_KILL_SECONDS = 15.0
"""A worker has the lowest priority, so that on a busy machine even its end takes time."""

_AUTOGROUP_NICE = 10
"""A worker gets about a tenth of the processor beside one busy session; with CPUWeight=20 it is a sixth. There may be
many sessions: with 19, a worker beside a dozen of them would hardly ever start."""


class FrameSocket:
    """The daemon's end of a worker's socket pair. One task at a time may receive, and one may send.

    The streams of asyncio drop received data once a write fails. A worker that crashes causes both: results on their
    way, and a write that fails. Here the two directions are independent, so that every frame a worker sent is read.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._buffer = bytearray()

    async def send_frame(self, data: bytes | bytearray) -> None:
        """Send bytes. Raises OSError when the worker is gone."""
        await asyncio.get_running_loop().sock_sendall(self._connection, data)

    async def receive_frame(self) -> frames.Frame:
        """Wait for one frame and return it. Cancelling loses no bytes.

        Raises EOFError or OSError when there are no more frames, ValueError for bytes that are no frame.
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
        # Not sock_recv(): the bytes that it has read are lost when it is cancelled at that moment.
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._connection, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._connection)

    def close(self) -> None:
        """Close the socket. No task may be sending or receiving."""
        self._connection.close()


class WorkerDiedError(Exception):
    """The worker process ended, by itself or by force. `status` is that of subprocess, None where it is unknown."""

    def __init__(self, status: int | None = None) -> None:
        super().__init__(_exit_text(status))
        self.status = status


class WorkerProcess:
    """A running worker with a loaded model."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket, stderr: StderrLogger) -> None:
        self._process = process
        self._socket = FrameSocket(connection)
        self._stderr = stderr
        self.info: WorkerInfo

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @classmethod
    async def start_process(cls, command: WorkerCommand) -> WorkerProcess:
        """Start a worker and wait for its model. Where a runtime cannot run it, the next one is tried.

        Raises ModelUnavailableError, GraphError, WorkerDiedError or StalledError.
        """
        tower = command.setup.tower
        while True:
            plan = await command.planner.make_plan(tower) if command.planner else RuntimePlan(device="cpu")
            try:
                return await cls._start_by(plan, command)
            except (GraphError, ModelUnavailableError, WorkerDiedError, StalledError) as error:
                # A kill from outside says nothing about the runtime.
                killed = isinstance(error, WorkerDiedError) and error.status in {None, -signal.SIGKILL}
                if killed or command.planner is None or not await command.planner.step_back(tower, plan, error):
                    raise

    @classmethod
    async def _start_by(cls, plan: RuntimePlan, command: WorkerCommand) -> WorkerProcess:
        worker = cls.spawn(command)
        setup = replace(command.setup, roots=tuple(command.roots()), plan=plan)
        worker.info = WorkerInfo.parse_header(await worker.request_first(setup))
        return worker

    @classmethod
    async def run_once(
        cls, command: WorkerCommand, on_progress: Callable[[frames.Header], None] | None = None
    ) -> frames.Header:
        """Start a worker, wait for its only answer and return it. Raises as start_process.

        `on_progress` gets what it says before that of its progress.
        """
        worker = cls.spawn(command)
        answer = await worker.request_first(command.setup, on_progress)
        await worker.stop()
        return answer

    @classmethod
    def spawn(cls, command: WorkerCommand) -> WorkerProcess:
        """Start the process."""
        ours, theirs = socket.socketpair()
        stderr_read, stderr_write = os.pipe2(os.O_CLOEXEC)
        try:
            # On the main thread: a worker has the kernel end it together with the thread that started it.
            process = _spawn(command, theirs, stderr_write)
        except BaseException:
            ours.close()
            os.close(stderr_read)
            raise
        finally:
            theirs.close()
            os.close(stderr_write)
        return cls(process, ours, StderrLogger(stderr_read, f"{command.name} worker {process.pid}"))

    async def request_first(
        self, setup: WorkerSetup, on_progress: Callable[[frames.Header], None] | None = None
    ) -> frames.Header:
        """Send the set-up and return the first answer. Raises as start_process; then the process has ended."""
        try:
            header, _ = await self.request_watched(asdict(setup), idle_seconds=_STALL_SECONDS, on_progress=on_progress)
        except WorkerDiedError:
            status = await self.wait()
            await self.kill()
            self.log_stderr_tail()
            raise WorkerDiedError(status) from None
        except BaseException:
            await self.kill()
            raise
        match header["op"]:
            case "unavailable":
                await self.stop()
                kind = UnknownModelError if header.get("final") is True else ModelUnavailableError
                raise kind(header["reason"], header["hint"])
            case "unfit":
                await self.stop()
                raise GraphError(header["reason"], header["hint"])
        return header

    async def send_message(self, header: frames.Header, payload: bytes | bytearray = b"") -> None:
        """Send one frame. Raises WorkerDiedError."""
        try:
            await self._socket.send_frame(frames.encode_header(header, len(payload)))
            if payload:
                await self._socket.send_frame(payload)
        except OSError:
            raise WorkerDiedError from None

    async def receive_message(self) -> frames.Frame:
        """Wait for one frame. Raises WorkerDiedError after the last frame, or for nonsense, which ends the worker."""
        try:
            return await self._socket.receive_frame()
        except (EOFError, OSError):
            raise WorkerDiedError from None
        except (ValueError, RecursionError):
            self.kill_nowait()  # the start of the next frame is unknown
            raise WorkerDiedError from None

    async def request_watched(
        self,
        header: frames.Header,
        payload: bytes | bytearray = b"",
        *,
        idle_seconds: float,
        timeout: float = math.inf,  # noqa: ASYNC109 - not by the wall clock
        memory: MemoryLimit | None = None,
        on_progress: Callable[[frames.Header], None] | None = None,
    ) -> frames.Frame:
        """Send one frame, wait for the next one for as long as the process works on it, and return that.

        Raises WorkerDiedError when the process ends, StalledError when it has done nothing for `idle_seconds` or has
        not answered within `timeout`, MemoryExceededError when it takes more than `memory`.
        """
        answer = asyncio.ensure_future(self._exchange(header, payload, on_progress))
        clock, activity = RunningClock(longest_step=LONGEST_STEP), StallTimer()
        try:
            while not (await asyncio.wait({answer}, timeout=CHECK_SECONDS))[0]:
                now = clock.now
                if memory is not None and (exit_ := memory.violation()) is not None:
                    raise MemoryExceededError(exit_)
                if activity.seconds_unchanged(cpu_and_faults(self.pid), now) >= idle_seconds:
                    raise StalledError(f"it has done nothing for {idle_seconds:g} s")
                if now >= timeout:
                    raise StalledError(f"it has not answered for {timeout:g} s")
            return answer.result()
        finally:
            if not answer.done():
                answer.cancel()
                await asyncio.wait({answer})

    async def _exchange(
        self,
        header: frames.Header,
        payload: bytes | bytearray,
        on_progress: Callable[[frames.Header], None] | None,
    ) -> frames.Frame:
        await self.send_message(header, payload)
        frame = await self.receive_message()
        while on_progress is not None and frame[0].get("op") == "progress":
            on_progress(frame[0])
            frame = await self.receive_message()
        return frame

    def log_stderr_tail(self) -> None:
        """Log the last lines of the worker's stderr, which may say why it ended."""
        self._stderr.log_tail()

    async def wait(self, seconds: float = _STOP_SECONDS) -> int | None:
        """Wait for the end. Return the exit status, negative for a signal; None when `seconds` pass before."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return await asyncio.to_thread(self._process.wait, seconds)
        return None

    def kill_nowait(self) -> None:
        """End the worker at once. Frames that it has sent can still be received."""
        self._process.kill()

    async def stop(self) -> None:
        """Close the connection, at which a worker ends by itself; kill it if it does not."""
        self._socket.close()
        if await self.wait() is None:
            await self.kill()
        self._stderr.close()

    async def kill(self) -> None:
        """End the worker at once, and close the connection."""
        self._process.kill()
        self._socket.close()
        if await self.wait(_KILL_SECONDS) is None:
            # It reads from a disk that does not answer. The kernel ends it only after that, but we need not wait.
            log.warning(
                "worker %d was killed but does not end: the disk that it reads from may not answer", self._process.pid
            )
        self._stderr.close()


def _spawn(command: WorkerCommand, connection: socket.socket, stderr: int) -> subprocess.Popen[bytes]:
    # Popen of subprocess, not of asyncio, whose child watcher would compete with our own wait().
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
        # Outside control groups the kernel first shares the processor among sessions, and a nice value counts only
        # inside one: beside two busy programs of another session a worker with 19 took 72 % of the time.
        with contextlib.suppress(OSError):
            Path(f"/proc/{process.pid}/autogroup").write_text(str(min(command.nice, _AUTOGROUP_NICE)))
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
