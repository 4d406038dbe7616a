"""The governor holds up and lets go, and looks at the machine only while there is work."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phsearch.config import CourtesyConfig
from phsearch.domain.throttle.policy import DutyCycle, Power, Pressure, ThrottlePolicy, ThrottleState
from phsearch.service import throttle as module
from phsearch.service.throttle import IndexingThrottle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import pytest

MAINS, LOW, BATTERY = Power(), Power(on_battery=True, percent=5), Power(on_battery=True, percent=50)


@dataclass
class Scene:
    """A governor whose machine, clock on the wall and work the test sets."""

    power: Power = MAINS
    hangs: float = 0.0
    wall: float = 1_800_000_000.0
    busy: bool = True
    holds_resources: bool = False
    looks: int = 0
    saved: list[tuple[bool, float | None]] = field(default_factory=list)
    paces: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        courtesy = ThrottlePolicy(CourtesyConfig(share=0.5))
        self.throttle = IndexingThrottle(
            courtesy, self._look, Pressure, self._save, on_change=self._note, wall=lambda: self.wall
        )

    def _look(self) -> Power:
        self.looks += 1
        time.sleep(self.hangs)
        return self.power

    def _save(self, paused: bool, until: float | None) -> None:  # noqa: FBT001 - as the file's
        self.saved.append((paused, until))

    def _note(self, pace: ThrottleState) -> None:
        self.paces.append(pace.state)


def play(scenario: Callable[[Scene], Coroutine[None, None, None]], power: Power = MAINS) -> Scene:
    async def playing() -> Scene:
        scene = Scene(power)
        running = asyncio.ensure_future(scene.throttle.run(scene))
        async with asyncio.timeout(20):
            await scenario(scene)
        running.cancel()
        return scene

    return asyncio.run(playing())


async def soon(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.01)


def test_a_turn_is_given_at_once_where_nothing_is_in_the_way() -> None:
    async def scenario(scene: Scene) -> None:
        for _ in range(1000):
            await scene.throttle.acquire(DutyCycle())

    assert play(scenario).looks == 1, "one look is good for a while"


def test_the_first_turn_after_a_quiet_time_knows_the_machine_as_it_is_now() -> None:
    async def scenario(scene: Scene) -> None:
        turn = asyncio.ensure_future(scene.throttle.acquire(DutyCycle()))
        await soon(lambda: scene.looks > 0)
        await asyncio.sleep(0.1)
        assert not turn.done()
        scene.power = MAINS
        await turn

    assert play(scenario, LOW).paces == ["paused", "full"]


def test_an_idle_daemon_does_not_look() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.throttle.acquire(DutyCycle())
        scene.busy = False
        await asyncio.sleep(1.2)
        looks = scene.looks
        await asyncio.sleep(1.5)
        assert scene.looks == looks

    play(scenario)


def test_whoever_waits_is_let_go_though_what_it_waited_for_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING_SECONDS", 0.1)

    async def scenario(scene: Scene) -> None:
        turn = asyncio.ensure_future(scene.throttle.acquire(DutyCycle()))
        await soon(lambda: scene.looks > 0)
        scene.busy = False
        await asyncio.sleep(1.2)
        scene.power = MAINS
        await turn

    play(scenario, LOW)


def test_in_the_owners_pause_nobody_looks_at_the_machine_and_its_end_is_noticed() -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.throttle.pause(3600)
        turn = asyncio.ensure_future(scene.throttle.acquire(DutyCycle()))
        await asyncio.sleep(1.5)
        assert (scene.looks, turn.done()) == (0, False)
        assert scene.throttle.pause_reason is not None
        scene.wall += 3600
        assert scene.throttle.pause_reason is None, "even before anybody looked"
        await turn
        assert scene.looks == 1, "and before anything is done again"
        await soon(lambda: len(scene.saved) > 1)

    scene = play(scenario)
    assert scene.saved == [(True, 1_800_003_600.0), (False, None)]
    assert scene.paces == ["paused", "full"]


def test_throttled_work_and_rest_alternate() -> None:
    async def scenario(scene: Scene) -> None:
        duty_cycle, start = DutyCycle(), time.monotonic()
        for _ in range(3):
            await scene.throttle.acquire(duty_cycle)
            duty_cycle.begin_work(time.monotonic())
            await asyncio.sleep(0.2)
            duty_cycle.end_work(time.monotonic())
        assert time.monotonic() - start >= 0.95, "three times work, two rests as long"

    assert play(scenario, BATTERY).paces == ["throttled"]


def test_a_machine_that_does_not_answer_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.3)

    async def scenario(scene: Scene) -> None:
        scene.hangs = 5.0
        start = time.monotonic()
        for _ in range(100):
            await scene.throttle.acquire(DutyCycle())
        assert time.monotonic() - start < 3

    assert play(scenario, LOW).paces == []


def test_a_pause_taken_back_at_once_is_saved_in_that_order() -> None:
    async def scenario(scene: Scene) -> None:
        await asyncio.gather(*(scene.throttle.pause(None), scene.throttle.resume(force=False)) * 10)

    scene = play(scenario)
    assert scene.saved[-1:] in ([], [(False, None)])
    assert scene.throttle.state.state == "full"
