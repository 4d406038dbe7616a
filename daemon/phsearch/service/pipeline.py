"""From "something happened to this path" to "it is findable, gone or failed", one path at a time.

    offer -> settle -> look -> digest -> known content? -> reuse
                                          else          -> embed -> add | fail

A path is in at most one place. What happens to it meanwhile marks it, and when its turn ends it is looked at again; so
no order of events can leave an older state behind. Nothing here touches the disk on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.batching import Candidate
from phsearch.domain.roots import below
from phsearch.domain.types import Digested, Found, Refused
from phsearch.errors import UnreadableImageError
from phsearch.service.embedder import ChangedMeanwhile, Embedded, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.roots import Roots
    from phsearch.domain.settle import Settler
    from phsearch.domain.types import Fingerprint
    from phsearch.service.catalog import Catalog
    from phsearch.service.embedder import Embedder, Outcome
    from phsearch.service.lanes import Lane

log = logging.getLogger("phsearch.index")

_LOOKS = 256
_READS = 16
_EMBED_AHEAD = 512
_RETRY_TRUNCATED = (5.0, 30.0, 180.0)


Seen = Found | Refused | OSError | None
Content = Digested | UnreadableImageError | OSError | None


@dataclass(frozen=True, slots=True)
class Disk:
    """The three questions the pipeline asks of the disk, in a thread."""

    look: Callable[[str], Found | Refused | None]
    digest: Callable[[str], Digested | None]
    now_ns: Callable[[], int]


class Pipeline:
    """Every file that is on its way into the index."""

    def __init__(
        self,
        disk: Disk,
        lane: Lane,
        settler: Settler,
        catalog: Catalog,
        embedder: Embedder,
        roots: Roots,
        decoder: str,
    ) -> None:
        self._disk = disk
        self._lane = lane
        self._settler = settler
        self._catalog = catalog
        self._embedder = embedder
        self._roots = roots
        self._decoder = decoder
        self._ready: dict[str, None] = {}
        self._active: set[str] = set()
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._readable = asyncio.Event()
        self._retries: dict[str, asyncio.TimerHandle] = {}
        self._forced: set[str] = set()
        embedder.on_outcome = self._settle_outcome

    @property
    def pending(self) -> int:
        """Files seen but not yet dealt with."""
        return len(self._settler) + len(self._ready) + len(self._active)

    def place(self, path: str) -> str | None:
        """Say where a path is on its way, None where it is not."""
        if path in self._active:
            return "being indexed"
        if path in self._ready:
            return "queued"
        return "settling" if path in self._settler else None

    def under(self, folder: str) -> list[str]:
        """Give the paths in `folder`, at any depth, that are on their way."""
        prefix = folder.rstrip("/") + "/"
        return [path for path in (*self._settler.paths(), *self._ready, *self._active) if path.startswith(prefix)]

    def current(self, path: str, fingerprint: Fingerprint) -> bool:
        """Tell whether a file in this state has been dealt with."""
        return self._catalog.library.current(path, fingerprint, self._decoder)

    def touch(self, path: str, *, closed: bool) -> None:
        """Look at a path once it has settled."""
        self._ready.pop(path, None)
        self._settler.touch(path, asyncio.get_running_loop().time(), closed=closed)
        self._wake.set()

    def offer(self, path: str) -> None:
        """Look at a path now; it settles only if it turns out to be fresh."""
        if path not in self._ready and path not in self._settler:
            self._settler.touch(path, float("-inf"), closed=False)
            self._wake.set()

    def retry(self, path: str | None) -> int:
        """Read failed files again though nothing changed: the one at `path`, those below it, or all; gives how many."""
        library = self._catalog.library
        inside = None if path is None else below(path)
        failed = [each.path for each in library.failures()]
        chosen = [each for each in failed if inside is None or each == path or each.startswith(inside)]
        for each in chosen:
            if timer := self._retries.pop(each, None):
                timer.cancel()
            self._forced.add(each)
            if self.place(each) is None:
                self._ready[each] = None
        self._readable.set()
        return len(chosen)

    def drop(self, path: str) -> None:
        """Let go of a path that is gone."""
        self._settler.drop(path)
        self._ready.pop(path, None)
        if path in self._active:
            self._dirty.add(path)
        if retry := self._retries.pop(path, None):
            retry.cancel()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._settle())
            for _ in range(2):
                group.create_task(self._read())

    async def _settle(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            due = self._settler.next_due()
            if due is None or due > loop.time():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), None if due is None else due - loop.time())
            paths = self._settler.due(loop.time())
            for start in range(0, len(paths), _LOOKS):
                chunk = paths[start : start + _LOOKS]
                for path, seen in await self._lane.run(self._look_all, chunk):
                    self._take_look(path, seen)

    def _look_all(self, paths: list[str]) -> list[tuple[str, Seen]]:
        looks: list[tuple[str, Seen]] = []
        for path in paths:
            try:
                looks.append((path, self._disk.look(path)))
            except OSError as error:
                looks.append((path, error))
        return looks

    def _take_look(self, path: str, seen: Seen) -> None:
        match seen:
            case None:
                self._settler.drop(path)
                if path in self._active:
                    self._dirty.add(path)
                self._catalog.remove(path)
            case OSError():
                # The disk does not answer; whether the file is there will show when its root is scanned again.
                self._settler.drop(path)
                log.debug("%s: %s", path, seen.strerror)
            case Refused():
                self._settler.drop(path)
                if not self.current(path, seen.fingerprint):
                    self._fail(path, seen.fingerprint, seen.reason)
            case Found():
                age = (self._disk.now_ns() - seen.fingerprint.mtime_ns) / 1e9
                now = asyncio.get_running_loop().time()
                if self._settler.looked(path, seen.fingerprint, age, now):
                    self._enqueue(path, seen.fingerprint)

    def _enqueue(self, path: str, fingerprint: Fingerprint) -> None:
        if path in self._active:
            self._dirty.add(path)
        elif not self.current(path, fingerprint):
            self._ready[path] = None
            self._readable.set()

    async def _read(self) -> None:
        """Take paths from the queue, a few at a time, and find out what their content is."""
        while True:
            await self._readable.wait()
            # Bounded, so that a first run over a large library does not read all of it before embedding any.
            await self._embedder.room(_EMBED_AHEAD)
            paths = list(self._ready)[:_READS]
            for path in paths:
                del self._ready[path]
            if not self._ready:
                self._readable.clear()
            self._active.update(paths)
            for path, content in await self._lane.run(self._digest_all, paths):
                await self._take_content(path, content)

    def _digest_all(self, paths: list[str]) -> list[tuple[str, Content]]:
        contents: list[tuple[str, Content]] = []
        for path in paths:
            try:
                contents.append((path, self._disk.digest(path)))
            except FileNotFoundError:
                contents.append((path, None))
            except UnreadableImageError as error:
                contents.append((path, error))
            except OSError as error:
                contents.append((path, error))
        return contents

    async def _take_content(self, path: str, content: Content) -> None:
        match content:
            case None:
                self._finish(path, again=True)
            case UnreadableImageError() | OSError():
                ((_, seen),) = await self._lane.run(self._look_all, [path])
                self._finish(path)
                if not isinstance(seen, Found):
                    return
                if isinstance(content, OSError):
                    # The file may become readable without changing: no decoder's version makes this current.
                    reason = f"cannot be read: {content.strerror}"
                    self._catalog.fail(path, seen.fingerprint, reason, decoder="")
                else:
                    self._fail(path, seen.fingerprint, str(content))
            case Digested():
                root = self._roots.of(path)
                if root is None or await self._catalog.reuse(path, content.fingerprint, content.digest):
                    self._finish(path)
                else:
                    self._embedder.submit(Candidate(path, root, content.fingerprint, content.digest))

    def _settle_outcome(self, outcome: Outcome) -> None:
        photo = outcome.photo
        match outcome:
            case Embedded():
                self._catalog.add(photo.path, photo.fingerprint, photo.digest, outcome.info, outcome.vector)
                self._finish(photo.path)
            case ChangedMeanwhile():
                self._finish(photo.path, again=True)
            case Unreadable():
                self._finish(photo.path)
                self._fail(photo.path, photo.fingerprint, outcome.reason)
                if outcome.truncated:
                    self._retry(photo.path)

    def _fail(self, path: str, fingerprint: Fingerprint, reason: str) -> None:
        self._catalog.fail(path, fingerprint, reason, self._decoder)

    def _finish(self, path: str, *, again: bool = False) -> None:
        self._active.discard(path)
        if again or path in self._dirty:
            self._dirty.discard(path)
            self.touch(path, closed=False)

    def _retry(self, path: str) -> None:
        """Try a truncated photo again after a while: some writers pause for longer than any settling time."""
        failure = self._catalog.library.failure(path)
        if failure is None or failure.attempts > len(_RETRY_TRUNCATED):
            return
        delay = _RETRY_TRUNCATED[failure.attempts - 1]
        self._retries[path] = asyncio.get_running_loop().call_later(delay, self._try_again, path)

    def _try_again(self, path: str) -> None:
        self._retries.pop(path, None)
        if self._catalog.library.failure(path) is not None and path not in self._active:
            self._ready[path] = None
            self._readable.set()
