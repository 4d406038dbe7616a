"""Asking the disk something that may never be answered: a share whose server is gone hangs every call on it.

Such a call cannot be ended, only left behind. So each question has a thread of its own that nobody waits for at the
end, and while one about a thing is unanswered no other about the same thing is asked: at most one thread is stuck.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class Patience:
    """Asks on threads, and waits no longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._unanswered: dict[str, asyncio.Future[Any]] = {}

    async def ask(self, about: str, question: Callable[[], _T]) -> _T:
        """Give the answer, or raise what it raises. Raises TimeoutError when none comes, or an earlier one is due."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds
        while (earlier := self._unanswered.get(about)) is not None:
            await asyncio.wait((earlier,), timeout=deadline - loop.time())
            if not earlier.done():
                raise TimeoutError
        answer: asyncio.Future[_T] = loop.create_future()
        self._unanswered[about] = answer
        answer.add_done_callback(lambda done: self._answered(about, done))
        threading.Thread(target=_work, args=(question, answer, loop), name=f"asks {about}", daemon=True).start()
        await asyncio.wait((answer,), timeout=deadline - loop.time())
        if not answer.done():
            raise TimeoutError
        return answer.result()

    def _answered(self, about: str, done: asyncio.Future[Any]) -> None:
        self._unanswered.pop(about, None)
        done.exception()  # seen, also where nobody waits any more


def _work(question: Callable[[], Any], answer: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> None:
    try:
        value, error = question(), None
    except Exception as problem:  # noqa: BLE001 - it is raised where the question was asked
        value, error = None, problem
    with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
        loop.call_soon_threadsafe(_settle, answer, value, error)


def _settle(answer: asyncio.Future[Any], value: object, error: Exception | None) -> None:
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)
