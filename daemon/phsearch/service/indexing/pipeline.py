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
import itertools
import logging
import time
from collections import Counter, deque
from typing import TYPE_CHECKING

from phsearch.domain.indexing.batching import ChangedMeanwhile, Embedded, EmbedJob, Unreadable
from phsearch.domain.indexing.failure_kind import ReadFailure
from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.throughput import StageTotals
from phsearch.domain.types import ContentDigest, NotAFile, OtherPath, PhotoFile
from phsearch.service.indexing.disk_reader import SlowRead
from phsearch.service.throttle import DutyCycle

if TYPE_CHECKING:
    from phsearch.domain.indexing.batching import EmbedResult
    from phsearch.domain.indexing.failure_kind import FailureScope
    from phsearch.domain.indexing.settle import Debouncer
    from phsearch.domain.types import Fingerprint
    from phsearch.service.indexing.deletions import Deletions
    from phsearch.service.indexing.disk_reader import Content, DiskReader, Seen
    from phsearch.service.indexing.in_flight import EmbedQueue, InFlightContents
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.throttle import IndexingThrottle

log = logging.getLogger("phsearch.index")

_STATS_AT_ONCE = 256
_READS_AT_ONCE = 16
_EMBED_AHEAD = 512
_RETRY_DELAYS = (5.0, 30.0, 180.0)
"""Seconds before each further attempt at a photo that was cut off, since some writers pause for longer than any
settling time, or that could not be read here."""


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
        self._begun: deque[str] = deque()
        self._wake = asyncio.Event()
        self._readable = asyncio.Event()
        self._results: asyncio.Queue[Unreadable | EmbedJob] = asyncio.Queue()
        self._retries: Counter[str] = Counter()
        self._shortage = ""
        self._retry_timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def pending(self) -> int:
        """Files seen but not yet dealt with."""
        return self.settling + self.queued

    @property
    def settling(self) -> int:
        """Files seen that may still be changing, and those that seem to be gone."""
        return len(self._debouncer) + len(self._deletions.burst) + len(self._deletions.gone)

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
        prefix = dir_prefix(folder)
        return [path for path in self.pending_paths() if path.startswith(prefix)]

    def active_under(self, folder: str) -> list[str]:
        """Return the paths in `folder`, at any depth, that are being read or embedded: some hundred at most."""
        prefix = dir_prefix(folder)
        return [path for path in self._active if path.startswith(prefix)]

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
        self._retries.pop(path, None)
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
        self._retries.pop(path, None)
        self._cancel_retry(path)

    def on_embed_result(self, result: EmbedResult) -> None:
        """Deal with the result of a photo that was to be embedded."""
        photo = result.photo
        match result:
            case Embedded():
                self._photo_index.add_photo(photo.path, photo.fingerprint, photo.digest, result.info, result.vector)
                self._retries.pop(photo.path, None)
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
        self.disk.close()
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
            paths = self._debouncer.due(loop.time(), _STATS_AT_ONCE)
            self._debouncer.begin_stat(paths)
            for path, seen in await self.disk.stat_paths(paths) if paths else ():
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
        self._deletions.remove(path)
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
            paths = self._next_paths()
            contents = await self._read_batch(paths)
            self._begun.extendleft(reversed(paths[len(contents) :]))
            await self._on_contents(contents)
            if self._begun:
                self._readable.set()
            duty_cycle.end_work(time.monotonic())

    def _next_paths(self) -> list[str]:
        """Return the files to read next. One that is half read comes first, and then behind all others."""
        paths = [self._begun.popleft() for _ in range(min(len(self._begun), _READS_AT_ONCE))]
        new = list(itertools.islice(self._ready, _READS_AT_ONCE - len(paths)))
        for path in new:
            del self._ready[path]
        self._active.update(new)
        if not self._ready:
            self._readable.clear()
        return paths + new

    async def _read_batch(self, paths: list[str]) -> list[tuple[str, Content]]:
        start = time.monotonic()
        contents = await self.disk.digest_paths(paths)
        read = sum(not isinstance(content, SlowRead) for _, content in contents)
        self.stage_totals.add_stage(reading=time.monotonic() - start, read=read)
        return contents

    async def _on_contents(self, contents: list[tuple[str, Content]]) -> None:
        digests = {path: content for path, content in contents if isinstance(content, ContentDigest)}
        reused = await self._photo_index.reuse_vectors(digests)
        if digests:
            self._shortage = ""
        for path in reused:
            self._forced.discard(path)
            self._finish(path)
        for path, content in contents:
            if path not in reused:
                await self._on_new_content(path, content)

    async def _on_new_content(self, path: str, content: Content) -> None:
        match content:
            case None:
                self._finish(path, again=True)
            case SlowRead():
                self._begun.append(path)
            case ReadFailure(reason, "machine"):
                self._wait_for_machine(path, reason)
            case ReadFailure(reason, scope):
                await self._fail_if_there(path, reason, scope)
            case ContentDigest(fingerprint, digest):
                if path not in self._forced and (known := self._photo_index.failure_of_digest(digest, self._decoder)):
                    self._photo_index.record_failure(path, fingerprint, known.reason, self._decoder, digest)
                    self._finish(path)
                    if path in self._retries:
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
                case Unreadable(photo, reason, scope):
                    await self._fail_if_there(photo.path, reason, scope, photo)
                    self._in_flight.finish_job(photo)
                case photo:
                    await self._on_contents([(photo.path, ContentDigest(photo.fingerprint, photo.digest))])

    async def _fail_if_there(self, path: str, reason: str, scope: FailureScope, photo: EmbedJob | None = None) -> None:
        """Record a failure, unless the file is gone or changed meanwhile, or its disk does not answer.

        A file that was read as empty may have been read between being truncated and being written. One that may become
        readable without a change does not count as dealt with, and neither do its copies.
        """
        ((_, seen),) = await self.disk.stat_paths([path])
        match seen:
            case PhotoFile(_, fingerprint) if photo is None and scope == "unfinished" and fingerprint.size:
                self._finish(path, again=True)
            case PhotoFile(_, fingerprint) if photo is None or photo.fingerprint == fingerprint:
                here, again = scope == "file", self._photo_index.library.failure(path) is not None
                digest = None if here or photo is None else photo.digest
                self._photo_index.record_failure(path, fingerprint, reason, "" if here else self._decoder, digest)
                self._finish(path)
                # What stays unreadable is tried once at each scan.
                if scope == "unfinished" or (here and (not again or path in self._retries)):
                    self._schedule_retry(path)
            case PhotoFile():
                self._finish(path, again=True)
            case OSError():
                log.debug("%s: %s; and %s", path, reason, seen.strerror)
                self._finish(path)
            case _:
                self._finish(path, again=True)

    def _wait_for_machine(self, path: str, reason: str) -> None:
        """Read a file again later, since this machine is short of something. It stays pending, and is no failure."""
        if self._shortage != reason:
            self._shortage = reason
            log.warning("%s: photos wait: %s", self._root, reason)
        self._finish(path)
        self._debouncer.path_changed(path, asyncio.get_running_loop().time() + _RETRY_DELAYS[0], closed=False)
        self._wake.set()

    def _finish(self, path: str, *, again: bool = False) -> None:
        self._active.discard(path)
        if again or path in self._dirty:
            self._dirty.discard(path)
            self.file_changed(path, closed=False)

    def _schedule_retry(self, path: str) -> None:
        """Read a photo again later, a few times: one that was cut off, or whose disk did not give it."""
        tried = self._retries[path]
        if tried >= len(_RETRY_DELAYS):
            del self._retries[path]
            return
        self._retries[path] += 1
        self._retry_timers[path] = asyncio.get_running_loop().call_later(_RETRY_DELAYS[tried], self._read_again, path)

    def _cancel_retry(self, path: str) -> None:
        if timer := self._retry_timers.pop(path, None):
            timer.cancel()

    def _read_again(self, path: str) -> None:
        self._retry_timers.pop(path, None)
        if self._photo_index.library.failure(path) is not None and path not in self._active:
            self._make_ready(path)
