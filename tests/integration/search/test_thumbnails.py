"""Small pictures of the library: which are kept, whose they are, and what is let through to a terminal."""

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
from phsearch.service.search import thumbnails as whole
from phsearch.service.search.thumbnails import Thumbnail, Thumbnails
from support.harness import photo
from support.on_demand import on_demand
from support.workers import COMPROMISED_WORKER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from phsearch.service.workers.on_demand import OnDemandWorker


def showing(
    scenario: Callable[[Thumbnails, OnDemandWorker], Awaitable[None]],
    library: Library,
    worker: Callable[[], OnDemandWorker] = on_demand,
    *,
    follow: bool = False,
) -> None:
    async def all_of_it() -> None:
        summoned_one = worker()
        try:
            await scenario(Thumbnails(summoned_one, library, lambda: follow), summoned_one)
        finally:
            await summoned_one.stop_now()

    asyncio.run(all_of_it())


def library(*paths: Path, digest: bytes = b"") -> Library:
    """Give a library of these photos as they are; `digest` where they are to be the same."""
    return Library([_row(path, digest or os.fsencode(path)) for path in paths])


def _row(path: Path, digest: bytes) -> Photo:
    status = path.stat()
    fingerprint = Fingerprint.of(status)
    return Photo(str(path), str(path.parent), fingerprint, digest, PhotoInfo(64, 48, "PNG"), 0)


def colour(made: Thumbnail) -> tuple[int, ...]:
    pixel = Image.open(io.BytesIO(made.data)).convert("RGB").getpixel((made.width // 2, made.height // 2))
    assert isinstance(pixel, tuple)
    return pixel


def test_a_picture_asked_for_again_is_not_made_again(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", "red")

    async def scenario(thumbnails: Thumbnails, worker: OnDemandWorker) -> None:
        made = await thumbnails.get(str(path), 32, 32, "png")
        assert (made.width, made.height) == (32, 24)
        path.unlink()
        await worker.stop_now()
        assert await thumbnails.get(str(path), 32, 32, "png") is made, "also while its disk is away"
        with pytest.raises(UnreadableImageError, match="no such file"):
            await thumbnails.get(str(path), 16, 16, "png")

    showing(scenario, library(path))


def test_pictures_are_of_the_library_alone(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", "red")

    async def scenario(thumbnails: Thumbnails, worker: OnDemandWorker) -> None:
        with pytest.raises(OutsideLibraryError, match="no photo of the library"):
            await thumbnails.get(str(path), 32, 32, "png")
        assert worker.worker_stats.starts == 0

    showing(scenario, library())


def test_a_photo_that_has_just_changed_is_not_kept_as_the_one_it_was(tmp_path: Path) -> None:
    first, copy = photo(tmp_path / "a.png", "red"), tmp_path / "copy.png"
    copy.write_bytes(first.read_bytes())
    known = library(first, copy, digest=b"the same")

    async def scenario(thumbnails: Thumbnails, _worker: OnDemandWorker) -> None:
        photo(first, "blue", (80, 60))
        assert colour(await thumbnails.get(str(first), 32, 32, "png")) == (0, 0, 255)
        assert colour(await thumbnails.get(str(copy), 32, 32, "png")) == (255, 0, 0)

    showing(scenario, known)


def test_what_is_kept_is_counted_as_it_is_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [photo(tmp_path / f"{number}.png", "red") for number in range(6)]

    async def scenario(thumbnails: Thumbnails, worker: OnDemandWorker) -> None:
        made = await asyncio.gather(*(thumbnails.get(str(paths[0]), 32, 32, "png") for _ in range(5)))
        size = len(made[0].data)
        monkeypatch.setattr(whole, "_KEPT_BYTES", size * 7 // 2)
        for path in paths[1:]:  # the same colours make pictures of about the same size
            await thumbnails.get(str(path), 32, 32, "png")
        await worker.stop_now()
        for path in paths:
            path.unlink()
        assert [await kept(thumbnails, path) for path in paths] == [False] * 3 + [True] * 3

    async def kept(thumbnails: Thumbnails, path: Path) -> bool:
        try:
            await thumbnails.get(str(path), 32, 32, "png")
        except UnreadableImageError:
            return False
        return True

    showing(scenario, library(*paths))


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

    showing(refused, known)
    showing(followed, known, follow=True)


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
def test_a_decoder_that_was_taken_over_reaches_no_terminal(tmp_path: Path, form: str, lie: str) -> None:
    honest, lies = photo(tmp_path / "a.png", "red"), photo(tmp_path / "lies.png", "red")

    async def scenario(thumbnails: Thumbnails, worker: OnDemandWorker) -> None:
        with pytest.raises(UnreadableImageError, match="cannot be shown: the decoder did not survive it"):
            await thumbnails.get(str(lies), 64, 64, form)
        assert (await thumbnails.get(str(honest), 64, 64, form)).width == 8
        assert worker.worker_stats.starts == 2

    showing(scenario, library(honest, lies), lambda: on_demand(program=COMPROMISED_WORKER, lie=lie))


def test_a_picture_that_never_gets_small_is_given_up(tmp_path: Path) -> None:
    lies = photo(tmp_path / "lies.png", "red")

    async def scenario(thumbnails: Thumbnails, _worker: OnDemandWorker) -> None:
        async with asyncio.timeout(10):
            with pytest.raises(UnreadableImageError, match="cannot be made small"):
                await thumbnails.get(str(lies), 64, 64, "sixel")

    showing(scenario, library(lies), lambda: on_demand(program=COMPROMISED_WORKER, lie="never small"))
