"""The index as one thing: library, matrix and store agree, whatever order things happen in."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from phsearch.domain.library import Library
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.vector_index import VectorIndex
from phsearch.domain.types import Fingerprint, PhotoInfo
from phsearch.service.events import Events
from phsearch.service.indexing.photo_index import Catalog
from phsearch.service.indexing.store_writer import Writer
from phsearch.service.threads import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = b"0123456789abcdef"
VECTOR = np.array([0.6, 0.8], np.float32)
INFO = PhotoInfo(64, 48, "PNG")
STATE = Fingerprint(1, 2)


@pytest.fixture
def lane() -> Iterator[Lane]:
    lane = Lane("rank")
    yield lane
    lane.close()


def a_catalog(lane: Lane) -> Catalog:
    store: Any = SimpleNamespace(retired=lambda _digest: False)  # nothing is written here
    writer = Writer(store, lane, idle=lambda: True)
    return Catalog(Library(), VectorIndex(), lane, writer, Events(), Roots(["/photos"]))


def test_a_photo_that_lies_elsewhere_the_moment_it_is_gone_costs_nothing(lane: Lane) -> None:
    async def scenario() -> None:
        catalog = a_catalog(lane)
        catalog.add("/photos/old.png", STATE, CONTENT, INFO, VECTOR)
        catalog.remove("/photos/old.png")
        # Not one turn of the loop later: a scan finds the new name while the old one's vector is being taken out.
        assert await catalog.reuse("/photos/new.png", STATE, CONTENT)
        assert (catalog.counters.embedded, catalog.counters.reused) == (1, 1)

    asyncio.run(scenario())


def test_two_photos_that_were_swapped_cost_nothing(lane: Lane) -> None:
    async def scenario() -> None:
        catalog, other = a_catalog(lane), b"another content."
        catalog.add("/photos/a.png", STATE, CONTENT, INFO, VECTOR)
        catalog.add("/photos/b.png", STATE, other, INFO, -VECTOR)
        # As a scan finds them, one after the other.
        assert await catalog.reuse("/photos/a.png", STATE, other)
        assert await catalog.reuse("/photos/b.png", STATE, CONTENT)

    asyncio.run(scenario())


def test_a_photo_that_another_was_renamed_on_to_is_remembered(lane: Lane) -> None:
    async def scenario() -> None:
        catalog = a_catalog(lane)
        catalog.add("/photos/a.png", STATE, CONTENT, INFO, VECTOR)
        catalog.add("/photos/b.png", STATE, b"another content.", INFO, -VECTOR)
        assert catalog.move("/photos/b.png", "/photos/a.png")
        assert await catalog.reuse("/photos/copy of a.png", STATE, CONTENT)

    asyncio.run(scenario())


def test_a_removed_photo_is_remembered_by_its_content(lane: Lane) -> None:
    async def scenario() -> None:
        catalog = a_catalog(lane)
        catalog.add("/photos/x.png", STATE, CONTENT, INFO, VECTOR)
        catalog.remove("/photos/x.png")
        await asyncio.sleep(0)
        assert not await catalog.reuse("/photos/y.png", STATE, b"another content.")
        assert await catalog.reuse("/photos/y.png", STATE, CONTENT)
        photo = catalog.library.get("/photos/y.png")
        assert photo is not None
        assert photo.info == INFO

    asyncio.run(scenario())


def test_what_a_photo_showed_before_it_was_rewritten_failed_or_overwritten_is_remembered(lane: Lane) -> None:
    async def scenario() -> None:
        catalog = a_catalog(lane)
        for number, name in enumerate(("rewritten", "broken", "overwritten", "other")):
            catalog.add(f"/photos/{name}.png", STATE, bytes([number] * 16), INFO, VECTOR)
        catalog.add("/photos/rewritten.png", STATE, CONTENT, INFO, -VECTOR)
        catalog.fail("/photos/broken.png", STATE, "broken", "", None)
        catalog.move("/photos/other.png", "/photos/overwritten.png")
        for number in range(3):
            assert await catalog.reuse(f"/photos/found-{number}.png", STATE, bytes([number] * 16)), number

    asyncio.run(scenario())
