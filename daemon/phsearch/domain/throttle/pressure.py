"""Whether the machine is under pressure (the kernel's PSI: the share of time in which somebody stood still), steadily.

A threshold alone would flap: holding back relieves the pressure, which ends the holding back. So strain begins at the
threshold, and ends below half of it, after ten seconds at least.

The pressure may also be our own: whoever reads a slow disk stands still for most of the time, and is nobody's concern
while alone. Where only the whole machine's figure is to be had, `SharedStrain` finds out whose it is by holding its
breath: nothing is read for ten seconds, and pressure that goes meanwhile was ours.
"""

from __future__ import annotations

_DWELL = 10.0
_RELEASE = 0.5

_BREATH = 10.0
"""The kernel's average fades to 37 % in its ten seconds."""

_FADED = 0.6
_REST = 60.0
_DEAF_FIRST = 60.0
_DEAF_LAST = 600.0


class PressureDetector:
    """Pressure on others, from 0 to 100; a threshold of 0 means that it does not matter."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._since: float | None = None

    @property
    def probing(self) -> bool:
        """Whether not even a share of the time may be used just now."""
        return False

    def update_pressure(self, value: float | None, now: float) -> bool:
        """Take a reading, None where there is none; tells whether to hold back."""
        if value is None or not self._threshold:
            self._since = None
        elif self._since is None:
            self._since = now if value >= self._threshold else None
        elif value < self._threshold * _RELEASE and now - self._since >= _DWELL:
            self._since = None
        return self._since is not None


class SystemWidePressureDetector(PressureDetector):
    """Pressure of which our own cannot be told from that of others."""

    def __init__(self, threshold: float) -> None:
        super().__init__(threshold)
        self._peak = 0.0
        self._breath: float | None = None
        self._breathed = 0.0
        self._deaf = 0.0
        self._deaf_until = float("-inf")

    @property
    def probing(self) -> bool:
        """Whether the breath is held."""
        return self._breath is not None

    def update_pressure(self, value: float | None, now: float) -> bool:
        """Take a reading, None where there is none; tells whether to hold back."""
        if value is None or now < self._deaf_until:
            self._since = self._breath = None
            return False
        if self._breath is not None:
            self._peak = max(self._peak, value)
            if now - self._breath < _BREATH:
                return True
            self._breath, self._breathed = None, now
            if value < _FADED * self._peak:
                self._since = None
                self._deaf = min(max(2 * self._deaf, _DEAF_FIRST), _DEAF_LAST)
                self._deaf_until = now + self._deaf
                return False
            self._deaf = 0.0
        began = self._since is None
        held = super().update_pressure(value, now)
        # Again after a while: what is measured has our own in it, so that it might never end.
        if held and (began or now - self._breathed >= _REST):
            self._breath, self._peak = now, value
        return held
