"""What the watcher tells, turned into work. Events are hints: each leads to a look, none is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.domain.types import (
    Blind,
    FolderAppeared,
    FolderMoved,
    FsEvent,
    Gone,
    Marked,
    MountsChanged,
    Moved,
    Overflowed,
    RootLost,
    Touched,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phsearch.domain.roots.roots import Roots
    from phsearch.service.indexing.photo_index import Catalog
    from phsearch.service.indexing.router import Pipelines
    from phsearch.service.roots.monitor import RootKeeper


class Intake:
    """Takes one event at a time, on the event loop."""

    def __init__(
        self,
        roots: Roots,
        keepers: Mapping[str, RootKeeper],
        catalog: Catalog,
        pipelines: Pipelines,
        marked: Callable[[int], None],
    ) -> None:
        self._roots = roots
        self._keepers = keepers
        self._catalog = catalog
        self._pipelines = pipelines
        self._marked = marked

    def take(self, event: FsEvent) -> None:
        """Do what the event calls for."""
        match event:
            case Touched(path, closed):
                self._pipelines.touch(path, closed=closed)
            case Gone(path):
                self._gone(path)
            case Moved(source, target):
                self._moved(source, target)
            case FolderAppeared(path):
                self._scan(path)
            case FolderMoved(source, target):
                self._folder_moved(source, target)
            case _:
                self._take_state(event)

    def _take_state(self, event: FsEvent) -> None:
        match event:
            case Overflowed(root=root) | Blind(root=root) | RootLost(root=root) if root not in self._keepers:
                pass  # the last words of a watch whose root was removed
            case Overflowed(root):
                self._keepers[root].overflowed()
            case Blind(root, folders, reason, watched):
                self._keepers[root].blinded(folders, reason, watched)
            case RootLost(root, reason):
                self._keepers[root].lost(reason)
            case MountsChanged():
                for keeper in self._keepers.values():
                    keeper.remounted()
            case Marked(token):
                self._marked(token)

    def _gone(self, path: str) -> None:
        library = self._catalog.library
        if path in library or library.failure(path) is not None or self._pipelines.place(path):
            self._pipelines.offer(path)
            return
        # Not a file we know, so it may have been a folder: everything in it deserves a look.
        for inside in [*library.under(path), *self._pipelines.under(path)]:
            self._pipelines.offer(inside)

    def _moved(self, source: str, target: str) -> None:
        known = self._catalog.move(source, target)
        if known:
            self._pipelines.drop(source)
            # The look finds it unchanged, unless it was written just before it was renamed.
            self._pipelines.offer(target)
        else:
            self._pipelines.touch(target, closed=True)
        self._pipelines.offer(source)

    def _folder_moved(self, source: str, target: str) -> None:
        for path in [*self._catalog.library.under(source), *self._pipelines.under(source)]:
            self._moved(path, target + path[len(source) :])
        # Whatever else lies in it is covered by the FolderAppeared that always follows.

    def _scan(self, folder: str) -> None:
        root = self._roots.of(folder)
        if root is not None:
            self._keepers[root].scan(folder)
