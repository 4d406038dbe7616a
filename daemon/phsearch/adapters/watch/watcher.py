"""The watcher behind the port: roots come and go here, and its two threads meet here."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from typing import TYPE_CHECKING

from phsearch.adapters.watch.limits import explained
from phsearch.adapters.watch.reader import Inotify
from phsearch.adapters.watch.tops import Tops, fault_of
from phsearch.adapters.watch.translate import Translator
from phsearch.adapters.watch.tree import Tree
from phsearch.domain.types import MountsChanged, Overflowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.inotify_c import InotifyEvent, WatchDescriptor

    from phsearch.adapters.watch.folder import Folder
    from phsearch.domain.roots import Roots
    from phsearch.domain.rules import Rules
    from phsearch.domain.types import FsEvent

log = logging.getLogger(__name__)


class FolderWatcher:
    """Tells what changes below the roots; fills `ports.Watcher`.

    Two threads whatever the number of roots: watchdog's reader, and a keeper for what is due without an event (half a
    move, an overflow to recover from, a file system mounted over a root).
    """

    def __init__(
        self, roots: Roots, rules: Rules, *, follow_symlinks: bool = False, inotify: type[Inotify] = Inotify
    ) -> None:
        self._make_inotify = inotify
        self._lock = threading.RLock()
        self._tree = Tree(roots, rules, follow=follow_symlinks, callback=self, lock=self._lock)
        self._tops = Tops(self._tree, self._tell)
        self._translator = Translator(
            self._tree, self._tops, rules, follow=follow_symlinks, emit=self._tell, nudge=self._nudge
        )
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
            replaced = top is not None and fault_of(top) is not None
            if top is not None and replaced:
                self._tops.drop(top)
                top = None
            if self._tree.inotify is None:
                self._tree.inotify = self._reader()
            try:
                top = top or self._tree.plant(root)
            except OSError as error:
                raise explained(error, root) from None
            self._tops.put(top)
        self._tree.survey(top)
        with self._lock:
            self._tops.tell_blind()
            if replaced and top.alive:
                self._emit(Overflowed(root))

    def remove(self, root: str) -> None:
        """Stop watching `root`; nothing happens where it is not watched."""
        with self._lock:
            top = self._tops.get(root)
            if top is not None:
                self._tops.drop(top)

    def close(self) -> None:
        """Stop everything and join the threads."""
        with self._lock:
            keeper, self._keeper = self._keeper, None
            self._tops.clear()
            self._translator.clear()
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
            if folder is not None:
                self._translator.translate(folder, event)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Clean up: the kernel took a watch away, with its folder or its file system."""
        with self._lock:
            folder = self._of(wd)
            if folder is None:
                return
            if folder.parent is None:
                self._tops.lose(folder, "its folder is gone")
            else:
                self._tree.forget(folder)

    def on_queue_overflow(self) -> None:
        """Leave it to the keeper: the reader must go on reading, or the queue overflows again."""
        self._overflowed = True
        self._nudge()

    def _of(self, wd: WatchDescriptor) -> Folder | None:
        # Every reader counts its watches from 1: the last words of one that died must not be taken for the next one's.
        return self._tree.of(wd) if threading.current_thread() is self._tree.inotify else None

    def _tell(self, event: FsEvent) -> None:
        self._emit(event)

    # --- the reader -------------------------------------------------------------------------------------------

    def _died(self, error: Exception) -> None:
        with self._lock:
            inotify = self._dying = self._tree.clear()
            self._translator.clear()
            self._tops.lose_all(f"its watch died: {error}")
        if inotify is not None:
            inotify.stop()

    def _reader(self) -> Inotify:
        try:
            inotify = self._make_inotify(self._died)
        except OSError as error:
            raise explained(error, "") from None
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
            self._translator.expire()
            if mounted:
                self._tops.check("/")
                self._emit(MountsChanged())
            self._tops.tell_blind()
            overflowed, self._overflowed = self._overflowed, False
            tops = list(self._tops) if overflowed else []
        for top in tops:
            self._tree.survey(top)  # folders may have come whose events were lost
        with self._lock:
            for top in tops:
                if top.alive:
                    self._emit(Overflowed(top.name))
            self._tops.tell_blind()

    def _milliseconds(self) -> int | None:
        with self._lock:
            due = self._translator.due()
        return None if due is None else max(0, int((due - time.monotonic()) * 1000) + 1)


def _open_mounts() -> int | None:
    try:
        return os.open("/proc/self/mountinfo", os.O_RDONLY)
    except OSError:
        return None
