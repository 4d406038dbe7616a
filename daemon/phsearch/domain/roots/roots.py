"""Which root a path belongs to.

Roots may lie inside one another, say ~/Pictures and ~/Pictures/Work: a path belongs to the innermost root that holds
it, and to no other, so that every photo is counted once and goes offline with its own root. The scan and the watch of
the outer root skip its `nested` roots. A root may be reached by other names, too: through links above it, or where its
disk is mounted twice. All of this is about names: nothing here reads the disk.

There is one `Roots` object in a daemon, which all parts share. `replace` adds and removes roots.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Roots:
    """Absolute root paths, normalised, without duplicates, in the order given. Any thread may ask."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._paths: tuple[str, ...] = ()
        self._known: frozenset[str] = frozenset()
        self._aliases: dict[str, str] = {}
        self.replace(paths)

    def replace(self, paths: Iterable[str]) -> None:
        """Hold these roots from now on. Another thread sees either all old roots or all new ones."""
        self._paths = tuple(dict.fromkeys(_normal(path) for path in paths))
        self._known = frozenset(self._paths)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, path: object) -> bool:
        return path in self._known

    def __repr__(self) -> str:
        return f"Roots({list(self._paths)!r})"

    def root_of(self, path: str) -> str | None:
        """Return the deepest root that holds `path` (or is it), None where none does."""
        known = self._known
        while path not in known:
            parent = path.rpartition("/")[0] or "/"
            if parent == path or not path.startswith("/"):
                return None
            path = parent
        return path

    def learn_aliases(self, aliases: Mapping[str, str]) -> None:
        """Know other names of the roots' folders from now on, and no earlier ones."""
        self._aliases = {_normal(alias): root for alias, root in aliases.items()}

    def library_name(self, path: str) -> str:
        """Return a path as the library knows it: below a root if it leads there by another name, else as it is."""
        aliases = self._aliases
        if not aliases or not path.startswith("/") or self.root_of(path) is not None:
            return path
        folder = path
        while folder not in aliases:
            parent = folder.rpartition("/")[0]
            if not parent:
                return path
            folder = parent
        return aliases[folder] + path[len(folder) :]

    def rel_path(self, path: str) -> str:
        """Return `path` relative to its root, "" for the root itself. Raises ValueError outside every root."""
        root = self.root_of(path)
        if root is None:
            raise ValueError(f"{path} lies in no root")
        return path[len(root) :].lstrip("/")

    def nested(self, root: str) -> frozenset[str]:
        """Return the roots that lie inside `root`, at any depth."""
        return frozenset(path for path in self._paths if path != root and path.startswith(dir_prefix(root)))


def folders_above(path: str) -> Iterator[str]:
    """Yield all folders above a path, the nearest first."""
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path


def dir_prefix(folder: str) -> str:
    """Return the prefix that every path inside `folder` starts with."""
    return folder if folder.endswith("/") else f"{folder}/"


def _normal(path: str) -> str:
    # POSIX allows "//x" to be another path than "/x", and normpath keeps it. On Linux both are the same.
    return "/" + posixpath.normpath(path).lstrip("/")
