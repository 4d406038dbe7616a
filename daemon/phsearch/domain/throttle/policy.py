"""How much of the time indexing may take, so that it does not disturb the user of the machine.

The policy looks at the user's own command (`pause`, `resume`), the battery, and memory and IO pressure. It does not
look at processor load: the lowest priority handles that, at every moment and better than a check once a second.

Nothing here flaps: a low battery stays low until it has five percent more, and pressure has its own hysteresis.
Searching is never slowed down.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from phsearch.domain.throttle.pressure import PressureDetector, SystemWidePressureDetector

if TYPE_CHECKING:
    from phsearch.config import CourtesyConfig

_BATTERY_MARGIN = 5
"""Percent above the limit at which a low battery is no longer low."""

_CALM_SECONDS = 60.0
"""How long pressure must be over before `resume --force` no longer ignores it."""

ThrottleMode = Literal["full", "throttled", "paused"]
SlowdownCause = Literal["owner", "low battery", "battery", "memory", "io"]


@dataclass(frozen=True, slots=True)
class Power:
    """The source of power. `percent` is the charge of the batteries, None where it is unknown."""

    on_battery: bool = False
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class Pressure:
    """Percent of the last ten seconds in which some task waited for memory or IO, None where the kernel has no figure.

    `others`: whether our own waiting is left out.
    """

    memory: float | None = None
    io: float | None = None
    others: bool = False


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """How much of the time indexing may take, and why not all of it. `until` is the end of a pause, if it has one."""

    state: ThrottleMode = "full"
    share: float = 1.0
    causes: tuple[SlowdownCause, ...] = ()
    reason: str = ""
    until: float | None = None

    def __str__(self) -> str:
        match self.state:
            case "full":
                return "at full pace"
            case "paused":
                return f"paused {self.reason}" if self.causes == ("owner",) else f"paused: {self.reason}"
            case _ if self.share:
                return f"throttled to {100 * self.share:.3g} %: {self.reason}"
            case _:
                return f"throttled: {self.reason}"


FULL = ThrottleState()


class ThrottlePolicy:
    """Decides at each check how much of the time indexing may take."""

    def __init__(self, rules: CourtesyConfig) -> None:
        self.reconfigure(rules)
        self._paused = False
        self._until: float | None = None
        self._state = FULL
        self._forced: dict[SlowdownCause, float] = {}

    def reconfigure(self, rules: CourtesyConfig) -> None:
        """Use these rules from the next check on. A pause stays, and so does what `resume` ignores."""
        self._rules = rules
        self._low = False
        self._memory = PressureDetector(rules.memory_pressure)
        self._io: PressureDetector = PressureDetector(rules.io_pressure)
        self._others = True

    @property
    def user_pause(self) -> tuple[bool, float | None]:
        """Whether the user has paused indexing, and until when (seconds since the epoch)."""
        return self._paused, self._until

    def pause(self, until: float | None) -> None:
        """Pause until then (seconds since the epoch), or until `resume`."""
        self._paused, self._until = True, until

    def expire(self, wall: float) -> None:
        """End the user's pause if its time is over at `wall`."""
        if self._paused and self._until is not None and wall >= self._until:
            self._paused, self._until = False, None

    def resume(self, now: float, *, force: bool) -> None:
        """End the user's pause. `force` also ignores what slows indexing down now, for as long as that lasts."""
        self._paused, self._until = False, None
        if force:
            self._forced |= {cause: now for cause in self._state.causes if cause != "owner"}
            # A low battery is also a battery in use.
            if "low battery" in self._forced:
                self._forced["battery"] = now

    def decide(self, power: Power, pressure: Pressure, now: float, wall: float) -> ThrottleState:
        """Return the state for these readings. `now` is of a clock that never jumps, `wall` since the epoch."""
        self.expire(wall)
        limiting = self._limiting_causes(power, pressure, now)
        for cause, last_seen in list(self._forced.items()):
            if cause in limiting:
                self._forced[cause] = now
            elif now - last_seen >= (0 if "battery" in cause else _CALM_SECONDS):
                del self._forced[cause]
        causes = tuple(cause for cause in limiting if cause not in self._forced)
        self._state = self._state_for(causes, limiting)
        if self._paused:
            return ThrottleState("paused", 0.0, ("owner",), _until(self._until, wall), self._until)
        return self._state

    def _state_for(self, causes: tuple[SlowdownCause, ...], limiting: dict[SlowdownCause, str]) -> ThrottleState:
        if not causes:
            return FULL
        reason = "; ".join(limiting[cause] for cause in causes)
        if "low battery" in causes:
            return ThrottleState("paused", 0.0, causes, limiting["low battery"])
        if "battery" in causes and self._rules.on_battery == "pause":
            return ThrottleState("paused", 0.0, causes, limiting["battery"])
        share = 0.0 if "io" in causes and self._io.probing else self._rules.share
        return ThrottleState("throttled", share, causes, reason)

    def _limiting_causes(self, power: Power, pressure: Pressure, now: float) -> dict[SlowdownCause, str]:
        """Return what slows indexing down, each cause in words."""
        limiting: dict[SlowdownCause, str] = {}
        self._low = self._is_low(power)
        charge = "" if power.percent is None else f", {power.percent} %"
        if self._low:
            limiting["low battery"] = f"battery at {power.percent} %"
        elif power.on_battery and self._rules.on_battery != "run":
            limiting["battery"] = f"on battery{charge}"
        if self._memory.update_pressure(pressure.memory, now):
            limiting["memory"] = f"memory pressure {pressure.memory:.0f} %"
        if pressure.others != self._others:
            self._others = pressure.others
            self._io = (PressureDetector if pressure.others else SystemWidePressureDetector)(self._rules.io_pressure)
        if self._io.update_pressure(pressure.io, now):
            limiting["io"] = f"IO pressure {pressure.io:.0f} %"
        return limiting

    def _is_low(self, power: Power) -> bool:
        if not power.on_battery or power.percent is None:
            return False
        enough = self._rules.low_battery + (_BATTERY_MARGIN if self._low and self._rules.low_battery else 0)
        return power.percent < enough


def _until(until: float | None, wall: float) -> str:
    if until is None:
        return "until `phsearch-client resume`"
    then, today = time.localtime(until), time.localtime(wall)
    return time.strftime("until %H:%M" if then[:3] == today[:3] else "until %Y-%m-%d %H:%M", then)
