"""One index worker process at work: batches are sent, results received, and its limits watched until it ends."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Literal

from phsearch.domain.indexing import worker_exit
from phsearch.domain.indexing.batching import ChangedMeanwhile, Embedded, Unreadable
from phsearch.service.workers.frames import (
    BatchDone,
    DecodeFinished,
    DecodeStarted,
    NonsenseError,
    PhotoChanged,
    PhotoFailed,
    PhotosEmbedded,
    SandboxOutdated,
    parse_message,
)
from phsearch.service.workers.limits import CHECK_SECONDS, LimitMonitor
from phsearch.service.workers.process import WorkerDiedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.indexing.batching import Batcher, EmbedResult
    from phsearch.domain.indexing.worker_exit import WorkerExit
    from phsearch.domain.throughput import StageTotals
    from phsearch.service.throttle import DutyCycle, IndexingThrottle
    from phsearch.service.workers.frames import IndexMessage
    from phsearch.service.workers.limits import WorkerLimits
    from phsearch.service.workers.process import WorkerProcess

log = logging.getLogger("phsearch.index")

_DRAIN_SECONDS = 3.0


class ImageWorkerSession:
    """Feeds one process from the batcher.

    `work_added` is set by the owner when there may be something to do. `is_outdated` tells whether the settings have
    changed, so that the process must make room for another.
    """

    def __init__(
        self,
        *,
        process: WorkerProcess,
        batcher: Batcher,
        keep_alive: float,
        limits: WorkerLimits,
        throttle: IndexingThrottle,
        duty_cycle: DutyCycle,
        stage_totals: StageTotals,
        work_added: asyncio.Event,
        is_outdated: Callable[[], bool],
        on_batch_sent: Callable[[], None],
        on_message: Callable[[], None],
        on_result: Callable[[EmbedResult], None],
    ) -> None:
        self._process = process
        self._batcher = batcher
        self._keep_alive = keep_alive
        self._limits = limits
        self._throttle = throttle
        self._duty_cycle = duty_cycle
        self._stage_totals = stage_totals
        self._work_added = work_added
        self._is_outdated = is_outdated
        self._on_batch_sent = on_batch_sent
        self._on_message = on_message
        self._on_result = on_result
        self._monitor = LimitMonitor(pid=process.info.pid, limits=limits, batcher=batcher)
        self._withdrawn: list[str] = []
        self._sandbox_outdated = False
        self._nonsense: WorkerExit | None = None
        self.shortage = ""
        """What the machine is short of, so that the process cannot go on; no photo is to blame."""
        batcher.size = process.info.batch_size

    @property
    def responded(self) -> bool:
        """Whether the process has ever sent a message."""
        return self._monitor.responded

    @property
    def overdue(self) -> list[str]:
        """The photos that the process was ended for, where they are known."""
        return self._withdrawn or self._monitor.overdue

    def withdraw_photos(self, paths: list[str]) -> None:
        """End the process, which has these photos of a disk that does not answer."""
        self._withdrawn += paths

    async def run(self) -> WorkerExit | None:
        """Work until there is nothing to do for a while, or a pause begins. Return why the process died if it did."""
        listener = asyncio.ensure_future(self._listen())
        listener.add_done_callback(lambda _: self._work_added.set())
        stopped = False
        try:
            match await self._send_loop(listener):
                case "stopped":
                    stopped = True
                    return None
                case "died":
                    exit_ = None
                case exit_:
                    log.warning("the index worker is ended: %s", exit_.reason)
                    self._process.kill_nowait()
            # Results that it has sent count, whatever ended it.
            await asyncio.wait({listener}, timeout=_DRAIN_SECONDS)
            return exit_ or self._nonsense or worker_exit.exited(await self._process.wait() or 0)
        finally:
            listener.cancel()
            await asyncio.wait({listener})
            await (self._process.stop() if stopped else self._process.kill())
            if not listener.cancelled():
                listener.result()

    async def _send_loop(self, listener: asyncio.Future[None]) -> WorkerExit | Literal["stopped", "died"]:
        """Keep the process busy and watch it. Return how that ended."""
        first_batch: int | None = None
        while not listener.done():
            if self.shortage:
                return "stopped"
            self._work_added.clear()
            delay = await self._throttle.delay(self._duty_cycle)
            if self._throttle.state.state == "paused":
                # The batch that it works on is finished first.
                first_batch = first_batch or self._batcher.first
                if first_batch is None or first_batch != self._batcher.first:
                    return "stopped"
            else:
                first_batch = None
                if (end := await self._send_with_timeout(delay)) is not None:
                    return end
            if self._batcher.busy:
                await self._wait_for_work(CHECK_SECONDS)
                if (exit_ := self._limit_violation()) is not None:
                    return exit_
                continue
            seconds = self._keep_alive if self._batcher.idle else delay
            if self._is_outdated() or (not await self._wait_for_work(seconds) and self._batcher.idle):
                return "stopped"
        return "died"

    async def _send_with_timeout(self, delay: float) -> WorkerExit | Literal["died"] | None:
        if self._is_outdated():
            return None
        try:
            async with asyncio.timeout(self._limits.silent_seconds):
                await self._send_batches(delay)
        except WorkerDiedError:
            return "died"
        except TimeoutError:  # it does not even read, so that `_limit_violation` would never be reached
            return worker_exit.model_timeout(self._limits.silent_seconds)
        return None

    def _limit_violation(self) -> WorkerExit | None:
        if self._withdrawn:
            return worker_exit.disk_stalled()
        return worker_exit.sandbox_outdated() if self._sandbox_outdated else self._monitor.violation()

    async def _wait_for_work(self, seconds: float) -> bool:
        """Wait for work, or for the end of the process. Return False when neither comes in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._work_added.wait()
        except TimeoutError:
            return False
        return True

    async def _send_batches(self, delay: float) -> None:
        """Send a few batches ahead; when throttled, only one, and only after the rest that the last one requires."""
        throttled = self._throttle.state.state == "throttled"
        if throttled and (delay > 0 or self._batcher.busy):
            return
        while (batch := self._batcher.next_batch()) is not None:
            self._duty_cycle.begin_work(time.monotonic())
            number, photos = batch
            rows = [[photo.path, photo.fingerprint.size, photo.fingerprint.mtime_ns] for photo in photos]
            self._monitor.batch_sent()
            await self._process.send_message({"op": "embed", "batch": number, "photos": rows})
            self._on_batch_sent()
            if throttled:
                return

    async def _listen(self) -> None:
        """Handle each message until the process ends."""
        while True:
            try:
                header, payload = await self._process.receive_message()
            except WorkerDiedError:
                return
            self._monitor.message_seen()
            self._on_message()
            try:
                self._handle_message(parse_message(header, payload, self._process.info.identity.dim))
            except NonsenseError as error:
                log.warning("the index worker is ended, since it sent %s", error)
                self._nonsense = worker_exit.nonsense("see the log")
                self._process.kill_nowait()
                return

    def _handle_message(self, message: IndexMessage) -> None:
        match message:
            case DecodeStarted(path):
                self._batcher.decode_started(path, self._monitor.now)
            case DecodeFinished(path):
                self._batcher.decode_finished(path)
            case PhotosEmbedded(photos, vectors):
                self._batcher.embedded()
                for (path, info), vector in zip(photos, vectors, strict=True):
                    if (photo := self._batcher.job_finished(path)) is not None:
                        self._on_result(Embedded(photo, info, vector))
            case PhotoFailed(reason=reason, scope="machine"):
                self.shortage = reason
                self._work_added.set()
            case PhotoFailed() | PhotoChanged():
                self._photo_not_embedded(message)
            case SandboxOutdated():
                self._sandbox_outdated = True
                self._work_added.set()
            case BatchDone(number, times):
                self._stage_totals.add_times(times)
                self._batch_done(number)

    def _photo_not_embedded(self, message: PhotoFailed | PhotoChanged) -> None:
        photo = self._batcher.job_finished(message.path)
        if photo is None:
            return
        match message:
            case PhotoFailed(reason=reason, scope=scope):
                self._on_result(Unreadable(photo, reason, scope))
            case PhotoChanged():
                self._on_result(ChangedMeanwhile(photo))

    def _batch_done(self, number: int) -> None:
        self._batcher.batch_done(number)
        # Each batch counts alone: work at full speed needs no rest later.
        self._duty_cycle.end_work(time.monotonic())
        if self._batcher.busy:
            self._duty_cycle.begin_work(time.monotonic())
        self._work_added.set()
