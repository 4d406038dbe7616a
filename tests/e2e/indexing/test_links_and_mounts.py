"""Folders that are reached by several paths: their photos are there once, and no scan takes the others for deleted."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from support.harness import Daemon, photo, wait_until
from support.machine.mounting import MountingDaemon, needs_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = "[watch]\nsettle_seconds = 0.2\nbrake_photos = 5\n"
PHOTOS = 12


def fill(folder: Path, count: int = PHOTOS) -> list[str]:
    return sorted(str(photo(folder / f"{number}.png", (20 * number, 0, 0))) for number in range(count))


def shown(daemon: Daemon) -> list[str]:
    return sorted(hit["path"] for hit in daemon.call("search", query="red", limit=100)["hits"])


def calm(daemon: Daemon) -> dict[str, int]:
    """Scan everything, and return the counters; no photo is missing in any root."""
    daemon.cli("rescan")
    status = daemon.settled()
    assert [root["detail"] for root in status["roots"]] == [""] * len(status["roots"])
    assert sum(root["missing"] for root in status["roots"]) == 0
    counters: dict[str, int] = status["counters"]
    return counters


@pytest.fixture
def following(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path, settings=f"{QUICK}follow_symlinks = true\n")
    yield daemon
    daemon.stop()


@pytest.mark.parametrize("target", ["..", ".", "trip", "../photos"])
def test_a_link_made_live_to_folders_that_are_known_adds_nothing(following: Daemon, target: str) -> None:
    known = sorted([*fill(following.photos), *fill(following.photos / "trip")])
    following.start()
    following.becomes(photos=2 * PHOTOS, pending=0)
    (following.photos / "link").symlink_to(target)
    (following.photos / "trip" / "link").symlink_to(f"../{target}")
    counters = calm(following)
    assert shown(following) == known
    assert (counters["embedded"], counters["removed"]) == (2 * PHOTOS, 0)
    late = str(photo(following.photos / "trip" / "late.png", "red"))
    wait_until(lambda: late in shown(following), "it is found")
    assert shown(following) == sorted([*known, late])


def test_a_second_link_to_a_folder_takes_over_when_the_first_one_goes(following: Daemon) -> None:
    fill(following.home / "disk")
    (following.photos / "z").symlink_to("../disk")
    following.start()
    following.becomes(photos=PHOTOS, pending=0)
    (following.photos / "a").symlink_to("../disk")
    calm(following)
    assert {os.path.dirname(path) for path in shown(following)} == {str(following.photos / "z")}
    (following.photos / "z").unlink()
    wait_until(lambda: {os.path.dirname(path) for path in shown(following)} == {str(following.photos / "a")}, "moved")
    assert calm(following)["embedded"] == PHOTOS
    following.stop()
    (following.photos / "z").symlink_to("../disk")
    (following.photos / "Z").symlink_to("../disk")
    following.start()
    following.settled()
    assert {os.path.dirname(path) for path in shown(following)} == {str(following.photos / "Z")}
    assert calm(following)["embedded"] == 0


def test_hard_links_are_all_listed_and_embedded_once(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK)
    known = fill(daemon.photos)
    os.link(known[0], daemon.photos / "before.png")
    daemon.start()
    try:
        daemon.becomes(photos=PHOTOS + 1, pending=0)
        (daemon.photos / "links").mkdir()
        for path in known:
            os.link(path, daemon.photos / "links" / os.path.basename(path))
        daemon.becomes(photos=2 * PHOTOS + 1, pending=0, embedded=PHOTOS, failed=0)
        assert daemon.cli("dupes", "--exact").stdout == "", "they take no room"
        copy = shutil.copy(known[0], daemon.photos / "copy.png")
        daemon.becomes(photos=2 * PHOTOS + 2, pending=0, embedded=PHOTOS)
        assert daemon.cli("dupes", "--exact", "-0").stdout == f"{copy}\0"
        (group,) = map(json.loads, daemon.cli("dupes", "--exact", "--json").stdout.splitlines())
        assert len(group["photos"]) == 2
        os.unlink(copy)
        os.unlink(known[0])
        daemon.becomes(photos=2 * PHOTOS, pending=0, embedded=PHOTOS)
        assert calm(daemon)["embedded"] == PHOTOS
    finally:
        daemon.stop()


@pytest.fixture
def mounting(tmp_path: Path) -> Iterator[MountingDaemon]:
    daemon = MountingDaemon(tmp_path, settings=QUICK)
    yield daemon
    daemon.close()


def bind(daemon: MountingDaemon, folder: Path, at: Path) -> None:
    at.mkdir(parents=True, exist_ok=True)
    daemon.inside("mount", "--bind", str(folder), str(at))


@needs_mounts
@pytest.mark.parametrize("at", ["again", "a-first", "trip/inner"])
def test_a_folder_of_the_library_mounted_in_the_library_adds_nothing(mounting: MountingDaemon, at: str) -> None:
    known = sorted([*fill(mounting.photos / "top"), *fill(mounting.photos / "trip")])
    (mounting.photos / at).mkdir(parents=True)
    mounting.start()
    mounting.becomes(photos=2 * PHOTOS, pending=0)
    bind(mounting, mounting.photos / "top", mounting.photos / at)
    assert (calm(mounting), shown(mounting)) == (calm(mounting), known)
    mounting.stop()
    mounting.start()
    mounting.becomes(photos=2 * PHOTOS, pending=0, embedded=0, removed=0)
    late = photo(mounting.photos / "top" / "late.png", "red")
    wait_until(lambda: str(late) in shown(mounting), "a new photo in the folder is found under its own path")
    mounting.pull(mounting.photos / at)
    counters = calm(mounting)
    assert shown(mounting) == sorted([*known, str(late)])
    assert (counters["embedded"], counters["removed"]) == (1, 0)


@needs_mounts
def test_a_root_mounted_in_another_root_and_one_above_the_root_add_nothing(mounting: MountingDaemon) -> None:
    one, two = mounting.home / "one", mounting.home / "two"
    known = sorted([*fill(one), *fill(two), *fill(two / "deep")])
    for name in ("x", "y", "up"):
        (one / name).mkdir()
    mounting.start(roots=(one, two))
    mounting.becomes(photos=3 * PHOTOS, pending=0)
    bind(mounting, two, one / "x")
    bind(mounting, two / "deep", one / "y")
    bind(mounting, one, one / "up")
    counters = calm(mounting)
    assert shown(mounting) == known
    assert (counters["embedded"], counters["removed"]) == (3 * PHOTOS, 0)


@needs_mounts
def test_a_folder_that_becomes_a_mounted_root_of_its_own_is_no_mass_deletion(mounting: MountingDaemon) -> None:
    big, small = mounting.home / "big", mounting.home / "small"
    fill(big, 3)
    fill(big / "sub")
    mounting.start(roots=(big,))
    mounting.becomes(photos=PHOTOS + 3, pending=0)
    mounting.stop()
    bind(mounting, big / "sub", small)
    mounting.start(roots=(big, small))
    assert calm(mounting)["embedded"] == 0
    found = shown(mounting)
    assert len(found) == PHOTOS + 3
    assert {os.path.dirname(path) for path in found} == {str(big), str(small)}
