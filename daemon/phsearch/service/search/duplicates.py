"""Finds the duplicates of the whole library, for review: among related photos, in short turns of the rank thread."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.search.near_duplicates import NearDuplicateGrouper, SimilarityThresholds, is_named_as_copy, related

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from phsearch.domain.library import Library
    from phsearch.domain.search.relevance import Calibration
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import Photo
    from phsearch.service.threads import SerialExecutor

DuplicateKind = Literal["all", "exact", "near"]

_TURN_SECONDS = 0.01
"""The rank thread works so long on duplicates; then waiting queries have their turn."""


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Near-duplicates of each other; the first is the one to keep."""

    photos: tuple[Photo, ...]

    @property
    def exact(self) -> bool:
        """Whether all have the same bytes."""
        return len({photo.digest for photo in self.photos}) == 1

    def copies(self) -> list[DuplicateGroup]:
        """Return the photos that have the same bytes, as groups of two or more."""
        by_digest: dict[bytes, list[Photo]] = {}
        for photo in self.photos:
            by_digest.setdefault(photo.digest, []).append(photo)
        return [DuplicateGroup(tuple(photos)) for photos in by_digest.values() if len(photos) > 1]


class DuplicateFinder:
    """Finds duplicates; its result is used again until the library changes."""

    def __init__(
        self,
        *,
        library: Library,
        index: VectorIndex,
        rank_executor: SerialExecutor,
        calibration: Callable[[], Calibration],
    ) -> None:
        self._library = library
        self._index = index
        self._executor = rank_executor
        self._calibration = calibration
        self._lock = asyncio.Lock()
        self._grouped_photos: list[Photo] = []
        self._groups: list[DuplicateGroup] = []

    async def find_duplicates(self, kind: DuplicateKind = "all", under: str | None = None) -> list[DuplicateGroup]:
        """Return the groups of a kind with a photo at or below `under`, sorted by the path of their first photo."""
        async with self._lock:  # a list that is read in pages is made once
            photos = self._library.photos()
            if photos != self._grouped_photos:
                self._groups = await self._group(photos)
                self._grouped_photos = photos
            groups = self._groups
        return await asyncio.to_thread(_selected, groups, kind, under)

    async def _group(self, photos: Sequence[Photo]) -> list[DuplicateGroup]:
        photos, related_places = await asyncio.to_thread(_order_and_relate, photos)
        thresholds = await self._executor.submit(
            lambda: SimilarityThresholds.known(self._calibration(), self._index.sample())
        )
        groups: list[DuplicateGroup] = []
        steps = self._steps(photos, related_places, thresholds)
        while (new_groups := await self._executor.submit(_run_turn, steps)) is not None:
            groups += new_groups
        return groups

    def _steps(
        self, photos: Sequence[Photo], related_places: Sequence[Sequence[int]], thresholds: SimilarityThresholds
    ) -> Iterator[DuplicateGroup | None]:
        """Yield the groups, and None after each photo, because a photo may take a while."""
        for places in related_places:
            grouper = NearDuplicateGrouper(thresholds, self._index.vectors)
            for place in places:
                grouper.add_photo(photos[place])
                yield None
            for group in grouper.groups:
                if len(group) > 1:
                    yield DuplicateGroup(tuple(photos[places[number]] for number in group))


def _run_turn(steps: Iterator[DuplicateGroup | None]) -> list[DuplicateGroup] | None:
    """Run steps for one turn and return the groups that were found; None if no step was left."""
    until = time.monotonic() + _TURN_SECONDS
    groups: list[DuplicateGroup] | None = None
    for step in steps:
        groups = groups or []
        if step is not None:
            groups.append(step)
        if time.monotonic() > until:
            break
    return groups


def _order_and_relate(photos: Sequence[Photo]) -> tuple[list[Photo], list[list[int]]]:
    """Return the photos, those to keep first, and the places of photos that are related."""
    ordered = sorted(photos, key=_keep_order)
    return ordered, related(ordered)


def _selected(groups: Sequence[DuplicateGroup], kind: DuplicateKind, under: str | None) -> list[DuplicateGroup]:
    match kind:
        case "all":
            selected = list(groups)
        case "exact":
            selected = [copies for group in groups for copies in group.copies()]
        case "near":
            selected = [group for group in groups if not group.exact]
    if under is not None:
        selected = [group for group in selected if any(_inside(photo.path, under) for photo in group.photos)]
    return sorted(selected, key=lambda group: group.photos[0].path)


def _keep_order(photo: Photo) -> tuple[int, int, bool, int, int, str]:
    """Return a sort key for which photo to keep.

    It has the most pixels, then the most bytes. Of copies it is the one that is not named as a copy, then the oldest.
    """
    pixels, file = photo.info.width * photo.info.height, photo.fingerprint
    return -pixels, -file.size, is_named_as_copy(photo.path), file.mtime_ns, len(photo.path), photo.path


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(dir_prefix(folder))
