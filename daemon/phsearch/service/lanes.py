"""Lanes: one thread each for blocking work that must stay in order, so that the event loop owns all state unlocked."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("phsearch")

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Lane:
    """Runs calls in other threads, in the order they were given."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, name)

    def run(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
        """Queue `call` at once and give its future: whoever awaits it later still got the earlier place."""
        return asyncio.get_running_loop().run_in_executor(self._pool, partial(call, *args, **kwargs))

    def post(self, call: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Queue `call` for its effect only; what it raises is a bug and is logged as one."""
        self.run(call, *args, **kwargs).add_done_callback(_log_bug)

    def close(self) -> None:
        """Finish what is queued and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=False)


def _log_bug(done: asyncio.Future[object]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("a queued call failed", exc_info=error)
