"""Decides how much of the time indexing may take, and holds up those who ask for their turn.

The machine is looked at once a second, in a thread (firmware may take its time), and only while there is work: an idle
daemon reads nothing. Whoever wants to begin a piece of work (a batch for the model, some files to read) asks for a
turn; pieces are never interrupted. What is held up keeps its place: nothing is forgotten by a pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from typing import TYPE_CHECKING, Any, Protocol

from phsearch.domain.throttle.policy import FULL, Power, Pressure, ThrottleState
from phsearch.service.threads import TimeoutExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.config import CourtesyConfig
    from phsearch.domain.throttle.policy import DutyCycle, ThrottlePolicy

log = logging.getLogger("phsearch.courtesy")

_LOOK_SECONDS = 1.0
_STALE_SECONDS = 2.5
_WAITING_SECONDS = 10.0
"""How often to look where nothing is done, but somebody waits, or a worker is kept that a low battery should end."""

_PATIENCE = 3.0


class Workload(Protocol):
    """What there is to throttle."""

    @property
    def busy(self) -> bool:
        """Whether there is work, so that the machine is worth a poll."""

    @property
    def holds_resources(self) -> bool:
        """Whether memory or a GPU is held for work that may come."""


class IndexingThrottle:
    """One for all of indexing. `saved` keeps the owner's pause, as (paused, until); it may raise OSError.

    `on_change` is called when the state changes, but not for new figures in its reason.
    """

    def __init__(
        self,
        courtesy: ThrottlePolicy,
        power: Callable[[], Power],
        pressure: Callable[[], Pressure],
        saved: Callable[[bool, float | None], None],
        on_change: Callable[[ThrottleState], None] = lambda _state: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._policy = courtesy
        self._ask = power, pressure
        self._saved = saved
        self._on_change = on_change
        self._woken: list[asyncio.Event] = []
        self._clock = clock
        self._wall = wall
        self._machine = TimeoutExecutor("power and pressure", _PATIENCE, 1)
        self._known = Power(), Pressure()
        self._polled = float("-inf")
        self._read = False
        self._polling = asyncio.Lock()
        self._saving = asyncio.Lock()
        self._kept = courtesy.user_pause
        self._wanted = asyncio.Event()
        self._waiting = 0
        self._changed = asyncio.Event()
        self.state = FULL
        self._set_state()

    def wake_on_change(self, event: asyncio.Event) -> None:
        """Set `event` at every change of the state from now on."""
        self._woken.append(event)

    async def run(self, workload: Workload) -> None:
        """Look while there is work, until cancelled."""
        while True:
            self._wanted.clear()
            await self._wanted.wait()
            while (busy := workload.busy) or self._waiting or workload.holds_resources:
                await self.poll()
                await self._change(_LOOK_SECONDS if busy else _WAITING_SECONDS)

    async def poll(self) -> None:
        """Look at the machine and decide, if that is a second ago."""
        async with self._polling:
            # A little less than a second: the timer that brought us here may be early.
            if self._clock() - self._polled < 0.9 * _LOOK_SECONDS:
                return
            # Whatever the machine says, nothing runs in the owner's pause.
            self._policy.expire(self._wall())
            if not self._policy.user_pause[0]:
                try:
                    self._known = await self._machine.run(lambda _tick: (self._ask[0](), self._ask[1]()))
                    self._read = True
                except OSError as error:
                    log.debug("the state of the machine cannot be read: %s", error.strerror)
                    self._known = Power(), Pressure()
            self._polled = self._clock()
            await self._decide()

    def reconfigure(self, rules: CourtesyConfig) -> None:
        """Keep to these rules from now on."""
        self._policy.reconfigure(rules)
        self._set_state()

    async def pause(self, seconds: float | None) -> bool:
        """Pause until `resume`, or for so many seconds; tells whether that outlives a restart."""
        self._policy.pause(None if seconds is None else self._wall() + seconds)
        return await self._decide()

    async def resume(self, *, force: bool) -> bool:
        """End the pause, by force whatever else holds indexing back, too; tells whether that outlives a restart."""
        self._policy.resume(self._clock(), force=force)
        self._polled = float("-inf")  # nobody looked at the machine during the pause
        kept = await self._decide()
        await self.poll()
        return kept

    async def acquire(self, duty_cycle: DutyCycle) -> None:
        """Wait until a piece of work may begin; the work itself is between `duty.begin` and `duty.end`."""
        self._waiting += 1
        try:
            while (left := await self.delay(duty_cycle)) > 0:
                await self._change(left)
        finally:
            self._waiting -= 1

    async def delay(self, duty_cycle: DutyCycle) -> float:
        """Give the seconds until a piece of work may begin, infinitely many in a pause."""
        self._wanted.set()
        # As a rule `run` has just looked; only the first to come after a quiet time waits for that.
        if self._clock() - self._polled > _STALE_SECONDS:
            await self.poll()
        match self.state.state:
            case "paused":
                return float("inf")
            case "throttled":
                return duty_cycle.rest_needed(self.state.share, self._clock())
            case _:
                return 0.0

    async def paused(self) -> None:
        """Wait until indexing is paused."""
        while self.state.state != "paused":
            await self._change(float("inf"))

    @property
    def pause_reason(self) -> str | None:
        """Why indexing stands still, e.g. "paused until 18:30"; None where it does not."""
        # Without work nobody looks, and a pause may have ended unnoticed.
        over = self.state.until is not None and self._wall() >= self.state.until
        return str(self.state) if self.state.state == "paused" and not over else None

    def report(self) -> dict[str, Any]:
        """Give the pace for `status`; `pressure` says whose is known: "others", "everyone", None; at first "unread"."""
        pressure = self._known[1]
        known = pressure.memory is not None or pressure.io is not None
        whose = ("others" if pressure.others else "everyone") if known else None
        return {
            "state": self.state.state,
            "share": self.state.share,
            "causes": list(self.state.causes),
            "text": str(self.state),
            "until": self.state.until,
            "pressure": whose if self._read else "unread",
        }

    async def _decide(self) -> bool:
        """Set the pace by what is known; gives whether the owner's pause is saved as it is now."""
        self._set_state()
        async with self._saving:
            if self._kept == self._policy.user_pause:
                return True
            self._kept = self._policy.user_pause
            try:
                await asyncio.to_thread(self._saved, *self._kept)
            except OSError as error:
                log.warning("the pause cannot be saved and ends with the daemon: %s", error.strerror)
                return False
            return True

    def _set_state(self) -> None:
        before = self.state
        now = self.state = self._policy.decide(*self._known, self._clock(), self._wall())
        if (before.state, before.share, before.causes, before.until) == (now.state, now.share, now.causes, now.until):
            return
        log.info("indexing %s", now)
        self._changed.set()
        self._changed = asyncio.Event()
        for event in self._woken:
            event.set()
        self._on_change(now)

    async def _change(self, seconds: float) -> None:
        """Wait until the pace changes, or for so many seconds."""
        changed = self._changed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                await changed.wait()
