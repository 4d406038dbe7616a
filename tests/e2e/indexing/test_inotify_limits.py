"""What inotify cannot do is seen, said with its remedy, and made good by scans."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from support.harness import COLOUR_DAEMON, Daemon, daemon_program, photo, running, wait_until
from support.machine import hung_fs, namespaces
from support.time_limits import scaled

QUICK = "[watch]\nsettle_seconds = 0.2\npoll_minutes = 0.02\n"
WATCHER_DIES_DAEMON = daemon_program("watcher_dies")

limited = pytest.mark.skipif(bool(namespaces.why_not()), reason=namespaces.why_not())


def root_of(daemon: Daemon, path: Path | None = None) -> dict[str, object]:
    (root,) = [root for root in daemon.status()["roots"] if root["path"] == str(path or daemon.photos)]
    found: dict[str, object] = root
    return found


@limited
def test_more_folders_than_watches_are_reported_with_the_remedy_and_found_by_scans(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for number in range(11):
        photo(photos / f"{number}" / "old.png", "red")
    with running(tmp_path, namespaces.limited(*COLOUR_DAEMON, watches=5), QUICK) as daemon:
        daemon.becomes(photos=11, pending=0)
        wait_until(lambda: root_of(daemon)["state"] == "polling", "no scan is under way")
        root = root_of(daemon)
        assert (root["watched"], root["unwatched"]) == (4, 8)
        remedy = "it is 5, raise it with: sudo sysctl user.max_inotify_watches=20"
        said = f"watching 4 of 12 folders: the limit on watched folders is reached: {remedy}"
        assert root["detail"] == said
        assert said in daemon.cli("status").stdout
        for number in range(11):
            photo(photos / f"{number}" / "new.png", "green")
        photo(photos / "12" / "deep" / "new.png", "blue")
        daemon.becomes(photos=23, pending=0)
        assert daemon.found("blue")[0] == "12/deep/new.png"


@limited
def test_without_any_inotify_instance_everything_is_found_by_scans(tmp_path: Path) -> None:
    photo(tmp_path / "photos" / "old" / "a.png", "red")
    with running(tmp_path, namespaces.limited(*COLOUR_DAEMON, instances=0), QUICK) as daemon:
        photo(daemon.photos / "old" / "b.png", "red")
        daemon.becomes(photos=2, pending=0)
        root = root_of(daemon)
        assert (root["state"], root["watched"], root["unwatched"]) == ("polling", 0, 2)
        assert "sudo sysctl user.max_inotify_instances=" in str(root["detail"])
        photo(daemon.photos / "new" / "c.png", "red")
        daemon.becomes(photos=3, pending=0)


def test_a_watch_that_dies_is_started_again_and_nothing_is_missed(tmp_path: Path) -> None:
    with running(tmp_path, WATCHER_DIES_DAEMON, QUICK) as daemon:
        photo(daemon.photos / "a.png", "red")
        daemon.becomes(photos=1, pending=0)
        for number in range(3):
            (daemon.photos / "poison").touch()
            photo(daemon.photos / f"{number}.png", "red")
            daemon.becomes(photos=2 + number, pending=0)
            wait_until(lambda: root_of(daemon)["state"] == "watching", "the root is watched again")
            (daemon.photos / "poison").unlink()
            wait_until(lambda: root_of(daemon)["state"] == "watching", "the root is watched again")
        wait_until(lambda: "its watch died: poisoned" in daemon.log.read_text(), "the log says so")
        assert daemon.status()["counters"] == {"embedded": 4, "reused": 0, "removed": 0, "failed": 0}


def test_a_real_overflow_is_counted_and_nothing_is_missed(tmp_path: Path) -> None:
    length = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if length > 1 << 15:
        pytest.skip(f"it would take {length} events")
    with running(tmp_path, settings=QUICK) as daemon:
        photo(daemon.photos / "a.png", "red")
        daemon.becomes(photos=1, pending=0)
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            for number in range(length // 2 + 1000):  # some may still be read before it stands still
                (daemon.photos / f"{number}.txt").touch()  # created and closed: two events
            photo(daemon.photos / "lost" / "deep" / "b.png", "green")
            (daemon.photos / "a.png").unlink()
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        wait_until(lambda: root_of(daemon)["overflows"] == 1, "the overflow is counted")
        daemon.becomes(photos=1, pending=0, removed=1)
        assert daemon.found("green") == ["lost/deep/b.png"]
        photo(daemon.photos / "lost" / "deep" / "c.png", "blue")
        daemon.becomes(photos=2, pending=0)


@pytest.mark.skipif(bool(hung_fs.why_not()), reason=hung_fs.why_not())
def test_a_root_that_hangs_stops_nobody_else(tmp_path: Path) -> None:
    share = tmp_path / "share"
    photo(share / "far.png", "red")
    daemon = Daemon(tmp_path, WATCHER_DIES_DAEMON, QUICK)
    daemon.start(roots=(daemon.photos, share))
    try:
        photo(daemon.photos / "near.png", "red")
        daemon.becomes(photos=2, pending=0)
        with hung_fs.hung(share):
            for number in range(5):
                photo(daemon.photos / f"{number}" / "new.png", "green")
                daemon.becomes(photos=3 + number, seconds=5)
            (daemon.photos / "0").rename(daemon.photos / "renamed")
            wait_until(lambda: "renamed/new.png" in daemon.found("green"), "the rename is seen", 5)
            wait_until(lambda: root_of(daemon, share)["state"] == "offline", "it is offline", 40)
            assert daemon.call("search", query="red", sync=10)["synced"] is True
            assert daemon.status()["photos"] == 7, "what lies on the share is kept"
            answer = daemon.call("library.why", path=str(share / "far.png"))
            assert (answer["verdict"], answer["findable"]) == ("offline", True)
            assert "does not answer" in answer["text"]
        wait_until(lambda: root_of(daemon, share)["state"] == "watching", "it is back", 40)
        assert daemon.status()["counters"]["embedded"] == 7
    finally:
        assert daemon.stop() == 0


@pytest.mark.skipif(bool(hung_fs.why_not()), reason=hung_fs.why_not())
def test_a_root_that_hangs_while_its_photos_are_taken_in_costs_no_photo_and_blames_none(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    limits = f"disk_seconds = {scaled(0.4)}\n[index]\nphoto_seconds = {scaled(0.7)}\n"
    daemon = Daemon(tmp_path, WATCHER_DIES_DAEMON, QUICK + limits)
    daemon.start(roots=(daemon.photos, share))
    try:
        for number in range(100):
            photo(tmp_path / "made" / f"slow{number}.png", (number, 0, 0))
        (tmp_path / "made").rename(share / "far")
        wait_until(lambda: daemon.status()["photos"] >= 20, "some are taken in")
        with hung_fs.hung(share):
            wait_until(lambda: root_of(daemon, share)["state"] == "offline", "it is offline", 20)
            taken = daemon.status()["photos"]
            assert taken < 100
            for number in range(3):
                photo(daemon.photos / f"{number}.png", "green")
                daemon.becomes(photos=taken + 1 + number, seconds=15)
        daemon.becomes(photos=103, pending=0, errors=0)
        assert daemon.status()["counters"]["removed"] == 0
    finally:
        assert daemon.stop() == 0
