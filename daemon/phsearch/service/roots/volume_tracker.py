"""Whether the disks of one root are there: asked before anything in it is taken for deleted.

"No such file" means "deleted" only where the file's own file system is mounted, and was throughout the question. A disk
that is pulled out, a share that is not mounted, another stick in its place: there it means nothing at all.
"""

from __future__ import annotations

import dataclasses
import errno
import os
from typing import TYPE_CHECKING

from phsearch.domain.roots.mounts import missing, of_root
from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.types import Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from phsearch.domain.roots.mounts import Mounts
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import NotAFile, PhotoFile
    from phsearch.service.indexing.store_writer import StoreWriter


_NOTE_SECONDS = 86_400.0
"""When a volume was last there is noted when it goes, and when we end; in between it is for the day we are killed, and
disks are left to sleep."""


class VolumeTracker:
    """The volumes of one root. `look_all` and `resolve` run in threads, all else on the event loop."""

    def __init__(
        self,
        *,
        root: str,
        roots: Roots,
        mounts: Callable[[], Mounts],
        check_path: Callable[[str], PhotoFile | NotAFile | None],
        known: Collection[Volume],
        writer: StoreWriter,
    ) -> None:
        self.root = root
        self._roots = roots
        self._mounts = mounts
        self._check_path = check_path
        self._real = root
        self._known = {volume.path: volume for volume in of_root(root, roots, known)}
        self._noted = dict(self._known)
        self._writer = writer

    @property
    def volumes(self) -> list[Volume]:
        """What is remembered of the root's file systems."""
        return list(self._known.values())

    def resolve(self, tick: Callable[[], None]) -> str:
        """Find out where the root really is; gives the type of its file system where that is a remote one, else ""."""
        self._real = os.path.realpath(self.root)
        tick()
        return self._mounts().remote(self._real) or ""

    def stat_all(
        self, tick: Callable[[], None], paths: list[str]
    ) -> list[tuple[str, PhotoFile | NotAFile | OSError | None]]:
        """Look at files; None is said of one only where its disk is there."""
        before = self._mounts()
        looks = []
        for path in paths:
            looks.append((path, self._stat(path)))
            tick()
        if all(seen is not None for _, seen in looks):
            return looks
        after = self._mounts()
        steady = after is before or after.around(self._real) == before.around(self._real)
        away = [] if steady else [self.root]
        away += missing(dict(self._known), self._under(after))
        hidden = tuple(dir_prefix(path) for path in away)
        unknown = OSError(errno.ENODEV, "its disk is not mounted")
        return [(path, unknown if seen is None and path.startswith(hidden) else seen) for path, seen in looks]

    def mounted(self) -> dict[str, str]:
        """Give the identities of what is mounted now at and below the root, by path."""
        return self._under(self._mounts())

    def unmounted(self) -> list[str]:
        """Give the paths of the volumes that are not there now."""
        return missing(self._known, self.mounted())

    def last_seen(self, path: str) -> float | None:
        """Give when the volume that holds `path` was last there, seconds since the epoch; None when never."""
        volume = self._known.get(self._volume_of(path))
        return volume.seen_at if volume is not None else None

    def seen(self, away: Collection[str], now: float) -> None:
        """Note that the root was just seen with all that is mounted now, except where something else is `away`."""
        volumes = [
            Volume(path, self.root, identity, now) for path, identity in self.mounted().items() if path not in away
        ]
        self._known.update({volume.path: volume for volume in volumes})
        for volume in volumes:
            noted = self._noted.get(volume.path)
            if noted is None or noted.identity != volume.identity or now - noted.seen_at >= _NOTE_SECONDS:
                self._note(volume)

    def mark_seen(self, away: Collection[str], now: float) -> None:
        """Note that all volumes but those `away` were there until now."""
        for volume in list(self._known.values()):
            if volume.path not in away:
                self._known[volume.path] = dataclasses.replace(volume, seen_at=now)
                self._note(self._known[volume.path])

    def forget(self, paths: Iterable[str]) -> None:
        """Expect these volumes no longer."""
        for path in list(paths):
            self._known.pop(path, None)
            self._noted.pop(path, None)
            self._writer.forget_volume(path)

    def _note(self, volume: Volume) -> None:
        self._noted[volume.path] = volume
        self._writer.put_volume(volume)

    def _under(self, mounts: Mounts) -> dict[str, str]:
        # What is mounted in another root that lies within this one is that root's concern.
        found = mounts.under(self.root, self._real).items()
        return {path: identity for path, identity in found if self._roots.root_of(path) == self.root}

    def _volume_of(self, path: str) -> str:
        inside = (each for each in self._known if path == each or path.startswith(dir_prefix(each)))
        return max(inside, key=len, default=self.root)

    def _stat(self, path: str) -> PhotoFile | NotAFile | OSError | None:
        try:
            return self._check_path(path)
        except OSError as error:
            return error
