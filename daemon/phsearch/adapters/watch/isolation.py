"""One watcher for all local roots, and a separate one for each root that may hang.

A call on a network or FUSE file system may never return, and inotify holds its locks meanwhile. Its reader would stop,
and with it the events of every root. So each root on such a file system has its own watcher, with its own inotify
instance, lock and threads. When it hangs, the other roots are not affected, and it is abandoned.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from phsearch.adapters.watch.hang_probe import HangProbe

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.adapters.watch.watcher import FolderWatcher
    from phsearch.domain.watch_events import FsEvent

_CLOSE_TIMEOUT = 5.0


class IsolatingWatcher:
    """One watcher for all local roots and one for each other root; implements `ports.Watcher`.

    `remote_type` returns the type of the file system of a path if that may hang. A call on a root that does not answer
    within `timeout` seconds ends in an OSError.
    """

    def __init__(
        self,
        make_watcher: Callable[[], FolderWatcher],
        *,
        remote_type: Callable[[str], str | None],
        timeout: float = 20.0,
    ) -> None:
        self._make_watcher = make_watcher
        self._remote_type = remote_type
        self._timeout = timeout
        self._probe = HangProbe(timeout)
        self._shared = make_watcher()
        self._isolated: dict[str, _IsolatedWatcher] = {}
        self._emit: Callable[[FsEvent], None] = lambda _event: None

    def rebuild(self, make_watcher: Callable[[], FolderWatcher]) -> None:
        """Replace all watchers by new ones; no root is watched until it is added again."""
        closing = self._close_all()
        self._make_watcher = make_watcher
        self._isolated = {}
        self._shared = make_watcher()
        self._shared.start(self._emit)
        for thread in closing:
            thread.join(_CLOSE_TIMEOUT)

    def start(self, emit: Callable[[FsEvent], None]) -> None:
        """Start; no root is watched yet."""
        self._emit = emit
        self._shared.start(emit)

    def add_root(self, root: str) -> None:
        """Watch everything below `root` from the return of this call, see FolderWatcher. Raises OSError."""
        try:
            self._probe.identity(root)
        except OSError:
            self.remove_root(root)
            raise
        if self._remote_type(root) is None:
            self._abandon(root)
            self._shared.add_root(root)
            return
        self._shared.remove_root(root)
        isolated = self._isolated.get(root)
        if isolated is None:
            isolated = self._isolated[root] = _IsolatedWatcher(self._make_watcher(), self._emit)
        try:
            isolated.add_root(root, timeout=self._timeout, check=lambda: self._probe.identity(root))
        except TimeoutError:
            self._abandon(root)
            raise

    def remove_root(self, root: str) -> None:
        """Stop watching `root`; do nothing if it is not watched."""
        self._abandon(root)
        self._shared.remove_root(root)

    def send_mark(self, token: int) -> bool:
        """Emit `SyncMark(token)` after all events of local roots up to now; return False if that is not possible."""
        return self._shared.send_mark(token)

    def watch_counts(self, root: str) -> tuple[int, int] | None:
        """Return the numbers of watched and unwatched folders of `root`; None while they cannot be read."""
        isolated = self._isolated.get(root)
        return self._shared.watch_counts(root) if isolated is None else isolated.watcher.watch_counts(root)

    def close(self) -> None:
        """Stop all watchers, without waiting for one that hangs."""
        for thread in self._close_all():
            thread.join(_CLOSE_TIMEOUT)

    def _close_all(self) -> list[threading.Thread]:
        return [
            _start_thread(self._shared.close, "closes the shared watcher"),
            *(isolated.close() for isolated in self._isolated.values()),
        ]

    def _abandon(self, root: str) -> None:
        isolated = self._isolated.pop(root, None)
        if isolated is not None:
            isolated.close()


class _IsolatedWatcher:
    """A watcher whose calls may hang. It is then abandoned, and emits no more events."""

    def __init__(self, watcher: FolderWatcher, emit: Callable[[FsEvent], None]) -> None:
        self.watcher = watcher
        self._closed = False
        self._emit = emit
        watcher.start(self._forward)

    def _forward(self, event: FsEvent) -> None:
        if not self._closed:
            self._emit(event)

    def add_root(self, root: str, *, timeout: float, check: Callable[[], object]) -> None:
        """Add the root on a thread. It may take long, as long as `check`, called each `timeout`, does not raise.

        Raises what the watcher or `check` raises.
        """
        errors: list[Exception] = []

        def attempt() -> None:
            try:
                self.watcher.add_root(root)
            except Exception as error:  # noqa: BLE001 - raised in the calling thread
                errors.append(error)

        thread = _start_thread(attempt, "watches an isolated root")
        while thread.is_alive():
            thread.join(timeout)
            if thread.is_alive():
                check()
        if errors:
            raise errors[0]

    def close(self) -> threading.Thread:
        """Stop the watcher on a thread, and return that thread."""
        self._closed = True
        return _start_thread(self.watcher.close, "closes an isolated watcher")


def _start_thread(work: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
