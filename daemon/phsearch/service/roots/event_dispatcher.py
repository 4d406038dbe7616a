"""Turn the watcher's events into work. Events are hints: each leads to a check of the disk, and none is believed.

They are handled in their order, for some milliseconds at a time: a folder of a hundred thousand photos that is renamed
or deleted must not keep the daemon from answering.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING

from phsearch.domain.watch_events import (
    Changed,
    Deleted,
    FolderAppeared,
    FolderMoved,
    FsEvent,
    MountsChanged,
    Moved,
    Overflowed,
    RootLost,
    SyncMark,
    WatchDegraded,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phsearch.domain.roots.roots import Roots
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.roots.monitor import RootMonitor
    from phsearch.service.roots.sync_barrier import SyncBarrier


log = logging.getLogger("phsearch.watch")


_TURN_SECONDS = 0.005
"""The event loop has other work, too."""


class FsEventDispatcher:
    """Handles one event at a time, on the event loop that runs when it is made."""

    def __init__(
        self,
        *,
        roots: Roots,
        monitors: Mapping[str, RootMonitor],
        photo_index: PhotoIndex,
        router: PipelineRouter,
        sync_barrier: SyncBarrier,
    ) -> None:
        self._roots = roots
        self._monitors = monitors
        self._photo_index = photo_index
        self._router = router
        self._sync_barrier = sync_barrier
        self._loop = asyncio.get_running_loop()
        self._events: deque[FsEvent] = deque()
        self._scheduled = False
        self._steps: Iterator[None] = iter(())

    def dispatch_threadsafe(self, event: FsEvent) -> None:
        """Dispatch an event from any thread."""
        self._events.append(event)
        if self._scheduled:
            return
        self._scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._work)
        except RuntimeError:
            # The loop is closed. The scan of the next start finds what changed.
            log.debug("after the end: %s", event)

    def dispatch(self, event: FsEvent) -> None:
        """Handle an event, after those that came before; at least begin with it, if there are none."""
        self._events.append(event)
        if not self._scheduled:
            self._work()

    def _work(self) -> None:
        """Handle events for a moment, and go on soon where some are left."""
        # Whoever has an event meanwhile need not schedule another turn: there would be more of them in each round.
        self._scheduled = True
        until, left = time.perf_counter() + _TURN_SECONDS, True
        try:
            left = any(time.perf_counter() >= until for _ in self._all_steps())
        finally:
            self._scheduled = left or bool(self._events)  # also where one event has shown a bug
            if self._scheduled:
                self._loop.call_soon(self._work)

    def _all_steps(self) -> Iterator[None]:
        """Yield after each step of each event. What is left when nobody asks for more steps stays."""
        while True:
            for _ in self._steps:
                yield
            if not self._events:
                return
            self._steps = self._dispatch(self._events.popleft())

    def _dispatch(self, event: FsEvent) -> Iterator[None]:
        match event:
            case Deleted(path):
                yield from self._deleted(path)
            case FolderMoved(source, target):
                yield from self._folder_moved(source, target)
            case _:
                self._dispatch_short(event)
                yield

    def _dispatch_short(self, event: FsEvent) -> None:
        match event:
            case Changed(path, closed):
                if (pipeline := self._router.pipeline_of(path)) is not None:
                    pipeline.file_changed(path, closed=closed)
            case Moved(source, target):
                self._moved(source, target)
            case FolderAppeared(path):
                if (root := self._roots.root_of(path)) is not None:
                    self._monitors[root].scan(path)
            case _:
                self._dispatch_state(event)

    def _dispatch_state(self, event: FsEvent) -> None:
        match event:
            case Overflowed(root=root) | WatchDegraded(root=root) | RootLost(root=root) if root not in self._monitors:
                pass  # the last events of a root that was removed
            case Overflowed(root):
                self._monitors[root].overflowed()
            case WatchDegraded(root=root):
                self._monitors[root].watch_degraded(event)
            case RootLost(root, reason):
                # The roots inside it went with it, and nothing tells of them.
                for each in [root, *self._roots.nested(root)]:
                    self._monitors[each].watch_lost(reason)
            case MountsChanged():
                for monitor in self._monitors.values():
                    monitor.remounted()
            case SyncMark(token):
                self._sync_barrier.on_mark(token)

    def _deleted(self, path: str) -> Iterator[None]:
        pipeline, library = self._router.pipeline_of(path), self._photo_index.library
        if pipeline is not None and (
            path in library or library.failure(path) is not None or pipeline.stage_of(path) is not None
        ):
            pipeline.check_now(path)
            yield
            return
        # Not a known file, so it may have been a folder. Every photo in it is checked. Files that are on their way into
        # the index are found to be gone when it is their turn.
        for inside in library.under(path):
            self._check_now(inside)
            yield
        if (root := self._roots.root_of(path)) is not None:
            self._monitors[root].folder_gone(path)

    def _moved(self, source: str, target: str) -> None:
        before, after = self._router.pipeline_of(source), self._router.pipeline_of(target)
        known = self._photo_index.move_photo(source, target)
        if known and before is not None:
            before.drop_path(source)
        if after is not None:
            if known:
                # The check finds the photo unchanged, unless it was written just before it was renamed.
                after.check_now(target)
            else:
                after.file_changed(target, closed=True)
        if before is not None:
            before.check_now(source)

    def _folder_moved(self, source: str, target: str) -> Iterator[None]:
        # The FolderAppeared that always follows covers every other file in it, and looks at all.
        for left in self._photo_index.move_folder(source, target):
            for path in left:
                self._check_now(path)
            yield

    def _check_now(self, path: str) -> None:
        if (pipeline := self._router.pipeline_of(path)) is not None:
            pipeline.check_now(path)
