"""The query worker: it turns words into vectors, and leaves when no query has come for a while.

It has its own process, so that a query never waits behind a batch of photos. The process starts with the daemon, and
after a rest with the next query, which waits for it. Queries that arrive while it starts or works are embedded together
in the next pass.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from typing import TYPE_CHECKING

from phsearch.domain.indexing import worker_exit
from phsearch.errors import NotReadyError
from phsearch.service.liveness import Activity
from phsearch.service.workers import frames
from phsearch.service.workers.limits import StalledError, cpu_seconds
from phsearch.service.workers.process import WorkerDiedError
from phsearch.service.workers.supervision import WorkerStats, start_worker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phsearch.domain.types import Vectors
    from phsearch.errors import PhsearchError
    from phsearch.service.workers.command import WorkerCommand
    from phsearch.service.workers.model_state import ModelState
    from phsearch.service.workers.process import WorkerProcess

log = logging.getLogger("phsearch.query")

_BATCH = 64
_STALL_SECONDS = 5.0
"""A query worker that has texts and does nothing for so long hangs."""
_PASS_SECONDS = 300.0
"""The largest text models take two or three minutes for 64 texts on two slow cores. A longer pass never ends."""
_HANG_FACTOR = 2
"""After so many times the longest pass, the supervision of the worker itself must have failed."""
_CHEAP_START_SECONDS = 3.0
"""A worker that took more processor time than this to start never leaves: every query after a rest would wait for all
of that again. Starting torch takes about ten seconds, a lean runtime less than one. Processor time, since that is the
same on a busy machine."""
_PATIENCE_SECONDS = 5.0
"""So long a query waits for a worker that starts. Then it is told to ask again, before its client gives up (10 s)."""


class TextWorker:
    """Embeds one text per call, and many calls in one pass.

    A process without work is ended after `keep_alive` seconds, if starting it again is cheap.
    """

    def __init__(self, *, command: WorkerCommand, model: ModelState, keep_alive: float) -> None:
        self._command = command
        self._model = model
        self._keep_alive = keep_alive
        self._waiting: dict[asyncio.Future[Vectors], str] = {}
        self._changed = asyncio.Event()
        self._refusing = False
        self._worker: WorkerProcess | None = None
        self._starting: asyncio.Future[WorkerProcess] | None = None
        self._successor: WorkerProcess | None = None
        self._replaced = False
        self._left = asyncio.Event()
        self._passes = 0
        self.name = "the query worker"
        self.hang_timeout = _HANG_FACTOR * _PASS_SECONDS
        self.activity: Activity | None = None
        self.worker_stats = WorkerStats()

    def reconfigure(self, keep_alive: float) -> None:
        """Let the process leave after so many seconds without a query, counted from the last one."""
        self._keep_alive = keep_alive
        self._changed.set()

    def use_command(self, command: WorkerCommand, process: WorkerProcess | None) -> None:
        """Embed by another model from now on. `process` runs it already, or one is started with the next query."""
        self._command, self._successor, self._replaced = command, process, True
        self._changed.set()
        if self._starting is not None:  # it would report the former model
            self._starting.cancel()

    async def release_process(self) -> WorkerProcess | None:
        """Return the process, which this has nothing to do with any more; None where there is none that is idle."""
        if self._worker is None or self.activity is not None or self._waiting:
            return None
        worker, self._worker = self._worker, None
        self._replaced = True
        self._changed.set()
        await self._left.wait()
        return worker

    async def embed(self, text: str) -> Vectors:
        """Return the [dim] unit vector of a text. Raises NotReadyError, or what is wrong with the model."""
        self._model.check_ready()
        if self._refusing:
            raise _not_ready("starting")
        future: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        self._waiting[future] = text
        self._changed.set()
        try:
            return await future
        finally:
            self._waiting.pop(future, None)  # it still waits when its client has given up

    async def run(self) -> None:
        """Start a worker at once, and another one whenever it is wanted, until cancelled."""
        while True:
            worker = self._worker = await self._start()
            died = rests = False
            self._left.clear()
            try:
                await self._serve(worker, leaves=cpu_seconds(worker.pid) <= _CHEAP_START_SECONDS)
                rests = True
                if self._worker is worker:
                    worker.kill_nowait()  # it has nothing to finish
            except WorkerDiedError:
                died = True
                log.warning("query worker ended; starting another")
            except StalledError as error:
                log.warning("the query worker is ended: %s; starting another", error)
                worker.kill_nowait()
            finally:
                self.activity = None
                self.worker_stats.stopped()
                self._left.set()
                if self._worker is worker:  # it was not released
                    self._worker = None
                    await worker.stop()
            if died:
                status = await worker.wait() or 0
                self.worker_stats.failed(worker_exit.exited(status).cause, worker_exit.describe(status))
            while rests and not self._waiting and self._successor is None:
                self._changed.clear()
                await self._changed.wait()

    async def _start(self) -> WorkerProcess:
        """Return a worker that is ready. No query waits for one that takes long, or that has failed to start."""
        timer = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._refuse)
        try:
            worker = await self._start_by_command()
        finally:
            timer.cancel()
        self._refusing = False
        self.worker_stats.started(worker.info.pid)
        return worker

    async def _start_by_command(self) -> WorkerProcess:
        """Return a worker of the model that is to be used when it is ready."""
        while True:
            self._replaced = False
            worker, self._successor = self._successor, None
            if worker is not None:
                return worker
            starting = self._starting = asyncio.ensure_future(
                start_worker(self._command, self._model, image=False, on_failure=self._refuse)
            )
            try:
                await asyncio.wait({starting})
            finally:
                self._starting = None
                if not starting.done():
                    starting.cancel()
                    await asyncio.wait({starting})
            if not starting.cancelled():
                return starting.result()

    def _refuse(self) -> None:
        """Let no query wait until a worker is ready."""
        self._refusing = True
        _fail_all(self._waiting, self._model.problem or _not_ready("starting"))
        self._waiting.clear()

    async def _serve(self, worker: WorkerProcess, *, leaves: bool) -> None:
        """Answer queries until none has come for a while, or by another model. Raises as `request_watched`."""
        while await self._wait_for_text(worker, leaves=leaves) and not self._replaced:
            batch = dict(itertools.islice(self._waiting.items(), _BATCH))
            for future in batch:
                del self._waiting[future]
            self._passes += 1
            self.activity = Activity(f"{len(batch)} queries", self._passes)
            try:
                _, payload = await worker.request_watched(
                    {"op": "embed", "texts": list(batch.values())},
                    idle_seconds=_STALL_SECONDS,
                    timeout=_PASS_SECONDS,
                )
            except (WorkerDiedError, StalledError):
                _fail_all(batch, _not_ready("restarting"))
                raise
            self.activity = None
            for future, vector in zip(batch, frames.vectors_from_bytes(payload, len(batch)), strict=True):
                if not future.done():
                    future.set_result(vector)

    async def _wait_for_text(self, worker: WorkerProcess, *, leaves: bool) -> bool:
        """Wait for a text. Return False when the worker is to leave. Raises WorkerDiedError when it ends meanwhile."""
        begin = time.monotonic()
        ended = asyncio.ensure_future(worker.receive_message())
        ended.add_done_callback(lambda _: self._changed.set())
        try:
            while not ended.done():
                if self._waiting or self._replaced:
                    return True
                self._changed.clear()
                try:
                    async with asyncio.timeout(begin + self._keep_alive - time.monotonic() if leaves else None):
                        await self._changed.wait()
                except TimeoutError:
                    if not self._waiting and not ended.done():
                        return False
            ended.exception()  # retrieved, or asyncio logs its traceback
            raise WorkerDiedError
        finally:
            ended.cancel()
            await asyncio.wait({ended})


def _fail_all(futures: Iterable[asyncio.Future[Vectors]], error: PhsearchError) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)


def _not_ready(doing: str) -> NotReadyError:
    return NotReadyError(f"the text model is {doing}", "ask again in a few seconds")
