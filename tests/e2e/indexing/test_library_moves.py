"""A library that moves to another folder is embedded once: its content is known from roots that were removed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.harness import Daemon, photo, wait_until

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


def spellings(daemon: Daemon) -> dict[str, str]:
    """Return other names of the root's folder, as the settings may have them."""
    old, home = daemon.home / "old", daemon.home
    (home / "link").symlink_to(old)
    (home / "above").symlink_to(home)
    (home / "chain").symlink_to("above/link")
    return {
        "link": f"{home}/link",
        "link above": f"{home}/above/old",
        "link to a link": f"{home}/chain",
        "trailing slash": f"{old}/",
        "dots": f"{home}/photos/../old/.",
        "slashes": f"{home}//old",
        "home": "~/old",
        "variable": "$HOME/old",
    }


@pytest.mark.parametrize("way", ["reload", "restart", "reload and restart"])
def test_the_same_folder_by_another_spelling_is_the_same_root(daemon: Daemon, way: str) -> None:
    embedded = PHOTOS
    for name, spelling in spellings(daemon).items():
        file = daemon.home / "config" / "phsearch" / "config.toml"
        file.write_text(f'roots = ["{spelling}"]\n{QUICK}')
        if way != "restart":
            said = daemon.cli("reload").stdout
            assert "no longer" not in said, name
        if way != "reload":
            daemon.stop()
            embedded = 0
            daemon.start(from_file=True)
        status = daemon.settled()
        counters = status["counters"]
        assert (status["photos"], counters["embedded"], counters["removed"]) == (PHOTOS, embedded, 0), name
        assert status["removed"] == [], name
        (root,) = (each["path"] for each in status["roots"])
        hits = daemon.call("search", query="red", limit=50)["hits"]
        assert len(hits) == PHOTOS
        assert all(hit["path"].startswith(f"{root}/album") for hit in hits), name
        assert counters["reused"] == 0, f"{name}: files were read again"
        assert daemon.call("library.verify", sample=0)["ok"], name


def test_a_folder_above_or_below_by_another_spelling_keeps_what_is_known(daemon: Daemon) -> None:
    (daemon.home / "link").symlink_to(daemon.home)
    write_roots(daemon, daemon.home / "link" / "old" / "album1")
    daemon.cli("reload")
    status = daemon.settled()
    assert (status["photos"], status["counters"]["embedded"]) == (PHOTOS // 3, PHOTOS)
    assert [each["photos"] for each in status["removed"]] == [PHOTOS - PHOTOS // 3]
    write_roots(daemon, daemon.home / "old")
    daemon.cli("reload")
    status = daemon.becomes(photos=PHOTOS, pending=0, embedded=PHOTOS, removed=0)
    assert status["removed"] == []


@pytest.mark.parametrize("first", ["old", "link"])
def test_of_two_roots_that_are_the_same_folder_the_first_is_used_and_one_sentence_says_so(
    daemon: Daemon, first: str
) -> None:
    (daemon.home / "link").symlink_to(daemon.home / "old")
    second = "link" if first == "old" else "old"
    write_roots(daemon, daemon.home / first, daemon.home / second)
    daemon.cli("reload")
    for embedded in (PHOTOS, 0):
        sentence = f"it is the same folder as the root {daemon.home / first}, which is used"

        def said(sentence: str = sentence) -> bool:
            return [root["detail"] for root in daemon.status()["roots"]] == ["", sentence]

        wait_until(said, "the status says so")
        status = daemon.becomes(photos=PHOTOS, pending=0, embedded=embedded, removed=0)
        assert [root["photos"] for root in status["roots"]] == [PHOTOS, 0]
        hits = daemon.call("search", query="red", limit=50)["hits"]
        assert all(hit["path"].startswith(f"{daemon.home / first}/") and not hit["offline"] for hit in hits)
        if embedded:
            daemon.stop()
            daemon.start(from_file=True)
    write_roots(daemon, daemon.home / second)
    daemon.cli("reload")
    status = daemon.becomes(photos=PHOTOS, pending=0, embedded=0, removed=0)
    assert [root["path"] for root in status["roots"]] == [str(daemon.home / second)]
