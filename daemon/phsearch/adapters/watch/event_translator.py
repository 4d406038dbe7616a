"""Raw events, in the words of the domain."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from watchdog.observers.inotify_c import InotifyConstants

from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.types import Changed, Deleted, FolderAppeared, FolderMoved, Moved

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.inotify_c import InotifyEvent

    from phsearch.adapters.watch.tree import Folder, Tree
    from phsearch.adapters.watch.watched_roots import WatchedRoots
    from phsearch.domain.roots.ignore_rules import IgnoreRules
    from phsearch.domain.types import FsEvent

_IN = InotifyConstants
_PAIRING_SECONDS = 0.5
"""How long a moved-from waits for its moved-to. The kernel writes both in one go; only its writer can be preempted."""


@dataclass(frozen=True, slots=True)
class _Leaving:
    """One half of a move: the name that went, waiting for the name that comes."""

    path: str
    folder: Folder | None
    deadline: float


class EventTranslator:
    """Keeps the tree true to the events, and tells what they mean for the photos.

    The two halves of a move are two events; the first waits here for the second, and is `due` when that may no longer
    come. `nudge` is called when one begins to wait.
    """

    def __init__(
        self,
        tree: Tree,
        watched_roots: WatchedRoots,
        rules: IgnoreRules,
        *,
        follow: bool,
        emit: Callable[[FsEvent], None],
        nudge: Callable[[], None],
    ) -> None:
        self._tree = tree
        self._watched_roots = watched_roots
        self._rules = rules
        self._follow = follow
        self._emit = emit
        self._wake = nudge
        self._leaving: dict[int, _Leaving] = {}

    def translate(self, folder: Folder, event: InotifyEvent) -> None:
        """Translate one raw event in a folder."""
        if not event.name:
            self._on_self(folder, event.mask)
            return
        if folder.detached() is not None:
            return  # a ghost's event: its path is no more; if it comes to lie elsewhere, it is scanned there
        name = os.fsdecode(event.name)
        top, rel = folder.location()
        rel = f"{rel}/{name}" if rel else name
        path = dir_prefix(top.name) + rel
        if self._concerns_folder(event, folder, name, path):
            self._on_folder(event, folder, name, path, wanted=self._tree.wants(path, rel))
            self._watched_roots.report_degraded()
        else:
            self._on_file(event, path, wanted=self._rules.allows_file_name(rel))

    def due(self) -> float | None:
        """Give when the next half of a move has waited long enough."""
        if not self._leaving:
            return None
        return min(source.deadline for source in self._leaving.values())

    def expire(self) -> None:
        """Take each half of a move that has waited long enough for a move out of all roots."""
        now = time.monotonic()
        for cookie, source in list(self._leaving.items()):
            if source.deadline <= now:
                del self._leaving[cookie]
                self._left(source)

    def flush_moves(self) -> None:
        """Let nothing wait any longer: whatever was to come with it has come."""
        self._leaving = {cookie: replace(source, deadline=0.0) for cookie, source in self._leaving.items()}

    def clear(self) -> None:
        """Forget what waits."""
        self._leaving.clear()

    def _on_self(self, folder: Folder, mask: int) -> None:
        if folder.parent is not None:
            return
        if mask & _IN.IN_UNMOUNT:
            self._watched_roots.lose(folder, "its file system was unmounted")
        elif mask & _IN.IN_MOVE_SELF:
            self._watched_roots.lose(folder, "its folder was renamed")
        elif mask & _IN.IN_DELETE_SELF:
            self._watched_roots.lose(folder, "its folder was deleted")

    def _concerns_folder(self, event: InotifyEvent, folder: Folder, name: str, path: str) -> bool:
        if event.mask & _IN.IN_ISDIR or name in folder.children:
            return True
        # The kernel calls a link to a folder a file. (Path.is_dir would raise for one that is too long to follow.)
        appeared = bool(event.mask & (_IN.IN_CREATE | _IN.IN_MOVED_TO))
        return self._follow and appeared and os.path.isdir(path)  # noqa: PTH112

    def _on_file(self, event: InotifyEvent, path: str, *, wanted: bool) -> None:
        if event.is_moved_to:
            source = self._leaving.pop(event.cookie, None)
            match source, wanted:
                case _Leaving(path=old), True:
                    self._emit(Moved(old, path))
                case _Leaving(path=old), False:
                    self._emit(Deleted(old))
                case None, True:
                    self._emit(Changed(path, closed=True))
        elif not wanted:
            return
        elif event.is_moved_from:
            self._leave(event.cookie, path, None)
        elif event.is_delete:
            self._emit(Deleted(path))
        elif event.is_close_write or event.is_attrib:
            self._emit(Changed(path, closed=True))
        elif event.is_create:
            self._emit(Changed(path, closed=False))

    def _on_folder(self, event: InotifyEvent, parent: Folder, name: str, path: str, *, wanted: bool) -> None:
        known = parent.children.get(name)
        if event.is_moved_to:
            self._arrive(self._leaving.pop(event.cookie, None), parent, name, path, wanted=wanted)
        elif event.is_moved_from:
            if known is not None:
                self._tree.detach(known)
            if wanted:
                self._leave(event.cookie, path, known)
        elif event.is_delete:
            if known is not None:
                self._tree.forget(known)
            if wanted:
                self._emit(Deleted(path))
        elif event.is_create and wanted:
            self._appear(parent, name, path)
        if (event.is_moved_from or event.is_delete) and self._watched_roots.suspect(path):
            self._wake()

    def _arrive(self, source: _Leaving | None, parent: Folder, name: str, path: str, *, wanted: bool) -> None:
        if source is None:
            if wanted:
                self._appear(parent, name, path)
            return
        if not wanted:
            self._left(source)
            return
        folder = source.folder
        if folder is not None and folder.alive and not folder.attached:
            self._tree.move(folder, parent, name)
        # The watch may be missing (the move overtook us), and so may those of folders made just before the move.
        folder = self._tree.watch(parent, name)
        if folder is not None:
            self._tree.sync(folder)
        self._emit(FolderMoved(source.path, path))
        # The move may also have overtaken the scan that an earlier FolderAppeared asked for: its photos are here now.
        self._emit(FolderAppeared(path))

    def _appear(self, parent: Folder, name: str, path: str) -> None:
        known = parent.children.get(name)
        before = known.wd if known is not None else None
        folder = self._tree.watch(parent, name)
        if folder is None or (folder is known and folder.wd is not None and folder.wd == before):
            return  # a survey was here first, and what was told after it makes this folder be scanned, too
        self._tree.sync(folder)
        self._emit(FolderAppeared(path))

    def _leave(self, cookie: int, path: str, folder: Folder | None) -> None:
        self._leaving[cookie] = _Leaving(path, folder, time.monotonic() + _PAIRING_SECONDS)
        self._wake()

    def _left(self, source: _Leaving) -> None:
        if source.folder is not None and source.folder.alive and not source.folder.attached:
            self._tree.forget(source.folder)
        self._emit(Deleted(source.path))
