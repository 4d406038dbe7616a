"""How a file of one root gets into the index: from "something happened to this path" to indexed, gone or failed.

    check -> settle -> stat -> digest -> known content? -> reuse | fail
                                         else           -> embed -> add | fail

A path is in at most one stage. What happens to it meanwhile marks it as dirty, and at the end of its way it is checked
again, so that no order of events leaves an older state behind. Each root has its own pipeline, so that a disk that
hangs delays no other root. Nothing here waits for a disk on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Protocol

from phsearch.domain.indexing.batching import ChangedMeanwhile, Embedded, EmbedJob, Unreadable
from phsearch.domain.throughput import StageTotals
from phsearch.domain.types import ContentDigest, NotAFile, OtherPath, PhotoFile
from phsearch.errors import UnreadableImageError
from phsearch.service.throttle import DutyCycle

if TYPE_CHECKING:
    from phsearch.domain.indexing.batching import EmbedResult
    from phsearch.domain.indexing.settle import Debouncer
    from phsearch.domain.types import Fingerprint
    from phsearch.service.indexing.deletions import Deletions
    from phsearch.service.indexing.disk_reader import Content, DiskReader, Seen
    from phsearch.service.indexing.in_flight import InFlightContents
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.throttle import IndexingThrottle

log = logging.getLogger("phsearch.index")

_STATS_AT_ONCE = 256
_READS_AT_ONCE = 16
_EMBED_AHEAD = 512
_RETRY_DELAYS = (5.0, 30.0, 180.0)
"""Seconds before each further attempt at a truncated photo: some writers pause for longer than any settling time."""


class EmbedQueue(Protocol):
    """Where photos wait to be embedded."""

    def submit_job(self, job: EmbedJob) -> None:
        """Queue a photo; its result comes by `RootPipeline.on_embed_result`."""

    def embed_position(self, path: str) -> int | None:
        """Return how many photos are embedded before one that waits; None for one that does not wait."""

    async def wait_for_space(self, most: int) -> None:
        """Wait until fewer than `most` photos wait."""


class RootPipeline:
    """Every file of one root that is on its way into the index. `activity` is set when there is something to do."""

    def __init__(
        self,
        *,
        root: str,
        disk: DiskReader,
        debouncer: Debouncer,
        photo_index: PhotoIndex,
        deletions: Deletions,
        embed_queue: EmbedQueue,
        in_flight: InFlightContents,
        decoder: str,
        throttle: IndexingThrottle,
        activity: asyncio.Event,
    ) -> None:
        self.disk = disk
        self.stage_totals = StageTotals()
        self.closed = False
        self._root = root
        self._debouncer = debouncer
        self._photo_index = photo_index
        self._deletions = deletions
        self._embed_queue = embed_queue
        self._in_flight = in_flight
        self._decoder = decoder
        self._throttle = throttle
        self._activity = activity
        self._ready: dict[str, None] = {}
        self._active: set[str] = set()
        self._dirty: set[str] = set()
        self._forced: set[str] = set()
        self._missed: set[str] = set()
        self._wake = asyncio.Event()
        self._readable = asyncio.Event()
        self._results: asyncio.Queue[Unreadable | EmbedJob] = asyncio.Queue()
        self._truncated: set[str] = set()
        self._retry_timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def pending(self) -> int:
        """Files seen but not yet dealt with."""
        return self.settling + self.queued

    @property
    def settling(self) -> int:
        """Files seen that may still be changing, and those that seem to be gone."""
        return len(self._debouncer) + len(self._deletions.burst)

    @property
    def queued(self) -> int:
        """Files that wait to be read, or are being indexed."""
        return len(self._ready) + len(self._active)

    def stage_of(self, path: str) -> str | None:
        """Return the stage a path is in, None where it is in none."""
        if path in self._active:
            return "being indexed"
        if path in self._ready:
            return "queued"
        return "settling" if path in self._debouncer or path in self._deletions.burst else None

    def embed_position(self, path: str) -> tuple[int, int] | None:
        """Return the position of a path that waits to be read or embedded, as (n from 1, of m); None for any other."""
        queued = len(self._active) + len(self._ready)
        if path in self._ready:
            return len(self._active) + list(self._ready).index(path) + 1, queued
        before = self._embed_queue.embed_position(path)
        return None if before is None else (before + 1, queued)

    def under(self, folder: str) -> list[str]:
        """Return the paths in `folder`, at any depth, that are pending."""
        prefix = folder.rstrip("/") + "/"
        return [path for path in self.pending_paths() if path.startswith(prefix)]

    def pending_paths(self) -> list[str]:
        """Return all paths that are pending."""
        return [*self._debouncer.paths(), *self._ready, *self._active, *self._deletions.burst]

    def current(self, path: str, fingerprint: Fingerprint) -> bool:
        """Whether a file in this state has been dealt with."""
        library = self._photo_index.library
        if not library.is_current(path, fingerprint, self._decoder):
            return False
        library.learn_ctime(path, fingerprint)
        return True

    def file_changed(self, path: str, *, closed: bool) -> None:
        """Check a path once it has settled."""
        self._ready.pop(path, None)
        self._debouncer.path_changed(path, asyncio.get_running_loop().time(), closed=closed)
        self._wake.set()

    def check_now(self, path: str) -> None:
        """Check a path now; it has to settle only if it turns out to be fresh."""
        # A stat that is under way may have come before what happened now, so the path is checked once more.
        if path not in self._ready and (path not in self._debouncer or self._debouncer.is_stating(path)):
            self._debouncer.path_changed(path, float("-inf"), closed=False)
            self._wake.set()

    def check_missing(self, path: str) -> None:
        """Check a path that a scan did not find and let go; it is removed at once if it is gone."""
        self._missed.add(path)
        self.check_now(path)

    def retry_path(self, path: str) -> None:
        """Try a failed file again though nothing changed."""
        self._cancel_retry(path)
        self._forced.add(path)
        if self.stage_of(path) is None:
            self._make_ready(path)

    def drop_path(self, path: str) -> None:
        """Drop a path that is gone."""
        self._debouncer.drop_path(path)
        self._ready.pop(path, None)
        self._forget_missing(path)
        if path in self._active:
            self._dirty.add(path)
        self._truncated.discard(path)
        self._cancel_retry(path)

    def on_embed_result(self, result: EmbedResult) -> None:
        """Deal with the result of a photo that was to be embedded."""
        photo = result.photo
        match result:
            case Embedded():
                self._photo_index.add_photo(photo.path, photo.fingerprint, photo.digest, result.info, result.vector)
                self._truncated.discard(photo.path)
                self._finish(photo.path)
                self._in_flight.finish_job(photo)
            case ChangedMeanwhile():
                self._finish(photo.path, again=True)
                self._in_flight.finish_job(photo)
            case Unreadable():
                self._results.put_nowait(result)

    def on_duplicate_done(self, photo: EmbedJob) -> None:
        """Take back a photo that waited for another of the same content, whose result holds for this one, too."""
        self._results.put_nowait(photo)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._settle_loop())
            group.create_task(self._result_loop())
            for _ in range(2):
                group.create_task(self._read_loop())

    def close(self) -> None:
        """Cancel what is scheduled; call this when `run` has ended."""
        self.closed = True
        self._deletions.close()
        for timer in self._retry_timers.values():
            timer.cancel()

    async def _settle_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            due = self._debouncer.next_due()
            if due is None or due > loop.time():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._wake.wait()
            self._activity.set()
            paths = self._debouncer.due(loop.time())
            for start in range(0, len(paths), _STATS_AT_ONCE):
                chunk = paths[start : start + _STATS_AT_ONCE]
                self._debouncer.begin_stat(chunk)
                for path, seen in await self.disk.stat_paths(chunk):
                    if self._debouncer.is_stating(path):
                        self._on_stat(path, seen)

    def _on_stat(self, path: str, seen: Seen) -> None:
        match seen:
            case None | OtherPath():
                self._on_missing(path, seen)
            case OSError():
                # The disk does not answer. The next scan of the root shows whether the file is there.
                self._debouncer.drop_path(path)
                log.debug("%s: %s", path, seen.strerror)
            case NotAFile():
                self._debouncer.drop_path(path)
                self._forget_missing(path)
                if not self.current(path, seen.fingerprint):
                    self._photo_index.record_failure(path, seen.fingerprint, seen.reason, self._decoder, None)
            case PhotoFile():
                self._forget_missing(path)
                age = (time.time_ns() - seen.fingerprint.mtime_ns) / 1e9
                now = asyncio.get_running_loop().time()
                if self._debouncer.stat_done(path, seen.fingerprint, age, now):
                    self._enqueue(path, seen.fingerprint)

    def _forget_missing(self, path: str) -> None:
        self._missed.discard(path)
        if self._deletions.burst or self._deletions.held:
            self._deletions.discard(path)

    def _on_missing(self, path: str, other: OtherPath | None) -> None:
        self._debouncer.drop_path(path)
        if path in self._active:
            self._dirty.add(path)
        if other is None and path not in self._missed:
            self._deletions.add(path)
            return
        self._forget_missing(path)
        self._photo_index.remove_photo(path)
        if other is not None:
            self.check_now(other.path)

    def _enqueue(self, path: str, fingerprint: Fingerprint) -> None:
        if path in self._active:
            self._dirty.add(path)
        elif not self.current(path, fingerprint):
            self._make_ready(path)

    def _make_ready(self, path: str) -> None:
        self._ready[path] = None
        self._readable.set()

    async def _read_loop(self) -> None:
        """Read files that are ready, a few at a time."""
        duty_cycle = DutyCycle()
        while True:
            await self._readable.wait()
            self._activity.set()
            # Bounded, so that a first run over a large library does not read all of it before embedding any.
            await self._embed_queue.wait_for_space(_EMBED_AHEAD)
            await self._throttle.acquire(duty_cycle)
            duty_cycle.begin_work(time.monotonic())
            paths = list(self._ready)[:_READS_AT_ONCE]
            for path in paths:
                del self._ready[path]
            if not self._ready:
                self._readable.clear()
            self._active.update(paths)
            for path, content in await self._read_batch(paths):
                await self._on_content(path, content)
            duty_cycle.end_work(time.monotonic())

    async def _read_batch(self, paths: list[str]) -> list[tuple[str, Content]]:
        start = time.monotonic()
        try:
            return await self.disk.digest_paths(paths)
        finally:
            self.stage_totals.add_stage(reading=time.monotonic() - start, read=len(paths))

    async def _on_content(self, path: str, content: Content) -> None:
        match content:
            case None:
                self._finish(path, again=True)
            case UnreadableImageError():
                await self._fail_if_there(path, str(content), self._decoder, empty=True)
            case OSError():
                # The file may become readable without changing, so the failure must not count as current.
                await self._fail_if_there(path, f"cannot be read: {content.strerror}", "")
            case ContentDigest(fingerprint, digest):
                if await self._photo_index.reuse_vector(path, fingerprint, digest):
                    self._forced.discard(path)
                    self._finish(path)
                elif path not in self._forced and (known := self._photo_index.failure_of_digest(digest, self._decoder)):
                    self._photo_index.record_failure(path, fingerprint, known.reason, self._decoder, digest)
                    self._finish(path)
                    self._schedule_retry(path)
                else:
                    self._forced.discard(path)
                    job = EmbedJob(path, self._root, fingerprint, digest)
                    if self._in_flight.add_job(job, self):
                        self._embed_queue.submit_job(job)

    async def _result_loop(self) -> None:
        """Deal with photos that failed, and with those that waited for another of the same content."""
        while True:
            match await self._results.get():
                case Unreadable(photo, reason, truncated):
                    if truncated:
                        self._truncated.add(photo.path)
                    await self._fail_if_there(photo.path, reason, self._decoder, photo)
                    self._schedule_retry(photo.path)
                    self._in_flight.finish_job(photo)
                case photo:
                    await self._on_content(photo.path, ContentDigest(photo.fingerprint, photo.digest))

    async def _fail_if_there(
        self, path: str, reason: str, decoder: str, photo: EmbedJob | None = None, *, empty: bool = False
    ) -> None:
        """Record a failure, unless the file is gone or changed meanwhile, or its disk does not answer.

        An `empty` file may have been read between being truncated and being written.
        """
        ((_, seen),) = await self.disk.stat_paths([path])
        match seen:
            case PhotoFile(_, fingerprint) if empty and fingerprint.size:
                self._finish(path, again=True)
            case PhotoFile(_, fingerprint) if photo is None or photo.fingerprint == fingerprint:
                self._photo_index.record_failure(path, fingerprint, reason, decoder, photo.digest if photo else None)
                self._finish(path)
            case PhotoFile():
                self._finish(path, again=True)
            case OSError():
                log.debug("%s: %s; and %s", path, reason, seen.strerror)
                self._finish(path)
            case _:
                self._finish(path, again=True)

    def _finish(self, path: str, *, again: bool = False) -> None:
        self._active.discard(path)
        if again or path in self._dirty:
            self._dirty.discard(path)
            self.file_changed(path, closed=False)

    def _schedule_retry(self, path: str) -> None:
        """Read a truncated photo again later, a few times."""
        failure = self._photo_index.library.failure(path)
        if path not in self._truncated or failure is None or failure.attempts > len(_RETRY_DELAYS):
            self._truncated.discard(path)
            return
        delay = _RETRY_DELAYS[failure.attempts - 1]
        self._retry_timers[path] = asyncio.get_running_loop().call_later(delay, self._read_again, path)

    def _cancel_retry(self, path: str) -> None:
        if timer := self._retry_timers.pop(path, None):
            timer.cancel()

    def _read_again(self, path: str) -> None:
        self._retry_timers.pop(path, None)
        if self._photo_index.library.failure(path) is not None and path not in self._active:
            self._make_ready(path)
