"""Which path counts of a folder that is reached by several: through links, bind mounts, or another root.

Each folder (by device and inode) is scanned once. The folders of the root itself come first, then what is mounted in
it, then links; of two mounts or two links the one that was scanned before, else the first by name. The watch makes the
same choice. Only a scan of the whole root can choose, so it is remembered for what is asked in between.
"""

from __future__ import annotations

import heapq
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.roots.roots import dir_prefix

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.roots.ignore_rules import IgnoreRules
    from phsearch.domain.roots.mounts import Mounts
    from phsearch.domain.roots.roots import Roots

    Identity = tuple[int, int]
    """Device and inode."""


@dataclass(frozen=True, slots=True)
class _Skipped:
    """A folder that does not count: `kept` is the path that does, None in another root."""

    identity: Identity
    kept: str | None


class FolderChoice:
    """The choices of all roots. Any thread may ask."""

    def __init__(
        self, *, roots: Roots, rules: IgnoreRules, mounts: Callable[[], Mounts], follow: bool, albums_dir: str | None
    ) -> None:
        """No folder of `albums_dir` counts; with `follow`, links are followed."""
        self._roots = roots
        self._rules = rules
        self._mounts = mounts
        self._follow = follow
        self._albums_dir = albums_dir
        self.skipped: dict[str, dict[str, _Skipped]] = {}
        """The folders that do not count, by root."""
        self._followed: dict[str, frozenset[str]] = {}

    def begin_walk(self, root: str, top: str) -> FolderWalk | None:
        """Return what chooses during a scan of `top`; None where no folder of the root has two paths."""
        mounts = self._mounts()
        real = os.path.realpath(root)
        others = [other for other in self._roots if other != root and self._may_ask(other, mounts)]
        if not (
            self._follow or mounts.repeated_under(real) or any(_may_meet(other, root, real, mounts) for other in others)
        ):
            self.skipped.pop(root, None)
            return None
        return FolderWalk(
            root=root,
            whole=top == root,
            mount_points=frozenset(mounts.under(root, real)) - {root},
            followed=self._followed.get(root, frozenset()),
            others=[*others, *([self._albums_dir] if self._albums_dir else [])],
            in_other_root=lambda path: self._in_other_root(path, others, mounts),
        )

    def end_walk(self, walk: FolderWalk) -> None:
        """Remember the choice of a scan of a whole root."""
        self.skipped[walk.root] = walk.skipped
        self._followed[walk.root] = frozenset(walk.followed_now)

    def kept_path(self, root: str, path: str) -> str | None:
        """Return the path that counts instead of `path`, which mostly is the same; None where it is in another root."""
        skipped = self.skipped.get(root, {})
        folder = path
        while folder != root:
            if (skip := skipped.get(folder)) is not None and _is_still(folder, skip):
                return None if skip.kept is None else skip.kept + path[len(folder) :]
            folder = os.path.dirname(folder)  # noqa: PTH120 - a str stays a str
        return path

    def _may_ask(self, other: str, mounts: Mounts) -> bool:
        """Whether the disk of another root may be asked: a remote one may hang, and so would this root."""
        mount = mounts.over(other)
        return self._follow or mount is None or not mount.remote

    def _in_other_root(self, path: str, others: list[str], mounts: Mounts) -> bool:
        real = os.path.realpath(path)
        for other in others:
            top = os.path.realpath(other)
            for alias in (real, *mounts.aliases(real)):
                if alias != top and not alias.startswith(dir_prefix(top)):
                    continue
                rel = alias[len(dir_prefix(top)) :]
                if self._rules.allows_folder_path(rel):
                    return True
        return False


class FolderWalk:
    """The choice during one scan. `followed` are the mounts and links that were scanned before."""

    def __init__(
        self,
        *,
        root: str,
        whole: bool,
        mount_points: frozenset[str],
        followed: frozenset[str],
        others: list[str],
        in_other_root: Callable[[str], bool],
    ) -> None:
        self.root = root
        self.whole = whole
        self.skipped: dict[str, _Skipped] = {}
        self.followed_now: list[str] = []
        self._mount_points = mount_points
        self._followed = followed
        self._in_other_root = in_other_root
        self._deferred: list[tuple[bool, bool, str, str]] = []
        self._paths: dict[Identity, str | None] = {}
        for folder, path in (*((other, None) for other in others), (root, root)):
            if (identity := _identity(folder)) is not None:
                self._paths[identity] = path

    def is_mount_point(self, path: str) -> bool:
        """Whether something is mounted at a folder."""
        return path in self._mount_points

    @property
    def deferred(self) -> bool:
        """Whether a mount or link is left, which comes after all other folders."""
        return bool(self._deferred)

    def defer(self, path: str) -> None:
        """Put a mount or a link off. The choice must not depend on the disk's order."""
        folder, _, name = path.rpartition("/")
        new, link = path not in self._followed, path not in self._mount_points
        heapq.heappush(self._deferred, (new, link, folder, name))

    def next_deferred(self) -> str:
        """Return the next mount or link."""
        *_, folder, name = heapq.heappop(self._deferred)
        return f"{folder}/{name}"

    def admit(self, path: str, *, later: bool) -> bool:
        """Whether to scan a folder, which comes `later` if it is a mount or a link. If not, it may be `skipped`."""
        identity = _identity(path)
        if identity is None:  # it is gone
            return False
        if identity in self._paths or (later and self._in_other_root(path)):
            self.skipped[path] = _Skipped(identity, self._paths.get(identity))
            return False
        self._paths[identity] = path
        if later:
            self.followed_now.append(path)
        return True


def _may_meet(other: str, root: str, real: str, mounts: Mounts) -> bool:
    """Whether a walk of `root` comes to the root `other`, though its name lies elsewhere."""
    if other.startswith(dir_prefix(root)):
        return False
    inside = os.path.realpath(other)
    return any(path.startswith(dir_prefix(real)) for path in (inside, *mounts.aliases(inside)))


def _is_still(folder: str, skip: _Skipped) -> bool:
    return _identity(folder) == skip.identity and (skip.kept is None or _identity(skip.kept) == skip.identity)


def _identity(folder: str) -> Identity | None:
    try:
        status = os.stat(folder)  # noqa: PTH116 - a str stays a str
    except OSError:
        return None
    return status.st_dev, status.st_ino
