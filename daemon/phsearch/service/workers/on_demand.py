"""A worker that is there while it is wanted: it starts for the first question and ends when none has come for a while.

It looks at one photo at a time, somebody else's perhaps, and may die of it or be taken over: after anything but a sound
answer the next question gets a new one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from phsearch.domain.indexing import worker_exit as deaths
from phsearch.errors import NotReadyError, UnreadableImageError
from phsearch.service.workers.limits import LOOK_SECONDS, StalledError, patiently
from phsearch.service.workers.process import Worker, WorkerDiedError
from phsearch.service.workers.supervision import Career

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.service.workers.frames import Frame
    from phsearch.service.workers.limits import Limits
    from phsearch.service.workers.process import Ready, WorkerCommand

log = logging.getLogger("phsearch.worker")

_T = TypeVar("_T")

_IDLE_SECONDS = 60.0
_STILL_SECONDS = 20.0


class Summoned:
    """One worker, asked in turn. `limits` says how many seconds and how much memory one photo may take."""

    def __init__(self, command: WorkerCommand, limits: Limits, idle: float = _IDLE_SECONDS) -> None:
        self._command = command
        self._limits = limits
        self._idle = idle
        self._turn = asyncio.Lock()
        self._worker: Worker | None = None
        self._allowed = 0
        self._outdated = False
        self._leaving: asyncio.Task[None] | None = None
        self.career = Career()

    def take(self, command: WorkerCommand, limits: Limits) -> None:
        """Start workers by other settings from the next question on."""
        self._command, self._limits = command, limits
        self._outdated = True

    async def ask(
        self, header: dict[str, Any], payload: bytes | bytearray, understood: Callable[[Ready, Frame], _T]
    ) -> _T:
        """Give what `understood` makes of the worker's answer about one photo; a ValueError there says it is nonsense.

        Raises UnreadableImageError with the reason, NotReadyError or ModelUnavailableError when there is no worker, and
        what `understood` raises.
        """
        async with self._turn:
            self._stay()
            sound = False
            try:
                worker = await self._hired()
                answer = understood(worker.ready, await self._answer(worker, header, payload))
                sound = True
            except UnreadableImageError as error:
                sound = isinstance(error, _RefusedError)
                raise
            except ValueError:
                self.career.died("crash", "it gave nonsense")
                raise UnreadableImageError("the decoder did not survive it (it gave nonsense)") from None
            finally:
                if not sound:
                    await self._discard()
                self._leave()
        return answer

    async def end(self) -> None:
        """Let the worker go, if there is one, whatever it is busy with."""
        if self._worker is not None and self._turn.locked():
            self._worker.end()
        async with self._turn:
            self._stay()
            await self._dismiss()

    async def _hired(self) -> Worker:
        if self._outdated:
            await self._dismiss()
            self._outdated = False
        if self._worker is None:
            try:
                self._worker = await Worker.start(self._command)
            except (WorkerDiedError, StalledError) as error:
                self.career.died("hang" if isinstance(error, StalledError) else "crash", str(error))
                problem = f"the {self._command.name} worker did not start: {error}"
                raise NotReadyError(problem, "ask again; the daemon's log may say more") from None
            self.career.began(self._worker.pid)
            self._allowed = self._limits.allowed(self._limits.memory(self._worker.pid))
            log.info("%s worker ready", self._command.name)
        return self._worker

    async def _answer(self, worker: Worker, header: dict[str, Any], payload: bytes | bytearray) -> Frame:
        asking = patiently(worker.ask(header, payload), worker.pid, _STILL_SECONDS, self._limits.patience)
        try:
            found, data = await self._fed(worker.pid, asyncio.ensure_future(asking))
        except WorkerDiedError:
            cause = deaths.plainly(await worker.ended() or 0)
            self.career.died("crash", cause)
            raise UnreadableImageError(f"the decoder did not survive it ({cause})") from None
        except StalledError as error:
            self.career.died("hang", str(error))
            raise UnreadableImageError(f"it took too long to decode: {error}") from None
        match found:
            case {"op": "failed", "reason": str(reason)}:
                raise _RefusedError(reason)
            case {"op": "failed"}:
                raise ValueError("no reason")
        return found, data

    async def _fed(self, pid: int, answering: asyncio.Future[Frame]) -> Frame:
        """Wait for an answer for as long as the process takes no more memory than it may."""
        try:
            while not (await asyncio.wait({answering}, timeout=LOOK_SECONDS))[0]:
                if self._limits.memory(pid) > self._allowed:
                    death = deaths.overfed(self._allowed)
                    self.career.died(death.cause, death.reason)
                    raise UnreadableImageError(death.reason)
            return answering.result()
        finally:
            if not answering.done():
                answering.cancel()
                await asyncio.wait({answering})

    async def _discard(self) -> None:
        """End the worker at once: what it may still say would be taken for the answer to the next question."""
        worker, self._worker = self._worker, None
        self.career.ended()
        if worker is not None:
            await asyncio.shield(worker.kill())

    async def _dismiss(self) -> None:
        worker, self._worker = self._worker, None
        self.career.ended()
        if worker is not None:
            await worker.stop()

    def _stay(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _leave(self) -> None:
        self._leaving = asyncio.get_running_loop().create_task(self._leave_later())

    async def _leave_later(self) -> None:
        await asyncio.sleep(self._idle)
        async with self._turn:
            await self._dismiss()


class _RefusedError(UnreadableImageError):
    """What a worker that is well says of a photo."""
