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
    """A part of the daemon that is at whatever a test says."""

    name: str = "the store lane"
    hang_timeout: float = 30.0
    activity: Activity | None = None


class Daemon:
    """A heartbeat over some parts, and its clock."""

    def __init__(self, *parts: Part, within: float | None = 4.0) -> None:
        self.beats = 0
        self.now = 1000.0
        self.heartbeat = Heartbeat(self._beat, within, parts, lambda: self.now)

    def _beat(self) -> None:
        self.beats += 1

    def runs(self, seconds: float) -> int:
        """Let time pass, look as often as the daemon would; gives the beats of that time."""
        before, end = self.beats, self.now + seconds
        while self.now < end:
            self.now += self.heartbeat.every
            self.heartbeat.look()
        return self.beats - before


def test_it_beats_at_least_twice_in_the_interval_while_nothing_is_to_be_done() -> None:
    daemon = Daemon(Part())
    assert daemon.heartbeat.every <= 2
    assert daemon.runs(100) >= 50


def test_a_long_interval_is_looked_at_every_few_seconds_all_the_same() -> None:
    assert Daemon(Part(), within=3600.0).heartbeat.every <= 10
    assert Daemon(Part(), within=None).heartbeat.every <= 10


def test_a_job_that_takes_longer_than_its_part_has_patience_stops_the_beats_and_is_named_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stuck, fine = Part(activity=Activity("LanceStore.apply", 7)), Part("the rank lane")
    daemon = Daemon(stuck, fine)
    assert daemon.runs(30) > 10, "as long as there is hope"
    daemon.runs(2)
    assert daemon.runs(60) == 0
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("the store lane has been at LanceStore.apply for 3")


def test_every_step_of_progress_begins_the_count_anew() -> None:
    busy = Part()
    daemon = Daemon(busy)
    for step in range(20):
        busy.activity = Activity("photos", step)
        assert daemon.runs(25) >= 24


def test_a_part_that_ends_its_job_after_all_brings_the_beats_back(caplog: pytest.LogCaptureFixture) -> None:
    late = Part(activity=Activity("LanceStore.tidy", 1))
    daemon = Daemon(late)
    daemon.runs(40)
    assert daemon.runs(10) == 0
    late.activity = None
    assert daemon.runs(10) >= 9
    assert "the store lane goes on" in caplog.text


def test_the_sleep_of_the_daemon_itself_is_not_taken_for_that_of_its_parts(caplog: pytest.LogCaptureFixture) -> None:
    daemon = Daemon(Part(activity=Activity("LanceStore.apply", 1)))
    daemon.runs(10)
    daemon.now += 3600  # stopped, and continued
    assert daemon.runs(5) >= 5
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
def test_the_interval_is_read_as_systemd_means_it(env: Mapping[str, str], seconds: float | None) -> None:
    assert SystemdNotifier(env).watchdog_seconds == seconds
