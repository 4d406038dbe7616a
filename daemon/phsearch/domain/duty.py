"""Work and rest in turns, so that work takes a share of the time: after each piece it rests for as long as it owes."""

from __future__ import annotations

_LONGEST = 60.0
"""A piece of work that took minutes (a disk that woke up, a model that was loaded) is not paid for with an hour."""


class Duty:
    """One worker's turns, by any clock that the caller keeps."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._ended = float("-inf")
        self._worked = 0.0

    def begin(self, now: float) -> None:
        """Note that work begins; once it has, nothing happens."""
        if self._begun is None:
            self._begun = now

    def end(self, now: float) -> None:
        """Note that the work has ended."""
        if self._begun is not None:
            self._worked, self._ended, self._begun = now - self._begun, now, None

    def rest(self, share: float, now: float) -> float:
        """Give the seconds to rest before the next piece of work, where it may take `share` (0 to 1) of the time."""
        if share <= 0:
            return float("inf")
        owed = min(self._worked * (1 / share - 1), _LONGEST)
        return max(self._ended + owed - now, 0.0)
