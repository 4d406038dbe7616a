"""Folders that may not be read: named with the reason, and read as soon as they may be."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from support.harness import COLOUR_DAEMON, Daemon, photo, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = "[watch]\nsettle_seconds = 0.2\n"
# Root may read anything, unless it gives that up.
BOUND = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
pytestmark = pytest.mark.skipif(bool(BOUND) and shutil.which("setpriv") is None, reason="there is no setpriv")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    photo(tmp_path / "photos" / "a.jpg", "red")
    photo(tmp_path / "photos" / "private" / "b.jpg", "red")
    photo(tmp_path / "photos" / "private" / "inner" / "c.jpg", "red")
    (tmp_path / "photos" / "private").chmod(0)
    daemon = Daemon(tmp_path, (*BOUND, *COLOUR_DAEMON), SETTINGS).start()
    try:
        daemon.becomes(photos=1, pending=0)
        yield daemon
    finally:
        (tmp_path / "photos" / "private").chmod(0o700)
        daemon.stop()


def checks(daemon: Daemon) -> dict[str, list[str]]:
    """Return what the doctor says, by the names of its checks."""
    lines = daemon.cli("doctor", check=False).stdout.splitlines()
    return {fields[1]: fields for fields in (line.split("\t") for line in lines)}


def test_the_doctor_names_the_folder_and_not_the_limit_of_watches(daemon: Daemon) -> None:
    found = checks(daemon)
    assert (found["inotify watches"][0], found["inotify watches"][3]) == ("ok", "")
    assert found["root"][0] == "warn"
    assert f"permission denied: {daemon.photos}/private" in found["root"][2]


def test_a_root_that_may_not_be_read_is_to_be_made_readable_and_no_photo_to_be_forgotten(daemon: Daemon) -> None:
    before = daemon.photos.stat().st_mode
    daemon.photos.chmod(0)
    try:
        daemon.call("library.rescan")
        wait_until(lambda: daemon.status()["roots"][0]["state"] == "offline", "it is offline")
        (hint,) = (each["hint"] for each in daemon.status()["notices"] if "may not be read" in each["text"])
        assert hint == f"make it readable: chmod u+rx {daemon.photos}"
        assert hint in checks(daemon)["root"][3]
        assert "confirm-deletions" not in daemon.cli("status").stdout + checks(daemon)["root"][3]
    finally:
        daemon.photos.chmod(before)
    wait_until(lambda: daemon.status()["roots"][0]["state"] != "offline", "it is back")
    assert daemon.status()["photos"] == 1


@pytest.mark.parametrize("mode", [0o700, 0o500, 0o755], ids=oct)
def test_a_folder_that_becomes_readable_is_read_at_once(daemon: Daemon, mode: int) -> None:
    (daemon.photos / "private").chmod(mode)
    daemon.becomes(photos=3, pending=0)
    assert daemon.status()["roots"][0]["state"] == "watching"
    assert checks(daemon)["root"][0] == "ok"


def test_a_new_folder_that_is_opened_later_is_read_at_once(daemon: Daemon) -> None:
    folder = daemon.photos / "new"
    folder.mkdir(mode=0)
    wait_until(lambda: "2 of" not in daemon.status()["roots"][0]["detail"], "it is noticed")
    folder.chmod(0o700)
    photo(folder / "d.jpg", "red")
    daemon.becomes(photos=2)


def test_names_without_the_right_to_look_at_them_are_read_when_it_comes(daemon: Daemon) -> None:
    folder = daemon.photos / "listed"
    photo(folder / "d.jpg", "red")
    photo(folder / "inner" / "e.jpg", "red")
    daemon.becomes(photos=3, pending=0)
    folder.chmod(0o400)
    daemon.call("library.rescan")
    daemon.settled()
    assert daemon.status()["photos"] == 3, "nothing is known of them, so they are kept"
    folder.chmod(0o700)
    photo(folder / "f.jpg", "red")
    daemon.becomes(photos=4, pending=0)


def test_a_photo_that_may_not_be_read_is_said_and_written_once(daemon: Daemon) -> None:
    secret = photo(daemon.photos / "secret.jpg", "blue")
    secret.chmod(0)
    daemon.becomes(photos=1, errors=1, pending=0)
    for _ in range(4):
        daemon.call("library.rescan")
        daemon.becomes(pending=0, scanning=False)
    assert daemon.log.read_text().count(f"{secret}: cannot be read") == 1
    assert daemon.status()["counters"]["failed"] == 1
    (failure,) = daemon.call("library.errors")["errors"]
    assert (failure["path"], failure["attempts"]) == (str(secret), 1)
    secret.chmod(0o600)
    daemon.becomes(photos=2, errors=0, pending=0)
