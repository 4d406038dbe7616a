"""What happens while the index is verified proves nothing, whenever it happens."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock

import numpy as np
import pytest

from phsearch.domain.library import Library
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.vector_index import VectorIndex
from phsearch.domain.types import ContentDigest, Fingerprint, PhotoInfo
from phsearch.domain.verification import Report
from phsearch.service.events import EventBus
from phsearch.service.indexing.photo_index import PhotoIndex, SequenceNumbers
from phsearch.service.indexing.store_writer import StoreWriter
from phsearch.service.threads import SerialExecutor
from phsearch.service.verify import RowCheck, SampleCheck
from support.machine.fake_power import at_ease
from support.store.kit import NothingStored
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from phsearch.domain.types import Failure, Photo, RefusedRow, Vectors

INFO = PhotoInfo(64, 48, "PNG")
CONTENT = b"0123456789abcdef"


class MemoryStore:
    """A store in memory; the functions in `happens` are called at each "written" and each "read"."""

    needs_optimize = False

    def __init__(self) -> None:
        self.stored: dict[str, tuple[Photo, Vectors]] = {}
        self.happens: dict[str, Callable[[], None]] = {}
        self.loop = asyncio.get_running_loop()

    def apply(
        self,
        photos: Iterable[tuple[Photo, Vectors]],
        *,
        failures: Collection[Failure],
        deletes: Collection[str],
        **_: object,
    ) -> list[RefusedRow]:
        assert not failures
        self.stored |= {photo.path: (photo, vector) for photo, vector in photos}
        for path in deletes:
            self.stored.pop(path, None)
        self._happen("written")
        return []

    def rows(self) -> Iterator[tuple[list[Photo], Vectors]]:
        stored = list(self.stored.values())
        self._happen("read")
        for photo, vector in stored:
            yield [photo], vector[None]

    def _happen(self, when: str) -> None:
        async def happen() -> None:
            self.happens.get(when, int)()

        asyncio.run_coroutine_threadsafe(happen(), self.loop).result(scaled(5))


class Scene:
    """A photo index of three photos that are all written, and the check of their rows."""

    def __init__(self, executor: SerialExecutor) -> None:
        self.store = MemoryStore()
        store: Any = self.store
        self.executor = executor
        self.writer = StoreWriter(store=store, executor=executor, idle=lambda: True)
        self.library, self.index = Library(), VectorIndex()
        roots = Roots(["/photos"])
        self.photo_index = PhotoIndex(
            library=self.library,
            index=self.index,
            rank_executor=executor,
            store=NothingStored(),  # type: ignore[arg-type]
            unrooted={},
            store_executor=executor,
            writer=self.writer,
            events=EventBus(),
            roots=roots,
            decoder="v1",
            sequence=SequenceNumbers(saved=0, save=lambda _number: None),
        )
        for name in "abc":
            self.add(name)
        self.rows = RowCheck(
            store=store,
            store_executor=executor,
            writer=self.writer,
            library=self.library,
            index=self.index,
            rank_executor=executor,
            roots=roots,
            verify_executor=executor,
        )

    def add(self, name: str, size: int = 1) -> None:
        vector = np.array([np.cos(size), np.sin(size)], np.float32)
        self.photo_index.add_photo(f"/photos/{name}", Fingerprint(size, 1), name.encode() * 16, INFO, vector)

    async def found(self) -> dict[str, str]:
        report = Report()
        await self.rows.check(report)
        return {each.path: each.kind for each in report.mismatches}


@pytest.fixture
def executor() -> Iterator[SerialExecutor]:
    executor = SerialExecutor("all")
    yield executor
    executor.close()


@pytest.mark.parametrize("when", ["written", "read"])
def test_photos_that_come_change_and_go_while_the_store_is_at_work_are_no_mismatches(
    executor: SerialExecutor, when: str
) -> None:
    async def scenario() -> None:
        scene = Scene(executor)
        numbers = iter(range(2, 100))

        def change() -> None:
            number = next(numbers)
            scene.add("a", number)
            scene.add(f"new{number}")
            scene.photo_index.remove_photos([f"/photos/new{number - 1}"])
            scene.photo_index.move_photo("/photos/b", "/photos/moved")
            scene.photo_index.move_photo("/photos/moved", "/photos/b")

        scene.store.happens[when] = change
        assert await scene.found() == {}
        del scene.store.happens[when]
        assert await scene.found() == {}

    asyncio.run(scenario())


def test_a_row_that_is_wrong_is_found_while_others_change(executor: SerialExecutor) -> None:
    async def scenario() -> None:
        scene = Scene(executor)
        assert await scene.found() == {}
        del scene.store.stored["/photos/c"]
        scene.store.happens["read"] = lambda: scene.add("a", 7)
        assert await scene.found() == {"/photos/c": "not stored"}

    asyncio.run(scenario())


def test_rows_of_a_folder_that_is_not_watched_now_are_no_mismatches(executor: SerialExecutor) -> None:
    async def scenario() -> None:
        scene = Scene(executor)
        await scene.writer.flush()
        photo, vector = scene.store.stored["/photos/a"]
        scene.store.stored["/elsewhere/a"] = (photo.__class__(**_fields(photo) | {"path": "/elsewhere/a"}), vector)
        scene.store.stored["/photos/d"] = (photo.__class__(**_fields(photo) | {"path": "/photos/d"}), vector)
        assert await scene.found() == {"/photos/d": "left over"}

    asyncio.run(scenario())


def _fields(photo: Photo) -> dict[str, Any]:
    return {name: getattr(photo, name) for name in photo.__slots__}


@pytest.mark.parametrize(
    ("known", "content", "kind", "said"),
    [
        (7, ContentDigest(Fingerprint(2, 2), CONTENT), None, ""),
        (7, None, None, ""),
        (7, ContentDigest(Fingerprint(1, 1, 8), CONTENT), "file changed", "a program changed it"),
        (7, ContentDigest(Fingerprint(1, 1, 7), CONTENT), "other bytes", "none of its times: the disk may be failing"),
        (7, ContentDigest(Fingerprint(1, 1), CONTENT), "other bytes", "a program set the time back, or the disk"),
        (1, ContentDigest(Fingerprint(1, 1, 1), CONTENT), "other bytes", "a program set the time back, or the disk"),
    ],
    ids=["another size", "gone", "changed later", "not changed since", "no time of change", "as FAT has it"],
)
def test_other_bytes_with_the_same_size_and_time_are_a_programs_where_the_time_of_change_says_so(
    executor: SerialExecutor, known: int, content: ContentDigest | None, kind: str | None, said: str
) -> None:
    async def scenario() -> None:
        scene = Scene(executor)
        unused: Any = None
        pipeline = SimpleNamespace(disk=SimpleNamespace(digest_path=AsyncMock(return_value=content)))
        router: Any = SimpleNamespace(pipeline_of=lambda _path: pipeline)
        check = SampleCheck(
            router=router,
            library=scene.library,
            index=scene.index,
            rank_executor=executor,
            image_worker=unused,
            model=unused,
            throttle=at_ease(),
        )
        report = Report()
        scene.library.learn_ctime("/photos/a", Fingerprint(1, 1, known))
        photo = scene.library.get("/photos/a")
        assert photo is not None
        await check.check([photo], report, lambda _mismatch: False)
        assert [each.kind for each in report.mismatches] == ([kind] if kind else [])
        assert all(said in each.detail for each in report.mismatches)

    asyncio.run(scenario())


def test_two_flushes_at_once_are_one_after_the_other(executor: SerialExecutor) -> None:
    async def scenario() -> None:
        scene = Scene(executor)
        first, second = asyncio.ensure_future(scene.writer.flush()), asyncio.ensure_future(scene.writer.flush())
        await asyncio.sleep(0)
        assert scene.writer.pending == 3, "what is being written is still pending"
        await asyncio.gather(first, second)
        assert (scene.writer.pending, len(scene.store.stored)) == (0, 3)

    asyncio.run(scenario())
