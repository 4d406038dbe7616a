"""The one line that systemd shows of a service."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from phsearch.domain.throttle.policy import ThrottleState
from phsearch.errors import StoreError
from phsearch.service.health.status import StatusReporter
from support.machine.fake_power import at_ease


def status(
    photos: int,
    pending: int = 0,
    *,
    scanning: bool = False,
    problem: str = "",
    pace: ThrottleState | None = None,
    change: str = "",
) -> tuple[StatusReporter, Any]:
    """Return a reporter over fake parts, and the counters of its photos."""
    counters = SimpleNamespace(embedded=0, reused=0, failed=0)
    trouble = StoreError(problem) if problem else None
    parts: dict[str, Any] = {
        "photo_index": SimpleNamespace(library=range(photos), counters=counters),
        "router": SimpleNamespace(pending=pending),
        "image_worker": SimpleNamespace(problem=None),
        "writer": SimpleNamespace(pending=0, problem=trouble),
        "model": SimpleNamespace(problem=None, download=""),
        "monitors": {"/r": SimpleNamespace(busy=scanning, detail="")},
        "removed": SimpleNamespace(),
        "throttle": at_ease() if pace is None else SimpleNamespace(state=pace, pause_reason=None),
        "throughput": SimpleNamespace(sample=lambda: None),
        "switch": SimpleNamespace(summary=lambda: change, busy=bool(change)),
    }
    return StatusReporter(**parts), counters


def test_it_says_what_there_is() -> None:
    assert status(1234)[0].summary() == "1,234 photos"
    assert status(0, scanning=True)[0].summary() == "0 photos, scanning"


def test_it_says_how_far_a_change_of_the_model_is() -> None:
    found, _ = status(1234, change="changing to best: indexing, 5 of 1,234")
    assert found.summary() == "1,234 photos, changing to best: indexing, 5 of 1,234"
    assert found.working
    assert not status(1234)[0].working


def test_it_says_what_is_left_and_how_long_that_takes() -> None:
    found, counters = status(10, 240)
    assert found.summary() == "10 photos, 240 pending"
    clock = iter([0.0, 2.0])
    found._rate._clock = lambda: next(clock)
    found.sample()
    counters.embedded = 4
    found.sample()
    assert found.summary() == "10 photos, 240 pending (2.0/s, 0:02:00 left)"


def test_it_says_what_is_wrong_and_never_raw() -> None:
    assert status(3, problem="no space left\x1b[31m")[0].summary() == r"3 photos, no space left\x1b[31m"


def test_it_says_that_indexing_is_held_back_where_that_matters() -> None:
    battery = ThrottleState("throttled", 0.25, ("battery",), "on battery, 80 %")
    assert status(3, pace=battery)[0].summary() == "3 photos"
    assert status(3, 5, pace=battery)[0].summary() == f"3 photos, 5 pending, indexing {battery}"
    owner = ThrottleState("paused", 0.0, ("owner",), "paused")
    assert status(3, pace=owner)[0].summary() == f"3 photos, indexing {owner}"
