"""The watcher behind the port: roots come and go here, and its two threads meet here."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from phsearch.adapters.watch.event_translator import EventTranslator
from phsearch.adapters.watch.hang_probe import HangProbe
from phsearch.adapters.watch.inotify_errors import FULL, explained
from phsearch.adapters.watch.inotify_reader import Inotify, NullInotify
from phsearch.adapters.watch.tree import Tree
from phsearch.adapters.watch.watched_roots import WatchedRoots
from phsearch.domain.types import MountsChanged, Overflowed, SyncMark

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.inotify_c import InotifyEvent, WatchDescriptor

    from phsearch.adapters.watch.tree import Folder
    from phsearch.domain.roots.ignore_rules import IgnoreRules
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import FsEvent

log = logging.getLogger(__name__)

_LAST_LOOK = 1.0
_BREATH = 0.005
"""How long the reader is left alone between two lots of watches that end; it reads thousands of events in it."""


class FolderWatcher:
    """Tells what changes below the roots; fills `ports.Watcher`.

    Two threads whatever the number of roots: watchdog's reader, and a keeper for what is due without an event (half a
    move, an overflow to recover from, watches to end). Whether a root is still there is asked by threads of their own,
    since it may never be answered; `remote` says what kind of network file system is mounted at a path, if one is.
    """

    def __init__(
        self,
        roots: Roots,
        rules: IgnoreRules,
        *,
        follow_symlinks: bool = False,
        inotify: type[Inotify] = Inotify,
        remote: Callable[[str], str | None] = lambda _path: None,
        patience: float = 20.0,
    ) -> None:
        self._make_inotify = inotify
        self._lock = threading.RLock()
        self._prober = HangProbe(patience)
        self._tree = Tree(
            roots,
            rules,
            follow=follow_symlinks,
            callback=self,
            lock=self._lock,
            remote=remote,
            nudge=self._wake_keeper,
        )
        self._watched_roots = WatchedRoots(self._tree, self._emit_event)
        self._translator = EventTranslator(
            self._tree,
            self._watched_roots,
            rules,
            follow=follow_symlinks,
            emit=self._emit_event,
            nudge=self._wake_keeper,
        )
        self._overflowed = False
        self._emit: Callable[[FsEvent], None] = lambda _event: None
        self._keeper: threading.Thread | None = None
        self._dying: list[Inotify | NullInotify] = []
        self._looking: dict[str, threading.Thread] = {}
        self._met: deque[int] = deque()
        self._wake = -1

    # --- the port ---------------------------------------------------------------------------------------------

    def start(self, emit: Callable[[FsEvent], None]) -> None:
        """Begin; no root is watched yet."""
        self._emit = emit
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._keeper = threading.Thread(target=self._keep, name="watch-keeper", daemon=True)
        self._keeper.start()

    def add_root(self, root: str) -> None:
        """Watch everything below `root` from when this returns; takes about a second for 50,000 folders.

        May be repeated: it then makes sure of the watch, and tries again what could not be watched before. Folders
        that a limit of inotify leaves out are told as `Blind`, all of them if need be.
        Raises OSError where the root is not there, cannot be read or does not answer.
        """
        try:
            identity = self._prober.identity(root)
        except OSError as error:
            self.remove_root(root)
            raise explained(error, root) from None
        with self._lock:
            if self._keeper is None:
                raise RuntimeError("the watcher is not running")
            top = self._watched_roots.get(root)
            replaced = top is not None and top.identity != identity
            if top is not None and replaced:
                self._watched_roots.drop(top)
                top = None
            if not isinstance(self._tree.inotify, Inotify):
                self._tree.inotify = self._reader()
            try:
                if top is None:
                    top = self._tree.add_root(root)
                else:
                    self._tree.rewatch(top)
            except OSError as error:
                raise explained(error, root) from None
            self._watched_roots.put(top)
        self._tree.sync(top)
        with self._lock:
            self._watched_roots.report_degraded()
            if replaced and top.alive:
                self._emit(Overflowed(root))

    def remove_root(self, root: str) -> None:
        """Stop watching `root`; nothing happens where it is not watched."""
        with self._lock:
            top = self._watched_roots.get(root)
            if top is not None:
                self._watched_roots.drop(top)

    def send_mark(self, token: int) -> bool:
        """Have `Marked(token)` told when all that happened up to now has been; False where events cannot say that."""
        with self._lock:
            if self._tree.inotify is None:
                return False
            try:
                self._tree.inotify.mark(token)
            except OSError:
                return False
        return True

    def watch_counts(self, root: str) -> tuple[int, int] | None:
        """Count the folders of `root` that are watched and those that are not; None while that is not to be had."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            top = self._watched_roots.get(root)
            return (0, 0) if top is None else self._tree.watch_counts(top)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Stop everything and join the threads, but for those that a hung file system holds."""
        with self._lock:
            monitor, self._keeper = self._keeper, None
            self._watched_roots.clear()
            self._translator.clear()
            self._overflowed = False
            self._met.clear()
            inotify = self._tree.clear()
            dying, self._dying = self._dying, []
            looking = list(self._looking.values())
        if inotify is not None:
            inotify.stop()
        for ending in (*dying, *(() if inotify is None else (inotify,))):
            ending.join()
        for thread in looking:
            thread.join(_LAST_LOOK)
        if monitor is not None:
            self._wake_keeper()
            monitor.join()
            os.close(self._wake)
            self._wake = -1

    # --- watchdog's WatchCallback, called by the reader -------------------------------------------------------

    def on_event(self, event: InotifyEvent) -> None:
        """Translate one raw event."""
        with self._lock:
            folder = self._of(event.wd)
            if folder is not None:
                self._translator.translate(folder, event)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Clean up: the kernel took a watch away, with its folder or its file system."""
        with self._lock:
            folder = self._of(wd)
            if folder is None:
                return
            if folder.parent is None:
                self._watched_roots.lose(folder, "its folder is gone")
            else:
                self._tree.forget(folder)

    def on_queue_overflow(self) -> None:
        """Leave it to the keeper: the reader must go on reading, or the queue overflows again."""
        self._overflowed = True
        if self._tree.inotify is not None:  # the ends of marks may be among what was lost; the scan covers them
            self._met.extend(self._tree.inotify.marks())
        self._wake_keeper()

    def _on_mark(self, token: int) -> None:
        with self._lock:
            self._translator.flush_moves()
            self._met.append(token)
        self._wake_keeper()

    def _of(self, wd: WatchDescriptor) -> Folder | None:
        # Every reader counts its watches from 1: the last words of one that died must not be taken for the next one's.
        return self._tree.folder_of(wd) if threading.current_thread() is self._tree.inotify else None

    def _emit_event(self, event: FsEvent) -> None:
        self._emit(event)

    # --- the reader -------------------------------------------------------------------------------------------

    def _died(self, error: Exception) -> None:
        with self._lock:
            inotify = self._tree.clear()
            self._translator.clear()
            self._overflowed = False
            self._watched_roots.lose_all(f"its watch died: {error}")
            if inotify is not None:
                self._dying = [*(each for each in self._dying if _alive(each)), inotify]
                self._met.extend(inotify.marks())
            while self._met:
                self._emit(SyncMark(self._met.popleft()))
        if inotify is not None:
            inotify.stop()

    def _reader(self) -> Inotify | NullInotify:
        try:
            inotify = self._make_inotify(self._died, self._on_mark)
        except OSError as error:
            if error.errno in FULL:
                return NullInotify(error)
            raise explained(error, "") from None
        inotify.start()
        return inotify

    # --- whether a root is still there -------------------------------------------------------------------------

    def _look(self) -> None:
        """Have every suspect looked at, each by one thread at a time."""
        with self._lock:
            for root in list(self._watched_roots.suspects):
                if root not in self._looking:
                    self._watched_roots.suspects.discard(root)
                    thread = threading.Thread(target=self._look_at, args=(root,), name=f"checks {root}", daemon=True)
                    self._looking[root] = thread
                    thread.start()

    def _look_at(self, root: str) -> None:
        with self._lock:
            top = self._watched_roots.get(root)
        fault = None
        if top is not None:
            try:
                same = self._prober.identity(root) == top.identity
                fault = None if same else "another folder or file system has taken its place"
            except TimeoutError:
                fault = "it does not answer"
            except OSError:
                fault = "its folder is gone"
        with self._lock:
            if top is not None and fault is not None and self._watched_roots.get(root) is top:
                self._watched_roots.lose(top, fault)
            del self._looking[root]
            if self._watched_roots.suspects and self._keeper is not None:
                self._wake_keeper()

    # --- the keeper -------------------------------------------------------------------------------------------

    def _wake_keeper(self) -> None:
        if self._wake >= 0:
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
                    self._run_due(mounted=mounts in ready)
                except Exception as error:
                    log.exception("the watch-keeper failed")
                    self._died(error)
        finally:
            if mounts is not None:
                os.close(mounts)

    def _run_due(self, *, mounted: bool) -> None:
        with self._lock:
            # What was met first, then the overflow: the reader, which asks for no lock there, notes them the other way.
            met = [self._met.popleft() for _ in range(len(self._met))]
            overflowed, self._overflowed = self._overflowed, False
            self._translator.expire()
            if mounted:
                self._watched_roots.suspect("/")
                self._emit(MountsChanged())
            self._watched_roots.report_degraded()
            watched_roots = list(self._watched_roots) if overflowed else []
        self._look()
        while self._tree.remove_pending():
            time.sleep(_BREATH)
        for top in watched_roots:
            self._tree.sync(top)  # folders may have come whose events were lost
        with self._lock:
            for top in watched_roots:
                if top.alive:
                    self._emit(Overflowed(top.name))
            self._watched_roots.report_degraded()
            for token in met:
                self._emit(SyncMark(token))

    def _milliseconds(self) -> int | None:
        with self._lock:
            due = self._translator.due()
        return None if due is None else max(0, int((due - time.monotonic()) * 1000) + 1)


def _alive(inotify: Inotify | NullInotify) -> bool:
    return isinstance(inotify, Inotify) and inotify.is_alive()


def _open_mounts() -> int | None:
    try:
        return os.open("/proc/self/mountinfo", os.O_RDONLY)
    except OSError:
        return None
