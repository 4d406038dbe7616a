"""Answer text queries: words to a vector in the query worker, the vector to hits on the rank lane.

The text tower has a process of its own, so that a query never waits behind a batch of photos. Queries that arrive
while it works are embedded together in the next pass.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from phsearch.domain import deaths
from phsearch.domain import query as queries
from phsearch.domain.exposition import Histogram
from phsearch.errors import NotReadyError, PhsearchError
from phsearch.service import frames
from phsearch.service.career import Career
from phsearch.service.hiring import hire
from phsearch.service.job import Job
from phsearch.service.process import WorkerDiedError
from phsearch.service.pulse import StalledError, patiently

if TYPE_CHECKING:
    from phsearch.domain.library import Library
    from phsearch.domain.ranking import VectorIndex
    from phsearch.domain.types import Photo, Vectors
    from phsearch.service.lanes import Lane
    from phsearch.service.model import ModelState
    from phsearch.service.process import Worker, WorkerCommand

log = logging.getLogger("phsearch.query")

_BATCH = 64
_STILL_SECONDS = 5.0
"""A query worker that has texts and does nothing for this long hangs."""
_LONGEST_SECONDS = 300.0
"""The largest text towers there are take two or three minutes for 64 texts on two slow cores; more never ends."""
_HOPELESS = 2
"""Once a pass takes so many times the longest, this process has failed to notice."""
_BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class TextTowerProcess:
    """The query worker, kept alive: embeds one text per call, many calls in one pass."""

    def __init__(self, command: WorkerCommand, model: ModelState) -> None:
        self._command = command
        self._model = model
        self._waiting: asyncio.Queue[tuple[str, asyncio.Future[Vectors]]] = asyncio.Queue()
        self._up = False
        self._passes = 0
        self.name = "the query worker"
        self.patience = _HOPELESS * _LONGEST_SECONDS
        self.job: Job | None = None
        self.career = Career()

    async def embed(self, text: str) -> Vectors:
        """Embed one text: [dim] unit vector. Raises NotReadyError while the worker (re)starts."""
        self._model.require()
        if not self._up:
            raise NotReadyError("the text model is starting", "ask again in a few seconds")
        future: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((text, future))
        return await future

    async def run(self) -> None:
        """Keep a worker running until cancelled."""
        while True:
            worker = await hire(self._command, self._model, image=False)
            self._up, died = True, False
            self.career.began(worker.ready.pid)
            try:
                await self._serve(worker)
            except WorkerDiedError:
                died = True
                log.warning("query worker ended; starting another")
            except StalledError as error:
                log.warning("the query worker is ended: %s; starting another", error)
                worker.end()
            finally:
                self._up = False
                self.job = None
                self.career.ended()
                self._fail_waiting()
                await worker.stop()
            if died:
                status = await worker.ended() or 0
                self.career.died(deaths.ended(status).cause, deaths.plainly(status))

    async def _serve(self, worker: Worker) -> None:
        while True:
            batch = [await self._next(worker)]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            self._passes += 1
            self.job = Job(f"{len(batch)} queries", self._passes)
            asking = worker.ask({"op": "embed", "texts": [text for text, _ in batch]})
            try:
                _, payload = await patiently(asking, worker.pid, _STILL_SECONDS, _LONGEST_SECONDS)
            except (WorkerDiedError, StalledError):
                for _, future in batch:
                    _refuse(future)
                raise
            self.job = None
            for (_, future), vector in zip(batch, frames.vectors_from_bytes(payload, len(batch)), strict=True):
                if not future.done():
                    future.set_result(vector)

    async def _next(self, worker: Worker) -> tuple[str, asyncio.Future[Vectors]]:
        """Wait for a text, and notice if the worker ends meanwhile."""
        taking = asyncio.ensure_future(self._waiting.get())
        dying = asyncio.ensure_future(worker.receive())
        try:
            await asyncio.wait({taking, dying}, return_when=asyncio.FIRST_COMPLETED)
            if dying.done():
                dying.exception()  # taken note of, or asyncio logs a traceback of it
                if taking.done():
                    _refuse(taking.result()[1])
                raise WorkerDiedError
            return taking.result()
        finally:
            for task in (taking, dying):
                if not task.done():
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task

    def _fail_waiting(self) -> None:
        while not self._waiting.empty():
            _refuse(self._waiting.get_nowait()[1])


def _refuse(future: asyncio.Future[Vectors]) -> None:
    if not future.done():
        future.set_exception(NotReadyError("the text model is restarting", "ask again in a few seconds"))


class Searcher:
    """Text in, ranked photos out."""

    def __init__(
        self, tower: TextTowerProcess, model: ModelState, library: Library, index: VectorIndex, rank_lane: Lane
    ) -> None:
        self._tower = tower
        self._model = model
        self._library = library
        self._index = index
        self._lane = rank_lane
        self.durations = Histogram(_BOUNDS)
        """Seconds of the searches that were answered."""
        self.refused = 0

    async def search(self, text: str, limit: int, min_score: float | None) -> list[tuple[Photo, float]]:
        """Rank the library for `text`. Raises NotReadyError, UnsupportedQueryError or what is wrong with the model."""
        start = time.monotonic()
        try:
            found = await self._search(text, limit, min_score)
        except PhsearchError:
            self.refused += 1
            raise
        self.durations.observe(time.monotonic() - start)
        return found

    async def _search(self, text: str, limit: int, min_score: float | None) -> list[tuple[Photo, float]]:
        ranked = await self._lane.run(self._index.search, await self._embed(text), limit, min_score)
        found = ((self._library.get(path), score) for path, score in ranked)
        return [(photo, score) for photo, score in found if photo is not None]

    async def rank(self, text: str, path: str) -> tuple[int, float, int] | None:
        """Give (rank from 1, score, number of photos) of one photo for `text`, None without it. Raises as `search`."""
        return await self._lane.run(self._index.rank_of, path, await self._embed(text))

    def check(self, text: str) -> None:
        """Raise what a search for `text` would raise at once."""
        self._model.require()
        if self._model.english_only:
            queries.check_script(queries.clean(text), self._model.name)

    async def _embed(self, text: str) -> Vectors:
        text = queries.clean(text)
        if self._model.english_only:
            queries.check_script(text, self._model.name)
        return await self._tower.embed(text)
