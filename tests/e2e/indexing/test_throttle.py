"""Indexing slows down: the real daemon on a machine whose battery and pressure the test changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.harness import PHSEARCH_CLIENT, Daemon, photo, wait_until
from support.machine.fake_power import LOW_PRIORITY, VARIABLE, Machine
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUICK = "[watch]\nsettle_seconds = 0.2\n[model]\nbatch_size = 4\n"
RARELY = QUICK + "[courtesy]\nshare = 0.01\n"
"""After each batch half a minute of rest, or more."""

PHOTOS = round(scaled(35))
"""So many that a test can do something while they are indexed: five seconds on a quiet machine."""

BATCH = 8
"""What the colour worker asks for."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


@pytest.fixture
def daemon(tmp_path: Path, machine: Machine) -> Iterator[Daemon]:
    yield from run(tmp_path, machine, QUICK)


@pytest.fixture
def rarely(tmp_path: Path, machine: Machine) -> Iterator[Daemon]:
    yield from run(tmp_path, machine, RARELY)


def run(home: Path, machine: Machine, settings: str) -> Iterator[Daemon]:
    daemon = Daemon(home, settings=settings)
    daemon.env[VARIABLE] = str(machine.folder)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos that take a twentieth of a second each."""
    folder = tmp_path_factory.mktemp("slow")
    for number in range(PHOTOS):
        photo(folder / f"slow{number}.png", (255 - number % 256, 0, 0))
    return folder


def copy(folder: Path, daemon: Daemon, name: str = "slow") -> None:
    subprocess.run(["cp", "-r", folder, daemon.photos / name], check=True)


def embedded(daemon: Daemon) -> int:
    return int(daemon.status()["counters"]["embedded"])


def begun(daemon: Daemon) -> None:
    wait_until(lambda: embedded(daemon), "the first photos are indexed")


def throttle_of(daemon: Daemon, state: str, seconds: float = 5) -> dict[str, Any]:
    """Wait until the throttle is in this state. Return its part of `status`."""
    found: dict[str, Any] = wait_until(
        lambda: found if (found := daemon.status()["pace"])["state"] == state else None, f"{state}", seconds
    )
    return found


def steady(number: Callable[[], int]) -> int:
    """Wait until a number has been the same for two seconds. Return it."""
    last, since = number(), time.monotonic()

    def same() -> bool:
        nonlocal last, since
        if (now := number()) != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 2

    wait_until(same, "the number stays the same")
    return last


def at_rest(daemon: Daemon) -> int:
    """Wait a few seconds until no worker runs. Return how many photos are indexed, a number that stays the same."""
    wait_until(lambda: daemon.status()["model"]["image_worker"] == "idle", "the worker has ended", 4)
    count = embedded(daemon)
    time.sleep(1.5)
    assert embedded(daemon) == count
    return count


def test_indexing_stops_when_the_battery_is_low_and_goes_on_when_the_charger_is_back(
    daemon: Daemon, machine: Machine, slow: Path
) -> None:
    copy(slow, daemon)
    begun(daemon)
    machine.unplug(19)
    assert throttle_of(daemon, "paused", 3)["text"] == "paused: battery at 19 %"
    count = at_rest(daemon)
    assert 0 < count < PHOTOS
    daemon.becomes(pending=PHOTOS - count)
    machine.unplug(24)  # a little more is not enough
    time.sleep(2)
    assert embedded(daemon) == count
    machine.plug()
    throttle_of(daemon, "full", 3)
    status = daemon.becomes(photos=PHOTOS, pending=0)
    assert status["counters"]["embedded"] == PHOTOS, "no photo was embedded twice, not even of the batches ahead"
    assert status["errors"] == 0


def test_a_pause_outlives_kill_9_and_what_changes_meanwhile_is_indexed_when_it_ends(daemon: Daemon, slow: Path) -> None:
    copy(slow, daemon)
    begun(daemon)
    said = daemon.cli("pause", "2h")
    assert said.stdout.startswith("indexing is paused until ")
    at_rest(daemon)
    until = daemon.status()["pace"]["until"]
    assert until == pytest.approx(time.time() + 7200, abs=60)
    file = daemon.state / "pause.json"
    assert file.stat().st_mode & 0o777 == 0o600
    daemon.kill()
    (daemon.photos / "slow" / "slow0.png").unlink()
    photo(daemon.photos / "while-dead.png", "blue")
    daemon.start()
    assert daemon.status()["pace"]["until"] == until
    photo(daemon.photos / "while-paused.png", "blue")
    wait_until(lambda: (now := daemon.status())["photos"] + now["pending"] == PHOTOS + 1, "all changes are noted")
    assert daemon.status()["model"]["image_worker"] == "idle"
    assert daemon.cli("resume").stdout == "indexing is at full pace\n"
    assert not file.exists()
    daemon.becomes(photos=PHOTOS + 1, pending=0)
    assert set(daemon.found("blue", 2)) == {"while-dead.png", "while-paused.png"}


def test_a_pause_ends_by_itself(daemon: Daemon) -> None:
    daemon.cli("pause", f"{round(scaled(1))}s")
    photo(daemon.photos / "x.png", "red")
    daemon.becomes(pending=1, photos=0)
    daemon.becomes(photos=1, pending=0, seconds=10)
    assert daemon.status()["pace"]["state"] == "full"
    wait_until(lambda: not (daemon.state / "pause.json").exists(), "the saved pause goes, too")


def test_clients_that_wait_hear_of_the_pause(daemon: Daemon) -> None:
    photo(daemon.photos / "broken.png", "red").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    photo(daemon.photos / "old.png", "red")
    daemon.becomes(photos=1, errors=1, pending=0)
    daemon.cli("pause")
    photo(daemon.photos / "new.png", "red")
    daemon.becomes(pending=1)
    wait_until(lambda: daemon.status()["model"]["image_worker"] == "idle", "no worker is kept for what may come")
    # Were it not for the pause, it would wait for an hour.
    search = daemon.cli("--sync=3600", "red", check=False)
    assert search.returncode == 75
    assert "old.png" in search.stdout
    assert "1 photo waits: indexing is paused until `phsearch-client resume`" in search.stderr
    assert "the index does not catch up" in search.stderr
    why = daemon.cli("why", str(daemon.photos / "new.png"), check=False)
    assert "number 1 of 1; indexing is paused until `phsearch-client resume`" in why.stdout
    status = daemon.cli("status").stdout
    assert "pace      paused until `phsearch-client resume`\n" in status
    waiting = daemon.cli("status", "--wait", f"--timeout={scaled(1)}", check=False)
    assert waiting.returncode == 75
    assert (
        "indexing is paused until `phsearch-client resume` (`phsearch-client resume` goes on); wait" in waiting.stderr
    )
    verified = daemon.cli("verify")
    assert "1 photo not checked: indexing is paused until" in verified.stdout
    retried = daemon.cli("errors", "--retry")
    assert (retried.stdout, retried.returncode) == ("trying 1 photo again\n", 0)
    assert "when indexing goes on; it is paused until" in retried.stderr
    shutil.copy(daemon.photos / "old.png", daemon.photos / "copy.png")
    daemon.becomes(pending=3)
    time.sleep(0.5)
    assert daemon.status()["counters"]["reused"] == 0, "files are not even read"
    daemon.cli("resume")
    daemon.becomes(photos=3, pending=0, reused=1)
    assert daemon.call("library.errors")["errors"][0]["attempts"] == 2
    assert "not checked" not in daemon.cli("verify").stdout


def test_waiting_for_the_index_lasts_over_a_pause(daemon: Daemon) -> None:
    daemon.cli("pause")
    photo(daemon.photos / "new.png", "red")
    daemon.becomes(pending=1)
    waiting = subprocess.Popen([*PHSEARCH_CLIENT, "status", "--wait", "--json"], env=daemon.env, stdout=-1, stderr=-1)
    assert waiting.stderr is not None
    assert b"indexing is paused" in waiting.stderr.readline()
    daemon.cli("resume")
    out, err = waiting.communicate(timeout=scaled(20))
    assert (waiting.returncode, err) == (0, b"")
    assert json.loads(out)["photos"] == 1


def test_on_battery_each_batch_is_followed_by_rest_unless_the_user_decides_otherwise(
    rarely: Daemon, machine: Machine, slow: Path
) -> None:
    machine.unplug(80)
    assert throttle_of(rarely, "throttled")["text"] == "throttled to 1 %: on battery, 80 %"
    copy(slow, rarely)
    begun(rarely)
    batch = steady(lambda: embedded(rarely))
    assert 0 < batch <= BATCH, "the photos came one by one, and the first batch began before the last had come"
    assert rarely.status()["model"]["image_worker"] == "running", "a rest is no pause"
    said = rarely.cli("resume")
    assert said.stdout == "indexing is throttled to 1 %: on battery, 80 %\n"
    assert said.stderr == "`phsearch-client resume --force` overrides that\n"
    assert rarely.cli("resume", "--force").stdout == "indexing is at full pace\n"
    wait_until(lambda: embedded(rarely) >= 5 * BATCH, "the photos are indexed", 10)
    machine.plug()
    time.sleep(scaled(0.7))  # it is read once a second
    machine.unplug(80)
    assert throttle_of(rarely, "throttled", 4)["causes"] == ["battery"], "the next time on battery is another decision"
    machine.plug()
    rarely.becomes(photos=PHOTOS, pending=0)


def test_a_reload_changes_what_the_battery_means(daemon: Daemon, machine: Machine) -> None:
    machine.unplug(80)
    throttle_of(daemon, "throttled")
    settings = daemon.home / "config" / "phsearch" / "config.toml"
    settings.write_text(QUICK + '[courtesy]\non_battery = "run"\n')
    assert "courtesy.on_battery" in daemon.cli("reload").stdout
    assert daemon.status()["pace"]["state"] == "full"
    settings.write_text(QUICK)
    daemon.cli("reload")
    throttle_of(daemon, "throttled")


def test_pressure_throttles(rarely: Daemon, machine: Machine, slow: Path) -> None:
    copy(slow, rarely)
    begun(rarely)
    machine.press(memory=50, io=60)
    found = throttle_of(rarely, "throttled")
    assert found["text"].endswith("memory pressure 50 %; IO pressure 60 %")
    assert (found["causes"], found["pressure"]) == (["memory", "io"], "everyone")
    before = embedded(rarely)
    time.sleep(2.5)
    # What was under way when it began: three batches ahead.
    assert embedded(rarely) - before <= 3 * BATCH
    assert embedded(rarely) < PHOTOS
    rarely.cli("resume", "--force")
    rarely.becomes(photos=PHOTOS, pending=0)


def test_the_index_worker_has_the_lowest_priority_also_beside_other_sessions_and_the_query_worker_a_normal_one(
    daemon: Daemon, slow: Path
) -> None:
    daemon.stop()
    daemon.env[LOW_PRIORITY] = "1"
    daemon.start()
    copy(slow, daemon)
    begun(daemon)
    nices = sorted(os.getpriority(os.PRIO_PROCESS, pid) for pid in daemon.workers())
    assert nices == [os.getpriority(os.PRIO_PROCESS, daemon.pid), 19]
    query, index = sorted(daemon.workers(), key=lambda pid: os.getpriority(os.PRIO_PROCESS, pid))
    group = Path(f"/proc/{index}/autogroup")
    if group.exists():  # CONFIG_SCHED_AUTOGROUP
        assert group.read_text().endswith("nice 10\n")
    assert os.getsid(index) != os.getsid(daemon.pid)
    assert os.getsid(query) == os.getsid(daemon.pid)


def test_a_saved_pause_that_makes_no_sense_is_none(tmp_path: Path, machine: Machine) -> None:
    state = tmp_path / "state" / "phsearch"
    state.mkdir(parents=True)
    (state / "pause.json").write_text('{"until": "tomorrow"')
    for daemon in run(tmp_path, machine, QUICK):
        photo(daemon.photos / "x.png", "red")
        daemon.becomes(photos=1, pending=0)
        assert "pause.json cannot be used" in daemon.log.read_text()


def test_a_pause_that_cannot_be_saved_holds_and_reports_it(daemon: Daemon) -> None:
    (daemon.state / "pause.json").mkdir()
    done = daemon.cli("pause")
    assert done.stdout.startswith("indexing is paused")
    assert "does not outlive a restart" in done.stderr
    photo(daemon.photos / "x.png", "red")
    daemon.becomes(pending=1, photos=0)
    assert daemon.status()["pace"]["state"] == "paused"


def test_queries_are_as_fast_as_ever_while_indexing_is_paused(daemon: Daemon) -> None:
    photo(daemon.photos / "x.png", "red")
    daemon.becomes(photos=1, pending=0)
    daemon.cli("pause")
    photo(daemon.photos / "y.png", "red")
    daemon.becomes(pending=1)
    # No figure: a query that had to wait for its turn would never come back.
    assert all(daemon.found(f"red {number}") == ["x.png"] for number in range(50))
