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

from phsearch.domain.indexing import worker_exit
from phsearch.domain.indexing.batching import ChangedMeanwhile, Embedded, Unreadable
from phsearch.domain.throttle.policy import DutyCycle
from phsearch.domain.throughput import StageTotals
from phsearch.domain.types import PhotoInfo
from phsearch.service.liveness import Activity
from phsearch.service.workers import frames
from phsearch.service.workers.limits import LOOK_SECONDS, LimitMonitor
from phsearch.service.workers.process import WorkerDiedError
from phsearch.service.workers.supervision import WorkerStats, start_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.indexing.batching import Batcher, EmbedJob, EmbedResult
    from phsearch.domain.indexing.worker_exit import WorkerExit
    from phsearch.service.throttle import IndexingThrottle
    from phsearch.service.workers.limits import WorkerLimits
    from phsearch.service.workers.model_state import ModelState
    from phsearch.service.workers.process import WorkerCommand, WorkerProcess

# Photos that are embedded again to compare: nobody but the asker learns of their outcome.


class PendingChecks:
    """Who waits for the outcome of which check."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[EmbedResult]]] = {}

    def add_check(self, path: str) -> asyncio.Future[EmbedResult]:
        """Give the future outcome of a check."""
        future: asyncio.Future[EmbedResult] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(path, []).append(future)
        return future

    def remove_check(self, path: str, future: asyncio.Future[EmbedResult]) -> bool:
        """Let go of an asker; tells whether nobody waits for that check any more."""
        waiting = self._waiting.get(path, [])
        if future in waiting:
            waiting.remove(future)
            if not waiting:
                del self._waiting[path]
                return True
        return False

    def resolve(self, result: EmbedResult) -> None:
        """Tell everybody who asked."""
        for future in self._waiting.pop(result.photo.path, []):
            if not future.done():
                future.set_result(result)


log = logging.getLogger("phsearch.index")

_DRAIN_SECONDS = 3.0
_PAUSE_FIRST = 1.0
_PAUSE_LAST = 60.0
_HANG_FACTOR = 2


class ImageWorker:
    """Feeds the index worker from the batcher and hands on what comes back."""

    def __init__(
        self,
        command: WorkerCommand,
        model: ModelState,
        batcher: Batcher,
        keep_alive: float,
        limits: WorkerLimits,
        throttle: IndexingThrottle,
        on_result: Callable[[EmbedResult], None],
    ) -> None:
        self._command = command
        self._model = model
        self._batcher = batcher
        self._keep_alive = keep_alive
        self._limits = limits
        self._outdated = False
        self._throttle = throttle
        self._duty_cycle = DutyCycle()
        self.stage_totals = StageTotals()
        self.worker_stats = WorkerStats()
        self._work_added = asyncio.Event()
        throttle.wake_on_change(self._work_added)
        self._progress = asyncio.Event()
        self._withdrawn: list[str] = []
        self._sandbox_outdated = False
        self._checks = PendingChecks()
        self._message_seen = 0
        self._on_result = on_result
        self.running = False
        self.name = "the index worker"

    def reconfigure(self, command: WorkerCommand, keep_alive: float, limits: WorkerLimits) -> None:
        """Use these from the next worker on; the present one finishes what it has, and then makes room for it."""
        self._command, self._keep_alive, self._limits = command, keep_alive, limits
        self._outdated = True
        self._work_added.set()

    def submit_job(self, job: EmbedJob) -> None:
        """Queue a photo for embedding; its outcome goes to `on_result`."""
        self._batcher.add_job(job)
        self._work_added.set()

    async def check_photo(self, job: EmbedJob) -> EmbedResult:
        """Embed a photo for its vector only, when no other photo waits; nothing else learns of its outcome."""
        future = self._checks.add_check(job.path)
        self.submit_job(replace(job, check=True))
        try:
            result = await future
        finally:
            if self._checks.remove_check(job.path, future):
                self._batcher.drop_check(job.path)
        # The same path may have been asked for in another state, whose outcome this is.
        same = replace(result.photo, check=job.check) == job
        return result if same else ChangedMeanwhile(job)

    def withdraw_root(self, root: str, *, hung: bool) -> None:
        """Give back the photos of a root that is gone, as changed; where it hangs, so would a worker that has some."""
        gone = self._batcher.withdraw_root(root)
        if hung:
            held = self._batcher.take_back(root)
            self._withdrawn += [photo.path for photo in held]
            gone += held
        for photo in gone:
            self._deliver(ChangedMeanwhile(photo))
        self._progress.set()
        self._work_added.set()

    @property
    def busy(self) -> bool:
        """Whether a photo or a check waits or is under way."""
        return self._batcher.busy or not self._batcher.idle

    @property
    def hang_timeout(self) -> float:
        """Seconds of silence after which not even the overseer can have noticed."""
        return _HANG_FACTOR * self._limits.longest

    @property
    def activity(self) -> Activity | None:
        """The photos that the worker has, for the heartbeat; what it says of any is progress."""
        return Activity("photos", self._message_seen) if self.running and self._batcher.busy else None

    @property
    def pending(self) -> int:
        """Photos whose outcome is still to come."""
        return self._batcher.waiting + self._batcher.held

    @property
    def held(self) -> int:
        """Photos the worker has."""
        return self._batcher.held

    def embed_position(self, path: str) -> int | None:
        """Give how many photos come before one that waits; None for one that does not wait."""
        return self._batcher.position(path)

    async def wait_for_space(self, most: int) -> None:
        """Wait until fewer than `most` photos wait."""
        while self._batcher.waiting >= most:
            self._progress.clear()
            await self._progress.wait()

    async def run(self) -> None:
        """Embed whatever is submitted, until cancelled."""
        pause = 0.0
        while True:
            while self._batcher.idle:
                self._work_added.clear()
                await self._work_added.wait()
            await asyncio.sleep(pause)
            self._outdated = False
            worker = await self._start()
            if worker is None:
                continue
            self._batcher.size = worker.info.batch_size
            monitor = LimitMonitor(worker.info.pid, self._limits, self._batcher)
            self._withdrawn.clear()
            self._sandbox_outdated = False
            self.running = True
            self.worker_stats.started(worker.info.pid)
            try:
                exit_ = await self._run_one(worker, monitor)
            finally:
                self.running = False
                self.worker_stats.stopped()
            self._duty_cycle.end_work(time.monotonic())
            if exit_ is not None:
                self._handle_exit(exit_, monitor)
            else:
                self._batcher.release()
            # One that dies before it says anything tells nothing of photos: whatever ails it may pass.
            pause = 0.0 if exit_ is None or monitor.responded else min(max(_PAUSE_FIRST, 2 * pause), _PAUSE_LAST)

    async def _start(self) -> WorkerProcess | None:
        """Get a worker when one may work; None when a pause comes before its model is loaded."""
        await self._throttle.acquire(self._duty_cycle)
        if self._batcher.idle:  # withdrawn meanwhile
            return None
        hiring = asyncio.ensure_future(start_worker(self._command, self._model, image=True))
        pausing = asyncio.ensure_future(self._throttle.paused())
        try:
            await asyncio.wait({hiring, pausing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pausing.cancel()
            if not hiring.done():
                hiring.cancel()
            await asyncio.wait({hiring, pausing})
        return None if hiring.cancelled() else hiring.result()

    async def _run_one(self, worker: WorkerProcess, monitor: LimitMonitor) -> WorkerExit | None:
        """Let a worker work until there is nothing to do for a while, or a pause; gives why it died if it did."""
        listening = asyncio.ensure_future(self._listen(worker, monitor))
        listening.add_done_callback(lambda _: self._work_added.set())
        idle = False
        try:
            match await self._send_loop(worker, monitor, listening):
                case "idle":
                    idle = True
                    return None
                case "died":
                    exit_ = None
                case exit_:
                    log.warning("the index worker is ended: %s", exit_.reason)
                    worker.kill_nowait()
            # What it has sent already counts, however it came to its end.
            await asyncio.wait({listening}, timeout=_DRAIN_SECONDS)
            return exit_ or worker_exit.exited(await worker.wait() or 0)
        finally:
            listening.cancel()
            await asyncio.wait({listening})
            await (worker.stop() if idle else worker.kill())
            if not listening.cancelled():
                listening.result()

    async def _send_loop(
        self, worker: WorkerProcess, monitor: LimitMonitor, listening: asyncio.Future[None]
    ) -> WorkerExit | Literal["idle", "died"]:
        """Keep the worker busy and watch it; gives how that came to an end."""
        in_hand: int | None = None
        while not listening.done():
            self._work_added.clear()
            left = await self._throttle.delay(self._duty_cycle)
            if self._throttle.state.state == "paused":
                in_hand = in_hand or self._batcher.first
                if in_hand is None or in_hand != self._batcher.first:
                    return "idle"
            else:
                in_hand = None
                if (end := await self._send_with_timeout(worker, monitor, left)) is not None:
                    return end
            if self._batcher.busy:
                await self._wait_for_work(LOOK_SECONDS)
                if (exit_ := self._limit_violation(monitor)) is not None:
                    return exit_
                continue
            seconds = self._keep_alive if self._batcher.idle else left
            if self._outdated or (not await self._wait_for_work(seconds) and self._batcher.idle):
                return "idle"
        return "died"

    async def _send_with_timeout(
        self, worker: WorkerProcess, monitor: LimitMonitor, left: float
    ) -> WorkerExit | Literal["died"] | None:
        if self._outdated:
            return None
        try:
            async with asyncio.timeout(self._limits.longest):
                await self._send_batches(worker, monitor, left)
        except WorkerDiedError:
            return "died"
        except TimeoutError:  # it does not even read, so the overseer would never get to look
            return worker_exit.model_timeout(self._limits.longest)
        return None

    def _limit_violation(self, monitor: LimitMonitor) -> WorkerExit | None:
        if self._withdrawn:
            monitor.overdue = self._withdrawn
            return worker_exit.disk_stalled()
        return worker_exit.sandbox_outdated() if self._sandbox_outdated else monitor.violation()

    async def _wait_for_work(self, seconds: float) -> bool:
        """Wait for something to do, or for the worker's end; False when nothing happens in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._work_added.wait()
        except TimeoutError:
            return False
        return True

    async def _send_batches(self, worker: WorkerProcess, monitor: LimitMonitor, left: float) -> None:
        """Send what the worker may have: some batches ahead, or, throttled, one when the last one's rest is over."""
        throttled = self._throttle.state.state == "throttled"
        if throttled and (left > 0 or self._batcher.busy):
            return
        while (batch := self._batcher.next_batch()) is not None:
            self._duty_cycle.begin_work(time.monotonic())
            number, photos = batch
            rows = [[photo.path, photo.fingerprint.size, photo.fingerprint.mtime_ns] for photo in photos]
            monitor.batch_sent()
            await worker.send_message({"op": "embed", "batch": number, "photos": rows})
            self._progress.set()
            if throttled:
                return

    async def _listen(self, worker: WorkerProcess, monitor: LimitMonitor) -> None:
        """Take what the worker says until it says no more."""
        while True:
            try:
                header, payload = await worker.receive_message()
            except WorkerDiedError:
                return
            monitor.message_seen()
            self._message_seen += 1
            self._on_message(header, payload, monitor.now)

    def _on_message(self, header: dict[str, Any], payload: bytes, now: float) -> None:
        match header["op"]:
            case "begun":
                self._batcher.decode_started(header["path"], now)
            case "decoded":
                self._batcher.decode_finished(header["path"])
            case "embedded":
                rows = header["photos"]
                for row, vector in zip(rows, frames.vectors_from_bytes(payload, len(rows)), strict=True):
                    photo = self._batcher.job_finished(row["path"])
                    if photo is not None:
                        self._deliver(Embedded(photo, PhotoInfo(*row["info"]), vector))
            case "failed" | "changed":
                photo = self._batcher.job_finished(header["path"])
                if photo is not None:
                    failed = header["op"] == "failed"
                    self._deliver(
                        Unreadable(photo, header["reason"], header["truncated"]) if failed else ChangedMeanwhile(photo)
                    )
            case "outdated":
                self._sandbox_outdated = True
                self._work_added.set()
            case _:
                self.stage_totals.add_times(header.get("times", {}))
                self._done(header["batch"])

    def _done(self, number: int) -> None:
        self._batcher.batch_done(number)
        # Each batch for itself: what was done at full pace is not paid for later.
        self._duty_cycle.end_work(time.monotonic())
        if self._batcher.busy:
            self._duty_cycle.begin_work(time.monotonic())
        self._work_added.set()

    def _deliver(self, result: EmbedResult) -> None:
        (self._checks.resolve if result.photo.check else self._on_result)(result)

    def _handle_exit(self, exit_: WorkerExit, monitor: LimitMonitor) -> None:
        self.worker_stats.failed(exit_.cause, "killed (SIGKILL)" if exit_.cause == "killed" else exit_.reason)
        held = self._batcher.held
        culprits = self._batcher.worker_exited(exit_, monitor.overdue)
        for culprit in culprits:
            self._deliver(Unreadable(culprit, exit_.reason, cause=exit_.cause))
        if not culprits:
            log.warning("the index worker ended (%s) with %d photos in hand; they are tried again", exit_.cause, held)
