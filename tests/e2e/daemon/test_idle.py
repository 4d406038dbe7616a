"""A daemon with nothing to do does nothing, and keeps only what a query needs."""

from __future__ import annotations

import os
import time
from pathlib import Path

from support.harness import Daemon, photo, running, wait_until


def test_the_index_worker_ends_when_it_is_idle_and_comes_back_while_the_query_worker_stays(tmp_path: Path) -> None:
    with running(tmp_path, settings="[index]\nkeep_alive_seconds = 0.5\n") as daemon:
        daemon.settled()
        (query_worker,) = wait_until(daemon.workers, "the query worker runs")
        for number in (1, 2):
            photo(daemon.photos / f"{number}.png", "red")
            daemon.becomes(embedded=number)
            wait_until(lambda: daemon.status()["model"]["image_worker"] == "idle", "the index worker ends")
            assert daemon.workers() == [query_worker]
            assert len(daemon.found("red")) == number


def test_the_index_worker_stays_while_it_is_to_be_kept_alive(tmp_path: Path) -> None:
    with running(tmp_path, settings="[index]\nkeep_alive_seconds = 300\n") as daemon:
        photo(daemon.photos / "1.png", "red")
        daemon.becomes(embedded=1)
        before = sorted(daemon.workers())
        photo(daemon.photos / "2.png", "red")
        daemon.becomes(embedded=2)
        assert sorted(daemon.workers()) == before
        assert len(before) == 2


def test_a_daemon_at_rest_sleeps_and_writes_nothing(tmp_path: Path) -> None:
    with running(tmp_path, settings="[index]\nkeep_alive_seconds = 0\n") as daemon:
        photo(daemon.photos / "1.png", "red")
        daemon.becomes(embedded=1)
        daemon.settled()
        # What wakes every second, or more often, is seen in any such time; a queue that empties late is not held
        # against it.
        wait_until(lambda: _sleeps(daemon, 1.5), "no thread of it wakes for 1.5 s", 60)


def _sleeps(daemon: Daemon, seconds: float) -> bool:
    before = _life(daemon)
    time.sleep(seconds)
    return _life(daemon) == before


def _life(daemon: Daemon) -> tuple[list[str], dict[str, int]]:
    """Return how often each thread has run so far, and the state's files with their times."""
    wakes = []
    for task in Path(f"/proc/{daemon.pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        wakes += [f"{task.name} {line}" for line in lines if line.startswith("voluntary_ctxt_switches")]
    files = {
        f"{folder}/{name}": os.stat(f"{folder}/{name}").st_mtime_ns
        for folder, _, names in os.walk(daemon.state)
        for name in names
    }
    return sorted(wakes), files
