"""Watching roots with inotify, through watchdog's reader.

inotify watches single folders, by inode, and says "in watch 17, a name appeared". Everything hard is in keeping the
answer to "what is watch 17 called?" true while folders come, go and move under our hands, and in saying so when the
truth was lost. watchdog 7.1 has that in its `InotifyWatchGroup`, one per root and with a thread each, and it cannot be
taught what we need: leaving out ignored folders, naming the folders it could not watch, telling an overflow, noticing a
move between two roots. So this module takes watchdog one layer lower, at `InotifyFD` (the file descriptor, its parser
and its one thread for all roots) and its `WatchCallback` protocol, both public names of `watchdog.observers.inotify_c`,
and keeps the names itself:

* `_Tree` holds one node per folder, so that a renamed folder with ten thousand below it is one changed name, and
  `survey` makes nodes, watches and disk agree below any folder. New folders, moved folders, an overflow and a raised
  watch limit are all that one operation. It can always be repeated: adding a watch gives the same number for the same
  inode, and that is how a node learns that its folder now lies elsewhere.
* A folder is watched *before* it is listed: what appears meanwhile is either in the listing or in an event.
* No list of watches is ever torn down and built again: each removed watch queues an event of its own, and 16,384 of
  them overflow the queue that one wanted to repair. That is watchdog's livelock.
* `FolderWatcher` translates: raw events to the words of the domain.

The masks leave out open, access, close-without-write and attributes: our own reading makes no events at all.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import select
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyFD, Mask

from phsearch.domain.roots import below
from phsearch.domain.types import Blind, FolderAppeared, FolderMoved, Gone, Moved, Overflowed, RootLost, Touched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from watchdog.observers.inotify_c import InotifyEvent, WatchCallback, WatchDescriptor

    from phsearch.domain.roots import Roots
    from phsearch.domain.rules import Rules
    from phsearch.domain.types import FsEvent

log = logging.getLogger(__name__)

_IN = InotifyConstants
_FOLDER_MASK = (
    _IN.IN_CREATE | _IN.IN_CLOSE_WRITE | _IN.IN_MOVE | _IN.IN_DELETE
    | _IN.IN_ONLYDIR | _IN.IN_EXCL_UNLINK | _IN.IN_MASK_ADD
)  # fmt: skip
_ROOT_MASK = _FOLDER_MASK | _IN.IN_DELETE_SELF | _IN.IN_MOVE_SELF
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
_PAIRING_SECONDS = 0.5
"""How long a moved-from waits for its moved-to. The kernel writes both in one go; only its writer can be preempted."""
_TURNS = 64
"""Folders a walk handles (in some 3 ms) before it lets others have the lock; a sleep costs 0.1 ms."""
_SLICE = 1000
"""Watches removed at once: each queues an event, and the reader, which needs no lock of ours for these, keeps up."""


class Inotify(InotifyFD):
    """watchdog's reader thread, which says so when it dies."""

    def __init__(self, on_death: Callable[[Exception], None]) -> None:
        super().__init__()
        self._on_death = on_death

    def run(self) -> None:
        """Read and hand on events until stopped."""
        try:
            super().run()
        except Exception as error:
            log.exception("the inotify reader died")
            self._on_death(error)


@dataclass(eq=False, slots=True)
class _Folder:
    """A folder that is watched, or that should be (`wd` is None then); `parent` is None at a root."""

    parent: _Folder | None
    name: str
    wd: WatchDescriptor | None = None
    callback: CallbackId = CallbackId(0)  # noqa: RUF009 - an int
    children: dict[str, _Folder] = field(default_factory=dict)
    alive: bool = True
    identity: tuple[int, int] = (0, 0)  # of a root: device and inode

    @property
    def attached(self) -> bool:
        """False between its own moved-from and moved-to."""
        return self.parent is None or self.parent.children.get(self.name) is self

    def adrift(self) -> _Folder | None:
        """Give the folder, itself or one above it, that is between moved-from and moved-to: the path is a ghost's."""
        folder: _Folder | None = self
        while folder is not None and folder.attached:
            folder = folder.parent
        return folder

    def place(self) -> tuple[_Folder, str]:
        """Give the root's node and the path relative to it."""
        names, folder = [], self
        while folder.parent is not None:
            names.append(folder.name)
            folder = folder.parent
        return folder, "/".join(reversed(names))

    @property
    def path(self) -> str:
        top, rel = self.place()
        return below(top.name) + rel if rel else top.name

    def subtree(self) -> Iterator[_Folder]:
        folders = [self]
        while folders:
            folder = folders.pop()
            yield folder
            folders.extend(folder.children.values())


class _Tree:
    """The folders of all roots and their watches. Its lock is the watcher's."""

    def __init__(
        self,
        roots: Roots,
        rules: Rules,
        *,
        follow: bool,
        callback: WatchCallback,
        lock: threading.RLock,
    ) -> None:
        self._roots = roots
        self._rules = rules
        self._follow = follow
        self._callback = callback
        self._lock = lock
        self._mask = _FOLDER_MASK if follow else _FOLDER_MASK | _IN.IN_DONT_FOLLOW
        self._ids = itertools.count(1)
        self._by_wd: dict[WatchDescriptor, _Folder] = {}
        self.blind: dict[_Folder, OSError] = {}
        self.blind_changed = False
        self.inotify: Inotify | None = None

    def of(self, wd: WatchDescriptor) -> _Folder | None:
        return self._by_wd.get(wd)

    def wants(self, path: str, rel: str) -> bool:
        """Judge a folder whose parent is in the tree; an inner root is a tree of its own."""
        return self._rules.keeps_folder(rel) and path not in self._roots

    def plant(self, root: str) -> _Folder:
        """Watch the root's own folder. Raises OSError."""
        wd, callback = self._open(root, _ROOT_MASK)
        owner = self._by_wd.get(wd)
        if owner is not None and owner.parent is None:
            self._shut([(wd, callback)])
            raise OSError(errno.EEXIST, f"it is the same folder as the root {owner.name}")
        if owner is not None:  # reached by a link from another root: its own root has the better claim
            self.forget(owner)
        status = os.stat(root)  # noqa: PTH116 - a str stays a str
        top = _Folder(None, root, wd, callback, identity=(status.st_dev, status.st_ino))
        self._by_wd[wd] = top
        return top

    def survey(self, top: _Folder) -> None:
        """Make nodes, watches and disk agree below `top`.

        The lock is held for one folder at a time: were the reader to wait for a long walk, the queue would overflow.
        """
        folders: list[_Folder] = [top]
        links: list[tuple[_Folder, str]] = []
        for turn in itertools.count(1):
            with self._lock:
                if not (folders or links) or self.inotify is None:
                    break
                # Real folders first, links in the order of their paths: the choice the scan makes, too.
                folder = folders.pop() if folders else self._watch_link(links)
                if folder is None or not folder.alive or folder.adrift() is not None:
                    continue
                real, linked = self._list(folder)
                for name in set(folder.children) - {*real, *linked}:
                    self.forget(folder.children[name])
                for name in real:
                    child = self.watch(folder, name)
                    if child is not None:
                        folders.append(child)
                links.extend((folder, name) for name in linked)
            if turn % _TURNS == 0:
                time.sleep(0)  # locks are not fair: without this the reader would hardly ever get it

    def watch(self, parent: _Folder, name: str) -> _Folder | None:
        """Watch one folder; None where it is gone or is watched already under another name.

        Where it cannot be watched the node is kept without a watch, and is `blind`.
        """
        path = f"{below(parent.path)}{name}"
        known = parent.children.get(name)
        try:
            wd, callback = self._open(path, self._mask)
        except OSError as error:
            if error.errno in _GONE:
                if known is not None:
                    self.forget(known)
                return None
            if known is None or known.wd is not None:
                if known is not None:
                    self.forget(known)
                known = parent.children[name] = _Folder(parent, name)
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
            known = parent.children[name] = _Folder(parent, name)
        if known.wd is not None:
            self._shut([(known.wd, known.callback)])
            self._by_wd.pop(known.wd, None)
        known.wd, known.callback = wd, callback
        self._by_wd[wd] = known
        self._mark(known, None)
        return known

    def detach(self, folder: _Folder) -> None:
        """Take a folder from its parent but keep its watches: it is on its way."""
        if folder.parent is not None and folder.attached:
            del folder.parent.children[folder.name]

    def move(self, folder: _Folder, parent: _Folder, name: str) -> None:
        """Put a folder, with all below it, to its new place."""
        self.detach(folder)
        if name in parent.children:
            self.forget(parent.children[name])
        folder.parent, folder.name = parent, name
        parent.children[name] = folder

    def forget(self, folder: _Folder) -> None:
        """Stop watching a folder and all below it."""
        self.detach(folder)
        watches = []
        for each in folder.subtree():
            each.alive = False
            self._mark(each, None)
            if each.wd is not None:
                self._by_wd.pop(each.wd, None)
                watches.append((each.wd, each.callback))
        self._shut(watches)

    def clear(self) -> Inotify | None:
        """Forget everything at once and let go of the reader, which takes the watches with it."""
        for folder in self._by_wd.values():
            folder.alive = False
        self._by_wd.clear()
        self.blind.clear()
        inotify, self.inotify = self.inotify, None
        return inotify

    def _is_elsewhere(self, owner: _Folder, parent: _Folder, path: str) -> bool:
        """Say whether the watched folder is still where we think, so that `path` is but another name of it."""
        ancestor: _Folder | None = parent
        while ancestor is not None and ancestor is not owner:
            ancestor = ancestor.parent
        if ancestor is owner or owner.parent is None:
            return True
        try:
            return owner.adrift() is None and os.path.samefile(owner.path, path)  # noqa: PTH121
        except OSError:
            return False

    def _list(self, folder: _Folder) -> tuple[list[str], list[str]]:
        real: list[str] = []
        linked: list[str] = []
        top, rel = folder.place()
        path = below(top.name) + rel if rel else top.name
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

    def _watch_link(self, links: list[tuple[_Folder, str]]) -> _Folder | None:
        links.sort(key=lambda link: (link[0].path, link[1]), reverse=True)
        parent, name = links.pop()
        return self.watch(parent, name) if parent.alive and parent.adrift() is None else None

    def _mark(self, folder: _Folder, error: OSError | None) -> None:
        before = self.blind.pop(folder, None)
        if error is not None:
            self.blind[folder] = error
        self.blind_changed = self.blind_changed or (before is None) != (error is None)

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
        for start in range(0, len(watches), _SLICE):
            if start:
                time.sleep(0.005)
            if self.inotify is not None:
                self.inotify.remove_callbacks(watches[start : start + _SLICE])


@dataclass(frozen=True, slots=True)
class _Leaving:
    """One half of a move: the name that went, waiting for the name that comes."""

    path: str
    folder: _Folder | None
    deadline: float


class FolderWatcher:
    """Tells what changes below the roots; fills `ports.Watcher`.

    Two threads whatever the number of roots: watchdog's reader, and a keeper for what is due without an event (half a
    move, an overflow to recover from, a file system mounted over a root).
    """

    def __init__(
        self, roots: Roots, rules: Rules, *, follow_symlinks: bool = False, inotify: type[Inotify] = Inotify
    ) -> None:
        self._rules = rules
        self._follow = follow_symlinks
        self._make_inotify = inotify
        self._lock = threading.RLock()
        self._tree = _Tree(roots, rules, follow=follow_symlinks, callback=self, lock=self._lock)
        self._tops: dict[str, _Folder] = {}
        self._told: dict[str, int] = {}
        self._leaving: dict[int, _Leaving] = {}
        self._overflowed = False
        self._emit: Callable[[FsEvent], None] = lambda _event: None
        self._keeper: threading.Thread | None = None
        self._dying: Inotify | None = None
        self._wake = -1

    # --- the port ---------------------------------------------------------------------------------------------

    def start(self, emit: Callable[[FsEvent], None]) -> None:
        """Begin; no root is watched yet."""
        self._emit = emit
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._keeper = threading.Thread(target=self._keep, name="watch-keeper", daemon=True)
        self._keeper.start()

    def add(self, root: str) -> None:
        """Watch everything below `root` from when this returns; takes about a second for 50,000 folders.

        May be repeated: it then makes sure of the watch, and tries again what could not be watched before.
        Raises OSError where the root cannot be watched.
        """
        with self._lock:
            if self._keeper is None:
                raise RuntimeError("the watcher is not running")
            top = self._tops.get(root)
            replaced = top is not None and _fault(top) is not None
            if top is not None and replaced:
                self._drop(top)
                top = None
            if self._tree.inotify is None:
                self._tree.inotify = self._reader()
            try:
                top = top or self._tree.plant(root)
            except OSError as error:
                raise _explained(error, root) from None
            self._tops[root] = top
        self._tree.survey(top)
        with self._lock:
            self._tell_blind()
            if replaced and top.alive:
                self._emit(Overflowed(root))

    def remove(self, root: str) -> None:
        """Stop watching `root`; nothing happens where it is not watched."""
        with self._lock:
            top = self._tops.get(root)
            if top is not None:
                self._drop(top)

    def close(self) -> None:
        """Stop everything and join the threads."""
        with self._lock:
            keeper, self._keeper = self._keeper, None
            self._tops.clear()
            self._leaving.clear()
            inotify, dying = self._tree.clear(), self._dying
        if inotify is not None:
            inotify.stop()
            inotify.join()
        if dying is not None:
            dying.join()
        if keeper is not None:
            self._nudge()
            keeper.join()
            os.close(self._wake)

    # --- watchdog's WatchCallback, called by the reader -------------------------------------------------------

    def on_event(self, event: InotifyEvent) -> None:
        """Translate one raw event."""
        with self._lock:
            folder = self._of(event.wd)
            if folder is None:
                return
            if not event.name:
                self._on_self(folder, event.mask)
                return
            if folder.adrift() is not None:
                return  # a ghost's event: its path is no more; if it comes to lie elsewhere, it is scanned there
            name = os.fsdecode(event.name)
            top, rel = folder.place()
            rel = f"{rel}/{name}" if rel else name
            path = below(top.name) + rel
            if self._concerns_folder(event, folder, name, path):
                self._on_folder(event, folder, name, path, wanted=self._tree.wants(path, rel))
                self._tell_blind()
            else:
                self._on_file(event, path, wanted=self._rules.keeps_file(rel))

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Clean up: the kernel took a watch away, with its folder or its file system."""
        with self._lock:
            folder = self._of(wd)
            if folder is None:
                return
            if folder.parent is None:
                self._lose(folder, "its folder is gone")
            else:
                self._tree.forget(folder)

    def on_queue_overflow(self) -> None:
        """Leave it to the keeper: the reader must go on reading, or the queue overflows again."""
        self._overflowed = True
        self._nudge()

    def _of(self, wd: WatchDescriptor) -> _Folder | None:
        # Every reader counts its watches from 1: the last words of one that died must not be taken for the next one's.
        return self._tree.of(wd) if threading.current_thread() is self._tree.inotify else None

    # --- translation ------------------------------------------------------------------------------------------

    def _on_self(self, folder: _Folder, mask: int) -> None:
        if folder.parent is not None:
            return
        if mask & _IN.IN_UNMOUNT:
            self._lose(folder, "its file system was unmounted")
        elif mask & _IN.IN_MOVE_SELF:
            self._lose(folder, "its folder was renamed")
        elif mask & _IN.IN_DELETE_SELF:
            self._lose(folder, "its folder was deleted")

    def _concerns_folder(self, event: InotifyEvent, folder: _Folder, name: str, path: str) -> bool:
        if event.mask & _IN.IN_ISDIR or name in folder.children:
            return True
        # The kernel calls a link to a folder a file.
        return self._follow and bool(event.mask & (_IN.IN_CREATE | _IN.IN_MOVED_TO)) and Path(path).is_dir()

    def _on_file(self, event: InotifyEvent, path: str, *, wanted: bool) -> None:
        if event.is_moved_to:
            source = self._leaving.pop(event.cookie, None)
            match source, wanted:
                case _Leaving(path=old), True:
                    self._emit(Moved(old, path))
                case _Leaving(path=old), False:
                    self._emit(Gone(old))
                case None, True:
                    self._emit(Touched(path, closed=True))
        elif not wanted:
            return
        elif event.is_moved_from:
            self._leave(event.cookie, path, None)
        elif event.is_delete:
            self._emit(Gone(path))
        elif event.is_close_write:
            self._emit(Touched(path, closed=True))
        elif event.is_create:
            self._emit(Touched(path, closed=False))

    def _on_folder(self, event: InotifyEvent, parent: _Folder, name: str, path: str, *, wanted: bool) -> None:
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
                self._emit(Gone(path))
        elif event.is_create and wanted:
            self._appear(parent, name, path)
        if event.is_moved_from or event.is_delete:
            self._check_roots(path)

    def _arrive(self, source: _Leaving | None, parent: _Folder, name: str, path: str, *, wanted: bool) -> None:
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
            self._tree.survey(folder)
        self._emit(FolderMoved(source.path, path))
        # The move may also have overtaken the scan that an earlier FolderAppeared asked for: its photos are here now.
        self._emit(FolderAppeared(path))

    def _appear(self, parent: _Folder, name: str, path: str) -> None:
        known = parent.children.get(name)
        before = known.wd if known is not None else None
        folder = self._tree.watch(parent, name)
        if folder is None or (folder is known and folder.wd is not None and folder.wd == before):
            return  # a survey was here first, and what was told after it makes this folder be scanned, too
        self._tree.survey(folder)
        self._emit(FolderAppeared(path))

    def _leave(self, cookie: int, path: str, folder: _Folder | None) -> None:
        self._leaving[cookie] = _Leaving(path, folder, time.monotonic() + _PAIRING_SECONDS)
        self._nudge()

    def _left(self, source: _Leaving) -> None:
        if source.folder is not None and source.folder.alive and not source.folder.attached:
            self._tree.forget(source.folder)
        self._emit(Gone(source.path))

    def _tell_blind(self) -> None:
        if not self._tree.blind_changed:
            return
        self._tree.blind_changed = False
        errors: dict[str, list[OSError]] = {}
        for folder, error in self._tree.blind.items():
            errors.setdefault(folder.place()[0].name, []).append(error)
        for root in self._tops:
            mine = errors.get(root, [])
            if len(mine) != self._told.get(root, 0):
                self._told[root] = len(mine)
                self._emit(Blind(root, len(mine), _reason(mine)))

    # --- roots that go ----------------------------------------------------------------------------------------

    def _drop(self, top: _Folder) -> None:
        self._tops.pop(top.name, None)
        self._told.pop(top.name, None)
        self._tree.forget(top)

    def _lose(self, top: _Folder, reason: str) -> None:
        self._drop(top)
        self._emit(RootLost(top.name, reason))

    def _check_roots(self, above: str) -> None:
        """Make sure of the roots inside a folder that went: the kernel tells them nothing."""
        for top in [top for root, top in self._tops.items() if root.startswith(below(above))]:
            fault = _fault(top)
            if fault is not None:
                self._lose(top, fault)

    def _died(self, error: Exception) -> None:
        with self._lock:
            inotify = self._dying = self._tree.clear()
            lost = list(self._tops)
            self._tops.clear()
            self._told.clear()
            self._leaving.clear()
            for root in lost:
                self._emit(RootLost(root, f"its watch died: {error}"))
        if inotify is not None:
            inotify.stop()

    def _reader(self) -> Inotify:
        try:
            inotify = self._make_inotify(self._died)
        except OSError as error:
            raise _explained(error, "") from None
        inotify.start()
        return inotify

    # --- the keeper -------------------------------------------------------------------------------------------

    def _nudge(self) -> None:
        os.eventfd_write(self._wake, 1)

    def _keep(self) -> None:
        mounts = _open_mounts()
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        if mounts is not None:
            poller.register(mounts, select.POLLPRI)  # the kernel's way of saying that something was (un)mounted
        try:
            while True:
                ready = dict(poller.poll(self._milliseconds()))
                if self._wake in ready:
                    os.eventfd_read(self._wake)
                with self._lock:
                    if self._keeper is None:
                        return
                try:
                    self._housekeep(mounted=mounts in ready)
                except Exception as error:
                    log.exception("the watch-keeper failed")
                    self._died(error)
        finally:
            if mounts is not None:
                os.close(mounts)

    def _housekeep(self, *, mounted: bool) -> None:
        with self._lock:
            now = time.monotonic()
            for cookie, source in list(self._leaving.items()):
                if source.deadline <= now:
                    del self._leaving[cookie]
                    self._left(source)
            if mounted:
                self._check_roots("/")
            self._tell_blind()
            overflowed, self._overflowed = self._overflowed, False
            tops = list(self._tops.values()) if overflowed else []
        for top in tops:
            self._tree.survey(top)  # folders may have come whose events were lost
        with self._lock:
            for top in tops:
                if top.alive:
                    self._emit(Overflowed(top.name))
            self._tell_blind()

    def _milliseconds(self) -> int | None:
        with self._lock:
            if not self._leaving:
                return None
            due = min(source.deadline for source in self._leaving.values())
        return max(0, int((due - time.monotonic()) * 1000) + 1)


def _is_folder(link: os.DirEntry[str]) -> bool:
    try:
        return link.is_dir()
    except OSError:
        return False


def _fault(top: _Folder) -> str | None:
    try:
        status = os.stat(top.name)  # noqa: PTH116
    except OSError:
        return "its folder is gone"
    same = (status.st_dev, status.st_ino) == top.identity
    return None if same else "another folder or file system has taken its place"


def _open_mounts() -> int | None:
    try:
        return os.open("/proc/self/mountinfo", os.O_RDONLY)
    except OSError:
        return None


def _reason(errors: list[OSError]) -> str:
    if not errors:
        return ""
    full = [error for error in errors if error.errno == errno.ENOSPC]
    error = (full or errors)[0]
    return _explained(error, "").strerror or str(error)


def _explained(error: OSError, path: str) -> OSError:
    match error.errno:
        case errno.ENOSPC:
            text = "the limit on watched folders is reached: " + _remedy("max_user_watches")
        case errno.EMFILE:
            text = "the limit on inotify instances is reached: " + _remedy("max_user_instances")
        case _:
            text = (error.strerror or str(error)).lower()
    return OSError(error.errno, text, path) if path else OSError(error.errno, text)


def _remedy(limit: str) -> str:
    try:
        now = int(Path("/proc/sys/fs/inotify", limit).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return f"raise fs.inotify.{limit}"
    return f"it is {now}, raise it with: sudo sysctl fs.inotify.{limit}={now * 2}"
