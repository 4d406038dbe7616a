"""Photos that the store has and no root holds: since when, and their deletion when their time of grace is over."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

from phsearch.domain.roots.deletion_policy import RemovedRoot, RetentionPolicy, grouped, recorded
from phsearch.errors import StoreError
from phsearch.wire.results.daemon import RemovedRootStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from phsearch.config import WatchConfig
    from phsearch.domain.ports import Store
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import Failure, Photo, Vectors
    from phsearch.service.indexing.store_writer import StoreWriter
    from phsearch.service.threads import SerialExecutor

log = logging.getLogger("phsearch.watch")

_DELETES_AT_ONCE = 2_000
"""Photos deleted in one write, so that other changes do not wait long."""
_CLOCK_SECONDS = 3600.0
"""How often the clock is read: it may be set, and a computer may sleep."""
_RETRY_SECONDS = 60.0

Rows = tuple[list[tuple["Photo", "Vectors"]], list["Failure"]]


class RemovedRootsFile(Protocol):
    """The list of removed roots, on disk."""

    def load(self) -> list[RemovedRoot]:
        """Return the records."""

    def save(self, records: Iterable[RemovedRoot]) -> None:
        """Replace the records. Raises StoreError."""


class RemovedRoots:
    """Roots whose photos are not shown any more. Hold `lock` to take photos from here or to add some."""

    def __init__(
        self,
        *,
        records: RemovedRootsFile,
        settings: WatchConfig,
        outside: Iterable[tuple[str, str]],
        store: Store,
        executor: SerialExecutor,
        writer: StoreWriter,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin with the paths of photos and failures in no root, each with the root it had."""
        self.lock = asyncio.Lock()
        self._file = records
        self._store = store
        self._executor = executor
        self._writer = writer
        self._clock = clock
        self._retention = _retention_policy(settings)
        self._changed = asyncio.Event()
        on_record = {each.path: each for each in records.load()}
        self._photos = grouped(outside, on_record)
        self._records = recorded(self._photos, on_record, clock())
        self._saved = on_record

    def __contains__(self, root: str) -> bool:
        return root in self._photos

    def __iter__(self) -> Iterator[str]:
        return iter(self._photos)

    def paths(self, root: str) -> frozenset[str]:
        """Return the paths of the photos and failures of a removed root."""
        return frozenset(self._photos.get(root, ()))

    def reconfigure(self, settings: WatchConfig) -> None:
        """Use these settings from now on."""
        self._retention = _retention_policy(settings)
        self._changed.set()

    def report(self) -> tuple[RemovedRootStatus, ...]:
        """Return all of them for `status`."""
        return tuple(
            RemovedRootStatus(
                path=root,
                photos=len(photos),
                since=self._records[root].since,
                forgotten_at=self._retention.delete_at(self._records[root]),
            )
            for root, photos in self._photos.items()
        )

    def preview(self, root: str, photos: int, fate: Literal["grace", "keep", "forget"]) -> RemovedRootStatus:
        """Return what `report` would say of a root with so many photos if it were removed now."""
        now = self._clock()
        ends = now if fate == "forget" else self._retention.delete_at(RemovedRoot(root, now, fate == "keep"))
        return RemovedRootStatus(path=root, photos=photos, since=now, forgotten_at=ends)

    def covered_by(self, roots: Roots) -> set[str]:
        """Return the paths that these roots would hold."""
        paths = [path for photos in self._photos.values() for path in photos]
        folders = {path.rpartition("/")[0] or "/" for path in paths}
        watched = {folder for folder in folders if roots.root_of(folder) is not None}
        return {path for path in paths if (path.rpartition("/")[0] or "/") in watched}

    def add(self, outside: Iterable[tuple[str, str]], *, keep: bool) -> None:
        """Add paths that are in no root any more, each with the root it had."""
        # Without the records: that of a removed root around one that is removed now says nothing of it.
        groups = grouped(outside, {})
        for root, paths in groups.items():
            self._photos.setdefault(root, set()).update(paths)
        self._records |= recorded(groups, self._records, self._clock(), keep=keep)
        self._changed.set()

    def restore(self, paths: Collection[str]) -> None:
        """Drop paths that are in a root again."""
        for photos in self._photos.values():
            photos.difference_update(paths)
        self._photos = {root: photos for root, photos in self._photos.items() if photos}
        self._records = recorded(self._photos, self._records, self._clock())
        self._changed.set()

    async def rows(self, paths: Mapping[str, str], roots: Roots) -> Rows:
        """Return what the store has of these paths, as photos of these roots under other paths. Raises StoreError."""
        if not paths:
            return [], []
        with contextlib.suppress(StoreError):
            await self._writer.flush()  # where that fails, a scan finds again what was not written
        found: dict[str, tuple[Photo, Vectors]] = {}
        chunks = self._store.rows()
        while (chunk := await self._executor.submit(next, chunks, None)) is not None:
            for photo, vector in zip(*chunk, strict=True):
                known = found.get(photo.path)
                if photo.path in paths and (known is None or known[0].indexed_at <= photo.indexed_at):
                    now = paths[photo.path]
                    found[photo.path] = (replace(photo, path=now, root=roots.root_of(now) or photo.root), vector.copy())
        failures = await self._executor.submit(self._store.load_failures)
        return list(found.values()), [replace(each, path=paths[each.path]) for each in failures if each.path in paths]

    async def forget(self, root: str) -> int:
        """Delete the photos of a removed root now; return how many. Raises StoreError; then the rest is tried again."""
        forgotten = 0
        while True:
            async with self.lock:
                some = list(itertools.islice(self._photos.get(root, ()), _DELETES_AT_ONCE))
                if not some:
                    return forgotten
                self.restore(some)
                for path in some:
                    self._writer.delete_photo(path)
                forgotten += len(some)
                await self._writer.flush()

    async def run(self) -> None:
        """Delete what is due and keep the records, until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self.save()
                for root in [root for root, end in self._ends().items() if end <= self._clock()]:
                    log.info("%s: its time of grace is over, %s photos are forgotten", root, len(self._photos[root]))
                    await self.forget(root)
                ends = self._ends().values()
                seconds = max(min(ends) - self._clock(), 0) if ends else None
            except StoreError as error:
                log.warning("%s", error.sentence())
                seconds = _RETRY_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds and min(seconds, _CLOCK_SECONDS)):
                    await self._changed.wait()

    async def save(self) -> None:
        """Write the records if they changed. Raises StoreError."""
        records = dict(self._records)
        if records != self._saved:
            await self._executor.submit(self._file.save, list(records.values()))
            self._saved = records

    def _ends(self) -> dict[str, float]:
        ends = {root: self._retention.delete_at(record) for root, record in self._records.items()}
        return {root: end for root, end in ends.items() if end is not None}


def _retention_policy(settings: WatchConfig) -> RetentionPolicy:
    return RetentionPolicy("keep" if settings.removed_roots == "keep" else "forget", settings.grace_days)
