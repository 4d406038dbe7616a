"""Small pictures of the library: which are cached, of which photos, and what may reach a terminal."""

from __future__ import annotations

import asyncio
import io
import os
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from phsearch.domain.library import Library
from phsearch.domain.types import Fingerprint, Photo, PhotoInfo
from phsearch.errors import OutsideLibraryError, UnreadableImageError
from phsearch.service.search.thumbnails import Thumbnail, Thumbnails
from support.harness import photo
from support.on_demand import on_demand
from support.time_limits import scaled
from support.workers import COMPROMISED_WORKER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from phsearch.service.workers.on_demand import OnDemandWorker


def run_with_thumbnails(
    scenario: Callable[[Thumbnails, OnDemandWorker], Awaitable[None]],
    library: Library,
    worker: Callable[[], OnDemandWorker] = on_demand,
    *,
    follow: bool = False,
    cache_bytes: int = 32 << 20,
) -> None:
    async def within_a_loop() -> None:
        on_demand_worker = worker()
        try:
            thumbnails = Thumbnails(
                worker=on_demand_worker, library=library, follow=lambda: follow, cache_bytes=cache_bytes
            )
            await scenario(thumbnails, on_demand_worker)
        finally:
            await on_demand_worker.stop_now()

    asyncio.run(within_a_loop())


def library(*paths: Path, digest: bytes = b"") -> Library:
    """Return a library of these photos as they are; `digest` makes them copies of each other."""
    return Library([_photo_of(path, digest or os.fsencode(path)) for path in paths])


def _photo_of(path: Path, digest: bytes) -> Photo:
    status = path.stat()
    fingerprint = Fingerprint.of(status)
    return Photo(str(path), str(path.parent), fingerprint, digest, PhotoInfo(64, 48, "PNG"), 0)


def colour(thumbnail: Thumbnail) -> tuple[int, ...]:
    pixel = (
        Image.open(io.BytesIO(thumbnail.data)).convert("RGB").getpixel((thumbnail.width // 2, thumbnail.height // 2))
    )
    assert isinstance(pixel, tuple)
    return pixel


def test_a_picture_is_not_made_twice(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", "red")

    async def scenario(thumbnails: Thumbnails, worker: OnDemandWorker) -> None:
        made = await thumbnails.get(str(path), 32, 32, "png")
        assert (made.width, made.height) == (32, 24)
        path.unlink()
        await worker.stop_now()
        assert await thumbnails.get(str(path), 32, 32, "png") is made, "also while its disk is away"
        with pytest.raises(UnreadableImageError, match="no such file"):
            await thumbnails.get(str(path), 16, 16, "png")

    run_with_thumbnails(scenario, library(path))


def test_only_photos_of_the_library_have_pictures(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", "red")

    async def scenario(thumbnails: Thumbnails, worker: OnDemandWorker) -> None:
        with pytest.raises(OutsideLibraryError, match="no photo of the library"):
            await thumbnails.get(str(path), 32, 32, "png")
        assert worker.worker_stats.starts == 0

    run_with_thumbnails(scenario, library())


def test_a_photo_that_has_just_changed_is_not_cached_as_the_old_one(tmp_path: Path) -> None:
    first, copy = photo(tmp_path / "a.png", "red"), tmp_path / "copy.png"
    copy.write_bytes(first.read_bytes())
    known = library(first, copy, digest=b"the same")

    async def scenario(thumbnails: Thumbnails, _worker: OnDemandWorker) -> None:
        photo(first, "blue", (80, 60))
        assert colour(await thumbnails.get(str(first), 32, 32, "png")) == (0, 0, 255)
        assert colour(await thumbnails.get(str(copy), 32, 32, "png")) == (255, 0, 0)

    run_with_thumbnails(scenario, known)


def test_cached_pictures_are_bounded_by_their_bytes(tmp_path: Path) -> None:
    paths = [photo(tmp_path / f"{number}.png", "red") for number in range(6)]
    sizes: list[int] = []

    async def measure(thumbnails: Thumbnails, _worker: OnDemandWorker) -> None:
        sizes.append(len((await thumbnails.get(str(paths[0]), 32, 32, "png")).data))

    async def scenario(thumbnails: Thumbnails, worker: OnDemandWorker) -> None:
        # Asked for at once one picture is made several times, but it counts only once.
        await asyncio.gather(*(thumbnails.get(str(paths[0]), 32, 32, "png") for _ in range(5)))
        for path in paths[1:]:  # the same colours make pictures of about the same size
            await thumbnails.get(str(path), 32, 32, "png")
        await worker.stop_now()
        for path in paths:
            path.unlink()
        assert [await cached(thumbnails, path) for path in paths] == [False] * 3 + [True] * 3

    async def cached(thumbnails: Thumbnails, path: Path) -> bool:
        try:
            await thumbnails.get(str(path), 32, 32, "png")
        except UnreadableImageError:
            return False
        return True

    run_with_thumbnails(measure, library(*paths))
    run_with_thumbnails(scenario, library(*paths), cache_bytes=sizes[0] * 7 // 2)


def test_a_link_is_followed_only_where_the_library_follows_links(tmp_path: Path) -> None:
    inside = photo(tmp_path / "photos" / "a.png", "red")
    known = library(inside)
    secret = photo(tmp_path / "secret.png", "blue")
    inside.unlink()
    inside.symlink_to(secret)

    async def refused(thumbnails: Thumbnails, _worker: OnDemandWorker) -> None:
        with pytest.raises(UnreadableImageError, match="link"):
            await thumbnails.get(str(inside), 32, 32, "png")

    async def followed(thumbnails: Thumbnails, _worker: OnDemandWorker) -> None:
        assert colour(await thumbnails.get(str(inside), 32, 32, "png")) == (0, 0, 255)

    run_with_thumbnails(refused, known)
    run_with_thumbnails(followed, known, follow=True)


@pytest.mark.parametrize(
    ("form", "lie"),
    [
        ("png", "no size"),
        ("png", "size in words"),
        ("png", "too wide"),
        ("png", "orders to a terminal"),
        ("jpeg", "orders to a terminal"),
        ("sixel", "orders to a terminal"),
        ("sixel", "orders in a sixel"),
        ("sixel", "orders behind a sixel"),
        ("sixel", "line behind a sixel"),
    ],
)
def test_a_compromised_decoder_reaches_no_terminal(tmp_path: Path, form: str, lie: str) -> None:
    honest, lies = photo(tmp_path / "a.png", "red"), photo(tmp_path / "lies.png", "red")

    async def scenario(thumbnails: Thumbnails, worker: OnDemandWorker) -> None:
        with pytest.raises(UnreadableImageError, match="cannot be shown: the decoder did not survive it"):
            await thumbnails.get(str(lies), 64, 64, form)
        assert (await thumbnails.get(str(honest), 64, 64, form)).width == 8
        assert worker.worker_stats.starts == 2

    run_with_thumbnails(scenario, library(honest, lies), lambda: on_demand(program=COMPROMISED_WORKER, lie=lie))


def test_a_picture_that_never_gets_small_is_given_up(tmp_path: Path) -> None:
    lies = photo(tmp_path / "lies.png", "red")

    async def scenario(thumbnails: Thumbnails, _worker: OnDemandWorker) -> None:
        async with asyncio.timeout(scaled(10)):
            with pytest.raises(UnreadableImageError, match="cannot be made small"):
                await thumbnails.get(str(lies), 64, 64, "sixel")

    run_with_thumbnails(scenario, library(lies), lambda: on_demand(program=COMPROMISED_WORKER, lie="never small"))
