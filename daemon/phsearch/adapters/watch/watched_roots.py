"""The watched roots, and what is said of a root as a whole: that it is lost, that folders of it cannot be watched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.adapters.watch.inotify_errors import common_reason
from phsearch.domain.roots.roots import below
from phsearch.domain.types import Blind, RootLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phsearch.adapters.watch.tree import Folder, Tree
    from phsearch.domain.types import FsEvent

_ANEW = -1


class Tops:
    """The top folders of the roots that are watched now."""

    def __init__(self, tree: Tree, emit: Callable[[FsEvent], None]) -> None:
        self._tree = tree
        self._emit = emit
        self.suspects: set[str] = set()
        self._tops: dict[str, Folder] = {}
        self._told: dict[str, int] = {}

    def __iter__(self) -> Iterator[Folder]:
        return iter(self._tops.values())

    def get(self, root: str) -> Folder | None:
        """Give the top folder of a root, where that is watched."""
        return self._tops.get(root)

    def put(self, top: Folder) -> None:
        """Take a root in."""
        self._tops[top.name] = top
        self._tree.blind_changed = self._tree.blind_changed or top.name in self._told

    def clear(self) -> None:
        """Forget all roots, and tell nobody."""
        self._tops.clear()
        self._told.clear()
        self.suspects.clear()

    def lose_all(self, reason: str) -> None:
        """Tell that all roots are lost; their watches are gone already."""
        lost = list(self._tops)
        self._tops.clear()
        self._told.clear()
        for root in lost:
            self._emit(RootLost(root, reason))

    def drop(self, top: Folder) -> None:
        """Stop watching a root. What was told of its folders is told anew when it is watched again."""
        self._tops.pop(top.name, None)
        if self._told.pop(top.name, 0):
            self._told[top.name] = _ANEW
        self._tree.forget(top)

    def lose(self, top: Folder, reason: str) -> None:
        """Stop watching a root that went, and tell."""
        self.drop(top)
        self._told.pop(top.name, None)
        self._emit(RootLost(top.name, reason))

    def suspect(self, above: str) -> bool:
        """Note the roots inside a folder that went, for a look: the kernel tells them nothing."""
        found = {root for root in self._tops if root.startswith(below(above))}
        self.suspects |= found
        return bool(found)

    def tell_blind(self) -> None:
        """Tell of the folders that cannot be watched, where their number changed."""
        if not self._tree.blind_changed:
            return
        self._tree.blind_changed = False
        errors: dict[str, list[OSError]] = {}
        for folder, error in self._tree.blind.items():
            errors.setdefault(folder.place()[0].name, []).append(error)
        for root, top in self._tops.items():
            mine = errors.get(root, [])
            if len(mine) != self._told.get(root, 0):
                self._told[root] = len(mine)
                self._emit(Blind(root, len(mine), common_reason(mine), self._tree.counts(top)[0]))
