"""Knows whether the disks of one root are there, before anything in it counts as deleted.

"No such file" means "deleted" only where the file system of the file is mounted, and was mounted during the whole stat.
It means nothing where a disk was unplugged, a share is not mounted, or another stick is in its place.
"""

from __future__ import annotations

import dataclasses
import errno
import itertools
import os
from typing import TYPE_CHECKING

from phsearch.domain.roots.mounts import missing, of_root
from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.types import Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from phsearch.domain.roots.mounts import Mounts
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import NotAFile, OtherPath, PhotoFile
    from phsearch.service.indexing.store_writer import StoreWriter

    Checked = PhotoFile | NotAFile | OtherPath | None


_WRITE_SECONDS = 86_400.0
"""When a volume was last there is written when it goes, and when the daemon ends. In between it is written only in case
the daemon is killed, and seldom, so that disks can sleep."""


class VolumeTracker:
    """The volumes of one root. `stat_all` and `resolve` run in threads, all else on the event loop."""

    def __init__(
        self,
        *,
        root: str,
        roots: Roots,
        mounts: Callable[[], Mounts],
        path_checker: Callable[[], Callable[[str], Checked]],
        known: Collection[Volume],
        writer: StoreWriter,
    ) -> None:
        self.root = root
        self._roots = roots
        self._mounts = mounts
        self._path_checker = path_checker
        self._writer = writer
        self._real = root
        self._known = {volume.path: volume for volume in of_root(root, roots, known)}
        self._written = dict(self._known)

    @property
    def volumes(self) -> list[Volume]:
        """What is remembered of the root's file systems."""
        return list(self._known.values())

    def resolve(self, tick: Callable[[], None]) -> str:
        """Resolve the links in the root's path. Return the type of its file system where that is remote, else "".

        Raises OSError (EEXIST) where an earlier root is the same folder.
        """
        self._real = os.path.realpath(self.root)
        tick()
        mounts = self._mounts()
        for other in itertools.takewhile(lambda each: each != self.root, self._roots):
            if self._is_same(other, mounts):
                raise OSError(errno.EEXIST, f"it is the same folder as the root {other}, which is used")
            tick()
        return mounts.remote(self._real) or ""

    def _is_same(self, other: str, mounts: Mounts) -> bool:
        mount, own = mounts.over(other), mounts.over(self._real)
        if mount is not None and mount.remote and mount is not own:
            return False  # it may hang, and so would this root
        real = os.path.realpath(other)
        if self._real in (real, *mounts.aliases(real)):
            return True
        try:
            return mounts.over(real) is own and os.path.samefile(real, self._real)  # noqa: PTH121 - a str stays a str
        except OSError:
            return False

    def stat_all(self, tick: Callable[[], None], paths: list[str]) -> list[tuple[str, Checked | OSError]]:
        """Stat files. The result is None, for a file that is gone, only where its disk is there."""
        before = self._mounts()
        check = self._path_checker()
        results: list[tuple[str, Checked | OSError]] = []
        for path in paths:
            results.append((path, _check(check, path)))
            tick()
        if all(seen is not None for _, seen in results):
            return results
        after = self._mounts()
        unchanged = after is before or after.around(self._real) == before.around(self._real)
        away = [] if unchanged else [self.root]
        away += missing(dict(self._known), self._under(after))
        away_prefixes = tuple(dir_prefix(path) for path in away)
        unknown = OSError(errno.ENODEV, "its disk is not mounted")
        return [(path, unknown if seen is None and path.startswith(away_prefixes) else seen) for path, seen in results]

    def mounted(self) -> dict[str, str]:
        """Return the identities of what is mounted now at and below the root, by path."""
        return self._under(self._mounts())

    def unmounted(self, mounted: Mapping[str, str] | None = None) -> list[str]:
        """Return the paths of the volumes that are not there now, or are not `mounted`."""
        return missing(self._known, self.mounted() if mounted is None else mounted)

    def last_seen(self, path: str) -> float | None:
        """Return when the volume that holds `path` was last there, in seconds since the epoch; None for never."""
        volume = self._known.get(self._volume_of(path))
        return volume.seen_at if volume is not None else None

    def seen(self, away: Collection[str], now: float) -> None:
        """Note that everything mounted now was seen, except the volumes that are `away`."""
        volumes = [
            Volume(path, self.root, identity, now) for path, identity in self.mounted().items() if path not in away
        ]
        self._known.update({volume.path: volume for volume in volumes})
        for volume in volumes:
            written = self._written.get(volume.path)
            if written is None or written.identity != volume.identity or now - written.seen_at >= _WRITE_SECONDS:
                self._write(volume)

    def mark_seen(self, away: Collection[str], now: float) -> None:
        """Note that all volumes except those that are `away` were there until now."""
        for volume in list(self._known.values()):
            if volume.path not in away:
                self._known[volume.path] = dataclasses.replace(volume, seen_at=now)
                self._write(self._known[volume.path])

    def forget(self, paths: Iterable[str]) -> None:
        """Forget these volumes."""
        for path in list(paths):
            self._known.pop(path, None)
            self._written.pop(path, None)
            self._writer.forget_volume(path)

    def _write(self, volume: Volume) -> None:
        self._written[volume.path] = volume
        self._writer.put_volume(volume)

    def _under(self, mounts: Mounts) -> dict[str, str]:
        # What is mounted in a root inside this one belongs to that root.
        found = mounts.under(self.root, self._real).items()
        return {path: identity for path, identity in found if self._roots.root_of(path) == self.root}

    def _volume_of(self, path: str) -> str:
        inside = (each for each in self._known if path == each or path.startswith(dir_prefix(each)))
        return max(inside, key=len, default=self.root)


def _check(check: Callable[[str], Checked], path: str) -> Checked | OSError:
    try:
        return check(path)
    except OSError as error:
        return error
