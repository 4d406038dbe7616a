"""Whatever is renamed or moved is findable at its new place within seconds, and nothing is embedded again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.harness import Daemon, photo
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNT = 1000
PATIENCE = scaled(5.0)
QUICK = "[watch]\nsettle_seconds = 0.2\n"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Start a daemon over two roots, with a thousand photos in the first: half in one folder, half in fifty."""
    home = tmp_path_factory.mktemp("moves")
    for number in range(COUNT // 2):
        photo(home / "photos" / "flat" / f"{number}.png", (number % 256, number // 256, 0), (16, 16))
        photo(home / "photos" / "deep" / str(number % 50) / f"{number}.png", (0, number % 256, number // 256), (16, 16))
    (home / "second").mkdir()
    daemon = Daemon(home, settings=QUICK)
    daemon.start(roots=(daemon.photos, home / "second"))
    daemon.becomes(photos=COUNT, pending=0, embedded=COUNT)
    yield daemon
    daemon.stop()


def moves(daemon: Daemon, change: Callable[[], None], moved: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Make a change; the index is to hold exactly what is on the disk soon after, and by moving, not by embedding."""
    before = daemon.status()["counters"]
    start = time.monotonic()
    change()
    changed = time.monotonic()
    wanted = {str(path) for path in daemon.home.glob("[ps]*/**/*.png")}
    assert len(wanted) == COUNT
    while (found := indexed(daemon)) != wanted:
        assert time.monotonic() < changed + PATIENCE, f"{len(found ^ wanted)} differences after {PATIENCE} s"
        time.sleep(0.02)
    with capsys.disabled():
        later = time.monotonic() - changed
        print(f"\n{moved} moved in {changed - start:.2f} s, all found {later:.2f} s later ", end="")
    after = daemon.becomes(pending=0, scanning=False)["counters"]
    assert after["embedded"] == before["embedded"]
    assert after["removed"] == before["removed"]
    assert after["failed"] == before["failed"]
    assert after["reused"] - before["reused"] == moved


def indexed(daemon: Daemon) -> set[str]:
    hits = daemon.call("search", query="red", limit=COUNT)["hits"]
    return {hit["path"] for hit in hits}


def test_a_thousand_renames(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    def rename() -> None:
        for path in list(daemon.photos.rglob("*.png")):
            path.rename(path.with_name(f"renamed-{path.name}"))

    moves(daemon, rename, COUNT, capsys)


def test_a_tree_of_a_thousand_renamed_within_its_root(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    (daemon.photos / "new").mkdir()
    assert daemon.call("search", query="red", sync=10)["synced"] is True  # the new folder is watched

    def rename() -> None:
        (daemon.photos / "flat").rename(daemon.photos / "new" / "level")
        (daemon.photos / "deep").rename(daemon.photos / "new" / "steep")

    moves(daemon, rename, COUNT, capsys)


def test_a_tree_of_a_thousand_moved_to_another_root_and_back(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(daemon.photos.iterdir())

    def there() -> None:
        for folder in before:
            folder.rename(daemon.home / "second" / folder.name)

    def back() -> None:
        for folder in before:
            (daemon.home / "second" / folder.name).rename(folder)

    moves(daemon, there, COUNT, capsys)
    assert [root["photos"] for root in daemon.status()["roots"]] == [0, COUNT]
    moves(daemon, back, COUNT, capsys)
    assert [root["photos"] for root in daemon.status()["roots"]] == [COUNT, 0]


def test_single_photos_moved_to_another_root(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = sorted(daemon.photos.rglob("*.png"))[::5]

    def move() -> None:
        for path in chosen:
            path.rename(daemon.home / "second" / f"{path.parent.name}-{path.name}")

    moves(daemon, move, COUNT // 5, capsys)
