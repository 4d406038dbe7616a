"""What the tests of a full and of a read-only disk do, each in a process with a small file system of its own.

unshare --mount python -m support.store.disk_faults full|edges|readonly|former_name MOUNTPOINT
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.store import table
from phsearch.adapters.store.table_names import table_name
from phsearch.domain.types import Volume
from phsearch.errors import StoreError
from support.store.kit import IDENTITY, content, failure, former_tables, opened, photo, vector

if TYPE_CHECKING:
    from phsearch.adapters.store.lance import LanceStore
    from phsearch.domain.types import Photo, Vectors

DIM = 512
WIDE = dataclasses.replace(IDENTITY, dim=DIM)
PHOTOS = table_name("photos", WIDE)


def mount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def batch(number: int, size: int = 1) -> list[tuple[Photo, Vectors]]:
    return [(photo(f"/r/{number}-{each}", size), vector(number, DIM)) for each in range(48)]


def as_content(photos: list[tuple[Photo, Vectors]]) -> dict[str, tuple[Photo, list[float]]]:
    return {each.path: (each, row.tolist()) for each, row in photos}


def files(place: Path) -> set[str]:
    return {str(file) for file in place.rglob("*") if file.is_file()}


def full(place: Path) -> None:
    """Write until there is no room, go on trying, and make room again."""
    mount(place, "size=3m")
    store = opened(place, WIDE)
    acknowledged: dict[str, tuple[Photo, list[float]]] = {}
    number, refusal = 0, StoreError("")
    while not str(refusal):
        number += 1
        try:
            store.apply(batch(number))
        except StoreError as error:
            refusal = error
        else:
            acknowledged |= as_content(batch(number))
    assert "no space left" in str(refusal)
    assert "free some disk space" in refusal.hint
    assert number > 5
    before = files(place)
    for _ in range(10):
        with pytest.raises(StoreError, match="no space left"):
            store.apply(batch(number))
        with pytest.raises(StoreError, match="no space left"):
            store.optimize()
    assert len(files(place) - before) < 10
    assert content(opened(place)) == acknowledged
    remount(place, "size=12m")
    store.apply(batch(number))
    store.apply(failures=[failure("/r/bad")])
    acknowledged |= as_content(batch(number))
    assert content(opened(place)) == acknowledged
    optimize_all(store)
    assert content(opened(place)) == acknowledged
    assert data_files(place) == 1


def optimize_all(store: LanceStore) -> None:
    """Optimize as it happens when the older versions have expired."""
    time.sleep(0.01)
    table._KEPT_VERSIONS = timedelta(milliseconds=1)
    store.optimize()


def data_files(place: Path) -> int:
    return len(list((place / "index" / f"{PHOTOS}.lance" / "data").iterdir()))


def edges(place: Path) -> None:
    """Fill the disk at every point of a write with addition, merge and deletion."""
    mount(place, "size=24m")
    ballast = place / "ballast"
    failed = 0
    new: dict[str, tuple[Photo, list[float]]] = {}
    for room in range(0, 176, 4):
        store = opened(place, WIDE)
        old = content(store)
        old_batch, new_batch = batch(room + 96, size=2), batch(room + 100)
        gone = [path for path in old if path.startswith(f"/r/{room + 92}-")]
        new = {path: row for path, row in old.items() if path not in gone} | as_content(old_batch + new_batch)
        # Vectors of deleted photos would take a room of their own.
        apply = partial(store.apply, is_present=lambda _digest: True)
        fill(ballast, place, room << 10)
        try:
            apply(old_batch + new_batch, deletes=gone)
        except StoreError as error:
            failed += 1
            if "no space left" not in str(error):
                raise
            found = content(opened(place))
            assert all(found[path] in (old.get(path), new.get(path)) for path in found)
            assert found.keys() >= old.keys() & new.keys()
            ballast.unlink()
            apply(old_batch + new_batch, deletes=gone)
        ballast.unlink(missing_ok=True)
        assert content(opened(place)) == new
    assert 5 < failed < 44
    optimize_all(store)
    assert content(opened(place)) == new
    assert data_files(place) == 1


def fill(ballast: Path, place: Path, room: int) -> None:
    with ballast.open("wb") as file:
        statistics = os.statvfs(place)
        file.write(bytes(max(0, statistics.f_bavail * statistics.f_frsize - room)))


def readonly(place: Path) -> None:
    """Open, load and search go on where nothing can be written."""
    mount(place, "size=8m")
    store = opened(place, WIDE)
    store.apply(batch(1))
    store.apply(failures=[failure("/r/bad")])
    store.apply_volumes([Volume("/r", "/r", "x", 1.0)], [])
    (place / "index" / f"{PHOTOS}.lance" / "data" / ".tmpKilled").write_bytes(b"x")
    remount(place, "ro")
    for reader in (store, opened(place, WIDE)):
        assert content(reader) == as_content(batch(1))
        assert reader.load_failures() == [failure("/r/bad")]
        assert reader.load_volumes() == [Volume("/r", "/r", "x", 1.0)]
        assert sum(len(photos) for photos, _ in reader.rows()) == 48
        for write in (
            partial(reader.apply, batch(2)),
            partial(reader.apply, batch(1, size=2)),
            partial(reader.apply, deletes=["/r/1-1"]),
            partial(reader.apply, failures=[failure("/r/other")]),
            partial(reader.apply_volumes, [Volume("/other", "/r", "x", 1.0)], []),
        ):
            with pytest.raises(StoreError, match="read-only file system") as caught:
                write()
            assert "make it writable again" in caught.value.hint
        assert content(reader) == as_content(batch(1))
    with pytest.raises(StoreError, match="read-only file system"):
        opened(place / "index" / "new", WIDE)
    remount(place, "rw")
    store.apply(batch(2), deletes=["/r/1-1"])
    expected = as_content(batch(1) + batch(2))
    del expected["/r/1-1"]
    assert content(opened(place)) == expected


def former_name(place: Path) -> None:
    """Open an index of an older phsearch, whose table cannot get its new name yet."""
    mount(place, "size=8m")
    opened(place, WIDE).apply(batch(1))
    index = place / "index"
    (index / f"{PHOTOS}.lance").rename(index / "photos_mini.lance")
    remount(place, "ro")
    store = opened(place, WIDE)
    assert content(store) == as_content(batch(1))
    assert former_tables(store) == {}
    remount(place, "rw")
    store.apply(batch(2))
    assert content(opened(place)) == as_content(batch(1) + batch(2))
    assert [each.name for each in index.iterdir()] == [f"{PHOTOS}.lance"]


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
