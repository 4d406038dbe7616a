"""What the watcher tells, turned into work. Events are hints: each leads to a look, none is believed."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from phsearch.domain.types import (
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
    from collections.abc import Callable, Mapping

    from phsearch.domain.roots.roots import Roots
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.roots.monitor import RootMonitor


log = logging.getLogger("phsearch.watch")


class FsEventDispatcher:
    """Handles one event at a time, on the event loop that runs when it is made."""

    def __init__(
        self,
        roots: Roots,
        monitors: Mapping[str, RootMonitor],
        photo_index: PhotoIndex,
        router: PipelineRouter,
        marked: Callable[[int], None],
    ) -> None:
        self._roots = roots
        self._monitors = monitors
        self._photo_index = photo_index
        self._router = router
        self._on_mark = marked
        self._loop = asyncio.get_running_loop()

    def dispatch_threadsafe(self, event: FsEvent) -> None:
        """Dispatch an event from any thread."""
        try:
            self._loop.call_soon_threadsafe(self.dispatch, event)
        except RuntimeError:
            # The loop is closed. The scan of the next start finds what changed.
            log.debug("after the end: %s", event)

    def dispatch(self, event: FsEvent) -> None:
        """Do what the event calls for."""
        match event:
            case Changed(path, closed):
                self._router.file_changed(path, closed=closed)
            case Deleted(path):
                self._deleted(path)
            case Moved(source, target):
                self._moved(source, target)
            case FolderAppeared(path):
                self._scan(path)
            case FolderMoved(source, target):
                self._folder_moved(source, target)
            case _:
                self._dispatch_state(event)

    def _dispatch_state(self, event: FsEvent) -> None:
        match event:
            case Overflowed(root=root) | WatchDegraded(root=root) | RootLost(root=root) if root not in self._monitors:
                pass  # the last words of a watch whose root was removed
            case Overflowed(root):
                self._monitors[root].overflowed()
            case WatchDegraded(root, folders, reason, watched):
                self._monitors[root].watch_degraded(folders, reason, watched)
            case RootLost(root, reason):
                self._monitors[root].watch_lost(reason)
            case MountsChanged():
                for monitor in self._monitors.values():
                    monitor.remounted()
            case SyncMark(token):
                self._on_mark(token)

    def _deleted(self, path: str) -> None:
        library = self._photo_index.library
        if path in library or library.failure(path) is not None or self._router.stage_of(path):
            self._router.check_now(path)
            return
        # Not a file we know, so it may have been a folder: everything in it deserves a look.
        for inside in [*library.under(path), *self._router.under(path)]:
            self._router.check_now(inside)

    def _moved(self, source: str, target: str) -> None:
        known = self._photo_index.move_photo(source, target)
        if known:
            self._router.drop_path(source)
            # The look finds it unchanged, unless it was written just before it was renamed.
            self._router.check_now(target)
        else:
            self._router.file_changed(target, closed=True)
        self._router.check_now(source)

    def _folder_moved(self, source: str, target: str) -> None:
        for path in [*self._photo_index.library.under(source), *self._router.under(source)]:
            self._moved(path, target + path[len(source) :])
        # Whatever else lies in it is covered by the FolderAppeared that always follows.

    def _scan(self, folder: str) -> None:
        root = self._roots.root_of(folder)
        if root is not None:
            self._monitors[root].scan(folder)
