"""Get a worker whose tower is loaded and whose model is the index's, however long that takes."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from phsearch.errors import ModelMismatchError, ModelUnavailableError, PhsearchError
from phsearch.service.process import Worker, WorkerDiedError

if TYPE_CHECKING:
    from phsearch.service.model import ModelState
    from phsearch.service.process import WorkerCommand

log = logging.getLogger("phsearch.model")

_RETRY_FIRST = 1.0
_RETRY_LAST = 120.0


async def hire(command: WorkerCommand, model: ModelState, *, image: bool) -> Worker:
    """Start a worker, again and again with growing pauses while its model cannot be had.

    Weights may still come (the network returns, a disk is mounted). An index made with other weights will not change by
    itself: then this waits until it is cancelled, and `model` says why.
    """
    delay = _RETRY_FIRST
    while True:
        try:
            worker = await Worker.start(command)
            try:
                await model.report(worker.ready, image=image)
            except BaseException:
                await worker.stop()
                raise
        except (PhsearchError, WorkerDiedError) as error:
            problem = error if isinstance(error, PhsearchError) else _unexplained(command)
            if str(problem) != str(model.problem) or isinstance(problem, ModelMismatchError):
                log.error("%s", problem.sentence())
            model.failed(problem)
            if isinstance(problem, ModelMismatchError):
                await asyncio.Event().wait()
            await asyncio.sleep(delay)
            delay = min(delay * 2, _RETRY_LAST)
        else:
            kind = "index" if image else "query"
            log.info("%s worker ready (%s, %s)", kind, worker.ready.device, worker.ready.precision)
            return worker


def _unexplained(command: WorkerCommand) -> ModelUnavailableError:
    return ModelUnavailableError(
        f'the {command.setup["tower"]} worker ended while it loaded the model "{command.setup["name"]}"',
        "the daemon's log says why; if memory ran out, choose a smaller model",
    )
