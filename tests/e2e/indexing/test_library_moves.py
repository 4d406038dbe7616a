"""A library that moves to another folder is embedded once: its content is known from roots that were removed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.harness import Daemon, photo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = "[watch]\nsettle_seconds = 0.2\n"
PHOTOS = 12


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path)
    for number in range(PHOTOS):
        photo(tmp_path / "old" / f"album{number % 3}" / f"{number}.png", (20 * number, 0, 0))
    write_roots(daemon, tmp_path / "old")
    daemon.start(from_file=True)
    daemon.becomes(photos=PHOTOS, pending=0)
    yield daemon
    daemon.stop()


def write_roots(daemon: Daemon, *roots: Path) -> None:
    file = daemon.home / "config" / "phsearch" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    listed = ", ".join(f'"{root}"' for root in roots)
    file.write_text(f"roots = [{listed}]\n{QUICK}")


@pytest.mark.parametrize(
    ("way", "old_stays"), [("reload", False), ("restart", True), ("restart", False), ("reload and restart", True)]
)
def test_under_its_new_folder_no_photo_is_embedded_again(daemon: Daemon, way: str, *, old_stays: bool) -> None:
    old, new = daemon.home / "old", daemon.home / "new disk" / "Pictures"
    embedded = 0
    if way == "restart":
        daemon.stop()
    shutil.copytree(old, new)
    if not old_stays:
        shutil.rmtree(old)
    write_roots(daemon, new)
    if way != "restart":
        daemon.cli("reload")
        embedded = PHOTOS
    if way == "reload and restart":
        daemon.kill()
        embedded = 0
    if way != "reload":
        daemon.start(from_file=True)
    status = daemon.becomes(photos=PHOTOS, pending=0, embedded=embedded)
    assert [root["path"] for root in status["roots"]] == [str(new)]
    assert len(daemon.call("search", query="red", limit=50)["hits"]) == PHOTOS


def test_a_root_that_was_removed_long_ago_is_remembered_while_its_photos_are_kept(daemon: Daemon) -> None:
    write_roots(daemon, daemon.home / "photos")
    daemon.cli("reload")
    daemon.becomes(photos=0, pending=0)
    daemon.stop()
    daemon.start(from_file=True)
    shutil.copytree(daemon.home / "old", daemon.photos / "copy")
    daemon.becomes(photos=PHOTOS, pending=0, embedded=0, reused=PHOTOS)
    daemon.cli("forget", str(daemon.home / "old"))
    shutil.copytree(daemon.photos / "copy", daemon.photos / "another copy")
    daemon.becomes(photos=2 * PHOTOS, pending=0, embedded=0)
