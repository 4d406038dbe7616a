"""How much of the time indexing may take, beside an owner who wants their machine for something else.

What is looked at: the owner's own word (`pause`, `resume`), the battery, and memory and IO pressure. Not the processor:
the lowest priority takes care of that, moment by moment and better than a look once a second could.

Nothing here flaps: a low battery is low until it has five percent more, pressure has a hysteresis of its own. Searching
is not concerned by any of this.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from phsearch.domain.throttle.pressure import PressureDetector, SystemWidePressureDetector

if TYPE_CHECKING:
    from phsearch.config import CourtesyConfig

# Work and rest in turns, so that work takes a share of the time: after each piece it rests for as long as it owes.


_LONGEST = 60.0
"""A piece of work that took minutes (a disk that woke up, a model that was loaded) is not paid for with an hour."""


class DutyCycle:
    """One worker's turns, by any clock that the caller keeps."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._ended = float("-inf")
        self._worked = 0.0

    def begin_work(self, now: float) -> None:
        """Note that work begins; once it has, nothing happens."""
        if self._begun is None:
            self._begun = now

    def end_work(self, now: float) -> None:
        """Note that the work has ended."""
        if self._begun is not None:
            self._worked, self._ended, self._begun = now - self._begun, now, None

    def rest_needed(self, share: float, now: float) -> float:
        """Give the seconds to rest before the next piece of work, where it may take `share` (0 to 1) of the time."""
        if share <= 0:
            return float("inf")
        owed = min(self._worked * (1 / share - 1), _LONGEST)
        return max(self._ended + owed - now, 0.0)


_ENOUGH_MORE = 5

_CALM_SECONDS = 60.0
"""How long a condition must be over for an order to disregard it to be over, too."""

State = Literal["full", "throttled", "paused"]
Cause = Literal["owner", "low battery", "battery", "memory", "io"]


@dataclass(frozen=True, slots=True)
class Power:
    """Where the power comes from; `percent` is what the batteries have left, None where nobody knows."""

    on_battery: bool = False
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class Pressure:
    """Percent of the last ten seconds in which somebody waited for memory or IO, None where the kernel does not tell.

    `others`: whether our own waiting is left out.
    """

    memory: float | None = None
    io: float | None = None
    others: bool = False


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """How much of the time indexing may take, and why not all of it; `until` where a pause has an end."""

    state: State = "full"
    share: float = 1.0
    causes: tuple[Cause, ...] = ()
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
    """Makes up its mind at each look."""

    def __init__(self, rules: CourtesyConfig) -> None:
        self.reconfigure(rules)
        self._paused = False
        self._until: float | None = None
        self._state = FULL
        self._forced: dict[Cause, float] = {}

    def reconfigure(self, rules: CourtesyConfig) -> None:
        """Keep to these rules from the next look on; a pause and what is disregarded stay as they are."""
        self._rules = rules
        self._low = False
        self._memory = PressureDetector(rules.memory_pressure)
        self._io: PressureDetector = PressureDetector(rules.io_pressure)
        self._others = True

    @property
    def user_pause(self) -> tuple[bool, float | None]:
        """Whether the owner has paused indexing, and until when (seconds since the epoch)."""
        return self._paused, self._until

    def pause(self, until: float | None) -> None:
        """Stop until then, or until `resume`."""
        self._paused, self._until = True, until

    def expire(self, wall: float) -> None:
        """Take note of the time: the owner's pause may be over."""
        if self._paused and self._until is not None and wall >= self._until:
            self._paused, self._until = False, None

    def resume(self, now: float, *, force: bool) -> None:
        """End the owner's pause; by `force` also disregard what holds indexing back now, for as long as that lasts."""
        self._paused, self._until = False, None
        if force:
            self._forced |= {cause: now for cause in self._state.causes if cause != "owner"}
            # A battery that is low is in use, too.
            if "low battery" in self._forced:
                self._forced["battery"] = now

    def decide(self, power: Power, pressure: Pressure, now: float, wall: float) -> ThrottleState:
        """Take a look's findings at two clocks: `now` never jumps, `wall` is the owner's."""
        self.expire(wall)
        held = self._held(power, pressure, now)
        for cause, seen in list(self._forced.items()):
            if cause in held:
                self._forced[cause] = now
            elif now - seen >= (0 if "battery" in cause else _CALM_SECONDS):
                del self._forced[cause]
        causes = tuple(cause for cause in held if cause not in self._forced)
        self._state = self._state_for(causes, held)
        if self._paused:
            return ThrottleState("paused", 0.0, ("owner",), _until(self._until, wall), self._until)
        return self._state

    def _state_for(self, causes: tuple[Cause, ...], held: dict[Cause, str]) -> ThrottleState:
        if not causes:
            return FULL
        reason = "; ".join(held[cause] for cause in causes)
        if "low battery" in causes:
            return ThrottleState("paused", 0.0, causes, held["low battery"])
        if "battery" in causes and self._rules.on_battery == "pause":
            return ThrottleState("paused", 0.0, causes, held["battery"])
        share = 0.0 if "io" in causes and self._io.probing else self._rules.share
        return ThrottleState("throttled", share, causes, reason)

    def _held(self, power: Power, pressure: Pressure, now: float) -> dict[Cause, str]:
        """Give what holds indexing back, in words."""
        held: dict[Cause, str] = {}
        self._low = self._is_low(power)
        charge = "" if power.percent is None else f", {power.percent} %"
        if self._low:
            held["low battery"] = f"battery at {power.percent} %"
        elif power.on_battery and self._rules.on_battery != "run":
            held["battery"] = f"on battery{charge}"
        if self._memory.update_pressure(pressure.memory, now):
            held["memory"] = f"memory pressure {pressure.memory:.0f} %"
        if pressure.others != self._others:
            self._others = pressure.others
            self._io = (PressureDetector if pressure.others else SystemWidePressureDetector)(self._rules.io_pressure)
        if self._io.update_pressure(pressure.io, now):
            held["io"] = f"IO pressure {pressure.io:.0f} %"
        return held

    def _is_low(self, power: Power) -> bool:
        if not power.on_battery or power.percent is None:
            return False
        enough = self._rules.low_battery + (_ENOUGH_MORE if self._low and self._rules.low_battery else 0)
        return power.percent < enough


def _until(until: float | None, wall: float) -> str:
    if until is None:
        return "until `phsearch-client resume`"
    then, today = time.localtime(until), time.localtime(wall)
    return time.strftime("until %H:%M" if then[:3] == today[:3] else "until %Y-%m-%d %H:%M", then)
