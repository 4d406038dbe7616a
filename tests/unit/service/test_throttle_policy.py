"""The throttle policy: when indexing slows down, why, and that it does not flap."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.config import CourtesyConfig
from phsearch.domain.throttle.policy import FULL, Power, Pressure, ThrottlePolicy, ThrottleState
from phsearch.domain.throttle.pressure import PressureDetector, SystemWidePressureDetector
from phsearch.service.throttle import DutyCycle

NOON = 1_800_000_000.0
MAINS = Power(on_battery=False, percent=100)
EASY = Pressure(0.0, 0.0, others=True)


@dataclass
class Day:
    """A policy and its clock: each check is a second after the last."""

    rules: CourtesyConfig = field(default_factory=CourtesyConfig)
    now: float = 0.0
    power: Power = MAINS
    pressure: Pressure = EASY

    def __post_init__(self) -> None:
        self.policy = ThrottlePolicy(self.rules)

    def check(self, seconds: int = 1) -> ThrottleState:
        for _ in range(seconds):
            self.now += 1
            state = self.policy.decide(self.power, self.pressure, self.now, NOON + self.now)
        return state

    def force(self) -> None:
        self.policy.resume(self.now, force=True)


def battery(percent: int | None) -> Power:
    return Power(on_battery=True, percent=percent)


def test_on_mains_without_pressure_it_works_all_the_time() -> None:
    assert Day().check() == FULL
    assert Day(power=Power(on_battery=False, percent=3)).check() == FULL, "a low battery that is charged is no reason"


@pytest.mark.parametrize(
    ("choice", "state", "text"),
    [
        ("run", "full", "at full pace"),
        ("throttle", "throttled", "throttled to 25 %: on battery, 80 %"),
        ("pause", "paused", "paused: on battery, 80 %"),
    ],
)
def test_on_battery_it_does_as_its_user_chose(choice: str, state: str, text: str) -> None:
    result = Day(CourtesyConfig(on_battery=choice), power=battery(80)).check()
    assert (result.state, str(result)) == (state, text)


@pytest.mark.parametrize("choice", ["run", "throttle", "pause"])
def test_a_low_battery_pauses_whatever_the_choice(choice: str) -> None:
    day = Day(CourtesyConfig(on_battery=choice), power=battery(19))
    assert str(day.check()) == "paused: battery at 19 %"


def test_a_battery_is_low_below_the_limit_and_until_it_has_five_percent_more() -> None:
    day = Day(power=battery(20))
    assert day.check().state == "throttled"
    day.power = battery(19)
    assert day.check().state == "paused"
    day.power = battery(24)
    assert day.check().state == "paused"
    day.power = battery(25)
    assert day.check().state == "throttled"
    day.power = battery(24)
    assert day.check().state == "throttled"


def test_the_charger_ends_it_at_once() -> None:
    day = Day(power=battery(5))
    assert day.check().state == "paused"
    day.power = Power(on_battery=False, percent=5)
    assert day.check() == FULL
    day.power = battery(22)
    assert day.check().state == "throttled", "what was low before the charger came is forgotten"


def test_a_limit_of_zero_never_pauses_and_an_unknown_charge_is_not_low() -> None:
    assert Day(CourtesyConfig(low_battery=0), power=battery(0)).check().state == "throttled"
    assert str(Day(power=battery(None)).check()) == "throttled to 25 %: on battery"


def test_pressure_throttles_to_the_share_and_all_reasons_are_named() -> None:
    day = Day(CourtesyConfig(share=0.1), power=battery(50), pressure=Pressure(23.4, 55, others=True))
    state = day.check()
    assert state.share == 0.1
    assert str(state) == "throttled to 10 %: on battery, 50 %; memory pressure 23 %; IO pressure 55 %"


@pytest.mark.parametrize("pressure", [Pressure(), Pressure(9.9, 39.9, others=True), Pressure(None, 39, others=False)])
def test_no_pressure_or_none_known_is_no_reason(pressure: Pressure) -> None:
    assert Day(pressure=pressure).check(30) == FULL


def test_thresholds_of_zero_switch_pressure_off() -> None:
    rules = CourtesyConfig(memory_pressure=0, io_pressure=0)
    for others in (True, False):
        assert Day(rules, pressure=Pressure(100, 100, others=others)).check(30) == FULL


def test_the_users_pause_comes_before_everything_and_ends_at_its_time() -> None:
    day = Day(power=battery(50))
    day.policy.pause(NOON + 10)
    assert day.check(9).state == "paused"
    assert day.check().causes == ("battery",), "at its end the battery is what it is"
    day.policy.pause(None)
    assert str(day.check(100_000)) == "paused until `phsearch-client resume`"
    day.policy.resume(day.now, force=False)
    assert day.check().state == "throttled"


def test_a_pause_names_its_day_only_when_that_is_not_today() -> None:
    day = Day()
    day.policy.pause(NOON + 60)
    today = str(day.check())
    day.policy.pause(NOON + 3 * 86400)
    later = str(day.check())
    assert len(today) == len("paused until 18:30")
    assert len(later) == len("paused until 2026-11-23 18:30")


def test_force_overrides_what_holds_now_until_it_is_over() -> None:
    day = Day(power=battery(50))
    day.check()
    day.force()
    assert day.check(1000) == FULL
    day.power = battery(19)
    assert day.check().state == "paused", "a battery that gets low is another matter"
    day.force()
    assert day.check(1000) == FULL
    day.power = MAINS
    day.check()
    day.power = battery(50)
    assert day.check().state == "throttled"


def test_forced_pressure_that_comes_and_goes_is_one_condition() -> None:
    day = Day(pressure=Pressure(50, 0, others=True))
    day.check()
    day.force()
    for value in (50, 0, 50, 0, 50):
        day.pressure = Pressure(value, 0, others=True)
        assert day.check(30) == FULL
    day.pressure = EASY
    day.check(80)
    day.pressure = Pressure(50, 0, others=True)
    assert day.check().state == "throttled"


def test_resume_without_force_overrides_nothing() -> None:
    day = Day(power=battery(10))
    day.check()
    day.policy.resume(day.now, force=False)
    assert day.check().state == "paused"


percents = st.one_of(st.none(), st.integers(0, 100))
figures = st.one_of(st.none(), st.floats(0, 100))
readings = st.tuples(
    st.builds(Power, st.booleans(), percents), st.builds(Pressure, figures, figures, st.booleans()), st.integers(1, 40)
)
orders = st.sampled_from(["pause", "pause a minute", "resume", "force", "nothing"])
rules = st.builds(
    CourtesyConfig,
    st.sampled_from(["throttle", "pause", "run"]),
    st.integers(0, 100),
    st.floats(0, 100),
    st.floats(0, 100),
    st.floats(0.01, 1),
)


@given(rules, st.lists(st.tuples(orders, readings)))
def test_every_state_is_consistent_whatever_happens(config: CourtesyConfig, story: Any) -> None:
    day = Day(config)
    for order, (power, pressure, seconds) in story:
        match order:
            case "pause":
                day.policy.pause(None)
            case "pause a minute":
                day.policy.pause(NOON + day.now + 60)
            case "resume" | "force":
                day.policy.resume(day.now, force=order == "force")
        day.power, day.pressure = power, pressure
        state = day.check(seconds)
        assert (state.state == "full") == (not state.causes) == (state.share == 1 and not state.reason)
        assert (state.state == "paused") <= (state.share == 0)
        assert 0 <= state.share <= 1
        assert str(state)
        if state.state == "throttled" and not state.share:
            assert "io" in state.causes
            assert not pressure.others
        if power.on_battery and power.percent is not None and power.percent < config.low_battery:
            assert state.state == "paused" or order == "force" or "low battery" in day.policy._forced
        if day.policy.user_pause[0]:
            assert state.causes == ("owner",)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300), st.floats(1, 100))
def test_pressure_begins_at_the_threshold_and_lasts_ten_seconds_at_least(values: list[float], threshold: float) -> None:
    detector, slow, since = PressureDetector(threshold), False, -math.inf
    for now, value in enumerate(values):
        was_slow, slow = slow, detector.update_pressure(value, now)
        assert slow or value < threshold
        if slow and not was_slow:
            assert value >= threshold
            since = now
        if was_slow and not slow:
            assert value < threshold / 2
            assert now - since >= 10


def simulate(
    own: float, others: float, seconds: int, share: float = 0.25
) -> tuple[SystemWidePressureDetector, list[float]]:
    """Simulate a machine, whose average follows what waits. Return the detector, and the share used in each second."""
    detector, average, used = SystemWidePressureDetector(40), 0.0, []
    working = 1.0
    for now in range(seconds):
        waiting = max(own * working, others)
        average += (waiting - average) * (1 - math.exp(-0.1))
        slow = detector.update_pressure(average, now)
        working = 0.0 if detector.probing else share if slow else 1.0
        used.append(working)
    return detector, used


def test_pressure_that_is_all_our_own_costs_next_to_nothing() -> None:
    _, used = simulate(own=95, others=5, seconds=3600)
    assert 0.0 in used, "it stood still to find out"
    assert sum(used) / len(used) > 0.95


def test_pressure_of_others_slows_indexing_down_for_as_long_as_it_lasts() -> None:
    _, used = simulate(own=0, others=80, seconds=600)
    assert 1.0 not in used[10:]
    assert sum(used[10:]) / len(used[10:]) < 0.25


def test_after_the_pressure_of_others_ours_alone_is_found_out() -> None:
    detector, _ = simulate(own=0, others=80, seconds=100)
    assert detector.update_pressure(80, 100)
    _, used = simulate(own=95, others=0, seconds=200)
    assert used[-1] == 1.0


@given(st.floats(0.01, 1), st.floats(0.001, 10), st.integers(2, 50))
def test_work_takes_its_share_of_the_time(share: float, work: float, pieces: int) -> None:
    duty_cycle, now = DutyCycle(), 100.0
    assert duty_cycle.rest_needed(share, now) == 0, "the first piece waits for nothing"
    begun = now
    for _ in range(pieces):
        duty_cycle.begin_work(now)
        duty_cycle.begin_work(now + work / 2)
        now += work
        duty_cycle.end_work(now)
        duty_cycle.end_work(now + work / 2)
        rest = duty_cycle.rest_needed(share, now)
        assert rest <= 60.001
        now += rest
        assert duty_cycle.rest_needed(share, now) <= 1e-6
    if work / share < 60:
        assert pieces * work / (now - begun) == pytest.approx(share)


def test_without_a_share_there_is_no_end_of_rest() -> None:
    assert DutyCycle().rest_needed(0, 1.0) == math.inf
