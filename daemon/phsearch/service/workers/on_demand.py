"""A worker process that exists only while it is wanted: the first request starts it, an idle time ends it.

It handles one photo at a time. The photo may come from anyone, and may crash the worker or take it over. So after
anything but a well-formed answer the next request gets a new process.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from phsearch.domain.indexing import worker_exit
from phsearch.errors import NotReadyError, UnreadableImageError
from phsearch.service.workers.limits import MemoryExceededError, MemoryLimit, StalledError
from phsearch.service.workers.process import WorkerDiedError, WorkerProcess
from phsearch.service.workers.supervision import WorkerStats

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.service.workers.command import WorkerCommand, WorkerInfo
    from phsearch.service.workers.frames import Frame, Header
    from phsearch.service.workers.limits import WorkerLimits

log = logging.getLogger("phsearch.worker")

_T = TypeVar("_T")

_KEEP_ALIVE_SECONDS = 60.0
_STALL_SECONDS = 20.0


class OnDemandWorker:
    """One worker process that answers one request after the other.

    `limits` are the seconds and the memory that one photo may take.
    """

    def __init__(
        self, *, command: WorkerCommand, limits: WorkerLimits, keep_alive: float = _KEEP_ALIVE_SECONDS
    ) -> None:
        self._command = command
        self._limits = limits
        self._keep_alive = keep_alive
        self._lock = asyncio.Lock()
        self._worker: WorkerProcess | None = None
        self._memory: MemoryLimit | None = None
        self._outdated = False
        self._idle_timer: asyncio.Task[None] | None = None
        self.worker_stats = WorkerStats()

    def reconfigure(self, command: WorkerCommand, limits: WorkerLimits) -> None:
        """Use other settings from the next request on."""
        self._command, self._limits = command, limits
        self._outdated = True

    async def request(self, header: Header, payload: bytes | bytearray, parse: Callable[[WorkerInfo, Frame], _T]) -> _T:
        """Return what `parse` makes of the worker's answer about one photo; its ValueError says that it is nonsense.

        Raises UnreadableImageError with the reason, NotReadyError or ModelUnavailableError without a worker, and what
        `parse` raises.
        """
        async with self._lock:
            self._cancel_idle_timer()
            sound = False
            try:
                worker = await self._ensure_started()
                answer = parse(worker.info, await self._answer(worker, header, payload))
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
        """Stop the worker, if there is one, also in the middle of a request."""
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
            self._memory = MemoryLimit(self._worker.pid, self._limits)
            log.info("%s worker ready", self._command.name)
        return self._worker

    async def _answer(self, worker: WorkerProcess, header: Header, payload: bytes | bytearray) -> Frame:
        try:
            answer, data = await worker.request_watched(
                header,
                payload,
                idle_seconds=_STALL_SECONDS,
                timeout=self._limits.photo_seconds,
                memory=self._memory,
            )
        except WorkerDiedError:
            reason = worker_exit.describe(await worker.wait() or 0)
            self.worker_stats.failed("crash", reason)
            raise UnreadableImageError(f"the decoder did not survive it ({reason})") from None
        except StalledError as error:
            self.worker_stats.failed("hang", str(error))
            raise UnreadableImageError(f"it took too long to decode: {error}") from None
        except MemoryExceededError as error:
            self.worker_stats.failed(error.exit.cause, error.exit.reason)
            raise UnreadableImageError(error.exit.reason) from None
        match answer:
            case {"op": "failed", "reason": str(reason)}:
                raise _RejectedImageError(reason)
            case {"op": "failed"}:
                raise ValueError("no reason")
        return answer, data

    async def _kill(self) -> None:
        """End the worker at once: anything it still sends would be taken for the answer to the next request."""
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
        await asyncio.sleep(self._keep_alive)
        async with self._lock:
            await self._stop()


class _RejectedImageError(UnreadableImageError):
    """The reason why a healthy worker rejects a photo."""
