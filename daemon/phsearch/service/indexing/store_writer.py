"""Write-behind to the store: few large writes, nothing lost when one fails.

Changes gather by path, the newest wins, and go to the store lane when there are enough of them or the daemon has
nothing better to do. What could not be written (a full disk, say) stays here and is tried again; should the daemon end
first, reconcile finds the photos anew, for the files are the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from phsearch.domain.throughput import StageTotals
from phsearch.domain.types import Failure
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phsearch.domain.ports import Store
    from phsearch.domain.types import Photo, TableStats, Vectors, Volume
    from phsearch.service.threads import SerialExecutor

# The index's figures on disk, for whoever asks, without ever waiting long for the store.
#
# The store's lane may be busy with maintenance for many seconds; then what was known before is given.


log = logging.getLogger("phsearch.store")

_FRESH = 10.0
_PATIENCE = 0.5


class StoreStats:
    """Measured when asked for, at most every ten seconds."""

    def __init__(self, store: Store, executor: SerialExecutor) -> None:
        self._store = store
        self._executor = executor
        self._known: list[TableStats] = []
        self._measured = float("-inf")
        self._measuring: asyncio.Task[None] | None = None

    async def latest(self) -> list[TableStats]:
        """Give the newest figures to be had now; none before they could ever be measured."""
        if self._measuring is None and time.monotonic() - self._measured > _FRESH:
            self._measuring = asyncio.create_task(self._measure())
        if self._measuring is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await asyncio.shield(self._measuring)
        return self._known

    async def _measure(self) -> None:
        try:
            self._known = await self._executor.submit(self._store.stats)
            self._measured = time.monotonic()
        except StoreError as error:
            log.debug("the index's figures cannot be had: %s", error)
        finally:
            self._measuring = None


_ENOUGH = 256
_LATEST = 2.0
_GATHER = 0.05
_RETRY_FIRST = 1.0
_RETRY_LAST = 60.0
_OPTIMIZE_AFTER_IDLE = 30.0
_SLACK = 1.0
"""Old versions are dropped when they are older than they are kept, not at that very moment."""

Change = tuple["Photo", "Vectors"] | Failure | None
"""What a path is to become: a photo with its vector, a failure, or nothing."""


class StoreWriter:
    """The only one who writes the store."""

    def __init__(
        self,
        *,
        store: Store,
        executor: SerialExecutor,
        idle: Callable[[], bool],
        release_memory: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._executor = executor
        self._idle = idle
        self._release_memory = release_memory
        self.stage_totals = StageTotals()
        self._changes: dict[str, Change] = {}
        self._changed = asyncio.Event()
        self._volumes: dict[str, Volume | None] = {}
        self._turn = asyncio.Lock()
        self._writing = 0
        # A start may follow a kill: what that left is tidied up even if nothing is ever written.
        self._optimize_in: float | None = _OPTIMIZE_AFTER_IDLE
        self.problem: StoreError | None = None
        self.written_at: float | None = None
        self.optimized_at: float | None = None
        """When that was last done, seconds since the epoch."""

    @property
    def pending(self) -> int:
        """Changes not yet on disk."""
        return len(self._changes) + self._writing

    def put_photo(self, photo: Photo, vector: Vectors) -> None:
        """Write a photo soon."""
        self._change(photo.path, (photo, vector))

    def put_failure(self, failure: Failure) -> None:
        """Write a failure soon."""
        self._change(failure.path, failure)

    def delete_photo(self, path: str) -> None:
        """Forget a path soon."""
        self._change(path, None)

    def put_volume(self, volume: Volume) -> None:
        """Write what is known of a volume soon."""
        self._volumes[volume.path] = volume
        self._changed.set()

    def forget_volume(self, path: str) -> None:
        """Forget a volume soon."""
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

    def unwritten(self) -> frozenset[str]:
        """Give the paths whose last change is not on disk."""
        return frozenset(self._changes)

    async def flush(self) -> None:
        """Write everything there is now. Raises StoreError; then it is all still here."""
        # One at a time: what a first flush could not write must not come back over what a second has written.
        async with self._turn:
            await self._flush()

    async def _flush(self) -> None:
        changes, self._changes = self._changes, {}
        volumes, self._volumes = self._volumes, {}
        self._changed.clear()
        if not changes and not volumes:
            return
        self._writing = len(changes)
        start = time.monotonic()
        try:
            await self._executor.submit(self._write, changes, volumes)
        except BaseException:
            # What came meanwhile is newer.
            self._changes = changes | self._changes
            self._volumes = volumes | self._volumes
            self._changed.set()
            raise
        finally:
            self._writing = 0
        self._optimize_in = _OPTIMIZE_AFTER_IDLE
        self.written_at = time.time()
        self.stage_totals.add_stage(writing=time.monotonic() - start, written=len(changes))

    def _write(self, changes: Mapping[str, Change], volumes: Mapping[str, Volume | None]) -> None:
        """Write to the store; this runs in its thread."""
        if changes:
            self._store.apply(
                [change for change in changes.values() if isinstance(change, tuple)],
                failures=[change for change in changes.values() if isinstance(change, Failure)],
                deletes=[path for path, change in changes.items() if change is None],
            )
        if volumes:
            self._store.apply_volumes(
                [volume for volume in volumes.values() if volume is not None],
                [path for path, volume in volumes.items() if volume is None],
            )

    async def _wait_for_changes(self) -> None:
        """Wait for something to write; tidy up when nothing comes for a while, and then rest for as long as need be."""
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
        """Let a batch grow, for a bounded time, unless there is nothing left to wait for."""
        deadline = asyncio.get_running_loop().time() + _LATEST
        while asyncio.get_running_loop().time() < deadline:
            if len(self._changes) >= _ENOUGH or self._idle():
                return
            await asyncio.sleep(_GATHER)
