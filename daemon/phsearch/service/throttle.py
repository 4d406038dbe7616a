"""Enforces how much of the time indexing may take, as `ThrottlePolicy` decides it.

The state of the machine is read once a second, on a thread (firmware may be slow), and only while there is work: an
idle daemon reads nothing. Before each piece of work (a batch for the model, some files to read) its worker waits in
`acquire`. Pieces are never interrupted. Work that waits keeps its place in its queue: a pause forgets nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
import weakref
from typing import TYPE_CHECKING, Literal, Protocol

from phsearch.domain.throttle.policy import FULL, Power, Pressure, ThrottleState
from phsearch.service.threads import TimeoutExecutor
from phsearch.wire.results.daemon import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.config import CourtesyConfig
    from phsearch.domain.throttle.policy import ThrottlePolicy

log = logging.getLogger("phsearch.courtesy")

_POLL_SECONDS = 1.0
_STALE_SECONDS = 2.5
_IDLE_POLL_SECONDS = 10.0
"""The time between two readings while no work is done, but something waits, or a worker is kept that a low battery
should end."""

_READ_SECONDS = 3.0
"""How long reading the state of the machine may take."""

_MAX_REST = 60.0
"""A piece of work that took minutes (a disk that spins up, a model that is loaded) does not cost an hour of rest."""


class DutyCycle:
    """Alternates work and rest of one worker, so that work takes a share of the time. Times are of any one clock."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._end = float("-inf")
        self._worked = 0.0

    def begin_work(self, now: float) -> None:
        """Note that work begins. Does nothing while work is going on."""
        if self._start is None:
            self._start = now

    def end_work(self, now: float) -> None:
        """Note that the work has ended."""
        if self._start is not None:
            self._worked, self._end, self._start = now - self._start, now, None

    def rest_needed(self, share: float, now: float) -> float:
        """Return the seconds to rest before the next piece of work, where it may take `share` (0 to 1) of the time."""
        if share <= 0:
            return float("inf")
        rest = min(self._worked * (1 / share - 1), _MAX_REST)
        return max(self._end + rest - now, 0.0)


class Workload(Protocol):
    """What there is to throttle."""

    @property
    def busy(self) -> bool:
        """Whether there is work, so that the machine is worth a poll."""

    @property
    def holds_resources(self) -> bool:
        """Whether memory or a GPU is held for work that may come."""


class IndexingThrottle:
    """The one throttle of all indexing work.

    `save_pause` stores the user's pause as (paused, until) and may raise OSError. `on_state_change` is called when the
    state changes, but not when only the numbers in its reason do.
    """

    def __init__(
        self,
        *,
        policy: ThrottlePolicy,
        read_power: Callable[[], Power],
        read_pressure: Callable[[], Pressure],
        save_pause: Callable[[bool, float | None], None],
        on_state_change: Callable[[ThrottleState], None],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy
        self._read_power = read_power
        self._read_pressure = read_pressure
        self._save_pause = save_pause
        self._on_state_change = on_state_change
        self._woken: weakref.WeakSet[asyncio.Event] = weakref.WeakSet()
        self._clock = clock
        self._wall = wall
        self._executor = TimeoutExecutor("power and pressure", _READ_SECONDS, max_concurrent=1)
        self._readings = Power(), Pressure()
        self._last_poll = float("-inf")
        self._has_read = False
        self._polling = asyncio.Lock()
        self._saving = asyncio.Lock()
        self._saved_pause = policy.user_pause
        self._wanted = asyncio.Event()
        self._waiting = 0
        self._changed = asyncio.Event()
        self.state = FULL
        self._update_state()

    def wake_on_change(self, event: asyncio.Event) -> None:
        """Set `event` at every change of the state from now on, as long as others need it, too."""
        self._woken.add(event)

    async def run(self, workload: Workload) -> None:
        """Poll while there is work, until cancelled."""
        while True:
            self._wanted.clear()
            await self._wanted.wait()
            while (busy := workload.busy) or self._waiting or workload.holds_resources:
                await self.poll()
                await self._wait_for_change(_POLL_SECONDS if busy else _IDLE_POLL_SECONDS)

    async def poll(self) -> None:
        """Read the state of the machine and decide, if the last time is a second ago."""
        async with self._polling:
            # A little less than a second: the timer that led here may be early.
            if self._clock() - self._last_poll < 0.9 * _POLL_SECONDS:
                return
            # Nothing runs in the user's pause, in whatever state the machine is.
            self._policy.expire(self._wall())
            if not self._policy.user_pause[0]:
                try:
                    self._readings = await self._executor.run(lambda _: (self._read_power(), self._read_pressure()))
                    self._has_read = True
                except OSError as error:
                    log.debug("the state of the machine cannot be read: %s", error.strerror)
                    self._readings = Power(), Pressure()
            self._last_poll = self._clock()
            await self._decide()

    def reconfigure(self, rules: CourtesyConfig) -> None:
        """Use these rules from now on."""
        self._policy.reconfigure(rules)
        self._apply_state()

    async def pause(self, seconds: float | None) -> bool:
        """Pause until `resume`, or for so many seconds. Return whether the pause outlives a restart."""
        self._policy.pause(None if seconds is None else self._wall() + seconds)
        return await self._decide()

    async def resume(self, *, force: bool) -> bool:
        """End the pause; `force` also ignores what else slows indexing down. Return whether that outlives a restart."""
        self._policy.resume(self._clock(), force=force)
        self._last_poll = float("-inf")  # the machine was not polled during the pause
        saved = await self._decide()
        await self.poll()
        return saved

    async def acquire(self, duty_cycle: DutyCycle) -> None:
        """Wait until a piece of work may begin. The work is between `begin_work` and `end_work` of `duty_cycle`."""
        self._waiting += 1
        try:
            while (seconds := await self.delay(duty_cycle)) > 0:
                await self._wait_for_change(seconds)
        finally:
            self._waiting -= 1

    async def delay(self, duty_cycle: DutyCycle) -> float:
        """Return the seconds until a piece of work may begin, infinity in a pause."""
        self._wanted.set()
        # As a rule `run` has just polled. Only the first call after an idle time must wait for that.
        if self._clock() - self._last_poll > _STALE_SECONDS:
            await self.poll()
        match self.state.state:
            case "paused":
                return float("inf")
            case "throttled":
                return duty_cycle.rest_needed(self.state.share, self._clock())
            case _:
                return 0.0

    async def wait_for_pause(self) -> None:
        """Wait until indexing is paused."""
        while self.state.state != "paused":
            await self._wait_for_change(float("inf"))

    @property
    def pause_reason(self) -> str | None:
        """Why indexing stands still, e.g. "paused until 18:30"; None where it does not."""
        # Without work there are no polls, and a pause may have ended unnoticed.
        over = self.state.until is not None and self._wall() >= self.state.until
        return str(self.state) if self.state.state == "paused" and not over else None

    def report(self) -> Pace:
        """Return the state for `status`. `pressure` is of "others", of "everyone", None, or at first "unread"."""
        pressure = self._readings[1]
        known = pressure.memory is not None or pressure.io is not None
        whose: Literal["others", "everyone"] | None = ("others" if pressure.others else "everyone") if known else None
        return Pace(
            state=self.state.state,
            share=self.state.share,
            causes=self.state.causes,
            text=str(self.state),
            until=self.state.until,
            pressure=whose if self._has_read else "unread",
        )

    async def _decide(self) -> bool:
        """Set the state from the last readings. Return whether the user's pause is saved as it is now."""
        self._apply_state()
        if self._saved_pause == self._policy.user_pause and not self._saving.locked():
            return True
        # In a task of its own: a client that hangs up would leave the thread writing, and another might begin.
        return await asyncio.shield(asyncio.create_task(self._save()))

    async def _save(self) -> bool:
        async with self._saving:
            if self._saved_pause == self._policy.user_pause:
                return True
            self._saved_pause = self._policy.user_pause
            try:
                await asyncio.to_thread(self._save_pause, *self._saved_pause)
            except OSError as error:
                log.warning("the pause cannot be saved and ends with the daemon: %s", error.strerror)
                return False
            return True

    def _apply_state(self) -> None:
        if self._update_state():
            self._changed.set()
            self._changed = asyncio.Event()
            for event in self._woken:
                event.set()
            self._on_state_change(self.state)

    def _update_state(self) -> bool:
        """Return whether the state is another one, apart from the numbers in its reason."""
        old = self.state
        new = self.state = self._policy.decide(*self._readings, self._clock(), self._wall())
        if (old.state, old.share, old.causes, old.until) == (new.state, new.share, new.causes, new.until):
            return False
        log.info("indexing %s", new)
        return True

    async def _wait_for_change(self, seconds: float) -> None:
        """Wait until the state changes, at most for so long."""
        changed = self._changed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                await changed.wait()
