"""Translates raw inotify events to the domain's events."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from watchdog.observers.inotify_c import InotifyConstants

from phsearch.adapters.watch.tree import is_open
from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.watch_events import Changed, Deleted, FolderAppeared, FolderMoved, Moved

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.inotify_c import InotifyEvent

    from phsearch.adapters.watch.tree import FolderNode, FolderTree
    from phsearch.adapters.watch.watched_roots import WatchedRoots
    from phsearch.domain.roots.ignore_rules import IgnoreRules
    from phsearch.domain.watch_events import FsEvent

_IN = InotifyConstants
_PAIRING_SECONDS = 0.5
"""How long a moved-from waits for its moved-to. The kernel writes both directly after each other, unless preempted."""


@dataclass(frozen=True, slots=True)
class _PendingMove:
    """The first half of a move: the old name, which waits for the new name."""

    path: str
    folder: FolderNode | None
    deadline: float


class EventTranslator:
    """Updates the tree by the events, and emits what they mean for the photos.

    A move is two events. The first waits here for the second until its deadline. `wake` is called when one begins to
    wait, so that the maintenance thread calls `expire_moves` in time.
    """

    def __init__(
        self,
        *,
        tree: FolderTree,
        watched_roots: WatchedRoots,
        rules: IgnoreRules,
        follow: bool,
        emit: Callable[[FsEvent], None],
        wake: Callable[[], None],
    ) -> None:
        self._tree = tree
        self._watched_roots = watched_roots
        self._rules = rules
        self._follow = follow
        self._emit = emit
        self._wake = wake
        self._pending_moves: dict[int, _PendingMove] = {}

    def translate(self, folder: FolderNode, event: InotifyEvent) -> None:
        """Translate one raw event of a folder."""
        if not event.name:
            self._on_self(folder, event.mask)
            return
        if folder.detached_ancestor() is not None:
            return  # its path is not valid now; if the folder appears elsewhere, it is scanned there
        name = os.fsdecode(event.name)
        top, rel = folder.location()
        rel = f"{rel}/{name}" if rel else name
        path = dir_prefix(top.name) + rel
        if self._concerns_folder(event, folder, name, path):
            wanted = self._tree.wants_folder(path, rel)
            if event.is_attrib and wanted:
                watch = partial(self._tree.watch_child, folder, name)
                self._on_permissions(folder.children.get(name), path, watch)
            else:
                self._on_folder(event, folder, name, path, wanted=wanted)
            self._watched_roots.report_degraded()
        else:
            self._on_file(event, path, wanted=self._rules.allows_file_name(rel))

    def next_deadline(self) -> float | None:
        """Return the earliest deadline of a pending move, in monotonic time."""
        if not self._pending_moves:
            return None
        return min(source.deadline for source in self._pending_moves.values())

    def expire_moves(self) -> None:
        """Treat each pending move that has passed its deadline as a move out of all roots."""
        now = time.monotonic()
        for cookie, source in list(self._pending_moves.items()):
            if source.deadline <= now:
                del self._pending_moves[cookie]
                self._moved_out(source)

    def flush_moves(self) -> None:
        """Set all deadlines to now: every second half that exists has been read."""
        self._pending_moves = {cookie: replace(source, deadline=0.0) for cookie, source in self._pending_moves.items()}

    def clear_moves(self) -> None:
        """Forget all pending moves."""
        self._pending_moves.clear()

    def _on_self(self, folder: FolderNode, mask: int) -> None:
        if folder.parent is not None:
            return
        if mask & _IN.IN_UNMOUNT:
            self._watched_roots.lose_root(folder, "its file system was unmounted")
        elif mask & _IN.IN_MOVE_SELF:
            self._watched_roots.lose_root(folder, "its folder was renamed")
        elif mask & _IN.IN_DELETE_SELF:
            self._watched_roots.lose_root(folder, "its folder was deleted")
        elif mask & _IN.IN_ATTRIB:
            self._on_permissions(folder, folder.name, lambda: folder)

    def _concerns_folder(self, event: InotifyEvent, folder: FolderNode, name: str, path: str) -> bool:
        if event.mask & _IN.IN_ISDIR or name in folder.children:
            return True
        # For the kernel a link to a folder is a file. (Path.is_dir would raise for a link that is too long.)
        appeared = bool(event.mask & (_IN.IN_CREATE | _IN.IN_MOVED_TO))
        return self._follow and appeared and os.path.isdir(path)  # noqa: PTH112

    def _on_file(self, event: InotifyEvent, path: str, *, wanted: bool) -> None:
        if event.is_moved_to:
            source = self._pending_moves.pop(event.cookie, None)
            match source, wanted:
                case _PendingMove(path=old), True:
                    self._emit(Moved(old, path))
                case _PendingMove(path=old), False:
                    self._emit(Deleted(old))
                case None, True:
                    self._emit(Changed(path, closed=True))
        elif not wanted:
            return
        elif event.is_moved_from:
            self._await_destination(event.cookie, path, None)
        elif event.is_delete:
            self._emit(Deleted(path))
        elif event.is_close_write or event.is_attrib:
            self._emit(Changed(path, closed=True))
        elif event.is_create:
            self._emit(Changed(path, closed=False))

    def _on_folder(self, event: InotifyEvent, parent: FolderNode, name: str, path: str, *, wanted: bool) -> None:
        known = parent.children.get(name)
        if event.is_moved_to:
            self._on_folder_moved_to(self._pending_moves.pop(event.cookie, None), parent, name, path, wanted=wanted)
        elif event.is_moved_from:
            if known is not None:
                self._tree.detach_node(known)
            if wanted:
                self._await_destination(event.cookie, path, known)
        elif event.is_delete:
            if known is not None:
                self._tree.remove_node(known)
            if wanted:
                self._emit(Deleted(path))
        elif event.is_create and wanted:
            self._on_folder_created(parent, name, path)
        if (event.is_moved_from or event.is_delete) and self._watched_roots.request_check(path):
            self._wake()

    def _on_folder_moved_to(
        self, source: _PendingMove | None, parent: FolderNode, name: str, path: str, *, wanted: bool
    ) -> None:
        if source is None:
            if wanted:
                self._on_folder_created(parent, name, path)
            return
        if not wanted:
            self._moved_out(source)
            return
        folder = source.folder
        if folder is not None and folder.alive and not folder.attached:
            self._tree.move_node(folder, parent, name)
        # The watch may be missing (the move was faster than we), and so may those of folders made just before the move.
        folder = self._tree.watch_child(parent, name)
        if folder is not None:
            self._tree.sync_subtree(folder)
        self._emit(FolderMoved(source.path, path))
        # The move may also have been faster than the scan after an earlier FolderAppeared: its photos are here now.
        self._emit(FolderAppeared(path))

    def _on_permissions(self, folder: FolderNode | None, path: str, watch: Callable[[], FolderNode | None]) -> None:
        """Read a folder that could not be read until now. Any change of its times and owner comes here, too."""
        if folder is None or not (folder.closed or folder.wd is None):
            if folder is not None and not is_open(path):
                folder.closed = True
            return
        if is_open(path) and (folder := watch()) is not None and folder.wd is not None:
            self._tree.sync_subtree(folder)
            self._emit(FolderAppeared(path))

    def _on_folder_created(self, parent: FolderNode, name: str, path: str) -> None:
        known = parent.children.get(name)
        before = known.wd if known is not None else None
        folder = self._tree.watch_child(parent, name)
        if folder is None or (folder is known and folder.wd is not None and folder.wd == before):
            return  # sync_subtree was here first, and the event emitted after it also causes a scan of this folder
        self._tree.sync_subtree(folder)
        self._emit(FolderAppeared(path))

    def _await_destination(self, cookie: int, path: str, folder: FolderNode | None) -> None:
        self._pending_moves[cookie] = _PendingMove(path, folder, time.monotonic() + _PAIRING_SECONDS)
        self._wake()

    def _moved_out(self, source: _PendingMove) -> None:
        if source.folder is not None and source.folder.alive and not source.folder.attached:
            self._tree.remove_node(source.folder)
        self._emit(Deleted(source.path))
