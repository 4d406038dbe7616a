"""A file that takes long to read takes turns with the others of its root, and one that is too large is not read."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from phsearch import safe_open
from phsearch.errors import FileTooLargeError, UnreadableImageError
from phsearch.safe_open import DigestReader
from phsearch.service.indexing import disk_reader
from phsearch.service.indexing.disk_reader import DiskReader, SlowRead
from phsearch.service.threads import TimeoutExecutor
from support.harness import photo
from support.index_rig import IndexRig, digest_of
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHUNKS = 40


@pytest.fixture
def _slow_chunks() -> Iterator[None]:
    """Every megabyte takes longer than a turn, where the file's size shows that it is large."""
    read_chunks = safe_open.read_chunks

    def slowly(descriptor: int, progress: Callable[[], None] = lambda: None) -> Iterator[bytes]:
        for chunk in read_chunks(descriptor, progress):
            time.sleep(0.02 if len(chunk) == safe_open._CHUNK else 0)
            yield chunk

    with mock.patch.object(safe_open, "read_chunks", slowly), mock.patch.object(disk_reader, "_TURN_SECONDS", 0.02):
        yield


def large(path: Path) -> str:
    path.write_bytes(os.urandom(safe_open._CHUNK) * CHUNKS)
    return str(path)


@pytest.mark.usefixtures("_slow_chunks")
def test_files_that_take_long_are_read_in_turns_and_each_byte_once(tmp_path: Path) -> None:
    paths = [large(tmp_path / f"{number}.tif") for number in range(2)]
    expected = {path: digest_of(path) for path in paths}

    async def scenario() -> None:
        disk = DiskReader(
            executor=TimeoutExecutor("disk", 10),
            stat_all=lambda _tick, _paths: [],
            open_file=lambda path: DigestReader(path, limit=1 << 30),
        )
        turns: Counter[str] = Counter()
        found = {}
        while paths:
            for path, content in await disk.digest_paths(paths):
                paths.remove(path)
                turns[path] += 1
                if isinstance(content, SlowRead):
                    paths.append(path)
                else:
                    found[path] = content
        assert found == expected
        assert min(turns.values()) > CHUNKS // 2
        assert not disk._slow

    asyncio.run(scenario())


@pytest.mark.usefixtures("_slow_chunks")
def test_other_photos_of_the_root_are_found_while_large_files_are_read(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    slow = {large(root / f"{number}.tif") for number in range(3)}

    async def scenario() -> None:
        rig = IndexRig(tmp_path / "state", [str(root)], Counter())
        async with asyncio.timeout(scaled(30)):
            while not rig.library.failed:
                for number in range(3):
                    if not (root / f"{number}.png").exists():
                        photo(root / f"{number}.png", "red")
                        rig.monitors[str(root)].scan(str(root))
                rig.image_worker.finish()
                rig.check()
                await asyncio.sleep(0.005)
            assert len(rig.library) == 3
            while rig.library.failed < len(slow):
                rig.image_worker.finish()
                await asyncio.sleep(0.01)
        await rig.end(flush=False)

    asyncio.run(scenario())


def test_a_file_larger_than_any_photo_is_not_read_and_neither_is_one_that_is_a_hole(tmp_path: Path) -> None:
    huge, hole = tmp_path / "huge.tif", tmp_path / "hole.tif"
    with huge.open("wb") as file:
        file.truncate(4 << 40)
    with hole.open("wb") as file:
        file.truncate(1 << 20)
    with mock.patch("os.read", side_effect=AssertionError("it is read")):
        with pytest.raises(FileTooLargeError):
            DigestReader(str(huge), limit=1 << 30)
        with pytest.raises(UnreadableImageError, match="nothing but zeros"):
            DigestReader(str(hole), limit=1 << 30)


def test_a_file_that_changes_between_its_turns_has_no_digest(tmp_path: Path) -> None:
    path = large(tmp_path / "a.tif")
    reader = DigestReader(path, limit=1 << 30)
    assert not reader.read_for(0)
    with open(path, "ab") as file:
        file.write(b"more")
    assert reader.read_for(60)
    assert reader.result() is None
    reader.close()
