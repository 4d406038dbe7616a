"""Disks come and go; what lies on one that is not there is offline, not deleted. The model is a colour."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from support.harness import Daemon, photo, running, wait_until
from support.machine.mounting import MountingDaemon, needs_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = "[watch]\nsettle_seconds = 0.2\n"
NOTHING = {"embedded": 0, "reused": 0, "removed": 0, "failed": 0}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[MountingDaemon]:
    daemon = MountingDaemon(tmp_path, settings=QUICK)
    yield daemon
    daemon.close()


def fill(daemon: MountingDaemon, folder: Path, count: int, red: int = 200, width: int = 64) -> None:
    for number in range(count):
        made = photo(daemon.home / "made" / f"{number}.png", (red, number, 0), (width, 48))
        daemon.put(made, folder / f"{number}.png")


def indexed(daemon: MountingDaemon, disk: str) -> None:
    """Start over a root that is a disk of its own, with five photos."""
    daemon.plug(disk, daemon.photos)
    fill(daemon, daemon.photos, 5)
    daemon.start()
    daemon.becomes(photos=5, pending=0, scanning=False)


def state(daemon: Daemon) -> str:
    root: dict[str, str] = daemon.status()["roots"][0]
    return root["state"]


@needs_mounts
def test_a_disk_that_is_pulled_out_keeps_its_photos_findable_and_costs_nothing_when_it_is_back(
    daemon: MountingDaemon,
) -> None:
    indexed(daemon, "one")
    before = time.time()
    for _ in range(3):
        daemon.pull(daemon.photos)
        wait_until(lambda: state(daemon) == "offline", "the root is offline")
        hits = daemon.call("search", query="red")["hits"]
        assert [hit["offline"] for hit in hits] == [True] * 5
        assert all(before - 1 < hit["last_seen"] <= time.time() for hit in hits)
        daemon.plug("one", daemon.photos)
        wait_until(lambda: state(daemon) == "watching", "the root is back")
        assert daemon.settled()["counters"] == NOTHING | {"embedded": 5}
        assert not any(hit["offline"] for hit in daemon.call("search", query="red")["hits"])


@needs_mounts
def test_an_empty_or_another_disk_in_its_place_deletes_nothing_and_is_not_indexed(daemon: MountingDaemon) -> None:
    indexed(daemon, "one")
    daemon.pull(daemon.photos)
    daemon.plug("empty", daemon.photos)
    wait_until(lambda: state(daemon) == "offline", "the root is offline")
    elsewhere = daemon.home / "elsewhere"
    daemon.plug("other", elsewhere)
    fill(daemon, elsewhere, 3, red=10, width=400)
    daemon.pull(daemon.photos)
    daemon.plug("other", daemon.photos)
    daemon.call("library.rescan")
    wait_until(lambda: "another file system" in daemon.status()["roots"][0]["detail"], "the other disk is noticed")
    assert daemon.status()["counters"] == NOTHING | {"embedded": 5}
    assert len(daemon.found("red")) == 5


@needs_mounts
def test_a_disk_that_is_not_mounted_at_the_start_is_offline_with_the_time_it_was_last_seen(
    daemon: MountingDaemon,
) -> None:
    indexed(daemon, "one")
    daemon.stop()
    stopped = time.time()
    daemon.pull(daemon.photos)
    daemon.start()
    wait_until(lambda: state(daemon) == "offline", "the root is offline")
    (root,) = daemon.status()["roots"]
    assert stopped - 20 < root["last_seen"] <= stopped
    shown = daemon.cli("red").stderr
    assert "5 photos offline, last seen" in shown
    assert "confirm-deletions" in daemon.cli("status").stdout
    daemon.plug("one", daemon.photos)
    wait_until(lambda: state(daemon) == "watching", "the root is back")
    assert daemon.settled()["counters"] == NOTHING


@needs_mounts
def test_a_library_that_was_copied_to_a_new_disk_goes_on_without_embedding(daemon: MountingDaemon) -> None:
    indexed(daemon, "old")
    daemon.stop()
    daemon.pull(daemon.photos)
    daemon.plug("new", daemon.photos)
    fill(daemon, daemon.photos, 4)
    daemon.start()
    daemon.becomes(photos=4, pending=0, scanning=False)
    assert (state(daemon), daemon.status()["counters"]) == ("watching", NOTHING | {"removed": 1})


@needs_mounts
def test_a_disk_mounted_below_a_root_may_go_without_its_photos(daemon: MountingDaemon) -> None:
    daemon.plug("home", daemon.photos)
    daemon.inside("mkdir", str(daemon.photos / "usb"))
    daemon.plug("stick", daemon.photos / "usb")
    fill(daemon, daemon.photos / "usb" / "2023", 4)
    daemon.put(photo(daemon.home / "made" / "own.png", "blue"), daemon.photos / "own.png")
    daemon.start()
    daemon.becomes(photos=5, pending=0, scanning=False)
    daemon.pull(daemon.photos / "usb")
    wait_until(lambda: daemon.status()["roots"][0]["missing"] == 4, "the stick is missed")
    assert state(daemon) == "watching"
    offline = {hit["path"]: hit["offline"] for hit in daemon.call("search", query="red")["hits"]}
    assert sum(offline.values()) == 4
    assert not offline[str(daemon.photos / "own.png")]
    daemon.call("library.rescan")
    assert daemon.settled()["photos"] == 5
    daemon.stop()
    daemon.start()
    wait_until(lambda: daemon.status()["roots"][0]["missing"] == 4, "the stick is still missed")
    daemon.plug("stick", daemon.photos / "usb")
    wait_until(lambda: daemon.status()["roots"][0]["missing"] == 0, "the stick is back")
    assert daemon.settled()["counters"] == NOTHING
    assert daemon.status()["photos"] == 5


@needs_mounts
def test_an_owner_may_have_an_offline_root_forgotten(daemon: MountingDaemon) -> None:
    indexed(daemon, "one")
    daemon.pull(daemon.photos)
    wait_until(lambda: state(daemon) == "offline", "the root is offline")
    assert "5 photos" in daemon.cli("confirm-deletions", "--yes", str(daemon.photos)).stderr
    daemon.becomes(photos=0, pending=0)
    photo(daemon.home / "made" / "new.png", "blue")
    daemon.put(daemon.home / "made" / "new.png", daemon.photos / "new.png")
    daemon.becomes(photos=1)


def lost_many(daemon: Daemon, keep: int, total: int) -> None:
    for number in range(total):
        photo(daemon.photos / f"{number}.png", (200, number, 0))
    daemon.start()
    daemon.becomes(photos=total, pending=0, scanning=False)
    daemon.stop()
    for number in range(keep, total):
        (daemon.photos / f"{number}.png").unlink()
    daemon.start()
    daemon.becomes(pending=0, scanning=False)


def test_when_many_photos_are_missing_at_once_deletion_waits_for_a_later_pass(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK + "rescan_minutes = 0.2\n")
    lost_many(daemon, keep=60, total=120)
    (root,) = daemon.status()["roots"]
    assert (root["photos"], root["missing"]) == (120, 60)
    assert "60 of 120 photos are missing at once" in root["detail"]
    hits = [json.loads(line) for line in daemon.cli("--json", "-n", "200", "red").stdout.splitlines()]
    assert sum(hit["offline"] for hit in hits) == 60
    (daemon.photos / "new.png").write_bytes((daemon.photos / "0.png").read_bytes())
    daemon.becomes(photos=121, pending=0)
    daemon.cli("rescan")
    assert daemon.settled()["photos"] == 121, "a scan the owner asks for is no confirmation"
    daemon.becomes(photos=61, pending=0, removed=60)
    daemon.stop()


def test_the_owner_may_confirm_that_many_photos_were_deleted(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK)
    lost_many(daemon, keep=10, total=70)
    asked = daemon.cli("confirm-deletions", str(daemon.photos), check=False)
    assert (asked.returncode, "60 photos" in asked.stderr) == (130, True), "nobody is there to say yes"
    assert daemon.status()["photos"] == 70
    daemon.cli("confirm-deletions", "--yes", str(daemon.photos))
    daemon.becomes(photos=10, pending=0)
    assert "nothing is missing" in daemon.cli("confirm-deletions", str(daemon.photos)).stderr
    other = daemon.cli("confirm-deletions", "/nowhere", check=False)
    assert (other.returncode, "lies in no watched folder" in other.stderr) == (1, True)
    daemon.stop()


def test_a_library_that_was_put_in_order_while_the_daemon_was_down_is_right_at_once(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK)
    for number in range(120):
        photo(daemon.photos / "mess" / f"{number}.png", (200, number, 0))
    daemon.start()
    daemon.becomes(photos=120, pending=0, scanning=False)
    daemon.stop()
    for number in range(100):
        target = daemon.photos / str(number % 7) / f"renamed {number}.png"
        target.parent.mkdir(exist_ok=True)
        (daemon.photos / "mess" / f"{number}.png").rename(target)
    daemon.start()
    status = daemon.becomes(photos=120, pending=0, scanning=False, reused=100)
    assert (status["counters"]["embedded"], status["roots"][0]["missing"]) == (0, 0)
    daemon.stop()


def test_when_many_photos_are_deleted_at_once_they_are_held_until_they_are_back_or_their_owner_says_so(
    tmp_path: Path,
) -> None:
    for number in range(120):
        photo(tmp_path / "photos" / str(number % 4) / f"{number}.png", (200, number, 0))
    with running(tmp_path, settings=QUICK) as daemon:
        daemon.becomes(photos=120, pending=0, scanning=False)
        shutil.copytree(daemon.photos, tmp_path / "backup")
        shutil.rmtree(daemon.photos / "0")
        daemon.becomes(photos=90, pending=0)  # a quarter is gone at once
        for folder in "12":
            shutil.rmtree(daemon.photos / folder)
        daemon.becomes(pending=0, scanning=False)
        wait_until(lambda: daemon.status()["roots"][0]["missing"] == 60, "they are held")
        (root,) = daemon.settled()["roots"]
        assert (root["photos"], root["missing"], root["state"]) == (90, 60, "watching")
        assert "60 of 90 photos are missing at once" in root["detail"]
        assert "confirm-deletions" in daemon.cli("status").stdout
        hits = daemon.call("search", query="red", limit=200)["hits"]
        assert sum(hit["offline"] for hit in hits) == 60

        shutil.copytree(tmp_path / "backup" / "1", daemon.photos / "1")
        wait_until(lambda: daemon.status()["roots"][0]["missing"] == 30, "those that are back are not missing")
        assert daemon.settled()["photos"] == 90
        assert "30 photos" in daemon.cli("confirm-deletions", "--yes", str(daemon.photos)).stderr
        daemon.becomes(photos=60, pending=0)
        assert daemon.status()["roots"][0]["missing"] == 0


def test_below_the_brake_a_later_start_forgets_what_is_gone_at_once(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK)
    lost_many(daemon, keep=75, total=120)
    assert daemon.becomes(photos=75)["roots"][0]["missing"] == 0
    daemon.stop()
