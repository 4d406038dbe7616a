"""The query worker: it turns words into vectors, and is always running.

It has its own process, so that a query never waits behind a batch of photos. Queries that arrive while it works are
embedded together in the next pass.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from phsearch.domain.indexing import worker_exit
from phsearch.errors import NotReadyError
from phsearch.service.liveness import Activity
from phsearch.service.workers import frames
from phsearch.service.workers.limits import StalledError, wait_while_active
from phsearch.service.workers.process import WorkerDiedError
from phsearch.service.workers.supervision import WorkerStats, start_worker

if TYPE_CHECKING:
    from phsearch.domain.types import Vectors
    from phsearch.service.workers.model_state import ModelState
    from phsearch.service.workers.process import WorkerCommand, WorkerProcess

log = logging.getLogger("phsearch.query")

_BATCH = 64
_STALL_SECONDS = 5.0
"""A query worker that has texts and does nothing for so long hangs."""
_PASS_SECONDS = 300.0
"""The largest text models take two or three minutes for 64 texts on two slow cores. A longer pass never ends."""
_HANG_FACTOR = 2
"""After so many times the longest pass, the supervision of the worker itself must have failed."""


class TextWorker:
    """Embeds one text per call, and many calls in one pass."""

    def __init__(self, *, command: WorkerCommand, model: ModelState) -> None:
        self._command = command
        self._model = model
        self._waiting: asyncio.Queue[tuple[str, asyncio.Future[Vectors]]] = asyncio.Queue()
        self._running = False
        self._passes = 0
        self.name = "the query worker"
        self.hang_timeout = _HANG_FACTOR * _PASS_SECONDS
        self.activity: Activity | None = None
        self.worker_stats = WorkerStats()

    async def embed(self, text: str) -> Vectors:
        """Return the [dim] unit vector of a text. Raises NotReadyError while the worker (re)starts."""
        self._model.check_ready()
        if not self._running:
            raise NotReadyError("the text model is starting", "ask again in a few seconds")
        future: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((text, future))
        return await future

    async def run(self) -> None:
        """Keep a worker running until cancelled."""
        while True:
            worker = await start_worker(self._command, self._model, image=False)
            self._running, died = True, False
            self.worker_stats.started(worker.info.pid)
            try:
                await self._serve(worker)
            except WorkerDiedError:
                died = True
                log.warning("query worker ended; starting another")
            except StalledError as error:
                log.warning("the query worker is ended: %s; starting another", error)
                worker.kill_nowait()
            finally:
                self._running = False
                self.activity = None
                self.worker_stats.stopped()
                self._fail_waiting()
                await worker.stop()
            if died:
                status = await worker.wait() or 0
                self.worker_stats.failed(worker_exit.exited(status).cause, worker_exit.describe(status))

    async def _serve(self, worker: WorkerProcess) -> None:
        while True:
            batch = [await self._next(worker)]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            self._passes += 1
            self.activity = Activity(f"{len(batch)} queries", self._passes)
            try:
                _, payload = await wait_while_active(
                    worker.request({"op": "embed", "texts": [text for text, _ in batch]}),
                    pid=worker.pid,
                    idle_seconds=_STALL_SECONDS,
                    timeout=_PASS_SECONDS,
                )
            except (WorkerDiedError, StalledError):
                for _, future in batch:
                    _fail_not_ready(future)
                raise
            self.activity = None
            for (_, future), vector in zip(batch, frames.vectors_from_bytes(payload, len(batch)), strict=True):
                if not future.done():
                    future.set_result(vector)

    async def _next(self, worker: WorkerProcess) -> tuple[str, asyncio.Future[Vectors]]:
        """Wait for a text and return it. Raises WorkerDiedError when the worker ends meanwhile."""
        next_text = asyncio.ensure_future(self._waiting.get())
        worker_end = asyncio.ensure_future(worker.receive_message())
        try:
            await asyncio.wait({next_text, worker_end}, return_when=asyncio.FIRST_COMPLETED)
            if worker_end.done():
                worker_end.exception()  # retrieved, or asyncio logs its traceback
                if next_text.done():
                    _fail_not_ready(next_text.result()[1])
                raise WorkerDiedError
            return next_text.result()
        finally:
            for task in (next_text, worker_end):
                if not task.done():
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task

    def _fail_waiting(self) -> None:
        while not self._waiting.empty():
            _fail_not_ready(self._waiting.get_nowait()[1])


def _fail_not_ready(future: asyncio.Future[Vectors]) -> None:
    if not future.done():
        future.set_exception(NotReadyError("the text model is restarting", "ask again in a few seconds"))
