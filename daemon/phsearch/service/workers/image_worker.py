"""The index worker: photos go in, vectors or reasons come out, whatever happens to its process.

The process is started when there is work, and stopped after `keep_alive` seconds without, since only the end of a
process frees a GPU. In a pause it is stopped when its first batch is done; the photos of its other batches wait again.
When it dies, or must be ended because it hangs or eats memory, the batcher finds the photo that is to blame.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from phsearch.domain.indexing.batching import ChangedMeanwhile, Embedded, Unreadable
from phsearch.domain.throughput import StageTotals
from phsearch.errors import PhsearchError
from phsearch.service.liveness import Activity
from phsearch.service.throttle import DutyCycle
from phsearch.service.workers.image_session import ImageWorkerSession
from phsearch.service.workers.pending_checks import PendingChecks
from phsearch.service.workers.supervision import WorkerStats, start_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.domain.indexing.batching import Batcher, EmbedJob, EmbedResult
    from phsearch.domain.indexing.worker_exit import WorkerExit
    from phsearch.service.throttle import IndexingThrottle
    from phsearch.service.workers.command import WorkerCommand
    from phsearch.service.workers.limits import WorkerLimits
    from phsearch.service.workers.model_state import ModelState
    from phsearch.service.workers.process import WorkerProcess

log = logging.getLogger("phsearch.index")

_BACKOFF_FIRST = 1.0
_BACKOFF_LAST = 60.0
_HANG_FACTOR = 2


class ImageWorker:
    """Embeds submitted photos, with one process at a time.

    `on_result` gets the result of each photo, but not those of checks.
    """

    def __init__(
        self,
        *,
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
        self._throttle = throttle
        self._on_result = on_result
        self._outdated = False
        self._duty_cycle = DutyCycle()
        self._work_added = asyncio.Event()
        throttle.wake_on_change(self._work_added)
        self._space_freed = asyncio.Event()
        self._checks = PendingChecks()
        self._session: ImageWorkerSession | None = None
        self._starting: asyncio.Future[WorkerProcess] | None = None
        self._messages = 0
        self.name = "the index worker"
        self._problem: PhsearchError | None = None
        self.stage_totals = StageTotals()
        self.worker_stats = WorkerStats()

    def reconfigure(self, command: WorkerCommand, keep_alive: float, limits: WorkerLimits) -> None:
        """Use these for the next process; the present one finishes its photos, and is stopped."""
        self._command, self._keep_alive, self._limits = command, keep_alive, limits
        self._outdated = True
        self._work_added.set()

    def use_command(self, command: WorkerCommand) -> None:
        """Embed by another model from now on. Photos and checks under way are returned as changed."""
        for root in self._batcher.roots():
            for photo in (*self._batcher.withdraw_root(root), *self._batcher.take_back(root)):
                self._deliver(ChangedMeanwhile(photo))
        self.reconfigure(command, self._keep_alive, self._limits)
        if self._starting is not None:  # it would report the former model
            self._starting.cancel()
        self._space_freed.set()

    def submit_job(self, job: EmbedJob) -> None:
        """Queue a photo for embedding. Its result goes to `on_result`."""
        self._batcher.add_job(job)
        self._work_added.set()

    async def check_photo(self, job: EmbedJob) -> EmbedResult:
        """Embed a photo for its vector only, when no other photo waits, and return the result."""
        future = self._checks.add_check(job.path)
        self.submit_job(replace(job, check=True))
        try:
            result = await future
        finally:
            if self._checks.remove_check(job.path, future):
                self._batcher.drop_check(job.path)
        # This may be the result of another check, of the same path in another state.
        same = replace(result.photo, check=job.check) == job
        return result if same else ChangedMeanwhile(job)

    def withdraw_root(self, root: str, *, hung: bool) -> None:
        """Return the photos of a root that is gone as changed. A process that has some of a hung root is ended."""
        withdrawn = self._batcher.withdraw_root(root)
        if hung:
            held = self._batcher.take_back(root)
            if self._session is not None:
                self._session.withdraw_photos([photo.path for photo in held])
            withdrawn += held
        for photo in withdrawn:
            self._deliver(ChangedMeanwhile(photo))
        self._space_freed.set()
        self._work_added.set()

    @property
    def running(self) -> bool:
        """Whether there is a process with a loaded model."""
        return self._session is not None

    @property
    def busy(self) -> bool:
        """Whether a photo or a check waits or is being embedded."""
        return self._batcher.busy or not self._batcher.idle

    @property
    def problem(self) -> PhsearchError | None:
        """Why the photos that wait cannot be embedded on this machine now; None while that works."""
        return self._problem if self.busy else None

    @property
    def hang_timeout(self) -> float:
        """Seconds without a message after which the supervision of the process itself must have failed."""
        return _HANG_FACTOR * self._limits.silent_seconds

    @property
    def activity(self) -> Activity | None:
        """The photos that the process has, for the heartbeat. Each of its messages is progress."""
        return Activity("photos", self._messages) if self.running and self._batcher.busy else None

    @property
    def pending(self) -> int:
        """Photos without a result yet."""
        return self._batcher.waiting + self._batcher.held

    @property
    def held(self) -> int:
        """Photos that the process has."""
        return self._batcher.held

    def embed_position(self, path: str) -> int | None:
        """Return how many photos come before one that waits; None for one that does not wait."""
        return self._batcher.position(path)

    async def wait_for_space(self, most: int) -> None:
        """Wait until fewer than `most` photos wait."""
        while self._batcher.waiting >= most:
            self._space_freed.clear()
            await self._space_freed.wait()

    async def run(self) -> None:
        """Embed all submitted photos, until cancelled."""
        backoff = 0.0
        while True:
            while self._batcher.idle:
                self._work_added.clear()
                await self._work_added.wait()
            await asyncio.sleep(backoff)
            self._outdated = False
            process = await self._start()
            if process is None:
                continue
            session = self._session = self._new_session(process)
            self.worker_stats.started(process.info.pid)
            try:
                exit_ = await session.run()
            finally:
                self._session = None
                self.worker_stats.stopped()
            self._duty_cycle.end_work(time.monotonic())
            if exit_ is not None:
                self._handle_exit(exit_, session.overdue)
            else:
                self._batcher.release()
            silent = exit_ is not None and exit_.cause == "silent"
            if session.shortage:
                self._report_problem(session.shortage, "close the programs that have the memory")
            elif exit_ is not None and silent:
                self._report_problem(exit_.reason, 'its device may hang; model.device = "cpu" does without it')
            # A process that dies before its first message says nothing about photos, and its problem may pass.
            waits = session.shortage or silent or (exit_ is not None and not session.responded)
            backoff = min(max(_BACKOFF_FIRST, 2 * backoff), _BACKOFF_LAST) if waits else 0.0

    async def _start(self) -> WorkerProcess | None:
        """Return a process with a loaded model; None when a pause begins before, or another model is to be used."""
        await self._throttle.acquire(self._duty_cycle)
        if self._batcher.idle:  # withdrawn meanwhile
            return None
        starting = self._starting = asyncio.ensure_future(start_worker(self._command, self._model, image=True))
        pausing = asyncio.ensure_future(self._throttle.wait_for_pause())
        try:
            await asyncio.wait({starting, pausing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pausing.cancel()
            if not starting.done():
                starting.cancel()
            await asyncio.wait({starting, pausing})
        return None if starting.cancelled() else starting.result()

    def _new_session(self, process: WorkerProcess) -> ImageWorkerSession:
        return ImageWorkerSession(
            process=process,
            batcher=self._batcher,
            keep_alive=self._keep_alive,
            limits=self._limits,
            throttle=self._throttle,
            duty_cycle=self._duty_cycle,
            stage_totals=self.stage_totals,
            work_added=self._work_added,
            is_outdated=lambda: self._outdated,
            on_batch_sent=self._space_freed.set,
            on_message=self._count_message,
            on_result=self._deliver,
        )

    def _count_message(self) -> None:
        self._messages += 1

    def _report_problem(self, what: str, remedy: str) -> None:
        problem = PhsearchError(
            f"no photo can be embedded now: {what}",
            f"{remedy}; it is tried again every minute, and no photo is given up",
        )
        if str(problem) != str(self._problem):
            log.warning("%s", problem.sentence())
        self._problem = problem

    def _deliver(self, result: EmbedResult) -> None:
        if isinstance(result, Embedded):
            self._problem = None
        (self._checks.resolve if result.photo.check else self._on_result)(result)

    def _handle_exit(self, exit_: WorkerExit, overdue: Sequence[str]) -> None:
        self.worker_stats.failed(exit_.cause, "killed (SIGKILL)" if exit_.cause == "killed" else exit_.reason)
        held = self._batcher.held
        culprits = self._batcher.worker_exited(exit_, overdue)
        for culprit in culprits:
            self._deliver(Unreadable(culprit, exit_.reason, exit_.scope, cause=exit_.cause))
        if not culprits:
            log.warning("the index worker ended (%s) with %d photos in hand; they are tried again", exit_.cause, held)
