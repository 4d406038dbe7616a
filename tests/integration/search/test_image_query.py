"""Embedding photos outside the library: what is remembered, what is refused, and which answers are not trusted."""

from __future__ import annotations

import asyncio
import contextlib
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
from support.time_limits import scaled
from support.workers import COMPROMISED_WORKER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from phsearch.domain.types import ModelIdentity
    from phsearch.service.workers.on_demand import OnDemandWorker


def run_with_embedder(
    scenario: Callable[[ImageQueryEmbedder, OnDemandWorker], Awaitable[None]],
    worker: Callable[[], OnDemandWorker] = on_demand,
    bound: Callable[[], ModelIdentity] = lambda: MODEL,
    disk_timeout: float = 10,
) -> None:
    async def within_a_loop() -> None:
        on_demand_worker = worker()
        try:
            embedder = ImageQueryEmbedder(
                worker=on_demand_worker,
                bound=bound,
                in_library=lambda path: "/outside" not in path,
                is_picture=lambda data: data.startswith(b"\x89PNG"),
                disk_timeout=disk_timeout,
            )
            await scenario(embedder, on_demand_worker)
        finally:
            await on_demand_worker.stop_now()

    asyncio.run(within_a_loop())


def test_a_photo_is_embedded_once_while_its_file_stays_the_same(tmp_path: Path) -> None:
    async def scenario(image_embedder: ImageQueryEmbedder, worker: OnDemandWorker) -> None:
        path = photo(tmp_path / "a.png", "red")
        first = await image_embedder.image_vector(str(path))
        await worker.stop_now()
        assert await image_embedder.image_vector(str(path)) is first
        assert worker.worker_stats.starts == 1, "a remembered vector needs no worker"
        photo(path, "blue", (65, 48))
        assert (await image_embedder.image_vector(str(path)))[2] > 0.5
        assert worker.worker_stats.starts == 2

    run_with_embedder(scenario)


def test_only_vectors_of_the_model_of_the_index_count(tmp_path: Path) -> None:
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

    run_with_embedder(scenario, bound=lambda: bound[0])


@pytest.mark.parametrize(
    ("name", "reason"),
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
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")

    async def scenario(image_embedder: ImageQueryEmbedder, worker: OnDemandWorker) -> None:
        with pytest.raises(UnreadableImageError, match=reason) as caught:
            await image_embedder.image_vector(f"{tmp_path}/{name}")
        assert str(caught.value).startswith(f"{tmp_path}/{name} ")
        assert caught.value.hint
        assert worker.worker_stats.starts == 0, "no worker is needed for that"

    run_with_embedder(scenario)


def test_outside_the_library_one_answer_for_all_that_is_no_picture(tmp_path: Path) -> None:
    folder = tmp_path / "outside"
    (folder / "folder").mkdir(parents=True)
    os.mkfifo(folder / "fifo")
    (folder / "empty").touch()
    (folder / "text").write_text("words")
    (folder / "key").write_text("secret")
    (folder / "key").chmod(0)
    (folder / "loop").symlink_to("loop")
    damaged = photo(folder / "damaged.png", "red")
    damaged.write_bytes(damaged.read_bytes()[:40])

    async def answer(image_embedder: ImageQueryEmbedder, name: str) -> str:
        with pytest.raises(UnreadableImageError) as caught:
            await image_embedder.image_vector(f"{folder}/{name}")
        return caught.value.sentence().replace(f"{folder}/{name} ", "")

    async def scenario(image_embedder: ImageQueryEmbedder, _worker: OnDemandWorker) -> None:
        names = ["folder", "fifo", "empty", "text", "key", "loop", "nowhere", "text/x", "nul\0", "x" * 300]
        answers = {await answer(image_embedder, name) for name in names}
        assert len(answers) == 1, answers
        assert "is of no use for like:" in await answer(image_embedder, "damaged.png"), (
            "of a picture the reason is told"
        )

    run_with_embedder(scenario)


def test_a_file_without_rights_is_refused_by_the_system(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read anything")
    path = photo(tmp_path / "a.png", "red")
    path.chmod(0)

    async def scenario(image_embedder: ImageQueryEmbedder, _worker: OnDemandWorker) -> None:
        with pytest.raises(UnreadableImageError, match="permission denied"):
            await image_embedder.image_vector(str(path))

    run_with_embedder(scenario)


def test_a_service_with_a_private_tmp_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
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

    run_with_embedder(scenario)


def test_a_file_is_read_up_to_the_maximum_and_reports_progress(tmp_path: Path) -> None:
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


def test_a_disk_that_does_not_answer_delays_no_photo_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering = threading.Event()
    stalled = photo(tmp_path / "share" / "a.png", "red")
    working = photo(tmp_path / "home" / "b.png", "blue")

    def slow(path: str, root: str | None = None) -> int:
        if "/share/" in path:
            answering.wait(scaled(20))
        return real(path, root)

    real = safe_open.open_regular
    monkeypatch.setattr(safe_open, "open_regular", slow)

    async def scenario(image_embedder: ImageQueryEmbedder, _worker: OnDemandWorker) -> None:
        for _ in range(2):
            with pytest.raises(UnreadableImageError, match=f"{stalled} cannot be read: it has not answered"):
                await image_embedder.image_vector(str(stalled))
            assert (await image_embedder.image_vector(str(working)))[2] > 0.5
        answering.set()
        async with asyncio.timeout(scaled(10)):
            while True:
                with contextlib.suppress(UnreadableImageError):
                    assert (await image_embedder.image_vector(str(stalled)))[0] > 0.5, "it answers again"
                    break
                await asyncio.sleep(0.01)

    run_with_embedder(scenario, disk_timeout=scaled(0.1))


def test_no_more_photos_are_in_memory_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading: list[str] = []
    maximum = [0]
    real = safe_open.open_regular

    def open_and_count(path: str, root: str | None = None) -> int:
        reading.append(path)
        return real(path, root)

    monkeypatch.setattr(safe_open, "open_regular", open_and_count)

    async def embed(image_embedder: ImageQueryEmbedder, path: str) -> None:
        await image_embedder.image_vector(path)
        reading.remove(path)
        maximum[0] = max(maximum[0], len(reading))

    async def scenario(image_embedder: ImageQueryEmbedder, _worker: OnDemandWorker) -> None:
        paths = [str(photo(tmp_path / f"slow{number}.png", "red")) for number in range(8)]
        await asyncio.gather(*(embed(image_embedder, path) for path in paths))
        assert maximum[0] <= image_query.MAX_CONCURRENT

    run_with_embedder(scenario)


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
def test_a_compromised_worker_is_not_trusted_and_the_next_photo_gets_another(tmp_path: Path, lie: str) -> None:
    async def scenario(image_embedder: ImageQueryEmbedder, worker: OnDemandWorker) -> None:
        honest, lies = str(photo(tmp_path / "a.png", "red")), str(photo(tmp_path / "lies.png", "red"))
        with pytest.raises(UnreadableImageError, match="did not survive it") as caught:
            await image_embedder.image_vector(lies)
        assert str(caught.value).startswith(f"{lies} is of no use for like: ")
        assert worker.worker_stats.exits == {"crash": 1}
        assert np.array_equal(await image_embedder.image_vector(honest), [1, 0, 0, 0])
        assert worker.worker_stats.starts == 2

    run_with_embedder(scenario, lambda: on_demand(program=COMPROMISED_WORKER, lie=lie))
