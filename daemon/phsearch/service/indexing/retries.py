"""Truncated photos are read again after a while: some writers pause for longer than any settling time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_DELAYS = (5.0, 30.0, 180.0)
"""Seconds before each further attempt."""


class TruncatedRetries:
    """The truncated photos of one root. `retry` is called with the path of one that is to be read again."""

    def __init__(self, retry: Callable[[str], None]) -> None:
        self._retry = retry
        self._truncated: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def add_truncated(self, path: str) -> None:
        """Note that a photo is truncated."""
        self._truncated.add(path)

    def forget_truncated(self, path: str) -> None:
        """Note that a photo is truncated no longer. A retry that is scheduled takes place."""
        self._truncated.discard(path)

    def schedule_retry(self, path: str, attempts: int | None) -> None:
        """Read a truncated photo again later; `attempts` is how often it failed, None where that is not known."""
        if path not in self._truncated or attempts is None or attempts > len(_DELAYS):
            self._truncated.discard(path)
            return
        self._timers[path] = asyncio.get_running_loop().call_later(_DELAYS[attempts - 1], self._on_timer, path)

    def cancel_retry(self, path: str) -> None:
        """Cancel the retry that is scheduled for a photo, if there is one."""
        if timer := self._timers.pop(path, None):
            timer.cancel()

    def close(self) -> None:
        """Cancel all retries."""
        for timer in self._timers.values():
            timer.cancel()

    def _on_timer(self, path: str) -> None:
        self._timers.pop(path, None)
        self._retry(path)
