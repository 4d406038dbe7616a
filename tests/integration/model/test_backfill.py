"""What a model that is being prepared embeds: found often first, then the newest, and nothing twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from phsearch.adapters.store.lance import LanceStore
from phsearch.domain.indexing.batching import ChangedMeanwhile, Embedded, Unreadable
from phsearch.domain.library import Library
from phsearch.domain.search.vector_index import VectorIndex
from phsearch.domain.types import ModelIdentity, ModelName
from phsearch.errors import StoreError
from phsearch.service.model_switch import backfill
from phsearch.service.model_switch.backfill import Backfill
from phsearch.service.model_switch.staged import StagedModel, StagedTables
from phsearch.service.threads import SerialExecutor
from support.photos import photo

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from phsearch.domain.indexing.batching import EmbedJob, EmbedResult
    from phsearch.domain.types import Photo

COUNT = 12
OLD, NEW = ModelIdentity("old", "", "w", "32", 4), ModelIdentity("new", "", "w", "32", 6)
PHOTOS = [photo(f"/p/{number:02}.jpg", taken_at=f"20{number:02}-01-01T00:00:00") for number in range(COUNT)]
PLENTY = 1 << 40


class FakeImageWorker:
    """Gives each photo the result that is planned for it, at once; otherwise a vector."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.planned: dict[str, Callable[[EmbedJob], EmbedResult]] = {}
        self.on_result: Callable[[EmbedResult], None] = lambda _result: None

    async def wait_for_space(self, most: int) -> None:
        """There is always room."""
        assert most

    def submit_job(self, job: EmbedJob) -> None:
        """Embed it."""
        self.order.append(job.path)
        plan = self.planned.get(job.path)
        info, vector = PHOTOS[0].info, np.eye(6, dtype=np.float32)[0]
        self.on_result(plan(job) if plan is not None else Embedded(job, info, vector))


class Stage:
    """A backfill over a real store, with a worker that the test directs."""

    def __init__(self, folder: Path, photos: list[Photo]) -> None:
        self.store = LanceStore(folder=folder / "index", name="old")
        self.store.create_or_check(OLD)
        self.library, index = Library(photos), VectorIndex()
        index.load(self.library.photos(), np.zeros((len(photos), 4), np.float32))
        self.executors = SerialExecutor("store"), SerialExecutor("rank")
        self.tables = StagedTables(self.store, self.executors[0])
        self.tables.create_or_check(NEW)
        self.worker = FakeImageWorker()
        self.often: list[bytes] = []
        self.offline: set[str] = set()
        self.free = PLENTY
        self.backfill = Backfill(
            library=self.library,
            index=index,
            rank_executor=self.executors[1],
            store_executor=self.executors[0],
            often_found=lambda: self.often,
            is_online=lambda each: each.path not in self.offline,
            is_idle=lambda: True,
            free_bytes=lambda: self.free,
            on_progress=lambda: None,
        )
        self.worker.on_result = self.backfill.on_result

    async def run(self) -> None:
        """Embed all."""
        state: Any = type("State", (), {"bound": NEW})
        parts: dict[str, Any] = dict.fromkeys(("text_worker", "preview", "use_workers"))
        staged = StagedModel(
            name=ModelName("new"),
            state=state,
            tables=self.tables,
            image_worker=cast("Any", self.worker),
            **parts,
        )
        async with asyncio.timeout(30):
            await self.backfill.run(staged)

    def stored(self) -> set[str]:
        """Return the paths that are on the disk for the new model."""
        return {each.path for photos, _ in self.tables.rows.rows() for each in photos}


def play(folder: Path, scenario: Callable[[Stage], Coroutine[None, None, None]], photos: list[Photo] = PHOTOS) -> None:
    async def whole() -> None:
        stage = Stage(folder, photos)
        try:
            await scenario(stage)
        finally:
            await stage.tables.close()
            for executor in stage.executors:
                executor.close()
            stage.store.close()

    asyncio.run(whole())


@pytest.fixture(autouse=True)
def pauses_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(backfill, "_POLL_SECONDS", 0.001)


def test_what_is_found_often_comes_first_and_then_the_newest(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.often = [PHOTOS[3].digest, b"not in the library", PHOTOS[5].digest]
        await stage.run()
        newest_first = [each.path for each in reversed(PHOTOS)]
        assert stage.worker.order == ["/p/03.jpg", "/p/05.jpg"] + [
            path for path in newest_first if path not in {"/p/03.jpg", "/p/05.jpg"}
        ]
        assert stage.stored() == {each.path for each in PHOTOS}
        assert (stage.backfill.embedded, stage.backfill.lacking, stage.backfill.failed) == (COUNT, 0, 0)

    play(tmp_path, scenario)


def test_a_content_is_embedded_once_however_many_photos_have_it(tmp_path: Path) -> None:
    same = [photo(f"/p/{name}.jpg", digest=PHOTOS[0].digest) for name in "abc"]

    async def scenario(stage: Stage) -> None:
        await stage.run()
        assert len(stage.worker.order) == 1

    play(tmp_path, scenario, same)


def test_what_was_embedded_before_is_known_after_a_restart(tmp_path: Path) -> None:
    async def first(stage: Stage) -> None:
        stage.offline = {each.path for each in PHOTOS[4:]}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await stage.run()
        assert len(stage.worker.order) == 4
        assert (stage.backfill.lacking, stage.backfill.offline) == (COUNT - 4, COUNT - 4)

    async def second(stage: Stage) -> None:
        await stage.run()
        assert sorted(stage.worker.order) == [each.path for each in PHOTOS[4:]]

    play(tmp_path, first)
    play(tmp_path, second)


def test_a_photo_that_cannot_be_embedded_is_given_up_and_the_rest_goes_on(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.worker.planned = {
            "/p/02.jpg": lambda job: Unreadable(job, "broken"),
            "/p/07.jpg": lambda job: Unreadable(job, "Input/output error", "file"),
            "/p/09.jpg": ChangedMeanwhile,
        }
        await stage.run()
        assert stage.worker.order.count("/p/02.jpg") == 1
        assert stage.worker.order.count("/p/07.jpg") == stage.worker.order.count("/p/09.jpg") == 3
        assert stage.backfill.failed == 3
        assert stage.stored() == {each.path for each in PHOTOS} - {"/p/02.jpg", "/p/07.jpg", "/p/09.jpg"}

    play(tmp_path, scenario)


def test_without_room_for_the_index_nothing_is_embedded_until_there_is(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.free = 1_000_000
        running = asyncio.create_task(stage.run())
        while stage.backfill.problem is None:  # noqa: ASYNC110 - it is set in the middle of other work
            await asyncio.sleep(0.01)
        assert "needs" in str(stage.backfill.problem)
        assert "make room" in stage.backfill.problem.hint
        assert stage.worker.order == []
        stage.free = PLENTY
        await running
        assert stage.backfill.problem is None
        assert len(stage.worker.order) == COUNT

    play(tmp_path, scenario)


def test_what_cannot_be_written_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(stage: Stage) -> None:
        rows, failures = stage.tables.rows, [StoreError("no space left", "free some")] * 2
        apply = rows.apply

        def fail_twice(*photos: Any, **more: Any) -> Any:
            if failures:
                raise failures.pop()
            return apply(*photos, **more)

        monkeypatch.setattr(rows, "apply", fail_twice)
        await stage.run()
        assert stage.stored() == {each.path for each in PHOTOS}
        assert stage.backfill.problem is None
        assert len(stage.worker.order) == COUNT

    play(tmp_path, scenario)
