"""Write-behind to the store: few large writes, and nothing is lost when one fails.

Changes are collected by path, and the newest wins. They are written when there are enough of them, or when nothing else
is pending. What could not be written, on a full disk for example, stays here and is tried again. If the daemon ends
before that, the scan of the next start finds the photos again, because the files are the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from typing import TYPE_CHECKING

from phsearch.domain.throughput import StageTotals
from phsearch.domain.types import Failure
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from phsearch.domain.ports import Store
    from phsearch.domain.types import FolderRename, Photo, RefusedRow, TableStats, Vectors, Volume
    from phsearch.service.threads import SerialExecutor

log = logging.getLogger("phsearch.store")

_FRESH = 10.0
_MAX_WAIT = 0.5


class StoreStats:
    """What the index takes on disk, measured when asked for, at most every ten seconds.

    The store's thread may be busy with maintenance for many seconds. Then what was measured before is returned.
    """

    def __init__(self, store: Store, executor: SerialExecutor) -> None:
        self._store = store
        self._executor = executor
        self._latest_stats: list[TableStats] = []
        self._measured = float("-inf")
        self._measuring: asyncio.Task[None] | None = None

    async def latest(self) -> list[TableStats]:
        """Return the newest stats that do not take long to get; an empty list before the first measurement."""
        if self._measuring is None and time.monotonic() - self._measured > _FRESH:
            self._measuring = asyncio.create_task(self._measure())
        if self._measuring is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_MAX_WAIT):
                    await asyncio.shield(self._measuring)
        return self._latest_stats

    async def _measure(self) -> None:
        try:
            self._latest_stats = await self._executor.submit(self._store.stats)
            self._measured = time.monotonic()
        except StoreError as error:
            log.debug("the index's stats cannot be read: %s", error)
        finally:
            self._measuring = None


_BATCH = 256
_BATCH_SECONDS = 2.0
_BATCH_POLL = 0.05
_RETRY_FIRST = 1.0
_RETRY_LAST = 60.0
_OPTIMIZE_AFTER_IDLE = 30.0
_SLACK = 1.0
"""Old versions can be dropped only some time after they expire."""

Change = tuple["Photo", "Vectors"] | Failure | None
"""What the store is to hold for a path: a photo with its vector, a failure, or nothing."""


class StoreWriter:
    """The only writer of the store.

    `idle` says that no more changes are expected soon, `is_present` whether a photo has a content, on any thread.
    """

    def __init__(
        self,
        *,
        store: Store,
        executor: SerialExecutor,
        idle: Callable[[], bool],
        is_present: Callable[[bytes], bool] = lambda _digest: False,
        release_memory: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._executor = executor
        self._idle = idle
        self._is_present = is_present
        self._release_memory = release_memory
        self.stage_totals = StageTotals()
        self._changes: dict[str, Change] = {}
        self._changed = asyncio.Event()
        self._renames: list[FolderRename] = []
        """They are done before the changes, whose paths are those of now."""
        self._volumes: dict[str, Volume | None] = {}
        self._flushing = asyncio.Lock()
        self._writing = 0
        # The daemon may have been killed before: what that left is cleaned up even if nothing is written.
        self._optimize_in: float | None = _OPTIMIZE_AFTER_IDLE
        self.refused: asyncio.Queue[tuple[Photo, str]] = asyncio.Queue()
        """Photos of which the store cannot hold a value, each with the reason. They are pending no more."""
        self.problem: StoreError | None = None
        self.written_at: float | None = None
        self.optimized_at: float | None = None
        """When the store was last written and optimized, in seconds since the epoch."""

    @property
    def pending(self) -> int:
        """Changes not yet on disk."""
        return len(self._changes) + len(self._renames) + self._writing

    def put_photo(self, photo: Photo, vector: Vectors) -> None:
        """Write a photo soon."""
        self._change(photo.path, (photo, vector))

    def put_failure(self, failure: Failure) -> None:
        """Write a failure soon."""
        self._change(failure.path, failure)

    def delete_photo(self, path: str) -> None:
        """Delete a photo or failure soon."""
        self._change(path, None)

    def rename_folder(self, rename: FolderRename) -> bool:
        """Rename a folder soon, with all photos that the store has in it; return whether it can do that by itself."""
        if not self._store.can_rename(rename):
            return False
        self._renames.append(rename)
        self._changes = _renamed(self._changes, [rename])
        self._changed.set()
        return True

    def put_volume(self, volume: Volume) -> None:
        """Write a volume soon."""
        self._volumes[volume.path] = volume
        self._changed.set()

    def forget_volume(self, path: str) -> None:
        """Delete a volume soon."""
        self._volumes[path] = None
        self._changed.set()

    def _change(self, path: str, change: Change) -> None:
        self._changes[path] = change
        self._changed.set()

    async def run(self) -> None:
        """Write until cancelled."""
        delay = _RETRY_FIRST
        while True:
            await self._wait_for_changes()
            await self._wait_for_batch()
            try:
                await self.flush()
                if self._store.needs_optimize:
                    await self._optimize()
            except StoreError as error:
                if self.problem is None:
                    log.error("%s", error.sentence())
                self.problem = error
                await asyncio.sleep(delay)
                delay = min(delay * 2, _RETRY_LAST)
            else:
                self._recovered()
                delay = _RETRY_FIRST

    @contextlib.asynccontextmanager
    async def suspended(self) -> AsyncIterator[None]:
        """Write nothing while the store takes the tables of another model."""
        async with self._flushing:
            yield

    def discard_photos(self) -> None:
        """Forget the photos that are still to be written, since their vectors are those of another model now."""
        self._changes = {path: change for path, change in self._changes.items() if not isinstance(change, tuple)}

    def unwritten(self) -> frozenset[str]:
        """Return the paths whose last change is not on disk."""
        return frozenset(self._changes)

    async def flush(self) -> None:
        """Write all changes. Raises StoreError; then all of them are still pending."""
        # One at a time: what a first flush could not write must not replace what a second has written.
        async with self._flushing:
            await self._flush()

    async def _flush(self) -> None:
        changes, self._changes = self._changes, {}
        renames, self._renames = self._renames, []
        volumes, self._volumes = self._volumes, {}
        self._changed.clear()
        if not changes and not renames and not volumes:
            return
        self._writing = len(changes) + len(renames)
        start = time.monotonic()
        try:
            refused = await self._executor.submit(self._write, renames, changes, volumes)
        except BaseException:
            # What came meanwhile is newer.
            self._changes = _renamed(changes, self._renames) | self._changes
            self._renames = renames + self._renames
            self._volumes = volumes | self._volumes
            self._changed.set()
            raise
        finally:
            self._writing = 0
        for row in refused:
            match changes[row.path]:
                case (photo, _):
                    self.refused.put_nowait((photo, row.reason))
                case _:
                    log.error("%s: %s", row.path, row.reason)
        self._optimize_in = _OPTIMIZE_AFTER_IDLE
        self.written_at = time.time()
        self.stage_totals.add_stage(writing=time.monotonic() - start, written=len(changes))

    def _write(
        self, renames: list[FolderRename], changes: Mapping[str, Change], volumes: Mapping[str, Volume | None]
    ) -> list[RefusedRow]:
        """Write to the store; this runs in its thread. Return what it cannot hold. `renames` that are done are left."""
        refused: list[RefusedRow] = []
        while renames:
            self._store.rename_folder(renames[0])
            del renames[0]
        if changes:
            refused = self._store.apply(
                [change for change in changes.values() if isinstance(change, tuple)],
                failures=[change for change in changes.values() if isinstance(change, Failure)],
                deletes=[path for path, change in changes.items() if change is None],
                is_present=self._is_present,
            )
        if volumes:
            self._store.apply_volumes(
                [volume for volume in volumes.values() if volume is not None],
                [path for path, volume in volumes.items() if volume is None],
            )
        return refused

    async def _wait_for_changes(self) -> None:
        """Wait for something to write. Optimize when nothing comes for a while, and again when more can be dropped."""
        while not self._changed.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._optimize_in):
                    await self._changed.wait()
                return
            self._optimize_in = None
            try:
                left = await self._optimize()
            except StoreError as error:
                log.warning("%s", error.sentence())
            else:
                self._recovered()
                self._optimize_in = left + _SLACK if left is not None else None

    async def _optimize(self) -> float | None:
        left = await self._executor.submit(self._store.optimize)
        self.optimized_at = time.time()
        await self._executor.submit(self._release_memory)
        return left

    def _recovered(self) -> None:
        if self.problem is not None:
            log.info("the index can be written again")
        self.problem = None

    async def _wait_for_batch(self) -> None:
        """Wait for more changes, for a limited time and only while some are expected."""
        deadline = asyncio.get_running_loop().time() + _BATCH_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if len(self._changes) >= _BATCH or self._idle():
                return
            await asyncio.sleep(_BATCH_POLL)


def _renamed(changes: dict[str, Change], renames: Iterable[FolderRename]) -> dict[str, Change]:
    """Return changes by the paths of now. A failure stays where it is: the file is tried again under its new path."""
    for rename in renames:
        changes = dict(_with_path(path, change, rename) for path, change in changes.items())
    return changes


def _with_path(path: str, change: Change, rename: FolderRename) -> tuple[str, Change]:
    now = rename.new_path(path)
    match change:
        case (photo, vector) if now != path:
            return now, (dataclasses.replace(photo, path=now, root=rename.root), vector)
        case None:
            return now, None
        case _:
            return path, change
