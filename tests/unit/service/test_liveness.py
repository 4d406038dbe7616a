from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.linux.systemd import SystemdNotifier
from phsearch.service.liveness import Activity, Heartbeat

if TYPE_CHECKING:
    from collections.abc import Mapping

WATCHED = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "4000000"}


@dataclass
class Part:
    """A part of the daemon that is busy with what a test says."""

    name: str = "the store thread"
    hang_timeout: float = 30.0
    activity: Activity | None = None


class Daemon:
    """A heartbeat over some parts, and its clock."""

    def __init__(self, *parts: Part, interval: float | None = 4.0) -> None:
        self.beats = 0
        self.now = 1000.0
        self.heartbeat = Heartbeat(beat=self._beat, interval=interval, monitored=parts, clock=lambda: self.now)

    def _beat(self) -> None:
        self.beats += 1

    def run_for(self, seconds: float) -> int:
        """Let time pass, check as often as the daemon would. Return the beats of that time."""
        before, end = self.beats, self.now + seconds
        while self.now < end:
            self.now += self.heartbeat.check_seconds
            self.heartbeat.check()
        return self.beats - before


def test_an_idle_daemon_beats_at_least_twice_in_the_interval() -> None:
    daemon = Daemon(Part())
    assert daemon.heartbeat.check_seconds <= 2
    assert daemon.run_for(100) >= 50


def test_parts_are_checked_every_few_seconds_whatever_the_interval() -> None:
    assert Daemon(Part(), interval=3600.0).heartbeat.check_seconds <= 10
    assert Daemon(Part(), interval=None).heartbeat.check_seconds <= 10


def test_a_part_without_progress_for_its_timeout_stops_the_beats_and_is_named_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hung, idle = Part(activity=Activity("LanceStore.apply", 7)), Part("the rank thread")
    daemon = Daemon(hung, idle)
    assert daemon.run_for(30) > 10, "until its time-out"
    daemon.run_for(2)
    assert daemon.run_for(60) == 0
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("the store thread has been busy with LanceStore.apply for 3")


def test_every_step_of_progress_restarts_the_count() -> None:
    busy = Part()
    daemon = Daemon(busy)
    for step in range(20):
        busy.activity = Activity("photos", step)
        assert daemon.run_for(25) >= 24


def test_a_part_that_ends_its_activity_after_all_brings_the_beats_back(caplog: pytest.LogCaptureFixture) -> None:
    late = Part(activity=Activity("LanceStore.optimize", 1))
    daemon = Daemon(late)
    daemon.run_for(40)
    assert daemon.run_for(10) == 0
    late.activity = None
    assert daemon.run_for(10) >= 9
    assert "the store thread makes progress again" in caplog.text


def test_time_in_which_the_daemon_was_stopped_does_not_count_against_its_parts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    daemon = Daemon(Part(activity=Activity("LanceStore.apply", 1)))
    daemon.run_for(10)
    daemon.now += 3600  # stopped, and continued
    assert daemon.run_for(5) >= 5
    assert not caplog.records


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        (WATCHED, 4.0),
        (WATCHED | {"WATCHDOG_PID": str(os.getpid())}, 4.0),
        (WATCHED | {"WATCHDOG_PID": "1"}, None),
        (WATCHED | {"WATCHDOG_USEC": "0"}, None),
        (WATCHED | {"WATCHDOG_USEC": "soon"}, None),
        ({"NOTIFY_SOCKET": "/nowhere"}, None),
        ({"WATCHDOG_USEC": "4000000"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_interval_is_read_as_systemd_sets_it(env: Mapping[str, str], seconds: float | None) -> None:
    assert SystemdNotifier(env).watchdog_seconds == seconds
