"""Duplicates of the whole library, for review: found among photos that are related, in short turns of the rank lane."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.search.near_duplicates import NearDuplicateGrouper, SimilarityThresholds, related

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from phsearch.domain.library import Library
    from phsearch.domain.search.relevance import Calibration
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import Photo
    from phsearch.service.threads import SerialExecutor

Kind = Literal["all", "exact", "near"]

_TURN = 0.01
"""Seconds of the rank lane; then queries come in between."""


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Photos of one moment, the one to keep first."""

    photos: tuple[Photo, ...]

    @property
    def exact(self) -> bool:
        """Whether all have the same bytes."""
        return len({photo.digest for photo in self.photos}) == 1

    def copies(self) -> list[DuplicateGroup]:
        """Give those that have the same bytes, two or more."""
        same: dict[bytes, list[Photo]] = {}
        for photo in self.photos:
            same.setdefault(photo.digest, []).append(photo)
        return [DuplicateGroup(tuple(photos)) for photos in same.values() if len(photos) > 1]


class DuplicateFinder:
    """Looks for them; what it found holds until the library is another."""

    def __init__(
        self,
        library: Library,
        index: VectorIndex,
        rank_executor: SerialExecutor,
        calibration: Callable[[], Calibration],
    ) -> None:
        self._library = library
        self._index = index
        self._executor = rank_executor
        self._calibration = calibration
        self._one = asyncio.Lock()
        self._of: list[Photo] = []
        self._groups: list[DuplicateGroup] = []

    async def find_duplicates(self, kind: Kind = "all", under: str | None = None) -> list[DuplicateGroup]:
        """Give the groups of a kind, by the path of their first photo; only those with a photo at or below `under`."""
        async with self._one:  # a list that is read in pages is made once
            photos = self._library.photos()
            if photos != self._of:
                self._groups = await self._found(photos)
                self._of = photos
            groups = self._groups
        return await asyncio.to_thread(_chosen, groups, kind, under)

    async def _found(self, photos: Sequence[Photo]) -> list[DuplicateGroup]:
        photos, parts = await asyncio.to_thread(_parts, photos)
        thresholds = await self._executor.submit(
            lambda: SimilarityThresholds.known(self._calibration(), self._index.sample())
        )
        groups: list[DuplicateGroup] = []
        steps = self._steps(photos, parts, thresholds)
        while (some := await self._executor.submit(_turn, steps)) is not None:
            groups += some
        return groups

    def _steps(
        self, photos: Sequence[Photo], parts: Sequence[Sequence[int]], thresholds: SimilarityThresholds
    ) -> Iterator[DuplicateGroup | None]:
        """Give the groups, and None after each photo, for one may take a while."""
        for part in parts:
            moments = NearDuplicateGrouper(thresholds, self._index.vectors)
            for place in part:
                moments.add_photo(photos[place])
                yield None
            yield from (
                DuplicateGroup(tuple(photos[part[at]] for at in group)) for group in moments.groups if len(group) > 1
            )


def _turn(steps: Iterator[DuplicateGroup | None]) -> list[DuplicateGroup] | None:
    """Go on for a while; gives what was found, None at the end."""
    until = time.monotonic() + _TURN
    found: list[DuplicateGroup] | None = None
    for step in steps:
        found = found or []
        if step is not None:
            found.append(step)
        if time.monotonic() > until:
            break
    return found


def _parts(photos: Sequence[Photo]) -> tuple[list[Photo], list[list[int]]]:
    """Put what is to be kept first, and tell which photos are related."""
    ordered = sorted(photos, key=_worth)
    return ordered, related(ordered)


def _chosen(groups: Sequence[DuplicateGroup], kind: Kind, under: str | None) -> list[DuplicateGroup]:
    match kind:
        case "all":
            chosen = list(groups)
        case "exact":
            chosen = [copies for group in groups for copies in group.copies()]
        case "near":
            chosen = [group for group in groups if not group.exact]
    if under is not None:
        chosen = [group for group in chosen if any(_inside(photo.path, under) for photo in group.photos)]
    return sorted(chosen, key=lambda group: group.photos[0].path)


def _worth(photo: Photo) -> tuple[int, int, int, str]:
    """Sort what is to be kept first: the most pixels, the most bytes, the shortest and then the first path."""
    return -photo.info.width * photo.info.height, -photo.fingerprint.size, len(photo.path), photo.path


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(dir_prefix(folder))
