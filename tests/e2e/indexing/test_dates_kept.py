"""A change that keeps size and date of a file is noticed; what changes only names or permissions embeds nothing."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from support.harness import Daemon, photo, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DATE, OTHER_DATE = "2019:05:04 10:00:00", "2021:05:04 10:00:00"


def dated(path: Path, date: str = DATE, colour: str = "red") -> Path:
    exif = Image.Exif()
    exif[0x0132] = date
    return photo(path, colour, exif=exif)


def keep_dates(path: Path, change: Callable[[Path], object]) -> None:
    """Change a file as `exiftool -P`, digiKam and `touch -r` do."""
    before = path.stat()
    change(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def in_place(path: Path) -> None:
    data = path.read_bytes()
    assert data.count(DATE.encode()) == 1
    with path.open("r+b") as file:
        file.write(data.replace(DATE.encode(), OTHER_DATE.encode()))


def by_rename(path: Path) -> None:
    new = path.with_name(".new")
    shutil.copy(path, new)
    in_place(new)
    shutil.copystat(path, new)
    new.replace(path)


CHANGES = {"written in place": in_place, "replaced by a rename": by_rename}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with running(tmp_path, settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        yield daemon


@pytest.mark.parametrize("change", CHANGES)
def test_a_date_that_was_corrected_in_a_file_that_kept_its_own_is_noticed_live(daemon: Daemon, change: str) -> None:
    path = dated(daemon.photos / "a.jpg")
    daemon.becomes(photos=1, pending=0)
    assert daemon.found("date:2019", 5) == ["a.jpg"]
    keep_dates(path, CHANGES[change])
    daemon.becomes(photos=1, pending=0, embedded=2)
    assert daemon.found("date:2021", 5) == ["a.jpg"]
    assert daemon.found("date:2019", 5) == []


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_noticed_at_the_next_start(daemon: Daemon, change: str) -> None:
    path = dated(daemon.photos / "a.jpg")
    daemon.becomes(photos=1, pending=0)
    daemon.stop()
    keep_dates(path, CHANGES[change])
    daemon.start()
    daemon.becomes(photos=1, pending=0, embedded=1)
    assert daemon.found("date:2021", 5) == ["a.jpg"]


def test_a_file_that_failed_is_tried_again_when_it_is_mended_in_place(daemon: Daemon) -> None:
    path = dated(daemon.photos / "a.jpg")
    whole = path.read_bytes()
    path.write_bytes(b"\0" * len(whole))
    daemon.becomes(errors=1, pending=0)
    keep_dates(path, lambda path: path.write_bytes(whole))
    daemon.becomes(photos=1, errors=0, pending=0)


def test_permissions_links_renames_and_restores_embed_nothing(daemon: Daemon) -> None:
    paths = [dated(daemon.photos / f"{number}.jpg") for number in range(4)]
    daemon.becomes(photos=4, pending=0)
    paths[0].chmod(0o600)
    os.link(paths[1], daemon.home / "a hard link")
    paths[2].rename(daemon.photos / "renamed.jpg")
    saved = daemon.home / "saved.jpg"
    shutil.copy2(paths[3], saved)
    paths[3].unlink()
    daemon.becomes(photos=3, pending=0)
    shutil.copy2(saved, paths[3])
    daemon.becomes(photos=4, pending=0)
    for _ in range(2):
        daemon.cli("rescan")
        daemon.stop()
        daemon.start()
        daemon.becomes(photos=4, pending=0)
        assert daemon.status()["counters"]["embedded"] == 0
    assert set(daemon.found("red", 4)) == {"0.jpg", "1.jpg", "renamed.jpg", "3.jpg"}
