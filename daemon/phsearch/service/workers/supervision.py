"""Starts a worker, again and again until its model is loaded and is that of the index; counts starts and exits."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

from phsearch.errors import ModelMismatchError, ModelUnavailableError, PhsearchError, UnknownModelError
from phsearch.service.workers.limits import StalledError
from phsearch.service.workers.process import WorkerDiedError, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.service.workers.command import WorkerCommand
    from phsearch.service.workers.model_state import ModelState


class WorkerStats:
    """How often one kind of worker was started, and why it died."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.pid: int | None = None
        """The process id, None while there is no process."""
        self.starts = 0
        self.exits: Counter[str] = Counter()
        self.last_exit = ""
        self.died_at: float | None = None

    def started(self, pid: int) -> None:
        """Note that a worker is ready."""
        self.pid = pid
        self.starts += 1

    def stopped(self) -> None:
        """Note that the process has ended, for whatever reason."""
        self.pid = None

    def failed(self, cause: str, reason: str) -> None:
        """Note that the process died, or had to be ended."""
        self.exits[cause] += 1
        self.last_exit = reason
        self.died_at = self._clock()


log = logging.getLogger("phsearch.model")

_RETRY_FIRST = 1.0
_RETRY_LAST = 120.0
_RETRY_KILLED_LAST = 15.0
"""A kill from outside says nothing about the model, so the next attempt comes soon. But a worker that the kernel kills
again and again for lack of memory must not keep the machine busy."""
_KILLS_TO_REPORT = 4
_FINAL = (ModelMismatchError, UnknownModelError)
"""No later attempt helps, and each takes seconds of the processor."""


class Backoff:
    """The delay before the next attempt: longer each time the same cause comes back, short after another cause."""

    def __init__(self) -> None:
        self._cause: object = None
        self.times = 0

    def next_delay(self, cause: object, most: float) -> float:
        """Return the seconds to wait after a failure."""
        self.times = self.times + 1 if cause == self._cause else 1
        self._cause = cause
        return min(_RETRY_FIRST * 2.0 ** min(self.times - 1, 10), most)


async def start_worker(
    command: WorkerCommand, model: ModelState, *, image: bool, on_failure: Callable[[], None] = lambda: None
) -> WorkerProcess:
    """Start a worker and return it; try again, after longer and longer delays, while its model is not available.

    `on_failure` is called after each attempt that failed, when `model` has the problem if it is one of the model.

    Weights may still come (the network returns, a disk is mounted). But an index made with other weights does not
    change by itself, and a name that there is not stays unknown: then this waits until it is cancelled, and `model` has
    the reason.
    """
    backoff = Backoff()
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
            delay = backoff.next_delay((type(error), status), _RETRY_KILLED_LAST if killed else _RETRY_LAST)
            if killed and backoff.times < _KILLS_TO_REPORT:
                log.warning("the %s worker was killed while it loaded the model; starting another", command.name)
            else:
                _report(error if isinstance(error, PhsearchError) else _unexplained(command, error), model)
            on_failure()
            await (asyncio.Event().wait() if isinstance(error, _FINAL) else asyncio.sleep(delay))
        else:
            log.info("%s worker ready (%s, %s)", command.name, worker.info.device, worker.info.precision)
            return worker


def _report(problem: PhsearchError, model: ModelState) -> None:
    if str(problem) != str(model.problem) or isinstance(problem, ModelMismatchError):
        log.error("%s", problem.sentence())
    model.failed(problem)


def _unexplained(command: WorkerCommand, error: Exception) -> ModelUnavailableError:
    return ModelUnavailableError(
        f'the {command.name} worker failed while it loaded the model "{command.setup.name}": {error}',
        "the daemon's log says why; if memory ran out, choose a smaller model",
    )
