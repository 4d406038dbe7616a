"""Whether the machine has been under pressure for a while.

Pressure is the kernel's PSI: the percentage of time in which some task waited for memory or for the disk. A threshold
alone would flap: slowing down relieves the pressure, which would end the slowing down. So pressure begins at the
threshold, and ends below half of it, after ten seconds at least.
"""

from __future__ import annotations

_MIN_SECONDS = 10.0
_RELEASE_SHARE = 0.5

_PROBE_SECONDS = 10.0
"""The kernel's average over ten seconds falls to 37 % in this time."""
_OWN_SHARE = 0.6
"""Pressure that falls below this share of its peak during a probe is our own."""
_PROBE_AGAIN_SECONDS = 60.0
_IGNORE_FIRST = 60.0
_IGNORE_LAST = 600.0


class PressureDetector:
    """Pressure on other programs, from 0 to 100. A threshold of 0 means that it does not matter."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._since: float | None = None

    @property
    def probing(self) -> bool:
        """Whether indexing must stand still for the moment."""
        return False

    def update_pressure(self, value: float | None, now: float) -> bool:
        """Return whether to slow down after this reading, None where there is none."""
        if value is None or not self._threshold:
            self._since = None
        elif self._since is None:
            self._since = now if value >= self._threshold else None
        elif value < self._threshold * _RELEASE_SHARE and now - self._since >= _MIN_SECONDS:
            self._since = None
        return self._since is not None


class SystemWidePressureDetector(PressureDetector):
    """Pressure on the whole machine, which includes our own.

    An indexer that reads a slow disk waits most of the time, so without control groups beside its own it would slow
    itself down to its share for its own waiting, although no other program needs the disk. So when pressure begins, and
    then once a minute, indexing stands still for ten seconds. Pressure that falls meanwhile was our own, and is ignored
    for one minute, then for longer and longer, up to ten.
    """

    def __init__(self, threshold: float) -> None:
        super().__init__(threshold)
        self._peak = 0.0
        self._probe_start: float | None = None
        self._probe_end = 0.0
        self._ignore_seconds = 0.0
        self._ignore_until = float("-inf")

    @property
    def probing(self) -> bool:
        """Whether indexing must stand still, to see if the pressure falls."""
        return self._probe_start is not None

    def update_pressure(self, value: float | None, now: float) -> bool:
        """Return whether to slow down after this reading, None where there is none."""
        if value is None or now < self._ignore_until:
            self._since = self._probe_start = None
            return False
        if self._probe_start is not None:
            self._peak = max(self._peak, value)
            if now - self._probe_start < _PROBE_SECONDS:
                return True
            self._probe_start, self._probe_end = None, now
            if value < _OWN_SHARE * self._peak:
                self._since = None
                self._ignore_seconds = min(max(2 * self._ignore_seconds, _IGNORE_FIRST), _IGNORE_LAST)
                self._ignore_until = now + self._ignore_seconds
                return False
            self._ignore_seconds = 0.0
        begins = self._since is None
        slow = super().update_pressure(value, now)
        # Again after a minute: the readings include our own pressure, so that theirs might never seem to end.
        if slow and (begins or now - self._probe_end >= _PROBE_AGAIN_SECONDS):
            self._probe_start, self._peak = now, value
        return slow
