"""Roots that are the same folder, or lie in one another, under other names: through links, bind mounts, other case.

Photos of a root whose name is another now keep what is known of them: only their paths change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.roots.roots import dir_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phsearch.domain.roots.roots import Roots


@dataclass(frozen=True, slots=True)
class RealFolder:
    """Where a root is: its path with links resolved, the other paths of it, and its device and inode where known."""

    path: str
    aliases: tuple[str, ...] = ()
    identity: tuple[int, int] | None = None

    def is_same(self, other: RealFolder) -> bool:
        """Whether it is the same folder as another."""
        same_inode = self.identity is not None and self.identity == other.identity
        return same_inode or other.path in (self.path, *self.aliases) or self.path in other.aliases


class Respelling:
    """What the paths of photos become when these `roots` are watched, by the `places` of former and new roots.

    The photos of a former root belong to the root that holds their folder now. Of two roots that are the same folder
    the first one counts, and of two inside one another the inner one, as if their names said so.
    """

    def __init__(self, roots: Roots, places: Mapping[str, RealFolder]) -> None:
        self._folders: dict[str, str] = {}
        new = {root: places[root] for root in roots if root in places}
        order = {root: number for number, root in enumerate(roots)}
        for old, place in places.items():
            for root, target in sorted(new.items(), key=lambda item: (len(item[1].path), -order[item[0]])):
                if old == root:
                    continue
                if place.is_same(target):
                    if old not in order or order[root] < order[old]:
                        self._folders[old] = root
                    continue
                for path in (place.path, *place.aliases):
                    if target.path.startswith(dir_prefix(path)):
                        self._folders[dir_prefix(old) + target.path[len(dir_prefix(path)) :]] = root
                    elif old not in order and path.startswith(dir_prefix(target.path)):
                        self._folders[old] = dir_prefix(root) + path[len(dir_prefix(target.path)) :]
        self._folders = {old: now for old, now in self._folders.items() if old != now}

    @property
    def folders(self) -> Iterable[str]:
        """The folders whose photos have another path now."""
        return self._folders

    def path_now(self, path: str) -> str:
        """Return what a path is called now; mostly it is the same."""
        if not self._folders:
            return path
        folder = path
        while folder not in self._folders:
            parent = folder.rpartition("/")[0]
            if not parent or parent == folder:
                return path
            folder = parent
        return self._folders[folder] + path[len(folder) :]
