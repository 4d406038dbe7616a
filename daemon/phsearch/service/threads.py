"""Threads for blocking work, so that the event loop alone owns all state and needs no locks."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from phsearch.service.liveness import Activity
from phsearch.timing import DaemonThreads, TimedCall

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_T = TypeVar("_T")

log = logging.getLogger("phsearch")

_HANG_SECONDS = 300.0
"""Calls take seconds, or a minute or two where memory must come back from a slow swap. Five minutes are a hang."""


class TimeoutExecutor:
    """Runs calls that may hang, for instance those to one disk, each on a thread of its own; `max_concurrent` at most.

    A call times out when it makes no progress for `timeout` seconds. Its thread is left behind, and until that thread
    ends every further call fails at once. `on_hang` is called with the executor at each time-out. `thread_init` is
    called first on each thread.
    """

    def __init__(
        self,
        name: str,
        timeout: float,
        *,
        max_concurrent: int = 2,
        on_hang: Callable[[TimeoutExecutor], None] = lambda _executor: None,
        thread_init: Callable[[], object] = lambda: None,
    ) -> None:
        self._threads = DaemonThreads(name)
        self.timeout = timeout
        self._slots = asyncio.Semaphore(max_concurrent)
        self._on_hang = on_hang
        self._thread_init = thread_init
        self._hung_calls = 0

    @property
    def stalled(self) -> bool:
        """Whether a call that timed out has not returned yet."""
        return self._hung_calls > 0

    async def run(
        self, call: Callable[Concatenate[Callable[[], None], _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Return what `call(progress, ...)` returns. The call reports each step of long work by `progress()`.

        Raises what the call raises, OSError (ETIMEDOUT) when it hangs, and OSError (EAGAIN) when there are too many
        threads on this machine.
        """

        def work(progress: Callable[[], None]) -> _T:
            self._thread_init()
            return call(progress, *args, **kwargs)

        async with self._slots:
            if self.stalled:
                raise self._timeout_error()
            returned = asyncio.get_running_loop().create_future()
            try:
                timed = TimedCall(work, threads=self._threads, on_done=lambda: _resolve_threadsafe(returned))
            except RuntimeError as error:
                raise OSError(errno.EAGAIN, "this machine starts no more threads") from error
            while not returned.done():
                left = self.timeout - timed.silent_seconds
                if left <= 0:
                    self._hung_calls += 1
                    returned.add_done_callback(self._hung_call_returned)
                    self._on_hang(self)
                    raise self._timeout_error()
                await asyncio.wait({returned}, timeout=left)
            return timed.result()

    def _timeout_error(self) -> OSError:
        return OSError(errno.ETIMEDOUT, f"it has not answered for {self.timeout:g} s")

    def _hung_call_returned(self, returned: asyncio.Future[None]) -> None:
        del returned
        self._hung_calls -= 1


def _resolve_threadsafe(future: asyncio.Future[None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended
        future.get_loop().call_soon_threadsafe(future.set_result, None)


class SerialExecutor:
    """Runs calls one after the other on a single thread, in the order of `submit`.

    A call that takes longer than `hang_timeout` seconds counts as hung.
    """

    def __init__(self, name: str, hang_timeout: float = _HANG_SECONDS) -> None:
        self.name = f"the {name} thread"
        self.hang_timeout = hang_timeout
        self.activity: Activity | None = None  # set on the thread, read by the event loop
        self._steps = itertools.count()
        self._pool = ThreadPoolExecutor(1, name)

    def submit(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
        """Queue `call` at once and return its future. The place in the queue does not depend on when it is awaited."""

        def work() -> _T:
            self.activity = Activity(getattr(call, "__qualname__", "a call"), next(self._steps))
            try:
                return call(*args, **kwargs)
            finally:
                self.activity = None

        return asyncio.get_running_loop().run_in_executor(self._pool, work)

    def submit_logged(self, call: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Queue `call` for its effect only. Whatever it raises is a bug, and is logged as one."""
        self.submit(call, *args, **kwargs).add_done_callback(_log_bug)

    def close(self) -> None:
        """Finish the queued calls and end the thread."""
        self._pool.shutdown(wait=True, cancel_futures=False)


def _log_bug(done: asyncio.Future[object]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("a queued call failed", exc_info=error)
