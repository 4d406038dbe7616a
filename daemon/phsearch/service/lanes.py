"""Lanes: one thread each for blocking work that must stay in order, so that the event loop owns all state unlocked."""

from __future__ import annotations

import asyncio
import itertools
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from phsearch.service.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("phsearch")

_P = ParamSpec("_P")
_T = TypeVar("_T")

_PATIENCE = 300.0
"""Calls take seconds, or a minute or two where what they need must come back from a slow swap; five are a hang."""


class Lane:
    """Runs calls in a thread of its own, in the order they were given; one that takes longer than `patience` hangs."""

    def __init__(self, name: str, patience: float = _PATIENCE) -> None:
        self.name = f"the {name} lane"
        self.patience = patience
        self.job: Job | None = None  # set by the lane's thread alone, read by the loop
        self._steps = itertools.count()
        self._pool = ThreadPoolExecutor(1, name)

    def run(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
        """Queue `call` at once and give its future: whoever awaits it later still got the earlier place."""

        def work() -> _T:
            self.job = Job(getattr(call, "__qualname__", "a call"), next(self._steps))
            try:
                return call(*args, **kwargs)
            finally:
                self.job = None

        return asyncio.get_running_loop().run_in_executor(self._pool, work)

    def post(self, call: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Queue `call` for its effect only; what it raises is a bug and is logged as one."""
        self.run(call, *args, **kwargs).add_done_callback(_log_bug)

    def close(self) -> None:
        """Finish what is queued and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=False)


def _log_bug(done: asyncio.Future[object]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("a queued call failed", exc_info=error)
