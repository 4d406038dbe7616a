"""Duplicates for review: found in short turns, computed once, and cut to fit into one line."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from phsearch.domain.library import Library
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.relevance import UNCALIBRATED
from phsearch.domain.search.vector_index import VectorIndex
from phsearch.domain.types import Fingerprint
from phsearch.service.rpc.methods.library import DuplicateMethods
from phsearch.service.search.duplicates import DuplicateFinder
from phsearch.service.threads import SerialExecutor
from phsearch.wire import framing
from phsearch.wire.results.library import Duplicates
from support.photos import photo

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from phsearch.domain.types import Photo, Vectors

DIGEST = b"0" * 16


def run_with_finder(
    photos: Sequence[Photo],
    rows: Vectors,
    scenario: Callable[[DuplicateFinder, Library, SerialExecutor], Coroutine[Any, Any, None]],
) -> None:
    library, index, executor = Library(photos), VectorIndex(), SerialExecutor("rank")
    index.load(list(photos), rows)
    try:
        finder = DuplicateFinder(library=library, index=index, rank_executor=executor, calibration=lambda: UNCALIBRATED)
        asyncio.run(scenario(finder, library, executor))
    finally:
        executor.close()


def same_vectors(count: int) -> Vectors:
    return np.tile(np.eye(4, dtype=np.float32)[0], (count, 1))


def test_the_best_photo_comes_first_the_largest_and_then_the_shortest_path() -> None:
    photos = [
        photo("/p/IMG_1-edited.jpg", taken_at=None, width=320),
        photo("/p/IMG_1 copy.jpg", DIGEST, taken_at=None),
        photo("/p/IMG_1.jpg", DIGEST, taken_at=None),
        photo("/p/IMG_2.jpg", taken_at=None),
    ]

    async def scenario(finder: DuplicateFinder, _library: Library, _executor: SerialExecutor) -> None:
        (group,) = await finder.find_duplicates()
        assert [each.path for each in group.photos] == ["/p/IMG_1.jpg", "/p/IMG_1 copy.jpg", "/p/IMG_1-edited.jpg"]
        assert [len(each.photos) for each in await finder.find_duplicates("near")] == [3]
        assert [len(each.photos) for each in await finder.find_duplicates("exact")] == [2], (
            "copies beside an edit are copies"
        )
        assert await finder.find_duplicates("all", "/p/IMG") == [], "the beginning of a name is no folder"
        assert len(await finder.find_duplicates("all", "/")) == 1

    run_with_finder(photos, same_vectors(4), scenario)


@pytest.mark.parametrize(
    ("original", "copy"),
    [
        ("/p/2019/Family/Rome/dog.jpg", "/p/copy of dog.jpg"),
        ("/p/2019/Family/Rome/dog.jpg", "/p/dog (1).jpg"),
        ("/p/2019/Family/Rome/dog.jpg", "/p/backup/dog.jpg"),
        ("/p/2019/Family/Rome/dog.jpg", "/p/Downloads/dog.jpg"),
        ("/p/2019/Family/Rome/dog.jpg", "/p/old photos/x/dog.jpg"),
        ("/p/2019/Hund.jpg", "/p/Hund - Kopie.jpg"),
        ("/p/2019/older.jpg", "/p/a.jpg"),
    ],
)
def test_of_copies_the_original_comes_first_by_name_and_then_by_age(original: str, copy: str) -> None:
    photos = [photo(path, DIGEST, taken_at=None) for path in (copy, original)]
    photos[1] = dataclasses.replace(photos[1], fingerprint=Fingerprint(1000, 0))

    async def scenario(finder: DuplicateFinder, _library: Library, _executor: SerialExecutor) -> None:
        (group,) = await finder.find_duplicates("exact")
        assert [each.path for each in group.photos] == [original, copy]

    run_with_finder(photos, same_vectors(2), scenario)


@pytest.mark.parametrize("older", [False, True])
def test_a_name_says_more_than_the_age_which_copying_may_change(*, older: bool) -> None:
    copy = dataclasses.replace(photo("/p/Copy of a1.jpg", DIGEST), fingerprint=Fingerprint(1000, 0 if older else 2))

    async def scenario(finder: DuplicateFinder, _library: Library, _executor: SerialExecutor) -> None:
        (group,) = await finder.find_duplicates()
        assert group.photos[0].path == "/p/a1.jpg"

    run_with_finder([copy, photo("/p/a1.jpg", DIGEST)], same_vectors(2), scenario)


def test_a_library_that_changed_is_grouped_again() -> None:
    async def scenario(finder: DuplicateFinder, library: Library, _executor: SerialExecutor) -> None:
        assert len(await finder.find_duplicates()) == 1
        library.remove_photo("/b.jpg")
        assert await finder.find_duplicates() == []

    run_with_finder([photo("/a.jpg", DIGEST), photo("/b.jpg", DIGEST)], same_vectors(2), scenario)


def test_queries_run_in_between() -> None:
    count = 3000
    photos = [photo(f"/p/{at}.jpg", taken_at="2000-01-01T00:00:00") for at in range(count)]
    rows = np.random.default_rng(0).normal(size=(count, 64)).astype(np.float32)

    async def scenario(finder: DuplicateFinder, _library: Library, executor: SerialExecutor) -> None:
        finding = asyncio.ensure_future(finder.find_duplicates())
        answered = 0
        while not finding.done():
            await executor.submit(lambda: None)
            answered += 1
        assert answered > 5

    run_with_finder(photos, rows / np.linalg.norm(rows, axis=1, keepdims=True), scenario)


def test_a_group_too_large_for_a_line_is_cut_and_says_so() -> None:
    photos = [photo(f"/p/{'x' * 200}{at}.jpg", DIGEST) for at in range(5000)]

    async def scenario(finder: DuplicateFinder, _library: Library, _executor: SerialExecutor) -> None:
        find = DuplicateMethods(finder, Roots(["/p"])).handlers["library.dupes"]
        answer = await find(kind="all", path=None, limit=100, offset=0)
        assert isinstance(answer, Duplicates)
        (group,) = answer.groups
        assert answer.total == 1
        assert len(group.photos) > 1000
        assert group.more == 5000 - len(group.photos)
        assert len(framing.encode(answer)) < framing.MAX_LINE

    run_with_finder(photos, same_vectors(5000), scenario)
