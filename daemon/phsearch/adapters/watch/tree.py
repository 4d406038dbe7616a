"""The tree of the folders of all roots, with their watches.

* `sync_subtree` makes nodes, watches and disk agree below any folder. It handles new and moved folders, an overflow and
  a raised watch limit. It can always be repeated: a watch that is added again has the same number for the same inode,
  and so a node learns that its folder is now elsewhere.
* A folder is watched *before* it is listed. What appears meanwhile is either in the listing or in an event.
* All watches are never removed and added again at once: each removed watch queues an event, and 16,384 of them overflow
  the queue that was to be repaired. That is the livelock of watchdog.
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


@dataclass(eq=False, slots=True)
class FolderNode:
    """A folder that is watched, or should be (then `wd` is None). `parent` is None for a root.

    It is `closed` while we may not read what is in it.
    """

    parent: FolderNode | None
    name: str
    wd: WatchDescriptor | None = None
    callback: CallbackId = CallbackId(0)  # noqa: RUF009 - an int
    children: dict[str, FolderNode] = field(default_factory=dict)
    alive: bool = True
    closed: bool = False
    identity: tuple[int, int] = (0, 0)  # of a root: device and inode

    @property
    def attached(self) -> bool:
        """Whether its parent has it; it does not between the moved-from and the moved-to event of this folder."""
        return self.parent is None or self.parent.children.get(self.name) is self

    def detached_ancestor(self) -> FolderNode | None:
        """Return the folder, this or one above it, that is between moved-from and moved-to; its path is not valid."""
        folder: FolderNode | None = self
        while folder is not None and folder.attached:
            folder = folder.parent
        return folder

    def location(self) -> tuple[FolderNode, str]:
        """Return the root's node and the path relative to it."""
        names, folder = [], self
        while folder.parent is not None:
            names.append(folder.name)
            folder = folder.parent
        return folder, "/".join(reversed(names))

    @property
    def path(self) -> str:
        """The current absolute path."""
        top, rel = self.location()
        return dir_prefix(top.name) + rel if rel else top.name

    def subtree(self) -> Iterator[FolderNode]:
        """Yield the folder itself and all folders below it."""
        folders = [self]
        while folders:
            folder = folders.pop()
            yield folder
            folders.extend(folder.children.values())


_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
_YIELD_EVERY = 64
"""Folders that sync_subtree handles (in about 3 ms) before it yields to other threads; each yield costs 0.1 ms."""
_REMOVAL_BATCH = 1000
"""Watches removed at once. Each queues an event, and the reader must be able to read them in between."""


class FolderTree:
    """The folders of all roots and their watches, under the watcher's lock.

    `degraded` has the folders that should be watched and are not, with the reason.
    """

    def __init__(
        self,
        *,
        roots: Roots,
        rules: IgnoreRules,
        follow: bool,
        callback: WatchCallback,
        lock: threading.RLock,
        remote_type: Callable[[str], str | None],
        is_mount_point: Callable[[str], bool],
        wake: Callable[[], None],
    ) -> None:
        self._roots = roots
        self._rules = rules
        self._follow = follow
        self._callback = callback
        self._lock = lock
        self._remote_type = remote_type
        self._is_mount_point = is_mount_point
        self._wake = wake
        self._mask = FOLDER_MASK if follow else FOLDER_MASK | InotifyConstants.IN_DONT_FOLLOW
        self._ids = itertools.count(1)
        self._by_wd: dict[WatchDescriptor, FolderNode] = {}
        self.degraded: dict[FolderNode, OSError] = {}
        self.degraded_changed = False
        self.inotify: Inotify | NullInotify | None = None
        self._real_roots: dict[str, str] = {}
        self._pending_removal: deque[tuple[WatchDescriptor, CallbackId]] = deque()
        self._changes = 0
        self._counts_cache: dict[str, tuple[int, tuple[int, int]]] = {}

    def folder_of(self, wd: WatchDescriptor) -> FolderNode | None:
        """Return the folder of a watch."""
        return self._by_wd.get(wd)

    def wants_folder(self, path: str, rel: str) -> bool:
        """Whether to watch a folder whose parent is in the tree; an inner root has its own tree."""
        return self._rules.allows_folder_name(rel) and path not in self._roots

    def add_root(self, root: str) -> FolderNode:
        """Watch the root's own folder; it is `degraded` if a limit of inotify prevents that. Raises OSError."""
        top = FolderNode(None, root)
        self.rewatch(top)
        status = os.stat(root)  # noqa: PTH116 - a str stays a str
        top.identity = (status.st_dev, status.st_ino)
        self._real_roots[root] = os.path.realpath(root)
        return top

    def rewatch(self, top: FolderNode) -> None:
        """Watch a root's own folder if it has no watch yet and the limits now allow one. Raises OSError."""
        if top.wd is not None:
            return
        try:
            wd, callback = self._add_watch(top.name, ROOT_MASK)
        except OSError as error:
            if error.errno not in FULL:
                raise
            self._set_degraded(top, error)
            return
        owner = self._by_wd.get(wd)
        if owner is not None and owner.parent is None:
            self._remove_watches([(wd, callback)])
            raise OSError(errno.EEXIST, f"it is the same folder as the root {owner.name}")
        if owner is not None:  # reached by a link from another root: it belongs to its own root
            self.remove_node(owner)
        top.wd, top.callback = wd, callback
        self._by_wd[wd] = top
        self._set_degraded(top, None)

    def sync_subtree(self, top: FolderNode) -> None:
        """Make nodes, watches and disk agree below `top`.

        The lock is held for one folder at a time. If the reader had to wait for all of them, the queue would overflow.
        """
        folders: list[FolderNode] = [top]
        later: list[tuple[bool, str, str, FolderNode]] = []  # a heap of mounts and links
        for turn in itertools.count(1):
            with self._lock:
                if not (folders or later) or self.inotify is None:
                    break
                # First other folders, then mounts, then links, in the order of their paths, as in a scan.
                folder = folders.pop() if folders else self._watch_later(later)
                if folder is None or not folder.alive or folder.detached_ancestor() is not None:
                    continue
                real, linked = self._list_subfolders(folder)
                for name in set(folder.children) - {*real, *linked}:
                    self.remove_node(folder.children[name])
                for name in real:
                    if self._is_mount_point(self._real_path(folder, name)):
                        heapq.heappush(later, (False, folder.path, name, folder))
                    elif (child := self.watch_child(folder, name)) is not None:
                        folders.append(child)
                for name in linked:
                    heapq.heappush(later, (True, folder.path, name, folder))
            if turn % _YIELD_EVERY == 0:
                time.sleep(0)  # locks are not fair: without this the reader would hardly ever get the lock

    def watch_child(self, parent: FolderNode, name: str) -> FolderNode | None:
        """Watch one folder and return its node, or None if it is gone or is watched under another name.

        If it cannot be watched, its node has no watch and is `degraded`. So is a folder where a network file system is
        mounted, and None is returned for it. That file system is not accessed at all: it may hang, and it does not
        report changes made elsewhere anyway.
        """
        path = f"{dir_prefix(parent.path)}{name}"
        known = parent.children.get(name)
        kind = self._remote_type(self._real_path(parent, name))
        if kind is not None:
            known = self._unwatched_node(parent, name)
            for child in list(known.children.values()):
                self.remove_node(child)
            self._set_degraded(known, OSError(errno.EREMOTE, f"{kind} tells of no changes made elsewhere"))
            return None
        try:
            wd, callback = self._add_watch(path, self._mask)
        except OSError as error:
            if error.errno in _GONE:
                if known is not None:
                    self.remove_node(known)
                return None
            known = self._unwatched_node(parent, name)
            self._set_degraded(known, error)
            return known
        owner = self._by_wd.get(wd)
        if owner is not None and owner is not known:
            if self._is_elsewhere(owner, parent, path):
                self._remove_watches([(wd, callback)])
                return None
            self.move_node(owner, parent, name)  # the event of the move is still in the queue, or was lost
            known = owner
        if known is None:
            known = parent.children[name] = FolderNode(parent, name)
        if known.wd is not None:
            self._remove_watches([(known.wd, known.callback)])
            self._by_wd.pop(known.wd, None)
        known.wd, known.callback = wd, callback
        self._by_wd[wd] = known
        self._changes += 1
        self._set_degraded(known, None)
        return known

    def _unwatched_node(self, parent: FolderNode, name: str) -> FolderNode:
        """Return a node without a watch for a folder."""
        known = parent.children.get(name)
        if known is None or known.wd is not None:
            if known is not None:
                self.remove_node(known)
            known = parent.children[name] = FolderNode(parent, name)
        return known

    def _real_path(self, parent: FolderNode, name: str) -> str:
        top, rel = parent.location()
        # Below the root either no link is followed, or the mount is also found under the name that the link leads to.
        return dir_prefix(self._real_roots.get(top.name, top.name)) + (f"{rel}/{name}" if rel else name)

    def detach_node(self, folder: FolderNode) -> None:
        """Remove a folder from its parent but keep its watches, while it is being moved."""
        if folder.parent is not None and folder.attached:
            del folder.parent.children[folder.name]

    def move_node(self, folder: FolderNode, parent: FolderNode, name: str) -> None:
        """Move a node, with all nodes below it, to a new parent and name."""
        self.detach_node(folder)
        if name in parent.children:
            self.remove_node(parent.children[name])
        folder.parent, folder.name = parent, name
        parent.children[name] = folder

    def remove_node(self, folder: FolderNode) -> None:
        """Stop watching a folder and all folders below it."""
        self.detach_node(folder)
        watches = []
        for each in folder.subtree():
            each.alive = False
            self._set_degraded(each, None)
            if each.wd is not None:
                self._by_wd.pop(each.wd, None)
                watches.append((each.wd, each.callback))
        if folder.parent is None:
            self._real_roots.pop(folder.name, None)
        self._changes += 1
        self._remove_watches(watches)

    def remove_pending(self) -> bool:
        """Remove the next batch of the watches that are still to be removed; return whether more are left."""
        some = [self._pending_removal.popleft() for _ in range(min(_REMOVAL_BATCH, len(self._pending_removal)))]
        if some and self.inotify is not None:
            self.inotify.remove_callbacks(some)
        return bool(self._pending_removal)

    def watch_counts(self, top: FolderNode) -> tuple[int, int]:
        """Return the numbers of watched and unwatched folders of a root."""
        changes, counts = self._counts_cache.get(top.name, (-1, (0, 0)))
        if changes != self._changes:
            watched = [each.wd is not None for each in top.subtree()]
            counts = (sum(watched), len(watched) - sum(watched))
            self._counts_cache[top.name] = (self._changes, counts)
        return counts

    def detach_reader(self) -> Inotify | NullInotify | None:
        """Forget all folders and return the reader; its watches end with it."""
        for folder in (*self._by_wd.values(), *self.degraded):
            folder.alive = False
        self._by_wd.clear()
        self.degraded.clear()
        self.degraded_changed = False
        self._pending_removal.clear()
        self._real_roots.clear()
        self._changes += 1
        inotify, self.inotify = self.inotify, None
        return inotify

    def _is_elsewhere(self, owner: FolderNode, parent: FolderNode, path: str) -> bool:
        """Whether the watched folder is still at its known path, so that `path` is only another name of it."""
        ancestor: FolderNode | None = parent
        while ancestor is not None and ancestor is not owner:
            ancestor = ancestor.parent
        if ancestor is owner or owner.parent is None:
            return True
        try:
            return owner.detached_ancestor() is None and os.path.samefile(owner.path, path)  # noqa: PTH121
        except OSError:
            return False

    def _list_subfolders(self, folder: FolderNode) -> tuple[list[str], list[str]]:
        real: list[str] = []
        linked: list[str] = []
        top, rel = folder.location()
        path = dir_prefix(top.name) + rel if rel else top.name
        prefix = f"{rel}/" if rel else ""
        folder.closed = not is_open(path)
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    link = self._follow and entry.is_symlink()
                    if (_leads_to_folder(entry) if link else entry.is_dir(follow_symlinks=False)) and self.wants_folder(
                        entry.path, prefix + entry.name
                    ):
                        (linked if link else real).append(entry.name)
        except OSError as error:
            if error.errno not in _GONE:
                self._set_degraded(folder, error)
            elif folder.parent is not None and folder.attached:
                self.remove_node(folder)
            return [], []
        if folder.wd is not None:
            self._set_degraded(folder, None)
        return real, linked

    def _watch_later(self, later: list[tuple[bool, str, str, FolderNode]]) -> FolderNode | None:
        *_, name, parent = heapq.heappop(later)
        return self.watch_child(parent, name) if parent.alive and parent.detached_ancestor() is None else None

    def _set_degraded(self, folder: FolderNode, error: OSError | None) -> None:
        before = self.degraded.pop(folder, None)
        if error is not None:
            self.degraded[folder] = error
        if (before is None) != (error is None):
            self._changes += 1
        self.degraded_changed = self.degraded_changed or (before is None) != (error is None)

    def _add_watch(self, path: str, mask: int) -> tuple[WatchDescriptor, CallbackId]:
        assert self.inotify is not None
        # A new callback id for every call: watchdog warns when a watch is added again under the same id.
        callback = CallbackId(next(self._ids))
        wd = self.inotify.add_callback(os.fsencode(path), Mask(mask), self._callback, callback)
        if wd == -1:  # watchdog 7.1 ignores EACCES in this way, and keeps a watch with that number
            self._remove_watches([(wd, callback)])
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return wd, callback

    def _remove_watches(self, watches: list[tuple[WatchDescriptor, CallbackId]]) -> None:
        if len(watches) > _REMOVAL_BATCH:
            # Left to the maintenance thread: the calling thread may be the reader, which must go on reading. The events
            # of these watches are ignored, since no node has them.
            self._pending_removal.extend(watches)
            self._wake()
        elif self.inotify is not None:
            self.inotify.remove_callbacks(watches)


def is_open(folder: str) -> bool:
    """Whether we may read the names in a folder, and what they stand for."""
    return os.access(folder, os.R_OK | os.X_OK)


def _leads_to_folder(link: os.DirEntry[str]) -> bool:
    try:
        return link.is_dir()
    except OSError:
        return False
