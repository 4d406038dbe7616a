"""Looking at photos that are not in the library: what is remembered, what is refused, and who is not believed."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from phsearch import safe_open
from phsearch.errors import ModelMismatchError, UnreadableImageError
from phsearch.service.search import image_query
from phsearch.service.search.image_query import ImageQueryEmbedder, read_regular_file
from support.harness import photo
from support.on_demand import MODEL, on_demand
from support.workers import COMPROMISED_WORKER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from phsearch.domain.types import ModelIdentity
    from phsearch.service.workers.on_demand import OnDemandWorker


def glancing(
    scenario: Callable[[ImageQueryEmbedder, OnDemandWorker], Awaitable[None]],
    worker: Callable[[], OnDemandWorker] = on_demand,
    bound: Callable[[], ModelIdentity] = lambda: MODEL,
    patience: float = 10,
) -> None:
    async def whole() -> None:
        summoned_one = worker()
        try:
            await scenario(ImageQueryEmbedder(summoned_one, bound, patience), summoned_one)
        finally:
            await summoned_one.stop_now()

    asyncio.run(whole())


def test_a_photo_is_looked_at_once_for_as_long_as_it_stays_the_same(tmp_path: Path) -> None:
    async def scenario(image_embedder: ImageQueryEmbedder, worker: OnDemandWorker) -> None:
        path = photo(tmp_path / "a.png", "red")
        first = await image_embedder.image_vector(str(path))
        await worker.stop_now()
        assert await image_embedder.image_vector(str(path)) is first
        assert worker.worker_stats.starts == 1, "what is remembered needs no worker"
        photo(path, "blue", (65, 48))
        assert (await image_embedder.image_vector(str(path)))[2] > 0.5
        assert worker.worker_stats.starts == 2

    glancing(scenario)


def test_the_model_of_the_index_is_the_only_one_whose_vectors_count(tmp_path: Path) -> None:
    bound = [dataclasses.replace(MODEL, weights="others")]

    async def scenario(image_embedder: ImageQueryEmbedder, worker: OnDemandWorker) -> None:
        path = str(photo(tmp_path / "a.png", "red"))
        for _ in range(2):
            with pytest.raises(ModelMismatchError, match="the model has changed"):
                await image_embedder.image_vector(path)
            await worker.stop_now()
        bound[0] = MODEL
        assert (await image_embedder.image_vector(path))[0] > 0.5
        bound[0] = dataclasses.replace(MODEL, weights="others")
        with pytest.raises(ModelMismatchError):
            await image_embedder.image_vector(path)

    glancing(scenario, bound=lambda: bound[0])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.jpg", "no such file"),
        ("", "not a regular file"),
        ("fifo.jpg", "not a regular file"),
        ("x" * 300, "file name too long"),
        ("nul\0.jpg", "NUL character"),
        ("loop.jpg", "too many levels of symbolic links"),
        ("\udcff.jpg", "no such file"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_reason(tmp_path: Path, name: str, said: str) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")

    async def scenario(image_embedder: ImageQueryEmbedder, worker: OnDemandWorker) -> None:
        with pytest.raises(UnreadableImageError, match=said) as caught:
            await image_embedder.image_vector(f"{tmp_path}/{name}")
        assert str(caught.value).startswith(f"{tmp_path}/{name} ")
        assert caught.value.hint
        assert worker.worker_stats.starts == 0, "no worker is needed to say so"

    glancing(scenario)


def test_a_file_without_rights_is_refused_by_the_system(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read anything")
    path = photo(tmp_path / "a.png", "red")
    path.chmod(0)

    async def scenario(image_embedder: ImageQueryEmbedder, _worker: OnDemandWorker) -> None:
        with pytest.raises(UnreadableImageError, match="permission denied"):
            await image_embedder.image_vector(str(path))

    glancing(scenario)


def test_a_service_with_a_tmp_of_its_own_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hint(image_embedder: ImageQueryEmbedder, path: str) -> str:
        with pytest.raises(UnreadableImageError) as caught:
            await image_embedder.image_vector(path)
        return caught.value.hint

    async def scenario(image_embedder: ImageQueryEmbedder, _worker: OnDemandWorker) -> None:
        missing = "/tmp/phsearch-there-is-no-such-photo.jpg"
        monkeypatch.delenv("INVOCATION_ID", raising=False)
        assert "/tmp" not in await hint(image_embedder, missing)
        monkeypatch.setenv("INVOCATION_ID", "0")
        assert "a /tmp of its own" in await hint(image_embedder, missing)
        assert "/tmp" not in await hint(image_embedder, "/home/nobody-of-that-name/a.jpg")

    glancing(scenario)


def test_a_file_is_read_as_far_as_the_bound_and_says_that_there_is_progress(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(bytes(3 << 20))
    ticks: list[None] = []
    fingerprint, data = read_regular_file(lambda: ticks.append(None), str(path), None, 3 << 20)
    assert (fingerprint.size, len(data)) == (3 << 20, 3 << 20)
    assert len(ticks) >= 3
    with pytest.raises(UnreadableImageError, match="more than 2 MB"):
        read_regular_file(lambda: None, str(path), None, 2 << 20)
    # A file of /proc says that it is empty, and is not.
    assert read_regular_file(lambda: None, "/proc/self/status")[1].startswith(b"Name:")
    with pytest.raises(UnreadableImageError, match="more than 0 MB"):
        read_regular_file(lambda: None, "/proc/self/status", None, 10)


def test_a_disk_that_does_not_answer_holds_up_no_photo_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    awake = threading.Event()
    hung = photo(tmp_path / "share" / "a.png", "red")
    well = photo(tmp_path / "home" / "b.png", "blue")

    def slow(path: str, root: str | None = None) -> int:
        if "/share/" in path:
            awake.wait(20)
        return real(path, root)

    real = safe_open.open_regular
    monkeypatch.setattr(safe_open, "open_regular", slow)

    async def scenario(image_embedder: ImageQueryEmbedder, _worker: OnDemandWorker) -> None:
        for _ in range(2):
            with pytest.raises(UnreadableImageError, match=f"{hung} cannot be read: it has not answered"):
                await image_embedder.image_vector(str(hung))
            assert (await image_embedder.image_vector(str(well)))[2] > 0.5
        awake.set()
        await asyncio.sleep(0.2)
        assert (await image_embedder.image_vector(str(hung)))[0] > 0.5, "it answers again"

    glancing(scenario, patience=0.3)


def test_no_more_photos_are_in_memory_than_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading: list[str] = []
    most = [0]
    real = safe_open.open_regular

    def counted(path: str, root: str | None = None) -> int:
        reading.append(path)
        return real(path, root)

    monkeypatch.setattr(safe_open, "open_regular", counted)

    async def one(image_embedder: ImageQueryEmbedder, path: str) -> None:
        await image_embedder.image_vector(path)
        reading.remove(path)
        most[0] = max(most[0], len(reading))

    async def scenario(image_embedder: ImageQueryEmbedder, _worker: OnDemandWorker) -> None:
        paths = [str(photo(tmp_path / f"slow{number}.png", "red")) for number in range(8)]
        await asyncio.gather(*(one(image_embedder, path) for path in paths))
        assert most[0] <= image_query.MAX_CONCURRENT

    glancing(scenario)


@pytest.mark.parametrize(
    "lie",
    [
        "no JSON",
        "deep JSON",
        "a list",
        "four gigabytes",
        "no header",
        "no reason",
        "reason of numbers",
        "bytes of a vector",
        "no vector",
        "long vector",
        "huge vector",
        "nan",
    ],
)
def test_a_worker_that_was_taken_over_is_not_believed_and_the_next_photo_gets_another(tmp_path: Path, lie: str) -> None:
    async def scenario(image_embedder: ImageQueryEmbedder, worker: OnDemandWorker) -> None:
        honest, lies = str(photo(tmp_path / "a.png", "red")), str(photo(tmp_path / "lies.png", "red"))
        with pytest.raises(UnreadableImageError, match="did not survive it") as caught:
            await image_embedder.image_vector(lies)
        assert str(caught.value).startswith(f"{lies} is of no use for like: ")
        assert worker.worker_stats.exits == {"crash": 1}
        assert np.array_equal(await image_embedder.image_vector(honest), [1, 0, 0, 0])
        assert worker.worker_stats.starts == 2

    glancing(scenario, lambda: on_demand(program=COMPROMISED_WORKER, lie=lie))
