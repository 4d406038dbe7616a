"""Which file systems a root is made of, so that a disk that is not mounted is never taken for deleted photos.

A root lies on a file system, and others may be mounted below it. Which one lies where is remembered from the last time
it was seen. A file system that is no longer there, or where another lies now, is away: nothing is known of the photos
on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from phsearch.domain.roots.roots import dir_prefix

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import Volume

_AT = " at "


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system. The kernel gives each mount another `number`; `identity` outlives a reboot."""

    number: int
    point: str
    kind: str
    identity: str
    remote: bool


class Mounts:
    """What is mounted now, in the order of mounting."""

    def __init__(self, mounts: tuple[Mount, ...] = ()) -> None:
        self._mounts = mounts

    def __iter__(self) -> Iterator[Mount]:
        return iter(self._mounts)

    def over(self, path: str) -> Mount | None:
        """Give the file system that holds the absolute, resolved `path`."""
        found: Mount | None = None
        for mount in self._mounts:
            inside = path == mount.point or path.startswith(dir_prefix(mount.point))
            # ">=": a later mount on the same point covers the earlier one.
            if inside and (found is None or len(mount.point) >= len(found.point)):
                found = mount
        return found

    def remote(self, real: str) -> str | None:
        """Give the type of the file system a folder lies on where that is a remote one."""
        mount = self.over(real)
        return mount.kind if mount is not None and mount.remote else None

    def around(self, real: str) -> tuple[Mount | None, ...]:
        """Give the very mounts that a folder lies on and that lie below it: the same disk mounted anew is another."""
        return (self.over(real), *(mount for mount in self._mounts if mount.point.startswith(dir_prefix(real))))

    def under(self, root: str, real: str) -> dict[str, str]:
        """Give the identities of the file system `root` lies on and of those mounted below it, by path.

        `real` is the root with links resolved; the others have the names their photos have, below `root`.
        """
        own = self.over(real)
        identities = {root: f"{own.identity}{_AT}{own.point}" if own is not None else ""}
        for mount in self._mounts:
            if mount.point.startswith(dir_prefix(real)):
                identities[dir_prefix(root) + mount.point[len(dir_prefix(real)) :]] = mount.identity
        return identities


def missing(known: Mapping[str, Volume], now: Mapping[str, str]) -> list[str]:
    """Give the paths of the volumes that are not there now, the root's own among them."""
    return [path for path, volume in known.items() if now.get(path) != volume.identity]


def of_root(root: str, roots: Roots, volumes: Collection[Volume]) -> list[Volume]:
    """Give those of the remembered volumes that are this root's concern, as it knows them.

    Roots come and go inside one another, and the disks stay where they are: one that is mounted in a folder that became
    a root, or that is a root no longer, and the one on which a new root lies.
    """
    mine = [known for volume in volumes if roots.root_of(volume.path) == root for known in _taken_over(volume, root)]
    if not any(volume.path == root for volume in mine):
        around = (volume for volume in volumes if root.startswith(dir_prefix(volume.path)))
        under = max(around, key=lambda volume: len(volume.path), default=None)
        if under is not None:
            own = under.path == under.root
            mine.append(replace(under, path=root, root=root, identity=under.identity if own else _mounted(under)))
    return mine


def _taken_over(volume: Volume, root: str) -> Iterator[Volume]:
    if volume.root == root:
        yield volume
    elif volume.path == root:
        yield replace(volume, root=root, identity=_mounted(volume))
    elif volume.path != volume.root:
        yield replace(volume, root=root)
    else:
        # A former root says where its disk is mounted; where that is elsewhere it was but a folder on that disk.
        identity, _, point = volume.identity.rpartition(_AT)
        if point == volume.path:
            yield replace(volume, root=root, identity=identity)


def _mounted(volume: Volume) -> str:
    """Say what a root says of its own disk, where that is mounted at the root itself."""
    return f"{volume.identity}{_AT}{volume.path}"
