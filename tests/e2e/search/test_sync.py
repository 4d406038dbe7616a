"""`phsearch-client --sync`: a search that misses no photo that was there before."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from support.harness import COLOUR_DAEMON, Daemon, photo, running
from support.machine.namespaces import limited, why_not
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = "[watch]\nsettle_seconds = 0.2\n"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with running(tmp_path, settings=QUICK) as daemon:
        daemon.cli("--sync", "warm", "up")
        yield daemon


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 photos in five folders."""
    folder = tmp_path_factory.mktemp("batch")
    for number in range(200):
        photo(folder / f"sub{number % 5}" / f"{number}.png", (255 - number, 0, 0))
    return folder


def synced(daemon: Daemon, *options: str) -> set[str]:
    done = daemon.cli("--sync", "--json", "-n", "1000", *options, "red")
    assert done.stderr == ""
    return {json.loads(line)["path"] for line in done.stdout.splitlines()}


def names(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*.png")}


def test_two_hundred_photos_are_all_found_right_after_they_were_copied(daemon: Daemon, batch: Path) -> None:
    for turn in range(5):
        # Of other content each time: nothing is known already.
        target = daemon.photos / str(turn)
        subprocess.run(["cp", "-r", batch, target], check=True)
        for path in target.rglob("*.png"):
            with path.open("ab") as file:
                file.write(b"%d" % turn)
        assert synced(daemon) == names(daemon.photos)
        assert len(names(daemon.photos)) == 200 * (turn + 1)


def test_folders_moved_in_renamed_and_deleted_are_found_as_they_are(daemon: Daemon, batch: Path) -> None:
    away = daemon.home / "away"
    shutil.copytree(batch, away)
    away.rename(daemon.photos / "in")
    assert synced(daemon) == names(daemon.photos)
    (daemon.photos / "in").rename(daemon.photos / "renamed")
    assert synced(daemon) == names(daemon.photos)
    (daemon.photos / "renamed" / "sub0").rename(away)
    # Not so many that they are held until a scan or their owner says that they are gone.
    for path in sorted((daemon.photos / "renamed" / "sub1").iterdir())[:15]:
        path.unlink()
    assert synced(daemon) == names(daemon.photos)
    assert len(names(daemon.photos)) == 145
    assert daemon.status()["counters"]["embedded"] == 200


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_an_unwatched_root_is_scanned(tmp_path: Path, batch: Path) -> None:
    program = limited(*COLOUR_DAEMON, watches=1)
    with running(tmp_path, program, QUICK) as daemon:
        daemon.becomes(pending=0, scanning=False)
        shutil.copytree(batch, daemon.photos / "first")
        assert synced(daemon) == names(daemon.photos)
        (daemon.photos / "first" / "sub0").rename(daemon.photos / "second")
        with ThreadPoolExecutor(8) as pool:
            for found in pool.map(lambda _: synced(daemon), range(8)):
                assert found == names(daemon.photos)


def test_a_photo_that_keeps_growing_delays_the_answer_no_longer_than_requested(tmp_path: Path) -> None:
    # Time enough for the writer to write again, however busy the machine.
    with running(tmp_path, settings=f"[watch]\nsettle_seconds = {scaled(0.3)}\n") as daemon:
        delayed_no_longer_than_requested(daemon)


def delayed_no_longer_than_requested(daemon: Daemon) -> None:
    photo(daemon.photos / "whole.png", "red")
    over = threading.Event()

    def grow() -> None:
        with (daemon.photos / "growing.png").open("wb") as file:
            while not over.wait(0.02):
                file.write(b"more")
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        daemon.becomes(photos=1, pending=1)
        start = time.monotonic()
        done = daemon.cli("--sync=1", "red", check=False)
        assert 1 <= time.monotonic() - start < scaled(5)
        assert done.returncode == 75
        assert "whole.png" in done.stdout
        assert "1 photo is still being indexed" in done.stderr
        assert "the index had not caught up after 1 s" in done.stderr
        answer = daemon.call("search", query="red", sync=0.5)
        assert (answer["synced"], answer["pending"]) == (False, 1)
    finally:
        over.set()
        writer.join()
    assert daemon.call("search", query="red", sync=20)["synced"] is True


def test_the_answer_says_whether_it_is_synced_only_on_request(daemon: Daemon) -> None:
    assert "synced" not in daemon.call("search", query="red")
    assert daemon.call("search", query="red", sync=10)["synced"] is True


def test_simultaneous_syncs_share_the_wait(daemon: Daemon, batch: Path) -> None:
    shutil.copytree(batch, daemon.photos / "many")
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: daemon.call("search", query="red", limit=1000, sync=20), range(64)))
    assert all(answer["synced"] and len(answer["hits"]) == 200 for answer in answers)
