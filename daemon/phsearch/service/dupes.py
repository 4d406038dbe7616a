"""Duplicates of the whole library, for review: found among photos that are related, a handful at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.moments import Closeness, collapse, related

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from phsearch.domain.library import Library
    from phsearch.domain.ranking import VectorIndex
    from phsearch.domain.relevance import Calibration
    from phsearch.domain.types import Photo
    from phsearch.service.lanes import Lane

_AT_ONCE = 2_000
"""Photos compared in one turn of the rank lane: some milliseconds, and queries come in between."""


@dataclass(frozen=True, slots=True)
class Group:
    """Photos of one moment, the one to keep first; `exact` where all have the same bytes."""

    exact: bool
    photos: tuple[Photo, ...]


class Dupes:
    """Looks for them anew each time."""

    def __init__(
        self, library: Library, index: VectorIndex, rank_lane: Lane, calibration: Callable[[], Calibration]
    ) -> None:
        self._library = library
        self._index = index
        self._lane = rank_lane
        self._calibration = calibration

    async def find(self, under: str | None = None) -> list[Group]:
        """Give all groups, by the path of their first photo; only those with a photo below `under`, if it is given."""
        photos = sorted(self._library.photos(), key=_worth)
        parts = await asyncio.to_thread(related, photos)
        closeness = await self._lane.run(lambda: Closeness.known(self._calibration(), self._index.some()))
        groups: list[Group] = []
        for some in _slices(parts):
            chosen = [[photos[place] for place in part] for part in some]
            groups += await self._lane.run(self._grouped, chosen, closeness)
        inside = (
            group for group in groups if under is None or any(_below(photo.path, under) for photo in group.photos)
        )
        return sorted(inside, key=lambda group: group.photos[0].path)

    def _grouped(self, parts: Sequence[Sequence[Photo]], closeness: Closeness) -> list[Group]:
        groups = []
        for photos in parts:
            vectors = self._index.vectors([photo.path for photo in photos])
            for moment in collapse(photos, vectors, closeness):
                if len(moment) > 1:
                    same = tuple(photos[place] for place in moment)
                    groups.append(Group(len({photo.digest for photo in same}) == 1, same))
        return groups


def _worth(photo: Photo) -> tuple[int, int, int, str]:
    """Sort what is to be kept first: the most pixels, the most bytes, the shortest and then the first path."""
    return -photo.info.width * photo.info.height, -photo.fingerprint.size, len(photo.path), photo.path


def _slices(parts: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
    some: list[Sequence[int]] = []
    for part in parts:
        some.append(part)
        if sum(map(len, some)) >= _AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")
