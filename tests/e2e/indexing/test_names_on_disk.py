"""On a disk that accepts other spellings of a name, a photo is one photo under the name that its folder lists."""

from __future__ import annotations

import os
import unicodedata
from typing import TYPE_CHECKING

import pytest

from support.harness import Daemon, photo, wait_until
from support.machine import hung_fs
from support.machine.folding_fs import folding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

needs_fuse = pytest.mark.skipif(bool(hung_fs.why_not()), reason=hung_fs.why_not())

QUICK = "[watch]\nsettle_seconds = 0.2\n"
ACCENTS = "\u00e9t\u00e9 \u00e0 la mer"
RENAMES = (
    ("Trip/IMG_0001.JPG", "Trip/img_0001.jpg"),
    ("Trip/IMG_0002.jpg", "Trip/Img_0002.jpg"),
    (f"{ACCENTS}.jpg", unicodedata.normalize("NFD", f"{ACCENTS}.jpg")),
    (unicodedata.normalize("NFD", "Ångström.jpg"), "Ångström.jpg"),
    ("Stra\u00dfe.jpg", "STRASSE.jpg"),
    ("Trip", "TRIP"),
    ("2023/Beach/deep", "2023/Beach/Deep"),
    ("2023/Beach", "2023/beach"),
    ("\u00c9t\u00e9", unicodedata.normalize("NFD", "\u00e9t\u00e9")),
)
PHOTOS = ("2023/Beach/deep/a.jpg", "2023/Beach/b.jpg", "\u00c9t\u00e9/c.jpg", "\u00c9t\u00e9/\u00c9t\u00e9 (1).jpg")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path, settings=QUICK)
    for number, name in enumerate([*(name for name, _ in RENAMES if "." in name), *PHOTOS]):
        photo(tmp_path / "back" / name, (20 * number, 0, 0))
    with folding(tmp_path / "back", daemon.photos):
        daemon.start()
        daemon.becomes(photos=len(RENAMES) - 4 + len(PHOTOS), pending=0, scanning=False)
        yield daemon
        daemon.stop()


def on_disk(daemon: Daemon) -> set[str]:
    found = (os.path.join(folder, name) for folder, _, names in os.walk(daemon.photos) for name in names)
    return {os.path.relpath(path, daemon.photos) for path in found}


def rename_live(daemon: Daemon) -> None:
    for old, new in RENAMES:
        os.rename(daemon.photos / old, daemon.photos / new)


def rename_elsewhere(daemon: Daemon) -> None:
    """Rename them where the daemon is told nothing, as another machine would."""
    for old, new in RENAMES:
        os.rename(daemon.home / "back" / old, daemon.home / "back" / new)
    daemon.cli("rescan")


def rename_while_stopped(daemon: Daemon) -> None:
    daemon.stop()
    rename_live(daemon)
    daemon.start()


@needs_fuse
@pytest.mark.parametrize("rename", [rename_live, rename_elsewhere, rename_while_stopped])
def test_a_rename_to_another_spelling_renames_the_photo_and_embeds_nothing(
    daemon: Daemon, rename: Callable[[Daemon], None]
) -> None:
    embedded = daemon.status()["counters"]["embedded"]
    before = on_disk(daemon)
    rename(daemon)
    wanted = on_disk(daemon)
    assert len(wanted) == len(before)
    assert not wanted & {name for name, _ in RENAMES}
    wait_until(lambda: set(daemon.found("red", limit=100)) == wanted, "the photos have their new names")
    status = daemon.settled()
    assert set(daemon.found("red", limit=100)) == wanted
    assert status["counters"]["embedded"] in {0, embedded}
    assert status["counters"]["failed"] == 0
    verified = daemon.call("library.verify", sample=0)
    assert verified["ok"], verified
    why = daemon.call("library.why", path=str(daemon.photos / "Trip" / "IMG_0001.JPG"))
    assert (why["verdict"], why["path"]) == ("indexed", str(daemon.photos / "TRIP" / "img_0001.jpg"))


@needs_fuse
def test_names_for_why_are_compared_as_those_of_a_filter(daemon: Daemon) -> None:
    asked = unicodedata.normalize("NFD", f"{daemon.photos}/\u00e9T\u00e9/C.jpg")
    listed = f"{daemon.photos}/\u00c9t\u00e9/c.jpg"
    assert daemon.call("library.why", path=asked)["path"] == listed


def test_on_a_disk_that_tells_spellings_apart_a_known_photo_is_found_by_another_one(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK)
    listed = str(photo(daemon.photos / "\u00c9t\u00e9" / "c.jpg", "red"))
    photo(daemon.photos / "blue.jpg", "blue")
    daemon.start()
    try:
        daemon.becomes(photos=2, pending=0)
        for asked in (unicodedata.normalize("NFD", listed), listed.replace("c.jpg", "C.JPG")):
            assert daemon.call("library.why", path=asked)["path"] == listed
            assert daemon.call("search", query=f'like:"{asked}"', limit=1)["hits"][0]["path"] == listed
        other = str(photo(daemon.photos / "\u00c9t\u00e9" / "C.JPG", "blue"))
        daemon.becomes(photos=3, pending=0)
        assert daemon.call("library.why", path=other)["path"] == other
    finally:
        daemon.stop()
