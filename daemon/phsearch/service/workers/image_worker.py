"""The index worker under supervision: photos in, vectors or reasons out, whatever happens to the process.

The worker is started when there is work and stopped after `keep_alive` seconds without, since only the end of its
process frees a GPU. In a pause it is stopped when the batch in hand is done; what it had ahead waits again. When it
dies, or must be ended because it hangs or eats memory, the batcher finds the culprit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from phsearch.domain.indexing import worker_exit as deaths
from phsearch.domain.indexing.batching import ChangedMeanwhile, Embedded, Unreadable
from phsearch.domain.throttle.policy import Duty
from phsearch.domain.throughput import Clocks
from phsearch.domain.types import PhotoInfo
from phsearch.service.liveness import Job
from phsearch.service.workers import frames
from phsearch.service.workers.limits import LOOK_SECONDS, Overseer
from phsearch.service.workers.process import WorkerDiedError
from phsearch.service.workers.supervision import Career, hire

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.indexing.batching import Batcher, Candidate, Outcome
    from phsearch.domain.indexing.worker_exit import Death
    from phsearch.service.throttle import Governor
    from phsearch.service.workers.limits import Limits
    from phsearch.service.workers.model_state import ModelState
    from phsearch.service.workers.process import Worker, WorkerCommand

# Photos that are embedded again to compare: nobody but the asker learns of their outcome.


class Checks:
    """Who waits for the outcome of which check."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[Outcome]]] = {}

    def ask(self, path: str) -> asyncio.Future[Outcome]:
        """Give the future outcome of a check."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(path, []).append(future)
        return future

    def forget(self, path: str, future: asyncio.Future[Outcome]) -> bool:
        """Let go of an asker; tells whether nobody waits for that check any more."""
        waiting = self._waiting.get(path, [])
        if future in waiting:
            waiting.remove(future)
            if not waiting:
                del self._waiting[path]
                return True
        return False

    def settle(self, outcome: Outcome) -> None:
        """Tell everybody who asked."""
        for future in self._waiting.pop(outcome.photo.path, []):
            if not future.done():
                future.set_result(outcome)


log = logging.getLogger("phsearch.index")

_LAST_WORDS_SECONDS = 3.0
_PAUSE_FIRST = 1.0
_PAUSE_LAST = 60.0
_HOPELESS = 2


class Embedder:
    """Feeds the index worker from the batcher and hands on what comes back."""

    def __init__(
        self,
        command: WorkerCommand,
        model: ModelState,
        batcher: Batcher,
        keep_alive: float,
        limits: Limits,
        governor: Governor,
    ) -> None:
        self._command = command
        self._model = model
        self._batcher = batcher
        self._keep_alive = keep_alive
        self._limits = limits
        self._outdated = False
        self._governor = governor
        self._duty = Duty()
        governor.listeners.append(lambda _pace: self._stirred.set())
        self.clocks = Clocks()
        self.career = Career()
        self._stirred = asyncio.Event()
        self._progress = asyncio.Event()
        self._withdrawn: list[str] = []
        self._blind = False
        self._checks = Checks()
        self._heard = 0
        self.on_outcome: Callable[[Outcome], None]
        self.running = False
        self.name = "the index worker"

    def take(self, command: WorkerCommand, keep_alive: float, limits: Limits) -> None:
        """Use these from the next worker on; the present one finishes what it has, and then makes room for it."""
        self._command, self._keep_alive, self._limits = command, keep_alive, limits
        self._outdated = True
        self._stirred.set()

    def submit(self, candidate: Candidate) -> None:
        """Queue a photo for embedding; its outcome goes to `on_outcome`."""
        self._batcher.add(candidate)
        self._stirred.set()

    async def check(self, candidate: Candidate) -> Outcome:
        """Embed a photo for its vector only, when no other photo waits; nothing else learns of its outcome."""
        future = self._checks.ask(candidate.path)
        self.submit(replace(candidate, check=True))
        try:
            outcome = await future
        finally:
            if self._checks.forget(candidate.path, future):
                self._batcher.drop_check(candidate.path)
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
    def busy(self) -> bool:
        """Whether a photo or a check waits or is under way."""
        return self._batcher.busy or not self._batcher.idle

    @property
    def patience(self) -> float:
        """Seconds of silence after which not even the overseer can have noticed."""
        return _HOPELESS * self._limits.longest

    @property
    def job(self) -> Job | None:
        """The photos that the worker has, for the heartbeat; what it says of any is progress."""
        return Job("photos", self._heard) if self.running and self._batcher.busy else None

    @property
    def pending(self) -> int:
        """Photos whose outcome is still to come."""
        return self._batcher.waiting + self._batcher.held

    @property
    def held(self) -> int:
        """Photos the worker has."""
        return self._batcher.held

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
            self._outdated = False
            worker = await self._hire()
            if worker is None:
                continue
            self._batcher.size = worker.ready.batch_size
            overseer = Overseer(worker.ready.pid, self._limits, self._batcher)
            self._withdrawn.clear()
            self._blind = False
            self.running = True
            self.career.began(worker.ready.pid)
            try:
                death = await self._employ(worker, overseer)
            finally:
                self.running = False
                self.career.ended()
            self._duty.end(time.monotonic())
            if death is not None:
                self._bury(death, overseer)
            else:
                self._batcher.release()
            # One that dies before it says anything tells nothing of photos: whatever ails it may pass.
            pause = 0.0 if death is None or overseer.talked else min(max(_PAUSE_FIRST, 2 * pause), _PAUSE_LAST)

    async def _hire(self) -> Worker | None:
        """Get a worker when one may work; None when a pause comes before its model is loaded."""
        await self._governor.turn(self._duty)
        if self._batcher.idle:  # withdrawn meanwhile
            return None
        hiring = asyncio.ensure_future(hire(self._command, self._model, image=True))
        pausing = asyncio.ensure_future(self._governor.paused())
        try:
            await asyncio.wait({hiring, pausing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pausing.cancel()
            if not hiring.done():
                hiring.cancel()
            await asyncio.wait({hiring, pausing})
        return None if hiring.cancelled() else hiring.result()

    async def _employ(self, worker: Worker, overseer: Overseer) -> Death | None:
        """Let a worker work until there is nothing to do for a while, or a pause; gives why it died if it did."""
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
        in_hand: int | None = None
        while not listening.done():
            self._stirred.clear()
            left = await self._governor.left(self._duty)
            if self._governor.pace.state == "paused":
                in_hand = in_hand or self._batcher.first
                if in_hand is None or in_hand != self._batcher.first:
                    return "idle"
            else:
                in_hand = None
                if (end := await self._give(worker, overseer, left)) is not None:
                    return end
            if self._batcher.busy:
                await self._stir(LOOK_SECONDS)
                if (death := self._doomed(overseer)) is not None:
                    return death
                continue
            seconds = self._keep_alive if self._batcher.idle else left
            if self._outdated or (not await self._stir(seconds) and self._batcher.idle):
                return "idle"
        return "died"

    async def _give(self, worker: Worker, overseer: Overseer, left: float) -> Death | Literal["died"] | None:
        if self._outdated:
            return None
        try:
            async with asyncio.timeout(self._limits.longest):
                await self._send_batches(worker, overseer, left)
        except WorkerDiedError:
            return "died"
        except TimeoutError:  # it does not even read, so the overseer would never get to look
            return deaths.silent(self._limits.longest)
        return None

    def _doomed(self, overseer: Overseer) -> Death | None:
        if self._withdrawn:
            overseer.late = self._withdrawn
            return deaths.recalled()
        return deaths.outdated() if self._blind else overseer.sentence()

    async def _stir(self, seconds: float) -> bool:
        """Wait for something to do, or for the worker's end; False when nothing happens in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            return False
        return True

    async def _send_batches(self, worker: Worker, overseer: Overseer, left: float) -> None:
        """Send what the worker may have: some batches ahead, or, throttled, one when the last one's rest is over."""
        throttled = self._governor.pace.state == "throttled"
        if throttled and (left > 0 or self._batcher.busy):
            return
        while (batch := self._batcher.next()) is not None:
            self._duty.begin(time.monotonic())
            number, photos = batch
            rows = [[photo.path, photo.fingerprint.size, photo.fingerprint.mtime_ns] for photo in photos]
            overseer.given()
            await worker.send({"op": "embed", "batch": number, "photos": rows})
            self._progress.set()
            if throttled:
                return

    async def _listen(self, worker: Worker, overseer: Overseer) -> None:
        """Take what the worker says until it says no more."""
        while True:
            try:
                header, payload = await worker.receive()
            except WorkerDiedError:
                return
            overseer.heard()
            self._heard += 1
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
                self._blind = True
                self._stirred.set()
            case _:
                self.clocks.worked(header.get("times", {}))
                self._done(header["batch"])

    def _done(self, number: int) -> None:
        self._batcher.done(number)
        # Each batch for itself: what was done at full pace is not paid for later.
        self._duty.end(time.monotonic())
        if self._batcher.busy:
            self._duty.begin(time.monotonic())
        self._stirred.set()

    def _settle(self, outcome: Outcome) -> None:
        (self._checks.settle if outcome.photo.check else self.on_outcome)(outcome)

    def _bury(self, death: Death, overseer: Overseer) -> None:
        self.career.died(death.cause, "killed (SIGKILL)" if death.cause == "killed" else death.reason)
        held = self._batcher.held
        culprits = self._batcher.died(death, overseer.late)
        for culprit in culprits:
            self._settle(Unreadable(culprit, death.reason, cause=death.cause))
        if not culprits:
            log.warning("the index worker ended (%s) with %d photos in hand; they are tried again", death.cause, held)
