"""The index worker under supervision: photos in, vectors or reasons out, whatever happens to the process.

The worker is started when there is work and stopped after `keep_alive` seconds without, since only the end of its
process frees a GPU. When it dies, or must be ended because it hangs or eats memory, the batcher finds the culprit.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from phsearch.domain import deaths
from phsearch.domain.types import PhotoInfo
from phsearch.service import frames
from phsearch.service.hiring import hire
from phsearch.service.overseer import LOOK_SECONDS, Overseer
from phsearch.service.process import WorkerDiedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.batching import Batcher, Candidate
    from phsearch.domain.deaths import Cause, Death
    from phsearch.domain.types import Vectors
    from phsearch.service.model import ModelState
    from phsearch.service.overseer import Limits
    from phsearch.service.process import Worker, WorkerCommand

log = logging.getLogger("phsearch.index")

_LAST_WORDS_SECONDS = 3.0
_PAUSE_FIRST = 1.0
_PAUSE_LAST = 60.0


@dataclass(frozen=True, slots=True)
class Embedded:
    """A photo has its vector, [dim]."""

    photo: Candidate
    info: PhotoInfo
    vector: Vectors


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A photo failed; `truncated` ones may just not be complete yet.

    `cause` says how it took the worker down, if it did: nobody has read the file to its end then, so whether it is
    still the file that was meant, and still there, is to be looked at.
    """

    photo: Candidate
    reason: str
    truncated: bool = False
    cause: Cause | None = None


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
        limits: Limits,
    ) -> None:
        self._command = command
        self._model = model
        self._batcher = batcher
        self._keep_alive = keep_alive
        self._limits = limits
        self._stirred = asyncio.Event()
        self._progress = asyncio.Event()
        self._withdrawn: list[str] = []
        self._outdated = False
        self._checks: dict[str, list[asyncio.Future[Outcome]]] = {}
        self.on_outcome: Callable[[Outcome], None]
        self.running = False

    def submit(self, candidate: Candidate) -> None:
        """Queue a photo for embedding; its outcome goes to `on_outcome`."""
        self._batcher.add(candidate)
        self._stirred.set()

    async def check(self, candidate: Candidate) -> Outcome:
        """Embed a photo for its vector only, when no other photo waits; nothing else learns of its outcome."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._checks.setdefault(candidate.path, []).append(future)
        self.submit(replace(candidate, check=True))
        outcome = await future
        # The same path may have been asked for in another state, whose outcome this is.
        same = replace(outcome.photo, check=candidate.check) == candidate
        return outcome if same else ChangedMeanwhile(candidate)

    def withdraw(self, root: str, *, hung: bool) -> None:
        """Give back the photos of a root that is gone, as changed; where it hangs, so would a worker that has some."""
        gone = self._batcher.withdraw(root)
        if hung:
            held = self._batcher.recall(root)
            self._withdrawn += [photo.path for photo in held]
            gone += held
        for photo in gone:
            self._settle(ChangedMeanwhile(photo))
        self._progress.set()
        self._stirred.set()

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
        pause = 0.0
        while True:
            while self._batcher.idle:
                self._stirred.clear()
                await self._stirred.wait()
            await asyncio.sleep(pause)
            worker = await hire(self._command, self._model, image=True)
            self._batcher.size = worker.ready.batch_size
            overseer = Overseer(worker.ready.pid, self._limits, self._batcher)
            self._withdrawn.clear()
            self._outdated = False
            self.running = True
            try:
                death = await self._employ(worker, overseer)
            finally:
                self.running = False
            if death is not None:
                self._bury(death, overseer)
            # One that dies before it says anything tells nothing of photos: whatever ails it may pass.
            pause = 0.0 if death is None or overseer.talked else min(max(_PAUSE_FIRST, 2 * pause), _PAUSE_LAST)

    async def _employ(self, worker: Worker, overseer: Overseer) -> Death | None:
        """Let a worker work until there has been nothing to do for a while; gives why it died if it did."""
        listening = asyncio.ensure_future(self._listen(worker, overseer))
        listening.add_done_callback(lambda _: self._stirred.set())
        idle = False
        try:
            match await self._feed(worker, overseer, listening):
                case "idle":
                    idle = True
                    return None
                case "died":
                    death = None
                case death:
                    log.warning("the index worker is ended: %s", death.reason)
                    worker.end()
            # What it has sent already counts, however it came to its end.
            await asyncio.wait({listening}, timeout=_LAST_WORDS_SECONDS)
            return death or deaths.ended(await worker.ended() or 0)
        finally:
            listening.cancel()
            await asyncio.wait({listening})
            await (worker.stop() if idle else worker.kill())
            if not listening.cancelled():
                listening.result()

    async def _feed(
        self, worker: Worker, overseer: Overseer, listening: asyncio.Future[None]
    ) -> Death | Literal["idle", "died"]:
        """Keep the worker busy and watch it; gives how that came to an end."""
        while not listening.done():
            self._stirred.clear()
            try:
                await self._send_batches(worker, overseer)
            except WorkerDiedError:
                return "died"
            if self._batcher.busy:
                await self._stir(LOOK_SECONDS)
                if self._withdrawn:
                    overseer.late = self._withdrawn
                    return deaths.recalled()
                if self._outdated:
                    return deaths.outdated()
                if (death := overseer.sentence()) is not None:
                    return death
            elif not await self._stir(self._keep_alive):
                return "idle"
        return "died"

    async def _stir(self, seconds: float) -> bool:
        """Wait for something to do, or for the worker's end; False when nothing happens in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            return False
        return True

    async def _send_batches(self, worker: Worker, overseer: Overseer) -> None:
        while (batch := self._batcher.next()) is not None:
            number, photos = batch
            rows = [[photo.path, photo.fingerprint.size, photo.fingerprint.mtime_ns] for photo in photos]
            overseer.given()
            await worker.send({"op": "embed", "batch": number, "photos": rows})
            self._progress.set()

    async def _listen(self, worker: Worker, overseer: Overseer) -> None:
        """Take what the worker says until it says no more."""
        while True:
            try:
                header, payload = await worker.receive()
            except WorkerDiedError:
                return
            overseer.heard()
            self._take(header, payload, overseer.now)

    def _take(self, header: dict[str, Any], payload: bytes, now: float) -> None:
        match header["op"]:
            case "begun":
                self._batcher.begun(header["path"], now)
            case "decoded":
                self._batcher.decoded(header["path"])
            case "embedded":
                rows = header["photos"]
                for row, vector in zip(rows, frames.vectors_from_bytes(payload, len(rows)), strict=True):
                    photo = self._batcher.finished(row["path"])
                    if photo is not None:
                        self._settle(Embedded(photo, PhotoInfo(*row["info"]), vector))
            case "failed" | "changed":
                photo = self._batcher.finished(header["path"])
                if photo is not None:
                    failed = header["op"] == "failed"
                    self._settle(
                        Unreadable(photo, header["reason"], header["truncated"]) if failed else ChangedMeanwhile(photo)
                    )
            case "outdated":
                self._outdated = True
                self._stirred.set()
            case _:
                self._batcher.done(header["batch"])
                self._stirred.set()

    def _settle(self, outcome: Outcome) -> None:
        if not outcome.photo.check:
            self.on_outcome(outcome)
            return
        for future in self._checks.pop(outcome.photo.path, []):
            if not future.done():
                future.set_result(outcome)

    def _bury(self, death: Death, overseer: Overseer) -> None:
        held = self._batcher.held
        culprits = self._batcher.died(death, overseer.late)
        for culprit in culprits:
            self._settle(Unreadable(culprit, death.reason, cause=death.cause))
        if not culprits:
            log.warning("the index worker ended (%s) with %d photos in hand; they are tried again", death.cause, held)
