"""The folders of all roots and their watches.

* `survey` makes nodes, watches and disk agree below any folder. New folders, moved folders, an overflow and a raised
  watch limit are all that one operation. It can always be repeated: adding a watch gives the same number for the same
  inode, and that is how a node learns that its folder now lies elsewhere.
* A folder is watched *before* it is listed: what appears meanwhile is either in the listing or in an event.
* No list of watches is ever torn down and built again: each removed watch queues an event of its own, and 16,384 of
  them overflow the queue that one wanted to repair. That is watchdog's livelock.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import os
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, Mask

from phsearch.adapters.watch.inotify_errors import FULL
from phsearch.adapters.watch.inotify_reader import FOLDER_MASK, ROOT_MASK
from phsearch.domain.roots.roots import dir_prefix

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from watchdog.observers.inotify_c import WatchCallback, WatchDescriptor

    from phsearch.adapters.watch.inotify_reader import Inotify, NullInotify
    from phsearch.domain.roots.ignore_rules import IgnoreRules
    from phsearch.domain.roots.roots import Roots

# One node for one folder, so that a renamed folder with ten thousand below it is one changed name.


@dataclass(eq=False, slots=True)
class Folder:
    """A folder that is watched, or that should be (`wd` is None then); `parent` is None at a root."""

    parent: Folder | None
    name: str
    wd: WatchDescriptor | None = None
    callback: CallbackId = CallbackId(0)  # noqa: RUF009 - an int
    children: dict[str, Folder] = field(default_factory=dict)
    alive: bool = True
    identity: tuple[int, int] = (0, 0)  # of a root: device and inode

    @property
    def attached(self) -> bool:
        """False between its own moved-from and moved-to."""
        return self.parent is None or self.parent.children.get(self.name) is self

    def detached(self) -> Folder | None:
        """Give the folder, itself or one above it, that is between moved-from and moved-to: the path is a ghost's."""
        folder: Folder | None = self
        while folder is not None and folder.attached:
            folder = folder.parent
        return folder

    def location(self) -> tuple[Folder, str]:
        """Give the root's node and the path relative to it."""
        names, folder = [], self
        while folder.parent is not None:
            names.append(folder.name)
            folder = folder.parent
        return folder, "/".join(reversed(names))

    @property
    def path(self) -> str:
        """The absolute path, as of now."""
        top, rel = self.location()
        return dir_prefix(top.name) + rel if rel else top.name

    def subtree(self) -> Iterator[Folder]:
        """Give the folder itself and all below it."""
        folders = [self]
        while folders:
            folder = folders.pop()
            yield folder
            folders.extend(folder.children.values())


_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
_TURNS = 64
"""Folders a walk handles (in some 3 ms) before it lets others have the lock; a sleep costs 0.1 ms."""
_SLICE = 1000
"""Watches removed at once: each queues an event, and the reader must come to read them in between."""


class Tree:
    """The folders of all roots and their watches. Its lock is the watcher's."""

    def __init__(
        self,
        roots: Roots,
        rules: IgnoreRules,
        *,
        follow: bool,
        callback: WatchCallback,
        lock: threading.RLock,
        remote: Callable[[str], str | None],
        nudge: Callable[[], None],
    ) -> None:
        self._roots = roots
        self._rules = rules
        self._follow = follow
        self._callback = callback
        self._lock = lock
        self._remote = remote
        self._wake = nudge
        self._mask = FOLDER_MASK if follow else FOLDER_MASK | InotifyConstants.IN_DONT_FOLLOW
        self._ids = itertools.count(1)
        self._by_wd: dict[WatchDescriptor, Folder] = {}
        self.degraded: dict[Folder, OSError] = {}
        self.degraded_changed = False
        self.inotify: Inotify | NullInotify | None = None
        self._real: dict[str, str] = {}
        self._pending_removal: deque[tuple[WatchDescriptor, CallbackId]] = deque()
        self._changes = 0
        self._counted: dict[str, tuple[int, tuple[int, int]]] = {}

    def folder_of(self, wd: WatchDescriptor) -> Folder | None:
        """Give the folder of a watch."""
        return self._by_wd.get(wd)

    def wants(self, path: str, rel: str) -> bool:
        """Judge a folder whose parent is in the tree; an inner root is a tree of its own."""
        return self._rules.allows_folder_name(rel) and path not in self._roots

    def add_root(self, root: str) -> Folder:
        """Watch the root's own folder; where a limit stands in the way it is `blind`. Raises OSError."""
        top = Folder(None, root)
        self.rewatch(top)
        status = os.stat(root)  # noqa: PTH116 - a str stays a str
        top.identity = (status.st_dev, status.st_ino)
        self._real[root] = os.path.realpath(root)
        return top

    def rewatch(self, top: Folder) -> None:
        """Watch a root's own folder that has no watch yet, if the limits now allow it. Raises OSError."""
        if top.wd is not None:
            return
        try:
            wd, callback = self._open(top.name, ROOT_MASK)
        except OSError as error:
            if error.errno not in FULL:
                raise
            self._mark(top, error)
            return
        owner = self._by_wd.get(wd)
        if owner is not None and owner.parent is None:
            self._shut([(wd, callback)])
            raise OSError(errno.EEXIST, f"it is the same folder as the root {owner.name}")
        if owner is not None:  # reached by a link from another root: its own root has the better claim
            self.forget(owner)
        top.wd, top.callback = wd, callback
        self._by_wd[wd] = top
        self._mark(top, None)

    def sync(self, top: Folder) -> None:
        """Make nodes, watches and disk agree below `top`.

        The lock is held for one folder at a time: were the reader to wait for a long walk, the queue would overflow.
        """
        folders: list[Folder] = [top]
        links: list[tuple[str, str, Folder]] = []  # a heap by path
        for turn in itertools.count(1):
            with self._lock:
                if not (folders or links) or self.inotify is None:
                    break
                # Real folders first, links in the order of their paths: the choice the scan makes, too.
                folder = folders.pop() if folders else self._watch_link(links)
                if folder is None or not folder.alive or folder.detached() is not None:
                    continue
                real, linked = self._list(folder)
                for name in set(folder.children) - {*real, *linked}:
                    self.forget(folder.children[name])
                for name in real:
                    child = self.watch(folder, name)
                    if child is not None:
                        folders.append(child)
                for name in linked:
                    heapq.heappush(links, (folder.path, name, folder))
            if turn % _TURNS == 0:
                time.sleep(0)  # locks are not fair: without this the reader would hardly ever get it

    def watch(self, parent: Folder, name: str) -> Folder | None:
        """Watch one folder; None where there is nothing to look into: it is gone, or is watched under another name.

        Where it cannot be watched the node is kept without a watch, and is `blind`. So is one where a network file
        system is mounted, and that is not even touched: it may hang, and tells of no changes made elsewhere anyway.
        """
        path = f"{dir_prefix(parent.path)}{name}"
        known = parent.children.get(name)
        kind = self._remote(self._real_path(parent, name))
        if kind is not None:
            known = self._unwatched(parent, name)
            for child in list(known.children.values()):
                self.forget(child)
            self._mark(known, OSError(errno.EREMOTE, f"{kind} tells of no changes made elsewhere"))
            return None
        try:
            wd, callback = self._open(path, self._mask)
        except OSError as error:
            if error.errno in _GONE:
                if known is not None:
                    self.forget(known)
                return None
            known = self._unwatched(parent, name)
            self._mark(known, error)
            return known
        owner = self._by_wd.get(wd)
        if owner is not None and owner is not known:
            if self._is_elsewhere(owner, parent, path):
                self._shut([(wd, callback)])
                return None
            self.move(owner, parent, name)  # the event that says so is still in the queue, or was lost
            known = owner
        if known is None:
            known = parent.children[name] = Folder(parent, name)
        if known.wd is not None:
            self._shut([(known.wd, known.callback)])
            self._by_wd.pop(known.wd, None)
        known.wd, known.callback = wd, callback
        self._by_wd[wd] = known
        self._changes += 1
        self._mark(known, None)
        return known

    def _unwatched(self, parent: Folder, name: str) -> Folder:
        """Give the node of a folder that is to have no watch."""
        known = parent.children.get(name)
        if known is None or known.wd is not None:
            if known is not None:
                self.forget(known)
            known = parent.children[name] = Folder(parent, name)
        return known

    def _real_path(self, parent: Folder, name: str) -> str:
        top, rel = parent.location()
        # Below the root no link is followed, or else the mount is met under the name it is linked to.
        return dir_prefix(self._real.get(top.name, top.name)) + (f"{rel}/{name}" if rel else name)

    def detach(self, folder: Folder) -> None:
        """Take a folder from its parent but keep its watches: it is on its way."""
        if folder.parent is not None and folder.attached:
            del folder.parent.children[folder.name]

    def move(self, folder: Folder, parent: Folder, name: str) -> None:
        """Put a folder, with all below it, to its new place."""
        self.detach(folder)
        if name in parent.children:
            self.forget(parent.children[name])
        folder.parent, folder.name = parent, name
        parent.children[name] = folder

    def forget(self, folder: Folder) -> None:
        """Stop watching a folder and all below it."""
        self.detach(folder)
        watches = []
        for each in folder.subtree():
            each.alive = False
            self._mark(each, None)
            if each.wd is not None:
                self._by_wd.pop(each.wd, None)
                watches.append((each.wd, each.callback))
        if folder.parent is None:
            self._real.pop(folder.name, None)
        self._changes += 1
        self._shut(watches)

    def remove_pending(self) -> bool:
        """End some of the watches that were many to end at once; gives whether more are left."""
        some = [self._pending_removal.popleft() for _ in range(min(_SLICE, len(self._pending_removal)))]
        if some and self.inotify is not None:
            self.inotify.remove_callbacks(some)
        return bool(self._pending_removal)

    def watch_counts(self, top: Folder) -> tuple[int, int]:
        """Count the folders of a root that are watched, and those that are not."""
        changes, counts = self._counted.get(top.name, (-1, (0, 0)))
        if changes != self._changes:
            watched = [each.wd is not None for each in top.subtree()]
            counts = (sum(watched), len(watched) - sum(watched))
            self._counted[top.name] = (self._changes, counts)
        return counts

    def clear(self) -> Inotify | NullInotify | None:
        """Forget everything at once and let go of the reader, which takes the watches with it."""
        for folder in (*self._by_wd.values(), *self.degraded):
            folder.alive = False
        self._by_wd.clear()
        self.degraded.clear()
        self.degraded_changed = False
        self._pending_removal.clear()
        self._real.clear()
        self._changes += 1
        inotify, self.inotify = self.inotify, None
        return inotify

    def _is_elsewhere(self, owner: Folder, parent: Folder, path: str) -> bool:
        """Say whether the watched folder is still where we think, so that `path` is but another name of it."""
        ancestor: Folder | None = parent
        while ancestor is not None and ancestor is not owner:
            ancestor = ancestor.parent
        if ancestor is owner or owner.parent is None:
            return True
        try:
            return owner.detached() is None and os.path.samefile(owner.path, path)  # noqa: PTH121
        except OSError:
            return False

    def _list(self, folder: Folder) -> tuple[list[str], list[str]]:
        real: list[str] = []
        linked: list[str] = []
        top, rel = folder.location()
        path = dir_prefix(top.name) + rel if rel else top.name
        prefix = f"{rel}/" if rel else ""
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    link = self._follow and entry.is_symlink()
                    if (_is_folder(entry) if link else entry.is_dir(follow_symlinks=False)) and self.wants(
                        entry.path, prefix + entry.name
                    ):
                        (linked if link else real).append(entry.name)
        except OSError as error:
            if error.errno not in _GONE:
                self._mark(folder, error)
            elif folder.parent is not None and folder.attached:
                self.forget(folder)
            return [], []
        if folder.wd is not None:
            self._mark(folder, None)
        return real, linked

    def _watch_link(self, links: list[tuple[str, str, Folder]]) -> Folder | None:
        _, name, parent = heapq.heappop(links)
        return self.watch(parent, name) if parent.alive and parent.detached() is None else None

    def _mark(self, folder: Folder, error: OSError | None) -> None:
        before = self.degraded.pop(folder, None)
        if error is not None:
            self.degraded[folder] = error
        if (before is None) != (error is None):
            self._changes += 1
        self.degraded_changed = self.degraded_changed or (before is None) != (error is None)

    def _open(self, path: str, mask: int) -> tuple[WatchDescriptor, CallbackId]:
        assert self.inotify is not None
        # A callback id of its own for every call: under one id, watchdog warns when a watch is added again.
        callback = CallbackId(next(self._ids))
        wd = self.inotify.add_callback(os.fsencode(path), Mask(mask), self._callback, callback)
        if wd == -1:  # how watchdog 7.1 passes over EACCES, and keeps a watch of that number
            self._shut([(wd, callback)])
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return wd, callback

    def _shut(self, watches: list[tuple[WatchDescriptor, CallbackId]]) -> None:
        if len(watches) > _SLICE:
            # Left to the keeper: the one who wants it may be the reader, and must go on reading meanwhile. What they
            # still tell is of folders nobody knows.
            self._pending_removal.extend(watches)
            self._wake()
        elif self.inotify is not None:
            self.inotify.remove_callbacks(watches)


def _is_folder(link: os.DirEntry[str]) -> bool:
    try:
        return link.is_dir()
    except OSError:
        return False
