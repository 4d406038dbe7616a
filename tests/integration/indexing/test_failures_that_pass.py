"""A disk that fails once costs no photo: what could not be read here is no judgement of its content."""

from __future__ import annotations

import asyncio
import errno
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from phsearch.service.indexing import pipeline
from phsearch.service.indexing.disk_reader import DiskReader
from support.harness import photo
from support.index_rig import IndexRig
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phsearch.domain.types import ContentDigest
    from phsearch.service.indexing.disk_reader import SlowRead


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    with mock.patch.object(pipeline, "_RETRY_DELAYS", (0.05, 0.05, 0.05)):
        yield


class Scene:
    """A daemon over one photo."""

    def __init__(self, home: Path) -> None:
        self.root = home.resolve() / "photos"
        self.path = str(photo(self.root / "a.png", "red"))
        self.rig = IndexRig(home / "state", [str(self.root)], Counter())

    @property
    def known(self) -> set[str]:
        return {Path(each.path).name for each in self.rig.library.photos()}

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(scaled(10)):
            while not condition():
                self.rig.image_worker.finish()
                self.rig.check()
                await asyncio.sleep(0.005)


def test_a_photo_that_its_disk_did_not_give_once_is_read_again_and_its_copy_is_not_blamed(tmp_path: Path) -> None:
    async def scenario() -> None:
        scene = Scene(tmp_path)
        scene.rig.image_worker.fails_once[scene.path] = "file"
        await scene.until(lambda: scene.rig.library.failure(scene.path) is not None)
        failure = scene.rig.library.failure(scene.path)
        assert failure is not None
        assert (failure.decoder, failure.digest) == ("", None), "booked on the path, and not as dealt with"
        shutil.copyfile(scene.path, scene.root / "copy.png")
        scene.rig.monitors[str(scene.root)].scan(str(scene.root))
        await scene.until(lambda: scene.known == {"a.png", "copy.png"})
        assert scene.rig.library.failed == 0
        await scene.rig.end(flush=False)

    asyncio.run(scenario())


def test_damaged_content_is_not_read_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        scene = Scene(tmp_path)
        scene.rig.image_worker.fails_once[scene.path] = "content"
        await scene.until(lambda: scene.rig.library.failure(scene.path) is not None)
        shutil.copyfile(scene.path, scene.root / "copy.png")
        scene.rig.monitors[str(scene.root)].scan(str(scene.root))
        await scene.until(lambda: scene.rig.library.failed == 2)
        await asyncio.sleep(0.3)
        assert scene.known == set()
        await scene.rig.end(flush=False)

    asyncio.run(scenario())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EIO], ids=errno.errorcode.get)
def test_a_file_that_could_not_be_read_for_a_while_is_found(tmp_path: Path, number: int) -> None:
    failing = [OSError(number, "no") for _ in range(3)]
    read_on = DiskReader._read_on
    seen: list[int] = []

    def failing_first(disk: DiskReader, path: str, tick: Callable[[], None]) -> ContentDigest | SlowRead | None:
        if failing:
            raise failing.pop()
        return read_on(disk, path, tick)

    async def scenario() -> None:
        with mock.patch.object(DiskReader, "_read_on", failing_first):
            scene = Scene(tmp_path)

            def found() -> bool:
                seen.append(scene.rig.library.failed)
                return scene.known == {"a.png"}

            await scene.until(found)
            await scene.rig.end(flush=False)

    asyncio.run(scenario())
    assert not failing
    assert max(seen) == (1 if number == errno.EIO else 0), "what the machine lacks is no failure of a photo"
