"""The watched roots, and the events about a root as a whole: that it is lost, or that some folders are not watched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.adapters.watch.inotify_errors import FULL, common_reason
from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.watch_events import RootLost, WatchDegraded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phsearch.adapters.watch.tree import FolderNode, FolderTree
    from phsearch.domain.watch_events import FsEvent

_REPORT_AGAIN = -1


class WatchedRoots:
    """The top folders of the watched roots. `to_check` are roots that may be gone, which no event would report."""

    def __init__(self, tree: FolderTree, emit: Callable[[FsEvent], None]) -> None:
        self._tree = tree
        self._emit = emit
        self.to_check: set[str] = set()
        self._roots: dict[str, FolderNode] = {}
        self._reported: dict[str, int] = {}

    def __iter__(self) -> Iterator[FolderNode]:
        return iter(self._roots.values())

    def top_folder(self, root: str) -> FolderNode | None:
        """Return the top folder of a root if the root is watched."""
        return self._roots.get(root)

    def add_top(self, top: FolderNode) -> None:
        """Add a root."""
        self._roots[top.name] = top
        self._tree.degraded_changed = self._tree.degraded_changed or top.name in self._reported

    def clear_roots(self) -> None:
        """Forget all roots, without an event."""
        self._roots.clear()
        self._reported.clear()
        self.to_check.clear()

    def lose_all(self, reason: str) -> None:
        """Emit that all roots are lost; their watches are gone already."""
        lost = list(self._roots)
        self._roots.clear()
        self._reported.clear()
        for root in lost:
            self._emit(RootLost(root, reason))

    def drop_root(self, top: FolderNode) -> None:
        """Stop watching a root. Its unwatched folders are reported again when it is watched again."""
        self._roots.pop(top.name, None)
        if self._reported.pop(top.name, 0):
            self._reported[top.name] = _REPORT_AGAIN
        self._tree.remove_node(top)

    def lose_root(self, top: FolderNode, reason: str) -> None:
        """Stop watching a root that is gone, and emit that it is lost."""
        self.drop_root(top)
        self._reported.pop(top.name, None)
        self._emit(RootLost(top.name, reason))

    def request_check(self, above: str) -> bool:
        """Add the roots inside a folder that is gone to `to_check`; return whether there are any.

        The kernel sends them no event.
        """
        found = {root for root in self._roots if root.startswith(dir_prefix(above))}
        self.to_check |= found
        return bool(found)

    def report_degraded(self) -> None:
        """Emit the number of folders that cannot be watched, for each root where it has changed."""
        if not self._tree.degraded_changed:
            return
        self._tree.degraded_changed = False
        errors: dict[str, list[tuple[str, OSError]]] = {}
        for folder, error in self._tree.degraded.items():
            errors.setdefault(folder.location()[0].name, []).append((folder.path, error))
        for root, top in self._roots.items():
            mine = errors.get(root, [])
            if len(mine) != self._reported.get(root, 0):
                self._reported[root] = len(mine)
                watched, beyond = self._tree.watch_counts(top)[0], sum(error.errno in FULL for _, error in mine)
                self._emit(WatchDegraded(root, len(mine), common_reason(mine), watched, beyond))
