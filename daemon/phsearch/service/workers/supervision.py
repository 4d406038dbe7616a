"""Get a worker whose tower is loaded and whose model is the index's, however long that takes."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

from phsearch.errors import ModelMismatchError, ModelUnavailableError, PhsearchError
from phsearch.service.workers.monitor import StalledError
from phsearch.service.workers.process import WorkerDiedError, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.service.workers.model_state import ModelState
    from phsearch.service.workers.process import WorkerCommand

# What became of one kind of worker: how often it was started, and why it died.


class WorkerStats:
    """Kept by whoever employs the worker."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.pid: int | None = None
        """The process, while there is one."""
        self.starts = 0
        self.exits: Counter[str] = Counter()
        self.last_exit = ""
        self.died_at: float | None = None

    def started(self, pid: int) -> None:
        """Note that a worker is ready."""
        self.pid = pid
        self.starts += 1

    def stopped(self) -> None:
        """Note that there is none any more, for whatever reason."""
        self.pid = None

    def failed(self, cause: str, reason: str) -> None:
        """Note an end that nobody wished."""
        self.exits[cause] += 1
        self.last_exit = reason
        self.died_at = self._clock()


log = logging.getLogger("phsearch.model")

_RETRY_FIRST = 1.0
_RETRY_LAST = 120.0
_RETRY_KILLED_LAST = 15.0
"""A worker killed from outside says nothing of its model: it is tried again soon, though not so soon that one which the
kernel kills for want of memory, again and again, would keep the machine busy with that."""
_KILLED_OFTEN = 4


class Backoff:
    """How long to wait before the next attempt: longer each time the same cause comes back, short after another."""

    def __init__(self) -> None:
        self._cause: object = None
        self.times = 0

    def next_delay(self, cause: object, most: float) -> float:
        """Give the seconds to wait after a failure."""
        self.times = self.times + 1 if cause == self._cause else 1
        self._cause = cause
        return min(_RETRY_FIRST * 2.0 ** min(self.times - 1, 10), most)


async def start_worker(command: WorkerCommand, model: ModelState, *, image: bool) -> WorkerProcess:
    """Start a worker, again and again with growing pauses while its model cannot be had.

    Weights may still come (the network returns, a disk is mounted). An index made with other weights will not change by
    itself: then this waits until it is cancelled, and `model` says why.
    """
    pauses = Backoff()
    while True:
        try:
            worker = await WorkerProcess.start_process(command)
            try:
                await model.bind(worker.info, image=image)
            except BaseException:
                await worker.stop()
                raise
        except (PhsearchError, WorkerDiedError, StalledError) as error:
            status = error.status if isinstance(error, WorkerDiedError) else None
            killed = status == -signal.SIGKILL
            pause = pauses.next_delay((type(error), status), _RETRY_KILLED_LAST if killed else _RETRY_LAST)
            if killed and pauses.times < _KILLED_OFTEN:
                log.warning("the %s worker was killed while it loaded the model; starting another", command.name)
            else:
                await _report(error if isinstance(error, PhsearchError) else _unexplained(command, error), model)
            await asyncio.sleep(pause)
        else:
            log.info("%s worker ready (%s, %s)", command.name, worker.info.device, worker.info.precision)
            return worker


async def _report(problem: PhsearchError, model: ModelState) -> None:
    if str(problem) != str(model.problem) or isinstance(problem, ModelMismatchError):
        log.error("%s", problem.sentence())
    model.failed(problem)
    if isinstance(problem, ModelMismatchError):
        await asyncio.Event().wait()


def _unexplained(command: WorkerCommand, error: Exception) -> ModelUnavailableError:
    return ModelUnavailableError(
        f'the {command.name} worker failed while it loaded the model "{command.setup["name"]}": {error}',
        "the daemon's log says why; if memory ran out, choose a smaller model",
    )
