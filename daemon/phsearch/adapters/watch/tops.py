"""The watched roots, and what is said of a root as a whole: that it is lost, that folders of it cannot be watched."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from phsearch.adapters.watch.limits import common_reason
from phsearch.domain.roots import below
from phsearch.domain.types import Blind, RootLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phsearch.adapters.watch.folder import Folder
    from phsearch.adapters.watch.tree import Tree
    from phsearch.domain.types import FsEvent


class Tops:
    """The top folders of the roots that are watched now."""

    def __init__(self, tree: Tree, emit: Callable[[FsEvent], None]) -> None:
        self._tree = tree
        self._emit = emit
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

    def clear(self) -> None:
        """Forget all roots, and tell nobody."""
        self._tops.clear()

    def lose_all(self, reason: str) -> None:
        """Tell that all roots are lost; their watches are gone already."""
        lost = list(self._tops)
        self._tops.clear()
        self._told.clear()
        for root in lost:
            self._emit(RootLost(root, reason))

    def drop(self, top: Folder) -> None:
        """Stop watching a root."""
        self._tops.pop(top.name, None)
        self._told.pop(top.name, None)
        self._tree.forget(top)

    def lose(self, top: Folder, reason: str) -> None:
        """Stop watching a root that went, and tell."""
        self.drop(top)
        self._emit(RootLost(top.name, reason))

    def check(self, above: str) -> None:
        """Make sure of the roots inside a folder that went: the kernel tells them nothing."""
        for top in [top for root, top in self._tops.items() if root.startswith(below(above))]:
            fault = fault_of(top)
            if fault is not None:
                self.lose(top, fault)

    def tell_blind(self) -> None:
        """Tell of the folders that cannot be watched, where their number changed."""
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
                self._emit(Blind(root, len(mine), common_reason(mine)))


def fault_of(top: Folder) -> str | None:
    """Say why the root is no longer what is watched in its name; None where it is."""
    try:
        status = os.stat(top.name)  # noqa: PTH116
    except OSError:
        return "its folder is gone"
    same = (status.st_dev, status.st_ino) == top.identity
    return None if same else "another folder or file system has taken its place"
