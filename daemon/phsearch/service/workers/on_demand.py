"""A worker that is there while it is wanted: it starts for the first question and ends when none has come for a while.

It looks at one photo at a time, somebody else's perhaps, and may die of it or be taken over: after anything but a sound
answer the next question gets a new one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from phsearch.domain.indexing import worker_exit
from phsearch.errors import NotReadyError, UnreadableImageError
from phsearch.service.workers.limits import LOOK_SECONDS, StalledError, wait_while_active
from phsearch.service.workers.process import WorkerDiedError, WorkerProcess
from phsearch.service.workers.supervision import WorkerStats

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.service.workers.frames import Frame
    from phsearch.service.workers.limits import WorkerLimits
    from phsearch.service.workers.process import WorkerCommand, WorkerInfo

log = logging.getLogger("phsearch.worker")

_T = TypeVar("_T")

_IDLE_SECONDS = 60.0
_STILL_SECONDS = 20.0


class OnDemandWorker:
    """One worker, asked in turn. `limits` says how many seconds and how much memory one photo may take."""

    def __init__(self, command: WorkerCommand, limits: WorkerLimits, idle: float = _IDLE_SECONDS) -> None:
        self._command = command
        self._limits = limits
        self._idle = idle
        self._lock = asyncio.Lock()
        self._worker: WorkerProcess | None = None
        self._allowed = 0
        self._outdated = False
        self._idle_timer: asyncio.Task[None] | None = None
        self.worker_stats = WorkerStats()

    def reconfigure(self, command: WorkerCommand, limits: WorkerLimits) -> None:
        """Start workers by other settings from the next question on."""
        self._command, self._limits = command, limits
        self._outdated = True

    async def request(
        self, header: dict[str, Any], payload: bytes | bytearray, understood: Callable[[WorkerInfo, Frame], _T]
    ) -> _T:
        """Give what `understood` makes of the worker's answer about one photo; a ValueError there says it is nonsense.

        Raises UnreadableImageError with the reason, NotReadyError or ModelUnavailableError when there is no worker, and
        what `understood` raises.
        """
        async with self._lock:
            self._cancel_idle_timer()
            sound = False
            try:
                worker = await self._ensure_started()
                answer = understood(worker.info, await self._answer(worker, header, payload))
                sound = True
            except UnreadableImageError as error:
                sound = isinstance(error, _RejectedImageError)
                raise
            except ValueError:
                self.worker_stats.failed("crash", "it gave nonsense")
                raise UnreadableImageError("the decoder did not survive it (it gave nonsense)") from None
            finally:
                if not sound:
                    await self._kill()
                self._start_idle_timer()
        return answer

    async def stop_now(self) -> None:
        """Let the worker go, if there is one, whatever it is busy with."""
        if self._worker is not None and self._lock.locked():
            self._worker.kill_nowait()
        async with self._lock:
            self._cancel_idle_timer()
            await self._stop()

    async def _ensure_started(self) -> WorkerProcess:
        if self._outdated:
            await self._stop()
            self._outdated = False
        if self._worker is None:
            try:
                self._worker = await WorkerProcess.start_process(self._command)
            except (WorkerDiedError, StalledError) as error:
                self.worker_stats.failed("hang" if isinstance(error, StalledError) else "crash", str(error))
                problem = f"the {self._command.name} worker did not start: {error}"
                raise NotReadyError(problem, "ask again; the daemon's log may say more") from None
            self.worker_stats.started(self._worker.pid)
            self._allowed = self._limits.allowed(self._limits.memory(self._worker.pid))
            log.info("%s worker ready", self._command.name)
        return self._worker

    async def _answer(self, worker: WorkerProcess, header: dict[str, Any], payload: bytes | bytearray) -> Frame:
        asking = wait_while_active(worker.request(header, payload), worker.pid, _STILL_SECONDS, self._limits.patience)
        try:
            found, data = await self._wait_within_memory(worker.pid, asyncio.ensure_future(asking))
        except WorkerDiedError:
            cause = worker_exit.describe(await worker.wait() or 0)
            self.worker_stats.failed("crash", cause)
            raise UnreadableImageError(f"the decoder did not survive it ({cause})") from None
        except StalledError as error:
            self.worker_stats.failed("hang", str(error))
            raise UnreadableImageError(f"it took too long to decode: {error}") from None
        match found:
            case {"op": "failed", "reason": str(reason)}:
                raise _RejectedImageError(reason)
            case {"op": "failed"}:
                raise ValueError("no reason")
        return found, data

    async def _wait_within_memory(self, pid: int, answering: asyncio.Future[Frame]) -> Frame:
        """Wait for an answer for as long as the process takes no more memory than it may."""
        try:
            while not (await asyncio.wait({answering}, timeout=LOOK_SECONDS))[0]:
                if self._limits.memory(pid) > self._allowed:
                    exit_ = worker_exit.memory_exceeded(self._allowed)
                    self.worker_stats.failed(exit_.cause, exit_.reason)
                    raise UnreadableImageError(exit_.reason)
            return answering.result()
        finally:
            if not answering.done():
                answering.cancel()
                await asyncio.wait({answering})

    async def _kill(self) -> None:
        """End the worker at once: what it may still say would be taken for the answer to the next question."""
        worker, self._worker = self._worker, None
        self.worker_stats.stopped()
        if worker is not None:
            await asyncio.shield(worker.kill())

    async def _stop(self) -> None:
        worker, self._worker = self._worker, None
        self.worker_stats.stopped()
        if worker is not None:
            await worker.stop()

    def _cancel_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _start_idle_timer(self) -> None:
        self._idle_timer = asyncio.get_running_loop().create_task(self._stop_when_idle())

    async def _stop_when_idle(self) -> None:
        await asyncio.sleep(self._idle)
        async with self._lock:
            await self._stop()


class _RejectedImageError(UnreadableImageError):
    """What a worker that is well says of a photo."""
