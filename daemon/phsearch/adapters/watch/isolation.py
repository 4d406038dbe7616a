"""Local roots together, roots that may hang each apart.

A call on a network or FUSE file system may never return, and inotify holds its locks meanwhile: its reader would stand
still, and with it the events of every root. So each root on such a file system has a watcher of its own, with its own
inotify instance, lock and threads; when it hangs nobody else notices, and this here leaves it behind.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from phsearch.adapters.watch.hang_probe import HangProbe

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.adapters.watch.watcher import FolderWatcher
    from phsearch.domain.types import FsEvent

_CLOSING = 5.0


class IsolatingWatcher:
    """One watcher for all local roots and one for each other; fills `ports.Watcher`.

    `may_hang` names the type of a file system that may, for a path on one; a call on a root that does not answer
    within `patience` seconds ends in an OSError.
    """

    def __init__(
        self, make: Callable[[], FolderWatcher], may_hang: Callable[[str], str | None], patience: float = 20.0
    ) -> None:
        self._make = make
        self._may_hang = may_hang
        self._patience = patience
        self._prober = HangProbe(patience)
        self._shared = make()
        self._isolated: dict[str, _IsolatedWatcher] = {}
        self._emit: Callable[[FsEvent], None] = lambda _event: None

    def rebuild(self, make: Callable[[], FolderWatcher]) -> None:
        """Begin anew, with watchers made otherwise; no root is watched then until it is added again."""
        left = [_thread(self._shared.close, "closes a watcher"), *(apart.close() for apart in self._isolated.values())]
        self._make = make
        self._isolated = {}
        self._shared = make()
        self._shared.start(self._emit)
        for thread in left:
            thread.join(_CLOSING)

    def start(self, emit: Callable[[FsEvent], None]) -> None:
        """Begin; no root is watched yet."""
        self._emit = emit
        self._shared.start(emit)

    def add_root(self, root: str) -> None:
        """Watch everything below `root` from when this returns, see FolderWatcher. Raises OSError."""
        try:
            self._prober.identity(root)
        except OSError:
            self.remove_root(root)
            raise
        if self._may_hang(root) is None:
            self._abandon(root)
            self._shared.add_root(root)
            return
        self._shared.remove_root(root)
        apart = self._isolated.get(root)
        if apart is None:
            apart = self._isolated[root] = _IsolatedWatcher(self._make(), self._emit)
        try:
            apart.do(lambda watcher: watcher.add_root(root), self._patience, lambda: self._prober.identity(root))
        except TimeoutError:
            self._abandon(root)
            raise

    def remove_root(self, root: str) -> None:
        """Stop watching `root`; nothing happens where it is not watched."""
        self._abandon(root)
        self._shared.remove_root(root)

    def send_mark(self, token: int) -> bool:
        """Have `Marked(token)` told when all that happened in local roots has been; False where that is not to be."""
        return self._shared.send_mark(token)

    def watch_counts(self, root: str) -> tuple[int, int] | None:
        """Count the folders of `root` that are watched and those that are not; None while that is not to be had."""
        apart = self._isolated.get(root)
        return self._shared.watch_counts(root) if apart is None else apart.watcher.watch_counts(root)

    def close(self) -> None:
        """Stop everything, but wait for nothing that hangs."""
        closing = [apart.close() for apart in self._isolated.values()]
        closing.append(_thread(self._shared.close, "closes the watcher"))
        for thread in closing:
            thread.join(_CLOSING)

    def _abandon(self, root: str) -> None:
        apart = self._isolated.pop(root, None)
        if apart is not None:
            apart.close()


class _IsolatedWatcher:
    """A watcher whose calls may hang, and which is then left behind."""

    def __init__(self, watcher: FolderWatcher, emit: Callable[[FsEvent], None]) -> None:
        self.watcher = watcher
        self._left = False
        self._emit = emit
        watcher.start(self._tell)

    def _tell(self, event: FsEvent) -> None:
        if not self._left:
            self._emit(event)

    def do(self, work: Callable[[FolderWatcher], None], patience: float, answers: Callable[[], object]) -> None:
        """Do something that may take long, as long as the file system `answers`; raises what either raises."""
        problems: list[Exception] = []

        def attempt() -> None:
            try:
                work(self.watcher)
            except Exception as problem:  # noqa: BLE001 - raised where it was asked for
                problems.append(problem)

        thread = _thread(attempt, "watches a root apart")
        while thread.is_alive():
            thread.join(patience)
            if thread.is_alive():
                answers()
        if problems:
            raise problems[0]

    def close(self) -> threading.Thread:
        """Stop it on a thread, which is given."""
        self._left = True
        return _thread(self.watcher.close, "closes a watcher apart")


def _thread(work: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
