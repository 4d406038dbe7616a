"""The index worker under supervision: photos in, vectors or reasons out, whatever happens to the process.

The worker is started when there is work and stopped after `keep_alive` seconds without, since only the end of its
process frees a GPU. When it dies, or gives no sign of life for `patience` seconds, the batcher finds the culprit.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phsearch.domain.types import PhotoInfo
from phsearch.service import frames
from phsearch.service.hiring import hire
from phsearch.service.process import WorkerDiedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.batching import Batcher, Candidate
    from phsearch.domain.types import Vectors
    from phsearch.service.model import ModelState
    from phsearch.service.process import Worker, WorkerCommand

log = logging.getLogger("phsearch.index")


@dataclass(frozen=True, slots=True)
class Embedded:
    """A photo has its vector, [dim]."""

    photo: Candidate
    info: PhotoInfo
    vector: Vectors


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A photo failed; `truncated` ones may just not be complete yet."""

    photo: Candidate
    reason: str
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class ChangedMeanwhile:
    """A photo was rewritten while it was read: it must be looked at again."""

    photo: Candidate


Outcome = Embedded | Unreadable | ChangedMeanwhile


class Embedder:
    """Feeds the index worker from the batcher and hands on what comes back."""

    def __init__(
        self,
        command: WorkerCommand,
        model: ModelState,
        batcher: Batcher,
        keep_alive: float,
        patience: float,
    ) -> None:
        self._command = command
        self._model = model
        self._batcher = batcher
        self._keep_alive = keep_alive
        self._patience = patience
        self._work = asyncio.Event()
        self._progress = asyncio.Event()
        self.on_outcome: Callable[[Outcome], None]
        self.running = False

    def submit(self, candidate: Candidate) -> None:
        """Queue a photo for embedding."""
        self._batcher.add(candidate)
        self._work.set()

    @property
    def pending(self) -> int:
        """Photos whose outcome is still to come."""
        return self._batcher.waiting + self._batcher.held

    def position(self, path: str) -> int | None:
        """Give how many photos come before one that waits; None for one that does not wait."""
        return self._batcher.position(path)

    async def room(self, most: int) -> None:
        """Wait until fewer than `most` photos wait."""
        while self._batcher.waiting >= most:
            self._progress.clear()
            await self._progress.wait()

    async def run(self) -> None:
        """Embed whatever is submitted, until cancelled."""
        while True:
            await self._work.wait()
            worker = await hire(self._command, self._model, image=True)
            self._batcher.size = worker.ready.batch_size
            self.running = True
            try:
                await self._feed(worker)
                await worker.stop()
            except WorkerDiedError:
                await worker.kill()
                self._bury()
            except BaseException:
                await worker.kill()
                raise
            finally:
                self.running = False

    async def _feed(self, worker: Worker) -> None:
        """Keep the worker busy; returns when it has been idle for long enough."""
        receiving = asyncio.ensure_future(worker.receive())
        try:
            while True:
                await self._send_batches(worker)
                if self._batcher.held:
                    await asyncio.wait({receiving}, timeout=self._patience)
                    if not receiving.done():
                        log.warning("the index worker gave no sign of life for %.0f s; ending it", self._patience)
                        raise WorkerDiedError
                elif not await self._work_or_death(receiving):
                    return
                if receiving.done():
                    self._take(*receiving.result())
                    receiving = asyncio.ensure_future(worker.receive())
        finally:
            receiving.cancel()

    async def _work_or_death(self, receiving: asyncio.Future[frames.Frame]) -> bool:
        """Wait for new photos, for at most `keep_alive` seconds; an idle worker speaks only by dying."""
        working = asyncio.ensure_future(self._work.wait())
        try:
            await asyncio.wait((working, receiving), timeout=self._keep_alive, return_when=asyncio.FIRST_COMPLETED)
            return working.done() or receiving.done()
        finally:
            working.cancel()

    async def _send_batches(self, worker: Worker) -> None:
        while (batch := self._batcher.next()) is not None:
            number, photos = batch
            rows = [[photo.path, photo.fingerprint.size, photo.fingerprint.mtime_ns] for photo in photos]
            await worker.send({"op": "embed", "batch": number, "photos": rows})
            self._progress.set()
        if not self._batcher.waiting:
            self._work.clear()

    def _take(self, header: dict[str, Any], payload: bytes) -> None:
        match header["op"]:
            case "begun":
                self._batcher.begun(header["path"])
            case "embedded":
                rows = header["photos"]
                for row, vector in zip(rows, frames.vectors_from_bytes(payload, len(rows)), strict=True):
                    photo = self._batcher.finished(row["path"])
                    if photo is not None:
                        self.on_outcome(Embedded(photo, PhotoInfo(*row["info"]), vector))
            case "failed":
                photo = self._batcher.finished(header["path"])
                if photo is not None:
                    self.on_outcome(Unreadable(photo, header["reason"], header["truncated"]))
            case "changed":
                photo = self._batcher.finished(header["path"])
                if photo is not None:
                    self.on_outcome(ChangedMeanwhile(photo))
            case _:
                self._batcher.done(header["batch"])

    def _bury(self) -> None:
        held = self._batcher.held
        culprit = self._batcher.died()
        if self._batcher.waiting:
            self._work.set()
        if culprit is not None:
            self.on_outcome(Unreadable(culprit, "its decoder crashed or did not come to an end"))
            return
        log.warning("the index worker ended with %d photos in hand; they are tried again", held)
