"""The throttle delays work and lets it go on, and polls the machine only while there is work."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from phsearch.config import CourtesyConfig
from phsearch.domain.throttle.policy import Power, Pressure, ThrottlePolicy
from phsearch.service import throttle as module
from phsearch.service.throttle import DutyCycle, IndexingThrottle
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

POLL_SECONDS = 0.1
MAINS, LOW, BATTERY = Power(), Power(on_battery=True, percent=5), Power(on_battery=True, percent=50)


@dataclass
class Scene:
    """A throttle whose machine, wall clock and work the test sets."""

    power: Power = MAINS
    hangs: float = 0.0
    wall: float = 1_800_000_000.0
    busy: bool = True
    clock: Callable[[], float] = time.monotonic
    holds_resources: bool = False
    polls: int = 0
    saved: list[tuple[bool, float | None]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.throttle = IndexingThrottle(
            policy=ThrottlePolicy(CourtesyConfig(share=0.5)),
            read_power=self._read_power,
            read_pressure=Pressure,
            save_pause=self._save,
            on_state_change=lambda state: self.states.append(state.state),
            clock=self.clock,
            wall=lambda: self.wall,
        )

    def _read_power(self) -> Power:
        self.polls += 1
        time.sleep(self.hangs)
        return self.power

    def _save(self, paused: bool, until: float | None) -> None:  # noqa: FBT001 - as the file's
        self.saved.append((paused, until))


@pytest.fixture(autouse=True)
def polls_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL_SECONDS", POLL_SECONDS)


def play(
    scenario: Callable[[Scene], Coroutine[None, None, None]],
    power: Power = MAINS,
    clock: Callable[[], float] = time.monotonic,
) -> Scene:
    async def playing() -> Scene:
        scene = Scene(power, clock=clock)
        running = asyncio.ensure_future(scene.throttle.run(scene))
        async with asyncio.timeout(scaled(20)):
            await scenario(scene)
        running.cancel()
        return scene

    return asyncio.run(playing())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.01)


def test_work_begins_at_once_where_nothing_slows_it_down() -> None:
    async def scenario(scene: Scene) -> None:
        for _ in range(1000):
            await scene.throttle.acquire(DutyCycle())

    assert play(scenario, clock=lambda: 1.0).polls == 1, "one reading is enough for a while"


def test_the_first_work_after_an_idle_time_waits_for_a_new_reading() -> None:
    async def scenario(scene: Scene) -> None:
        work = asyncio.ensure_future(scene.throttle.acquire(DutyCycle()))
        await until(lambda: scene.polls > 0)
        await asyncio.sleep(0.1)
        assert not work.done()
        scene.power = MAINS
        await work

    assert play(scenario, LOW).states == ["paused", "full"]


def test_an_idle_daemon_does_not_poll() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.throttle.acquire(DutyCycle())
        scene.busy = False
        await asyncio.sleep(3 * POLL_SECONDS)
        polls = scene.polls
        await asyncio.sleep(10 * POLL_SECONDS)
        assert scene.polls == polls

    play(scenario)


def test_work_that_waits_goes_on_although_nothing_else_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE_POLL_SECONDS", 0.1)

    async def scenario(scene: Scene) -> None:
        work = asyncio.ensure_future(scene.throttle.acquire(DutyCycle()))
        await until(lambda: scene.polls > 0)
        scene.busy = False
        await asyncio.sleep(3 * POLL_SECONDS)
        scene.power = MAINS
        await work

    play(scenario, LOW)


def test_in_the_users_pause_the_machine_is_not_polled_and_its_end_is_noticed() -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.throttle.pause(3600)
        work = asyncio.ensure_future(scene.throttle.acquire(DutyCycle()))
        await asyncio.sleep(10 * POLL_SECONDS)
        assert (scene.polls, work.done()) == (0, False)
        assert scene.throttle.pause_reason is not None
        scene.wall += 3600
        assert scene.throttle.pause_reason is None, "even before the next poll"
        await work
        assert scene.polls == 1, "before any work begins again"
        await until(lambda: len(scene.saved) > 1)

    scene = play(scenario)
    assert scene.saved == [(True, 1_800_003_600.0), (False, None)]
    assert scene.states == ["paused", "full"]


def test_throttled_work_and_rest_alternate() -> None:
    async def scenario(scene: Scene) -> None:
        duty_cycle, start = DutyCycle(), time.monotonic()
        for _ in range(3):
            await scene.throttle.acquire(duty_cycle)
            duty_cycle.begin_work(time.monotonic())
            await asyncio.sleep(0.2)
            duty_cycle.end_work(time.monotonic())
        assert time.monotonic() - start >= 0.95, "three times work, two rests as long"

    assert play(scenario, BATTERY).states == ["throttled"]


def test_a_machine_that_does_not_answer_delays_work_only_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READ_SECONDS", 0.3)

    async def scenario(scene: Scene) -> None:
        scene.hangs = 600.0
        start = time.monotonic()
        for _ in range(1000):  # were each delayed, it would be for five minutes
            await scene.throttle.acquire(DutyCycle())
        assert time.monotonic() - start < scaled(3)

    assert play(scenario, LOW).states == []


def test_a_pause_taken_back_at_once_is_saved_in_that_order() -> None:
    async def scenario(scene: Scene) -> None:
        await asyncio.gather(*(scene.throttle.pause(None), scene.throttle.resume(force=False)) * 10)

    scene = play(scenario)
    assert scene.saved[-1:] in ([], [(False, None)])
    assert scene.throttle.state.state == "full"
