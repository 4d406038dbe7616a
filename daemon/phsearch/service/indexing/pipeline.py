"""From "something happened to this path" to "it is findable, gone or failed", one path of one root at a time.

    offer -> settle -> look -> digest -> known content? -> reuse | fail
                                          else          -> embed -> add | fail

A path is in at most one place. What happens to it meanwhile marks it, and when its turn ends it is looked at again; so
no order of events can leave an older state behind. Each root has a pipeline of its own, so that one whose disk hangs
holds up no other, and nothing here touches a disk on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from phsearch.domain.indexing.batching import ChangedMeanwhile, Embedded, EmbedJob, Unreadable
from phsearch.domain.throttle.policy import DutyCycle
from phsearch.domain.throughput import StageTotals
from phsearch.domain.types import ContentDigest, NotAFile, PhotoFile
from phsearch.errors import UnreadableImageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from phsearch.domain.indexing.batching import EmbedResult
    from phsearch.domain.indexing.settle import Debouncer
    from phsearch.domain.types import Fingerprint
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.threads import TimeoutExecutor

log = logging.getLogger("phsearch.index")

_STATS_AT_ONCE = 256
_READS_AT_ONCE = 16
_EMBED_AHEAD = 512
_RETRY_TRUNCATED = (5.0, 30.0, 180.0)


Seen = PhotoFile | NotAFile | OSError | None
Content = ContentDigest | UnreadableImageError | OSError | None


@dataclass(frozen=True, slots=True)
class DiskIO:
    """What a pipeline asks of the disk, in a thread; `tick` is to be called while there is progress."""

    stat_all: Callable[[Callable[[], None], list[str]], list[tuple[str, Seen]]]
    digest: Callable[[str, Callable[[], None]], ContentDigest | None]
    now_ns: Callable[[], int]


class EmbedQueue(Protocol):
    """Where photos go whose content is new."""

    def embed_job(self, job: EmbedJob, by: RootPipeline) -> None:
        """Have a photo embedded; its outcome comes by `Pipeline.take`, or `Pipeline.again` when a twin was first."""

    def finished(self, job: EmbedJob) -> None:
        """Hear that the outcome has been dealt with."""

    def ahead_of(self, path: str) -> int | None:
        """Give how many photos are embedded before one that waits; None for one that does not wait."""

    def wait_for_space(self, most: int) -> Awaitable[None]:
        """Wait until fewer than `most` photos wait."""

    def wake(self) -> None:
        """Hear that there is something to do."""


class RootPipeline:
    """Every file of one root that is on its way into the index."""

    def __init__(
        self,
        root: str,
        disk: TimeoutExecutor,
        ask: DiskIO,
        debouncer: Debouncer,
        photo_index: PhotoIndex,
        embedding: EmbedQueue,
        decoder: str,
        turn: Callable[[DutyCycle], Awaitable[None]],
    ) -> None:
        self._root = root
        self._disk = disk
        self._io = ask
        self._debouncer = debouncer
        self._photo_index = photo_index
        self._embed_queue = embedding
        self._decoder = decoder
        self._throttle_turn = turn
        self.stage_totals = StageTotals()
        self._ready: dict[str, None] = {}
        self._active: set[str] = set()
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._readable = asyncio.Event()
        self._results: asyncio.Queue[Unreadable | EmbedJob] = asyncio.Queue()
        self._truncated: set[str] = set()
        self._retries: dict[str, asyncio.TimerHandle] = {}
        self._forced: set[str] = set()

    @property
    def pending(self) -> int:
        """Files seen but not yet dealt with."""
        return len(self._debouncer) + len(self._ready) + len(self._active)

    @property
    def settling(self) -> int:
        """Files seen that may still be changing."""
        return len(self._debouncer)

    @property
    def queued(self) -> int:
        """Files that wait to be read, or are being indexed."""
        return len(self._ready) + len(self._active)

    def stage_of(self, path: str) -> str | None:
        """Say where a path is on its way, None where it is not."""
        if path in self._active:
            return "being indexed"
        if path in self._ready:
            return "queued"
        return "settling" if path in self._debouncer else None

    def embed_position(self, path: str) -> tuple[int, int] | None:
        """Give the place of a path that waits to be read or embedded, as (n from 1, of m); None for any other."""
        queued = len(self._active) + len(self._ready)
        if path in self._ready:
            return len(self._active) + list(self._ready).index(path) + 1, queued
        before = self._embed_queue.ahead_of(path)
        return None if before is None else (before + 1, queued)

    def under(self, folder: str) -> list[str]:
        """Give the paths in `folder`, at any depth, that are on their way."""
        prefix = folder.rstrip("/") + "/"
        return [path for path in self.pending_paths() if path.startswith(prefix)]

    def pending_paths(self) -> list[str]:
        """Give all paths that are on their way."""
        return [*self._debouncer.paths(), *self._ready, *self._active]

    def current(self, path: str, fingerprint: Fingerprint) -> bool:
        """Tell whether a file in this state has been dealt with."""
        return self._photo_index.library.is_current(path, fingerprint, self._decoder)

    def file_changed(self, path: str, *, closed: bool) -> None:
        """Look at a path once it has settled."""
        self._ready.pop(path, None)
        self._debouncer.path_changed(path, asyncio.get_running_loop().time(), closed=closed)
        self._wake.set()

    def check_now(self, path: str) -> None:
        """Look at a path now; it settles only if it turns out to be fresh."""
        # A look that is under way may have seen it before whatever happened now: it is looked at once more.
        if path not in self._ready and (path not in self._debouncer or self._debouncer.is_stating(path)):
            self._debouncer.path_changed(path, float("-inf"), closed=False)
            self._wake.set()

    def retry_path(self, path: str) -> None:
        """Try a failed file again though nothing changed."""
        if timer := self._retries.pop(path, None):
            timer.cancel()
        self._forced.add(path)
        if self.stage_of(path) is None:
            self._ready[path] = None
            self._readable.set()

    def drop_path(self, path: str) -> None:
        """Let go of a path that is gone."""
        self._debouncer.drop_path(path)
        self._ready.pop(path, None)
        if path in self._active:
            self._dirty.add(path)
        self._truncated.discard(path)
        if retry := self._retries.pop(path, None):
            retry.cancel()

    def on_embed_result(self, result: EmbedResult) -> None:
        """Take what became of a photo that was to be embedded."""
        photo = result.photo
        match result:
            case Embedded():
                self._photo_index.add_photo(photo.path, photo.fingerprint, photo.digest, result.info, result.vector)
                self._truncated.discard(photo.path)
                self._finish(photo.path)
                self._embed_queue.finished(photo)
            case ChangedMeanwhile():
                self._finish(photo.path, again=True)
                self._embed_queue.finished(photo)
            case Unreadable():
                self._results.put_nowait(result)

    def on_duplicate_done(self, photo: EmbedJob) -> None:
        """Take back a photo whose twin, by content, went first: what became of that holds for this one, too."""
        self._results.put_nowait(photo)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._settle_loop())
            group.create_task(self._result_loop())
            for _ in range(2):
                group.create_task(self._read_loop())

    def close(self) -> None:
        """Let go of what is still to come; call it when `run` has ended."""
        for timer in self._retries.values():
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
            self._embed_queue.wake()
            paths = self._debouncer.due(loop.time())
            for start in range(0, len(paths), _STATS_AT_ONCE):
                chunk = paths[start : start + _STATS_AT_ONCE]
                self._debouncer.begin_stat(chunk)
                for path, seen in await self.stat_paths(chunk):
                    if self._debouncer.is_stating(path):
                        self._on_stat(path, seen)

    async def digest_path(self, path: str) -> ContentDigest | None:
        """Read one file now and give its digest. Raises OSError, UnreadableImageError."""
        return await self._disk.run(lambda tick: self._io.digest(path, tick))

    async def stat_paths(self, paths: list[str]) -> list[tuple[str, Seen]]:
        """Look at files now; an OSError is given for each of which nothing can be said."""
        try:
            return await self._disk.run(self._io.stat_all, paths)
        except OSError as error:
            return [(path, error) for path in paths]

    def _on_stat(self, path: str, seen: Seen) -> None:
        match seen:
            case None:
                self._debouncer.drop_path(path)
                if path in self._active:
                    self._dirty.add(path)
                self._photo_index.remove_photo(path)
            case OSError():
                # The disk does not answer; whether the file is there will show when its root is scanned again.
                self._debouncer.drop_path(path)
                log.debug("%s: %s", path, seen.strerror)
            case NotAFile():
                self._debouncer.drop_path(path)
                if not self.current(path, seen.fingerprint):
                    self._photo_index.record_failure(path, seen.fingerprint, seen.reason, self._decoder, None)
            case PhotoFile():
                age = (self._io.now_ns() - seen.fingerprint.mtime_ns) / 1e9
                now = asyncio.get_running_loop().time()
                if self._debouncer.stat_done(path, seen.fingerprint, age, now):
                    self._enqueue(path, seen.fingerprint)

    def _enqueue(self, path: str, fingerprint: Fingerprint) -> None:
        if path in self._active:
            self._dirty.add(path)
        elif not self.current(path, fingerprint):
            self._ready[path] = None
            self._readable.set()

    async def _read_loop(self) -> None:
        """Take paths from the queue, a few at a time, and find out what their content is."""
        duty_cycle = DutyCycle()
        while True:
            await self._readable.wait()
            self._embed_queue.wake()
            # Bounded, so that a first run over a large library does not read all of it before embedding any.
            await self._embed_queue.wait_for_space(_EMBED_AHEAD)
            await self._throttle_turn(duty_cycle)
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
            return await self._disk.run(self._digest_all, paths)
        except OSError as error:
            return [(path, error) for path in paths]
        finally:
            self.stage_totals.add_stage(reading=time.monotonic() - start, read=len(paths))

    def _digest_all(self, tick: Callable[[], None], paths: list[str]) -> list[tuple[str, Content]]:
        contents: list[tuple[str, Content]] = []
        for path in paths:
            try:
                contents.append((path, self._io.digest(path, tick)))
            except FileNotFoundError:
                contents.append((path, None))
            except UnreadableImageError as error:
                contents.append((path, error))
            except OSError as error:
                contents.append((path, error))
        return contents

    async def _on_content(self, path: str, content: Content) -> None:
        match content:
            case None:
                self._finish(path, again=True)
            case UnreadableImageError():
                await self._fail_if_there(path, str(content), self._decoder, empty=True)
            case OSError():
                # The file may become readable without changing: no decoder's version makes this current.
                await self._fail_if_there(path, f"cannot be read: {content.strerror}", "")
            case ContentDigest(fingerprint, digest):
                if await self._photo_index.reuse_vector(path, fingerprint, digest):
                    self._forced.discard(path)
                    self._finish(path)
                elif path not in self._forced and (known := self._photo_index.failure_of_digest(digest, self._decoder)):
                    self._photo_index.record_failure(path, fingerprint, known.reason, self._decoder, digest)
                    self._finish(path)
                    self._retry(path)
                else:
                    self._forced.discard(path)
                    self._embed_queue.embed_job(EmbedJob(path, self._root, fingerprint, digest), self)

    async def _result_loop(self) -> None:
        """Deal with photos that failed, and with those whose twins went first."""
        while True:
            match await self._results.get():
                case Unreadable(photo, reason, truncated):
                    if truncated:
                        self._truncated.add(photo.path)
                    await self._fail_if_there(photo.path, reason, self._decoder, photo)
                    self._retry(photo.path)
                    self._embed_queue.finished(photo)
                case photo:
                    await self._on_content(photo.path, ContentDigest(photo.fingerprint, photo.digest))

    async def _fail_if_there(
        self, path: str, reason: str, decoder: str, photo: EmbedJob | None = None, *, empty: bool = False
    ) -> None:
        """Note a failure; it is none when the file went or changed meanwhile, or when its disk does not answer.

        An `empty` one may have been caught between being truncated and being written.
        """
        ((_, seen),) = await self.stat_paths([path])
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

    def _retry(self, path: str) -> None:
        """Read a truncated photo again after a while: some writers pause for longer than any settling time."""
        failure = self._photo_index.library.failure(path)
        if path not in self._truncated or failure is None or failure.attempts > len(_RETRY_TRUNCATED):
            self._truncated.discard(path)
            return
        delay = _RETRY_TRUNCATED[failure.attempts - 1]
        self._retries[path] = asyncio.get_running_loop().call_later(delay, self._try_again, path)

    def _try_again(self, path: str) -> None:
        self._retries.pop(path, None)
        if self._photo_index.library.failure(path) is not None and path not in self._active:
            self._ready[path] = None
            self._readable.set()
