"""When a root is scanned without an event that asks for it. Times are seconds of the event loop's clock."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phsearch.config import WatchConfig
    from phsearch.domain.types import RootState

_RETRY_OFFLINE = 5.0
_JITTER = 0.1
_CONFIRM = 600.0
"""How long many missing photos wait for the scan that confirms it; many computers are not on for much longer."""
_OVERFLOW_FIRST = 1.0
_OVERFLOW_LAST = 120.0


class ScanSchedule:
    """The timer of one root."""

    def __init__(self, settings: WatchConfig) -> None:
        self._overflow_delay = _OVERFLOW_FIRST
        self._last_pass = 0.0
        self.reconfigure(settings)

    def reconfigure(self, settings: WatchConfig) -> None:
        """Use these settings from now on."""
        self._rescan_seconds = settings.rescan_minutes * 60
        self._poll_seconds = settings.poll_minutes * 60

    def pass_done(self) -> None:
        """Note that all of the root was just scanned, whether that succeeded or not."""
        self._last_pass = asyncio.get_running_loop().time()

    def seconds_left(self, state: RootState, *, holds_deletions: bool) -> float:
        """Return the seconds until all of the root is to be scanned again; they are negative when it is overdue."""
        # Counted from the last scan of all of it: scans of single folders, however many, do not put it off.
        seconds = self._interval(state, holds_deletions=holds_deletions)
        jitter = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
        return self._last_pass + seconds * jitter - asyncio.get_running_loop().time()

    def next_overflow_delay(self) -> float:
        """Return the seconds to wait before the scan after lost events; each call doubles those of the next."""
        delay = self._overflow_delay
        self._overflow_delay = min(self._overflow_delay * 2, _OVERFLOW_LAST)
        return delay

    def reset_overflow_delay(self) -> None:
        """Wait only shortly after the next loss of events."""
        self._overflow_delay = _OVERFLOW_FIRST

    def _interval(self, state: RootState, *, holds_deletions: bool) -> float:
        match state:
            case "offline":
                return _RETRY_OFFLINE
            case "polling":
                seconds = min(self._poll_seconds, self._rescan_seconds)
            case _:
                seconds = self._rescan_seconds
        return min(seconds, _CONFIRM) if holds_deletions else seconds
