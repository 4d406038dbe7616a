"""The watcher behind the port: it adds and removes roots, and runs two threads."""

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
from phsearch.adapters.watch.inotify_errors import FULL, explain_error
from phsearch.adapters.watch.inotify_reader import Inotify, NullInotify
from phsearch.adapters.watch.tree import FolderTree
from phsearch.adapters.watch.watched_roots import WatchedRoots
from phsearch.domain.watch_events import MountsChanged, Overflowed, SyncMark

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.inotify_c import InotifyEvent, WatchDescriptor

    from phsearch.adapters.watch.tree import FolderNode
    from phsearch.domain.roots.ignore_rules import IgnoreRules
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.watch_events import FsEvent

log = logging.getLogger(__name__)

_CHECK_JOIN_SECONDS = 1.0
"""How long `close` waits for a check of a root, which may hang."""
_REMOVAL_PAUSE = 0.005
"""The time for the reader between two batches of removed watches; it reads thousands of events in that time."""


class FolderWatcher:
    """Emits what changes below the roots; implements `ports.Watcher`.

    There are two threads for any number of roots: watchdog's reader, and a maintenance thread for the work that no
    event triggers (expire a move, recover from an overflow, remove watches). Each check whether a root still exists has
    its own thread, since it may hang. `remote_type` returns the type of a network file system that is mounted at
    exactly a path, `is_mount_point` whether anything is, and `timeout` is that of the checks in seconds.
    """

    def __init__(
        self,
        roots: Roots,
        rules: IgnoreRules,
        *,
        follow_symlinks: bool = False,
        inotify: type[Inotify] = Inotify,
        remote_type: Callable[[str], str | None] = lambda _path: None,
        is_mount_point: Callable[[str], bool] = lambda _path: False,
        timeout: float = 20.0,
    ) -> None:
        self._make_inotify = inotify
        self._lock = threading.RLock()
        self._probe = HangProbe(timeout)
        self._tree = FolderTree(
            roots=roots,
            rules=rules,
            follow=follow_symlinks,
            callback=self,
            lock=self._lock,
            remote_type=remote_type,
            is_mount_point=is_mount_point,
            wake=self._wake_maintenance,
        )
        self._watched_roots = WatchedRoots(self._tree, self._emit_event)
        self._translator = EventTranslator(
            tree=self._tree,
            watched_roots=self._watched_roots,
            rules=rules,
            follow=follow_symlinks,
            emit=self._emit_event,
            wake=self._wake_maintenance,
        )
        self._overflowed = False
        self._emit: Callable[[FsEvent], None] = lambda _event: None
        self._maintenance: threading.Thread | None = None
        self._stopping: list[Inotify | NullInotify] = []
        self._checks: dict[str, threading.Thread] = {}
        self._reached_marks: deque[int] = deque()
        self._wake_fd = -1

    # --- the port ---------------------------------------------------------------------------------------------

    def start(self, emit: Callable[[FsEvent], None]) -> None:
        """Start; no root is watched yet."""
        self._emit = emit
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._maintenance = threading.Thread(target=self._maintain, name="watch-maintenance", daemon=True)
        self._maintenance.start()

    def add_root(self, root: str) -> None:
        """Watch everything below `root` from the return of this call; it takes about a second for 50,000 folders.

        It can be repeated. It then verifies the watch, and tries again to watch the folders that could not be watched.
        Folders without a watch because of a limit of inotify are reported as WatchDegraded, even if it is all of them.
        Does nothing when it is closed. Raises OSError if the root does not exist, cannot be read or does not answer.
        """
        try:
            identity = self._probe.identity(root)
        except OSError as error:
            self.remove_root(root)
            raise explain_error(error, root) from None
        with self._lock:
            if self._maintenance is None:
                return  # it was closed meanwhile: the daemon stops, or another watcher has taken its place
            top = self._watched_roots.top_folder(root)
            replaced = top is not None and top.identity != identity
            if top is not None and replaced:
                self._watched_roots.drop_root(top)
                top = None
            if not isinstance(self._tree.inotify, Inotify):
                self._tree.inotify = self._start_reader()
            try:
                if top is None:
                    top = self._tree.add_root(root)
                else:
                    self._tree.rewatch(top)
            except OSError as error:
                raise explain_error(error, root) from None
            self._watched_roots.add_top(top)
        self._tree.sync_subtree(top)
        with self._lock:
            self._watched_roots.report_degraded()
            if replaced and top.alive:
                self._emit(Overflowed(root))

    def remove_root(self, root: str) -> None:
        """Stop watching `root`; do nothing if it is not watched."""
        with self._lock:
            top = self._watched_roots.top_folder(root)
            if top is not None:
                self._watched_roots.drop_root(top)

    def send_mark(self, token: int) -> bool:
        """Emit `SyncMark(token)` after all events up to now; return False if that is not possible."""
        with self._lock:
            if self._tree.inotify is None:
                return False
            try:
                self._tree.inotify.mark(token)
            except OSError:
                return False
        return True

    def watch_counts(self, root: str) -> tuple[int, int] | None:
        """Return the numbers of watched and unwatched folders of `root`; None while another thread has the lock."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            top = self._watched_roots.top_folder(root)
            return (0, 0) if top is None else self._tree.watch_counts(top)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Stop everything and join the threads, except those that hang in a file system."""
        with self._lock:
            maintenance, self._maintenance = self._maintenance, None
            self._watched_roots.clear_roots()
            self._translator.clear_moves()
            self._overflowed = False
            self._reached_marks.clear()
            inotify = self._tree.detach_reader()
            stopping, self._stopping = self._stopping, []
            checks = list(self._checks.values())
        if inotify is not None:
            inotify.stop()
        for reader in (*stopping, *(() if inotify is None else (inotify,))):
            reader.join()
        for thread in checks:
            thread.join(_CHECK_JOIN_SECONDS)
        if maintenance is not None:
            self._wake_maintenance()
            maintenance.join()
            os.close(self._wake_fd)
            self._wake_fd = -1

    # --- watchdog's WatchCallback, called by the reader -------------------------------------------------------

    def on_event(self, event: InotifyEvent) -> None:
        """Handle one raw event."""
        with self._lock:
            folder = self._folder_of(event.wd)
            if folder is not None:
                self._translator.translate(folder, event)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Clean up after the kernel removed a watch, together with its folder or its file system."""
        with self._lock:
            folder = self._folder_of(wd)
            if folder is None:
                return
            if folder.parent is None:
                self._watched_roots.lose_root(folder, "its folder is gone")
            else:
                self._tree.remove_node(folder)

    def on_queue_overflow(self) -> None:
        """Leave the recovery to the maintenance thread: the reader must go on reading, or the queue overflows again."""
        self._overflowed = True
        if self._tree.inotify is not None:  # the events of marks may be lost, too; the scan covers them
            self._reached_marks.extend(self._tree.inotify.take_marks())
        self._wake_maintenance()

    def _on_mark(self, token: int) -> None:
        with self._lock:
            self._translator.flush_moves()
            self._reached_marks.append(token)
        self._wake_maintenance()

    def _folder_of(self, wd: WatchDescriptor) -> FolderNode | None:
        # Every reader numbers its watches from 1: late events of a failed reader must not be taken for the next one's.
        return self._tree.folder_of(wd) if threading.current_thread() is self._tree.inotify else None

    def _emit_event(self, event: FsEvent) -> None:
        self._emit(event)

    # --- the reader -------------------------------------------------------------------------------------------

    def _on_reader_failure(self, error: Exception) -> None:
        with self._lock:
            inotify = self._tree.detach_reader()
            self._translator.clear_moves()
            self._overflowed = False
            self._watched_roots.lose_all(f"its watch died: {error}")
            if inotify is not None:
                self._stopping = [*(each for each in self._stopping if _is_running(each)), inotify]
                self._reached_marks.extend(inotify.take_marks())
            while self._reached_marks:
                self._emit(SyncMark(self._reached_marks.popleft()))
        if inotify is not None:
            inotify.stop()

    def _start_reader(self) -> Inotify | NullInotify:
        try:
            inotify = self._make_inotify(self._on_reader_failure, self._on_mark)
        except OSError as error:
            if error.errno in FULL:
                return NullInotify(error)
            raise explain_error(error, "") from None
        inotify.start()
        return inotify

    # --- whether a root still exists ---------------------------------------------------------------------------

    def _check_roots(self) -> None:
        """Start a check of every root in `to_check`, with at most one thread for each root."""
        with self._lock:
            for root in list(self._watched_roots.to_check):
                if root not in self._checks:
                    self._watched_roots.to_check.discard(root)
                    thread = threading.Thread(target=self._check_root, args=(root,), name=f"checks {root}", daemon=True)
                    self._checks[root] = thread
                    thread.start()

    def _check_root(self, root: str) -> None:
        with self._lock:
            top = self._watched_roots.top_folder(root)
        fault = None
        if top is not None:
            try:
                same = self._probe.identity(root) == top.identity
                fault = None if same else "another folder or file system has taken its place"
            except TimeoutError:
                fault = "it does not answer"
            except OSError:
                fault = "its folder is gone"
        with self._lock:
            if top is not None and fault is not None and self._watched_roots.top_folder(root) is top:
                self._watched_roots.lose_root(top, fault)
            del self._checks[root]
            if self._watched_roots.to_check and self._maintenance is not None:
                self._wake_maintenance()

    # --- the maintenance thread -------------------------------------------------------------------------------

    def _wake_maintenance(self) -> None:
        if self._wake_fd >= 0:
            os.eventfd_write(self._wake_fd, 1)

    def _maintain(self) -> None:
        mountinfo = _open_mountinfo()
        poller = select.poll()
        poller.register(self._wake_fd, select.POLLIN)
        if mountinfo is not None:
            poller.register(mountinfo, select.POLLPRI)  # the kernel's signal that something was mounted or unmounted
        try:
            while True:
                ready = dict(poller.poll(self._poll_timeout()))
                if self._wake_fd in ready:
                    os.eventfd_read(self._wake_fd)
                with self._lock:
                    if self._maintenance is None:
                        return
                try:
                    self._run_due(mounted=mountinfo in ready)
                except Exception as error:
                    log.exception("the maintenance of the watches failed")
                    self._on_reader_failure(error)
        finally:
            if mountinfo is not None:
                os.close(mountinfo)

    def _run_due(self, *, mounted: bool) -> None:
        with self._lock:
            # Read the marks first and then the overflow: the reader, without a lock, sets them in the other order.
            reached = [self._reached_marks.popleft() for _ in range(len(self._reached_marks))]
            overflowed, self._overflowed = self._overflowed, False
            self._translator.expire_moves()
            if mounted:
                self._watched_roots.request_check("/")
                self._emit(MountsChanged())
            self._watched_roots.report_degraded()
            watched_roots = list(self._watched_roots) if overflowed else []
        self._check_roots()
        while self._tree.remove_pending():
            time.sleep(_REMOVAL_PAUSE)
        for top in watched_roots:
            self._tree.sync_subtree(top)  # the events of new folders may be lost
        with self._lock:
            for top in watched_roots:
                if top.alive:
                    self._emit(Overflowed(top.name))
            self._watched_roots.report_degraded()
            for token in reached:
                self._emit(SyncMark(token))

    def _poll_timeout(self) -> int | None:
        with self._lock:
            due = self._translator.next_deadline()
        return None if due is None else max(0, int((due - time.monotonic()) * 1000) + 1)


def _is_running(inotify: Inotify | NullInotify) -> bool:
    return isinstance(inotify, Inotify) and inotify.is_alive()


def _open_mountinfo() -> int | None:
    try:
        return os.open("/proc/self/mountinfo", os.O_RDONLY)
    except OSError:
        return None
