"""Turn the watcher's events into work. Events are hints: each leads to a check of the disk, and none is believed."""

from __future__ import annotations

import asyncio
import logging
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
    from collections.abc import Mapping

    from phsearch.domain.roots.roots import Roots
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.roots.monitor import RootMonitor
    from phsearch.service.roots.sync_barrier import SyncBarrier


log = logging.getLogger("phsearch.watch")


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

    def dispatch_threadsafe(self, event: FsEvent) -> None:
        """Dispatch an event from any thread."""
        try:
            self._loop.call_soon_threadsafe(self.dispatch, event)
        except RuntimeError:
            # The loop is closed. The scan of the next start finds what changed.
            log.debug("after the end: %s", event)

    def dispatch(self, event: FsEvent) -> None:
        """Handle an event."""
        match event:
            case Changed(path, closed):
                if (pipeline := self._router.pipeline_of(path)) is not None:
                    pipeline.file_changed(path, closed=closed)
            case Deleted(path):
                self._deleted(path)
            case Moved(source, target):
                self._moved(source, target)
            case FolderAppeared(path):
                if (root := self._roots.root_of(path)) is not None:
                    self._monitors[root].scan(path)
            case FolderMoved(source, target):
                self._folder_moved(source, target)
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

    def _deleted(self, path: str) -> None:
        pipeline, library = self._router.pipeline_of(path), self._photo_index.library
        if pipeline is not None and (
            path in library or library.failure(path) is not None or pipeline.stage_of(path) is not None
        ):
            pipeline.check_now(path)
            return
        # Not a known file, so it may have been a folder. Every file in it is checked.
        for inside in [*library.under(path), *self._router.under(path)]:
            self._check_now(inside)
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

    def _folder_moved(self, source: str, target: str) -> None:
        for path in [*self._photo_index.library.under(source), *self._router.under(source)]:
            self._moved(path, target + path[len(source) :])
        # The FolderAppeared that always follows covers every other file in it.

    def _check_now(self, path: str) -> None:
        if (pipeline := self._router.pipeline_of(path)) is not None:
            pipeline.check_now(path)
