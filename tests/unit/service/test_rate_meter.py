"""The rate is that of the work, not of the rest before it."""

from __future__ import annotations

import pytest

from phsearch.service.rate_meter import RateMeter


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_work_after_a_rest_is_measured_from_its_beginning() -> None:
    clock = Clock()
    rate = RateMeter(clock)
    rate.sample(100)
    clock.now = 3600.0
    assert rate.sample(100) == 0
    clock.now += 1
    assert rate.sample(107) == pytest.approx(7)


def test_it_is_the_mean_of_the_last_minute() -> None:
    clock = Clock()
    rate = RateMeter(clock)
    for second in range(180):
        clock.now = float(second)
        last = rate.sample(second * 2 if second < 100 else 200 + (second - 100) * 4)
    assert last == pytest.approx(4, abs=0.2)


def test_however_often_it_is_asked_it_remembers_little() -> None:
    clock = Clock()
    rate = RateMeter(clock)
    for thousandth in range(20_000):
        clock.now = thousandth / 1000
        last = rate.sample(thousandth // 100)
    assert last == pytest.approx(10, rel=0.05)
    assert len(rate._samples) < 50
