"""Lanes: one thread each for blocking work that must stay in order, so that the event loop owns all state unlocked."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from phsearch.service.liveness import Activity

if TYPE_CHECKING:
    from collections.abc import Callable

# One root's way to its disk: each question has a thread of its own, and is given up when the disk no longer answers.
#
# A share whose server went away blocks whoever asks it, for minutes or for ever, and no signal helps. So nothing that
# others wait for ever asks a disk: the thread that hangs is left hanging (it dies with the process), the question fails
# as a time-out, and until that thread has come back every further question fails at once. A question that takes long
# but makes progress is not given up: its call says `tick` at every step.


_P = ParamSpec("_P")
_T = TypeVar("_T")
_V = TypeVar("_V")


class TimeoutExecutor:
    """Asks at most `at_once` questions at a time; each may go on for as long as it ticks every `patience` seconds.

    `on_hang` is called when a question gets no answer in its time.
    """

    def __init__(
        self,
        name: str,
        patience: float,
        at_once: int = 2,
        *,
        on_hang: Callable[[TimeoutExecutor], None] = lambda _executor: None,
    ) -> None:
        self._name = name
        self.timeout = patience
        self._slots = asyncio.Semaphore(at_once)
        self._stuck = 0
        self._on_hang = on_hang

    @property
    def stalled(self) -> bool:
        """Whether a question is still without its answer after its time."""
        return self._stuck > 0

    async def run(
        self, call: Callable[Concatenate[Callable[[], None], _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Give what `call(tick, ...)` gives. Raises what it raises, and OSError (ETIMEDOUT) when the disk hangs."""
        async with self._slots:
            if self._stuck:
                raise self._timeout_error()
            question: _Call[_T] = _Call(asyncio.get_running_loop())
            question.done.add_done_callback(_retrieve_error)
            thread = threading.Thread(
                target=question.run,
                args=(lambda: call(question.progress, *args, **kwargs),),
                name=self._name,
                daemon=True,
            )
            thread.start()
            while not question.done.done():
                left = question.last_progress + self.timeout - time.monotonic()
                if left <= 0:
                    self._stuck += 1
                    question.done.add_done_callback(self._came_back)
                    self._on_hang(self)
                    raise self._timeout_error()
                await asyncio.wait({question.done}, timeout=left)
            return question.done.result()

    def _timeout_error(self) -> OSError:
        return OSError(errno.ETIMEDOUT, f"it has not answered for {self.timeout:g} s")

    def _came_back(self, answered: asyncio.Future[Any]) -> None:
        del answered
        self._stuck -= 1


def _retrieve_error(answered: asyncio.Future[Any]) -> None:
    """Take note of an error that nobody may be waiting for any more, or asyncio logs a traceback of it."""
    if not answered.cancelled():
        answered.exception()


class _Call(Generic[_T]):
    """A call on its way through a thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.done: asyncio.Future[_T] = loop.create_future()
        self.last_progress = time.monotonic()

    def progress(self) -> None:
        """Say that there is progress."""
        self.last_progress = time.monotonic()

    def run(self, call: Callable[[], _T]) -> None:
        """Run the call and hand its outcome to the loop, if that still runs."""
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - the caller gets it
            self._deliver(self.done.set_exception, error)
        else:
            self._deliver(self.done.set_result, result)

    def _deliver(self, deliver: Callable[[_V], None], value: _V) -> None:
        # A RuntimeError says that the daemon has ended meanwhile.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: None if self.done.done() else deliver(value))


log = logging.getLogger("phsearch")

_PATIENCE = 300.0
"""Calls take seconds, or a minute or two where what they need must come back from a slow swap; five are a hang."""


class SerialExecutor:
    """Runs calls in a thread of its own, in the order they were given; one that takes longer than `patience` hangs."""

    def __init__(self, name: str, patience: float = _PATIENCE) -> None:
        self.name = f"the {name} lane"
        self.hang_timeout = patience
        self.activity: Activity | None = None  # set by the lane's thread alone, read by the loop
        self._steps = itertools.count()
        self._pool = ThreadPoolExecutor(1, name)

    def submit(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
        """Queue `call` at once and give its future: whoever awaits it later still got the earlier place."""

        def work() -> _T:
            self.activity = Activity(getattr(call, "__qualname__", "a call"), next(self._steps))
            try:
                return call(*args, **kwargs)
            finally:
                self.activity = None

        return asyncio.get_running_loop().run_in_executor(self._pool, work)

    def submit_logged(self, call: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Queue `call` for its effect only; what it raises is a bug and is logged as one."""
        self.submit(call, *args, **kwargs).add_done_callback(_log_bug)

    def close(self) -> None:
        """Finish what is queued and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=False)


def _log_bug(done: asyncio.Future[object]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("a queued call failed", exc_info=error)
