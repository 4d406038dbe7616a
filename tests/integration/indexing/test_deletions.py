"""How many photos may be deleted while the daemon watches before it waits for a scan."""

from __future__ import annotations

import asyncio

from phsearch.domain.library import Library
from phsearch.domain.roots.deletion_policy import MassDeletionGuard
from phsearch.domain.types import Fingerprint, Photo, PhotoInfo
from phsearch.service.indexing.deletions import Deletions
from support.time_limits import scaled

ROOT = "/photos"


class Rig:
    """A root of so many photos, and what became of them."""

    def __init__(self, photos: int, *, same: int = 0) -> None:
        """Give the first `same` photos a copy in another root."""
        self.scans = 0
        self.library = Library()
        for number in range(photos):
            self.put(self.path(number), number)
            if number < same:
                self.put(f"/copies/{number}", number)
        self.deletions = Deletions(
            root=ROOT,
            guard=MassDeletionGuard(0.3, 50),
            library=self.library,
            remove=lambda paths: [self.library.remove_photo(path) for path in paths],
            on_mass_deletion=self._scan,
        )

    def put(self, path: str, number: int) -> None:
        root = path.rpartition("/")[0]
        known = Fingerprint(number, 1)
        self.library.put_photo(Photo(path, root, known, number.to_bytes(16, "big"), PhotoInfo(1, 1, "PNG"), 0.0))

    def path(self, number: int) -> str:
        return f"{ROOT}/{number}"

    def delete(self, numbers: range) -> None:
        for number in numbers:
            self.deletions.add(self.path(number))

    async def over(self) -> None:
        async with asyncio.timeout(scaled(10)):
            while self.deletions.burst or self.deletions.gone or (self.deletions.held and not self.scans):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)

    @property
    def left(self) -> int:
        return self.library.count(ROOT)

    def _scan(self) -> None:
        self.scans += 1


def test_an_album_of_a_large_library_is_removed_at_once() -> None:
    async def scenario() -> None:
        rig = Rig(10_000)
        rig.delete(range(50))
        await asyncio.sleep(0)
        assert (rig.left, rig.deletions.held, rig.scans) == (9_950, set(), 0)

    asyncio.run(scenario())


def test_a_few_photos_are_removed_at_once_even_if_they_are_all() -> None:
    async def scenario() -> None:
        rig = Rig(49)
        rig.delete(range(49))
        await rig.over()
        assert (rig.left, rig.scans) == (0, 0)

    asyncio.run(scenario())


def test_most_of_a_library_is_held_except_for_the_first_few_and_a_scan_is_asked_for_once() -> None:
    async def scenario() -> None:
        rig = Rig(200)
        rig.delete(range(61))
        await rig.over()
        assert (rig.left, len(rig.deletions.held), rig.scans) == (194, 55, 1)
        rig.delete(range(61))
        assert (rig.left, len(rig.deletions.burst)) == (194, 0), "what is held stays held, however often it is reported"

    asyncio.run(scenario())


def test_a_deletion_that_a_slow_disk_splits_is_one() -> None:
    async def scenario() -> None:
        rig = Rig(200)
        rig.delete(range(40))
        await rig.over()
        assert rig.left == 160
        rig.delete(range(40, 140))
        await rig.over()
        assert (rig.left, len(rig.deletions.held), rig.scans) == (160, 100, 1)

    asyncio.run(scenario())


def test_files_that_return_are_held_no_longer() -> None:
    async def scenario() -> None:
        rig = Rig(200)
        rig.delete(range(100))
        await rig.over()
        for number in range(100):
            rig.deletions.discard(rig.path(number))
        assert (rig.left, rig.deletions.held) == (194, set())

    asyncio.run(scenario())


def test_photos_that_are_elsewhere_in_the_library_are_not_missing() -> None:
    async def scenario() -> None:
        rig = Rig(200, same=200)
        rig.delete(range(200))
        await asyncio.sleep(0)
        assert (rig.left, len(rig.library), rig.scans) == (0, 200, 0), "moved to another disk"

    asyncio.run(scenario())
