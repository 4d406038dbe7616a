"""A worker that is there while it is wanted: it starts for the first question and ends when none has come for a while.

It looks at one photo at a time, somebody else's perhaps, and may die of it: the next question gets a new one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from phsearch.domain import deaths
from phsearch.errors import UnreadableImageError
from phsearch.service.career import Career
from phsearch.service.process import Worker, WorkerDiedError
from phsearch.service.pulse import StalledError, patiently

if TYPE_CHECKING:
    from phsearch.service.frames import Frame
    from phsearch.service.process import Ready, WorkerCommand

log = logging.getLogger("phsearch.worker")

_IDLE_SECONDS = 60.0
_STILL_SECONDS = 20.0


class Summoned:
    """One worker, asked in turn. `longest` is how many seconds one photo may take."""

    def __init__(self, command: WorkerCommand, longest: float, idle: float = _IDLE_SECONDS) -> None:
        self._command = command
        self._longest = longest
        self._idle = idle
        self._turn = asyncio.Lock()
        self._worker: Worker | None = None
        self._leaving: asyncio.Task[None] | None = None
        self.career = Career()

    @property
    def ready(self) -> Ready | None:
        """What the worker said of itself, while there is one."""
        return self._worker.ready if self._worker is not None else None

    async def ask(self, header: dict[str, Any], payload: bytes) -> Frame:
        """Give the worker's answer about one photo.

        Raises UnreadableImageError with the reason, or ModelUnavailableError when there can be no worker.
        """
        async with self._turn:
            self._stay()
            try:
                worker = self._worker or await self._start()
                found, data = await patiently(worker.ask(header, payload), worker.pid, _STILL_SECONDS, self._longest)
            except WorkerDiedError as error:
                cause = deaths.plainly(error.status or await self._buried())
                self.career.died("crash", cause)
                raise UnreadableImageError(f"the decoder did not survive it ({cause})") from None
            except StalledError as error:
                self.career.died("hang", str(error))
                await self.end()
                raise UnreadableImageError(f"it took too long to decode: {error}") from None
            except asyncio.CancelledError:
                await self.end()  # its answer would be taken for that to the next question
                raise
            finally:
                self._leave()
        if found["op"] == "failed":
            raise UnreadableImageError(found["reason"])
        return found, data

    async def end(self) -> None:
        """Let the worker go, if there is one."""
        worker, self._worker = self._worker, None
        self.career.ended()
        if worker is not None:
            await worker.stop()

    async def _start(self) -> Worker:
        self._worker = await Worker.start(self._command)
        self.career.began(self._worker.pid)
        log.info("%s worker ready", self._command.name)
        return self._worker

    async def _buried(self) -> int:
        status = await self._worker.ended() if self._worker is not None else None
        await self.end()
        return status or 0

    def _stay(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _leave(self) -> None:
        self._leaving = asyncio.get_running_loop().create_task(self._leave_later())

    async def _leave_later(self) -> None:
        await asyncio.sleep(self._idle)
        async with self._turn:
            await self.end()
