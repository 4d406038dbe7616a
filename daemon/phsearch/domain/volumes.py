"""Which file systems a root is made of, so that a disk that is not mounted is never taken for deleted photos.

A root lies on a file system, and others may be mounted below it. Which one lies where is remembered from the last time
it was seen. A file system that is no longer there, or where another lies now, is away: nothing is known of the photos
on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.roots import below

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phsearch.domain.types import Volume


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
            inside = path == mount.point or path.startswith(below(mount.point))
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
        return (self.over(real), *(mount for mount in self._mounts if mount.point.startswith(below(real))))

    def under(self, root: str, real: str) -> dict[str, str]:
        """Give the identities of the file system `root` lies on and of those mounted below it, by path.

        `real` is the root with links resolved; the others have the names their photos have, below `root`.
        """
        own = self.over(real)
        identities = {root: f"{own.identity} at {own.point}" if own is not None else ""}
        for mount in self._mounts:
            if mount.point.startswith(below(real)):
                identities[below(root) + mount.point[len(below(real)) :]] = mount.identity
        return identities


def away(known: Mapping[str, Volume], now: Mapping[str, str]) -> list[str]:
    """Give the paths of the volumes that are not there now, the root's own among them."""
    return [path for path, volume in known.items() if now.get(path) != volume.identity]
