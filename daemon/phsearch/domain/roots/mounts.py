"""Which file systems a root consists of, so that photos on a disk that is not mounted never count as deleted.

A root lies on a file system, and others may be mounted below it. It is remembered which one was last seen where. A file
system that is not there now, or in whose place there is another, is away: nothing is known of the photos on it.
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
    """One mounted file system. The kernel gives each mount another `number`; `identity` outlives a reboot.

    `within` is the folder of the file system `device` that is mounted: a bind mount shows a part of one.
    """

    number: int
    point: str
    kind: str
    identity: str
    remote: bool
    device: str = ""
    within: str = "/"


class Mounts:
    """What is mounted now, in the order of mounting."""

    def __init__(self, mounts: tuple[Mount, ...] = ()) -> None:
        self._mounts = mounts

    def __iter__(self) -> Iterator[Mount]:
        return iter(self._mounts)

    def over(self, path: str) -> Mount | None:
        """Return the file system that holds the absolute, resolved `path`."""
        found: Mount | None = None
        for mount in self._mounts:
            inside = path == mount.point or path.startswith(dir_prefix(mount.point))
            # ">=": a later mount on the same point covers the earlier one.
            if inside and (found is None or len(mount.point) >= len(found.point)):
                found = mount
        return found

    def remote(self, real: str) -> str | None:
        """Return the type of the file system that holds a folder where that is a remote one, else None."""
        mount = self.over(real)
        return mount.kind if mount is not None and mount.remote else None

    def around(self, real: str) -> tuple[Mount | None, ...]:
        """Return the mounts that a folder lies on and that lie below it; a disk mounted again is another mount."""
        return (self.over(real), *(mount for mount in self._mounts if mount.point.startswith(dir_prefix(real))))

    def aliases(self, real: str) -> list[str]:
        """Return the other paths under which a folder can be seen, because its file system is mounted several times.

        `real` is an absolute, resolved path.
        """
        own = self.over(real)
        if own is None or not own.device:
            return []
        inside = dir_prefix(own.within) + real[len(dir_prefix(own.point)) :] if real != own.point else own.within
        found = []
        for mount in self._mounts:
            if mount is own or mount.device != own.device:
                continue
            if inside == mount.within:
                path = mount.point
            elif inside.startswith(dir_prefix(mount.within)):
                path = dir_prefix(mount.point) + inside[len(dir_prefix(mount.within)) :]
            else:
                continue
            if self.over(path) is mount:
                found.append(path)
        return found

    def repeated_under(self, real: str) -> bool:
        """Whether what is mounted below a folder may be a part of what is mounted elsewhere, too."""
        below = [mount for mount in self._mounts if mount.device and mount.point.startswith(dir_prefix(real))]
        return any(other.device == mount.device and other is not mount for mount in below for other in self._mounts)

    def under(self, root: str, real: str) -> dict[str, str]:
        """Return the identities of the file system that holds `root` and of those mounted below it, by path.

        `real` is the root with links resolved. The paths below it begin with `root`, as those of the photos do.
        """
        own = self.over(real)
        identities = {root: f"{own.identity}{_AT}{own.point}" if own is not None else ""}
        for mount in self._mounts:
            if mount.point.startswith(dir_prefix(real)):
                identities[dir_prefix(root) + mount.point[len(dir_prefix(real)) :]] = mount.identity
        return identities


def missing(known: Mapping[str, Volume], now: Mapping[str, str]) -> list[str]:
    """Return the paths of the volumes that are not there now, which may include that of the root."""
    return [path for path, volume in known.items() if now.get(path) != volume.identity]


def of_root(root: str, roots: Roots, volumes: Collection[Volume]) -> list[Volume]:
    """Return the remembered volumes that belong to this root, as it knows them.

    Roots are added and removed inside one another while the disks stay where they are. So a disk may be mounted in a
    folder that became a root, or in one that is a root no longer, or a new root may lie on it.
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
        # The identity of a former root says where its disk is mounted. Elsewhere, the root was only a folder on it.
        identity, _, point = volume.identity.rpartition(_AT)
        if point == volume.path:
            yield replace(volume, root=root, identity=identity)


def _mounted(volume: Volume) -> str:
    """Return the identity of a root's own disk, where that is mounted at the root itself."""
    return f"{volume.identity}{_AT}{volume.path}"
