"""The query worker of a real daemon leaves after a rest, and whoever asks next does not notice."""

from __future__ import annotations

import json
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from support.fork_server import EXECUTES_WORKERS
from support.harness import Daemon, photo, running, wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = "[index]\nkeep_alive_seconds = 0\n[query]\nkeep_alive_seconds = {}\n[watch]\nsettle_seconds = 0.2\n"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("home"), settings=QUICK.format(0.5))
    daemon.env[EXECUTES_WORKERS] = "1"
    daemon.start()
    try:
        for colour in ("red", "blue"):
            photo(daemon.photos / f"{colour}.png", colour)
        daemon.becomes(photos=2, pending=0)
        yield daemon
    finally:
        daemon.stop()


def rest(daemon: Daemon) -> None:
    wait_until(lambda: started(daemon) and not daemon.workers(), "the query worker has left")


def metric(daemon: Daemon, name: str, *labels: str) -> float | None:
    """Return the value of a metric of the query worker."""
    wanted = re.escape(f"phsearch_{name}{{{','.join([*labels])}}}")
    found = re.search(rf"^{wanted} (\S+)$", daemon.call("metrics")["text"], re.MULTILINE)
    return float(found[1]) if found else None


def started(daemon: Daemon) -> float:
    return metric(daemon, "worker_starts_total", 'worker="query"') or 0


def checks(daemon: Daemon) -> dict[str, Any]:
    lines = daemon.cli("doctor", "--json", check=False).stdout.splitlines()
    return {check["name"]: check for check in map(json.loads, lines)}


def test_the_next_query_after_a_rest_is_answered_by_another_worker(daemon: Daemon) -> None:
    for number in range(3):
        rest(daemon)
        before = started(daemon)
        assert daemon.found(f"red {number}", limit=1) == ["red.png"]
        assert started(daemon) == before + 1


def test_ten_clients_at_once_after_a_rest_make_one_start(daemon: Daemon) -> None:
    rest(daemon)
    before = started(daemon)
    with ThreadPoolExecutor(10) as clients:
        answers = list(clients.map(lambda number: daemon.found(f"blue {number} sky", limit=1), range(10)))
    assert answers == [["blue.png"]] * 10
    assert started(daemon) == before + 1


def test_a_resting_worker_is_neither_missing_nor_dead(daemon: Daemon) -> None:
    rest(daemon)
    model = daemon.status()["model"]
    assert (model["state"], model["reason"], model["device"]) == ("ready", None, "cpu")
    found = checks(daemon)
    assert found["query worker"]["state"] == "ok"
    assert found["query worker"]["text"].startswith("idle, started ")
    assert "query" not in found["memory"]["text"]
    assert found["model"]["state"] == "ok"
    assert metric(daemon, "worker_running", 'worker="query"') == 0
    assert metric(daemon, "resident_memory_bytes", 'process="query"') is None
    assert metric(daemon, "resident_memory_bytes", 'process="daemon"')
    assert not daemon.workers(), "asking for all this wakes no worker"


def test_a_repeated_query_needs_no_worker(daemon: Daemon) -> None:
    daemon.found("red again")
    rest(daemon)
    assert daemon.found("red again", limit=1) == ["red.png"]
    assert not daemon.workers()


def test_a_worker_killed_while_it_starts_costs_its_client_a_moment_only(daemon: Daemon) -> None:
    rest(daemon)
    with ThreadPoolExecutor(1) as clients:
        answer = clients.submit(daemon.found, "a killed red", 1)
        (starting,) = wait_until(daemon.workers, "it starts")
        os.kill(starting, signal.SIGKILL)
        assert answer.result(scaled(30)) == ["red.png"], "the client asks again by itself"
    assert daemon.status()["model"]["state"] == "ready"


def test_a_client_that_gives_up_leaves_nothing_behind(daemon: Daemon) -> None:
    rest(daemon)
    gone = daemon.cli("--timeout", "0.05", "a red that nobody waits for", check=False)
    assert gone.returncode != 0
    assert daemon.found("somebody waits for red", limit=1) == ["red.png"]
    rest(daemon)
    assert "Traceback" not in daemon.log.read_text()


def test_how_long_it_stays_can_be_changed_while_the_daemon_runs(tmp_path: Path) -> None:
    with running(tmp_path, settings=QUICK.format(600)) as daemon:
        (worker,) = wait_until(daemon.workers, "the query worker runs")
        file = tmp_path / "config" / "phsearch" / "config.toml"
        file.write_text(QUICK.format(0.2))
        answer = daemon.call("config.reload")
        assert (answer["changed"], answer["restart_needed"]) == (["query.keep_alive_seconds"], [])
        rest(daemon)
        file.write_text(QUICK.format(600))
        daemon.call("config.reload")
        photo(daemon.photos / "red.png", "red")
        daemon.becomes(photos=1, pending=0)
        assert daemon.found("red") == ["red.png"]
        wait_until(lambda: len(daemon.workers()) == 1, "the index worker has left")
        assert daemon.workers() != [worker]


def test_a_daemon_is_stopped_at_once_while_the_worker_rests(tmp_path: Path) -> None:
    with running(tmp_path, settings=QUICK.format(0)) as daemon:
        rest(daemon)
        assert daemon.stop() == 0
    assert "Traceback" not in daemon.log.read_text()
