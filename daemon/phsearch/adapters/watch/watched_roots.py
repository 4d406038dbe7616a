"""The watched roots, and what is said of a root as a whole: that it is lost, that folders of it cannot be watched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.adapters.watch.inotify_errors import common_reason
from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.types import RootLost, WatchDegraded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phsearch.adapters.watch.tree import Folder, Tree
    from phsearch.domain.types import FsEvent

_REWATCH_HINT = -1


class WatchedRoots:
    """The top folders of the roots that are watched now."""

    def __init__(self, tree: Tree, emit: Callable[[FsEvent], None]) -> None:
        self._tree = tree
        self._emit = emit
        self.suspects: set[str] = set()
        self._roots: dict[str, Folder] = {}
        self._reported: dict[str, int] = {}

    def __iter__(self) -> Iterator[Folder]:
        return iter(self._roots.values())

    def get(self, root: str) -> Folder | None:
        """Give the top folder of a root, where that is watched."""
        return self._roots.get(root)

    def put(self, top: Folder) -> None:
        """Take a root in."""
        self._roots[top.name] = top
        self._tree.degraded_changed = self._tree.degraded_changed or top.name in self._reported

    def clear(self) -> None:
        """Forget all roots, and tell nobody."""
        self._roots.clear()
        self._reported.clear()
        self.suspects.clear()

    def lose_all(self, reason: str) -> None:
        """Tell that all roots are lost; their watches are gone already."""
        lost = list(self._roots)
        self._roots.clear()
        self._reported.clear()
        for root in lost:
            self._emit(RootLost(root, reason))

    def drop(self, top: Folder) -> None:
        """Stop watching a root. What was told of its folders is told anew when it is watched again."""
        self._roots.pop(top.name, None)
        if self._reported.pop(top.name, 0):
            self._reported[top.name] = _REWATCH_HINT
        self._tree.forget(top)

    def lose(self, top: Folder, reason: str) -> None:
        """Stop watching a root that went, and tell."""
        self.drop(top)
        self._reported.pop(top.name, None)
        self._emit(RootLost(top.name, reason))

    def suspect(self, above: str) -> bool:
        """Note the roots inside a folder that went, for a look: the kernel tells them nothing."""
        found = {root for root in self._roots if root.startswith(dir_prefix(above))}
        self.suspects |= found
        return bool(found)

    def report_degraded(self) -> None:
        """Tell of the folders that cannot be watched, where their number changed."""
        if not self._tree.degraded_changed:
            return
        self._tree.degraded_changed = False
        errors: dict[str, list[OSError]] = {}
        for folder, error in self._tree.degraded.items():
            errors.setdefault(folder.location()[0].name, []).append(error)
        for root, top in self._roots.items():
            mine = errors.get(root, [])
            if len(mine) != self._reported.get(root, 0):
                self._reported[root] = len(mine)
                self._emit(WatchDegraded(root, len(mine), common_reason(mine), self._tree.watch_counts(top)[0]))
