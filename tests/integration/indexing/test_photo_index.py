"""The index as one thing: library, matrix and store agree, whatever order things happen in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from phsearch.domain.library import Library
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.vector_index import VectorIndex
from phsearch.domain.types import ContentDigest, Fingerprint, PhotoInfo
from phsearch.service.events import EventBus
from phsearch.service.indexing.photo_index import PhotoIndex, SequenceNumbers
from phsearch.service.indexing.store_writer import StoreWriter
from phsearch.service.threads import SerialExecutor
from support.store.kit import NothingStored

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = b"0123456789abcdef"
VECTOR = np.array([0.6, 0.8], np.float32)
INFO = PhotoInfo(64, 48, "PNG")
STATE = Fingerprint(1, 2)


@pytest.fixture
def executor() -> Iterator[SerialExecutor]:
    executor = SerialExecutor("rank")
    yield executor
    executor.close()


def a_photo_index(executor: SerialExecutor) -> PhotoIndex:
    no_store: Any = None  # nothing is written here
    return PhotoIndex(
        library=Library(),
        index=VectorIndex(),
        rank_executor=executor,
        store=NothingStored(),  # type: ignore[arg-type]
        unrooted={},
        store_executor=executor,
        writer=StoreWriter(store=no_store, executor=executor, idle=lambda: True),
        events=EventBus(),
        roots=Roots(["/photos"]),
        decoder="v1",
        sequence=SequenceNumbers(saved=0, save=lambda _number: None),
    )


async def reuse(photo_index: PhotoIndex, path: str, digest: bytes) -> bool:
    return bool(await photo_index.reuse_vectors({path: ContentDigest(STATE, digest)}))


def test_a_photo_that_lies_elsewhere_the_moment_it_is_gone_costs_nothing(executor: SerialExecutor) -> None:
    async def scenario() -> None:
        photo_index = a_photo_index(executor)
        photo_index.add_photo("/photos/old.png", STATE, CONTENT, INFO, VECTOR)
        photo_index.remove_photos(["/photos/old.png"])
        # Not one turn of the loop later: a scan finds the new name while the old one's vector is being taken out.
        assert await reuse(photo_index, "/photos/new.png", CONTENT)
        assert (photo_index.counters.embedded, photo_index.counters.reused) == (1, 1)

    asyncio.run(scenario())


def test_two_photos_that_were_swapped_cost_nothing(executor: SerialExecutor) -> None:
    async def scenario() -> None:
        photo_index, other = a_photo_index(executor), b"another content."
        photo_index.add_photo("/photos/a.png", STATE, CONTENT, INFO, VECTOR)
        photo_index.add_photo("/photos/b.png", STATE, other, INFO, -VECTOR)
        # As a scan finds them, one after the other.
        assert await reuse(photo_index, "/photos/a.png", other)
        assert await reuse(photo_index, "/photos/b.png", CONTENT)

    asyncio.run(scenario())


def test_copies_that_are_found_together_have_each_the_vector_of_its_own_content(executor: SerialExecutor) -> None:
    async def scenario() -> None:
        photo_index = a_photo_index(executor)
        vectors = {bytes([number] * 16): np.eye(4, dtype=np.float32)[number] for number in range(4)}
        for digest, vector in vectors.items():
            photo_index.add_photo(f"/photos/{digest[0]}.png", STATE, digest, INFO, vector)
        photo_index.remove_photos(["/photos/2.png"])  # known by its content only
        copies = {f"/photos/copy of {digest[0]}.png": ContentDigest(STATE, digest) for digest in vectors}
        new = {"/photos/new.png": ContentDigest(STATE, b"another content.")}
        assert await photo_index.reuse_vectors(new | copies) == set(copies)
        for path, content in copies.items():
            found = await executor.submit(photo_index._index.vector, path)
            assert found is not None
            assert found.tolist() == vectors[content.digest].tolist()

    asyncio.run(scenario())


def test_a_photo_that_another_was_renamed_on_to_is_remembered(executor: SerialExecutor) -> None:
    async def scenario() -> None:
        photo_index = a_photo_index(executor)
        photo_index.add_photo("/photos/a.png", STATE, CONTENT, INFO, VECTOR)
        photo_index.add_photo("/photos/b.png", STATE, b"another content.", INFO, -VECTOR)
        assert photo_index.move_photo("/photos/b.png", "/photos/a.png")
        assert await reuse(photo_index, "/photos/copy of a.png", CONTENT)

    asyncio.run(scenario())


def test_a_removed_photo_is_remembered_by_its_content(executor: SerialExecutor) -> None:
    async def scenario() -> None:
        photo_index = a_photo_index(executor)
        photo_index.add_photo("/photos/x.png", STATE, CONTENT, INFO, VECTOR)
        photo_index.remove_photos(["/photos/x.png"])
        await asyncio.sleep(0)
        assert not await reuse(photo_index, "/photos/y.png", b"another content.")
        assert await reuse(photo_index, "/photos/y.png", CONTENT)
        photo = photo_index.library.get("/photos/y.png")
        assert photo is not None
        assert photo.info == INFO

    asyncio.run(scenario())


def test_what_a_photo_showed_before_it_was_rewritten_failed_or_overwritten_is_remembered(
    executor: SerialExecutor,
) -> None:
    async def scenario() -> None:
        photo_index = a_photo_index(executor)
        for number, name in enumerate(("rewritten", "broken", "overwritten", "other")):
            photo_index.add_photo(f"/photos/{name}.png", STATE, bytes([number] * 16), INFO, VECTOR)
        photo_index.add_photo("/photos/rewritten.png", STATE, CONTENT, INFO, -VECTOR)
        photo_index.record_failure("/photos/broken.png", STATE, "broken", "", None)
        photo_index.move_photo("/photos/other.png", "/photos/overwritten.png")
        for number in range(3):
            assert await reuse(photo_index, f"/photos/found-{number}.png", bytes([number] * 16)), number

    asyncio.run(scenario())
