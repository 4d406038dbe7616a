"""A removable disk, by mounts or, where these are not permitted, by renaming a folder."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Protocol

from torture import private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MEGABYTES = 64


class Disk(Protocol):
    """What is seen at `root` comes and goes; `inside` is its content, there also while it is unplugged."""

    @property
    def root(self) -> Path:
        """Where it is seen."""

    @property
    def inside(self) -> Path:
        """Where its content is now."""

    def plug(self) -> None:
        """Put it in."""

    def unplug(self) -> None:
        """Pull it out, whoever uses it."""

    def replace(self, photos: Sequence[Path]) -> None:
        """While it is unplugged, put another disk in its place, with these photos or empty."""

    def restore(self) -> None:
        """Pull that other disk out."""

    def close(self) -> None:
        """Undo everything."""


class Mounted:
    """A file system in memory that is shown at `root` by a bind mount."""

    def __init__(self, home: Path) -> None:
        self.root = home / "disk"
        self.inside = home / "inside the disk"
        private.tmpfs(self.inside, _MEGABYTES, "stick-1")
        self.root.mkdir()

    def plug(self) -> None:
        """Put it in."""
        private.bind(self.inside, self.root)

    def unplug(self) -> None:
        """Pull it out, whoever uses it."""
        private.unmount(self.root)

    def replace(self, photos: Sequence[Path]) -> None:
        """While it is unplugged, put another disk in its place, with these photos or empty."""
        # Filled elsewhere first, so that it appears with its photos at one blow.
        other = self.root.with_name("another disk")
        # An empty one looks the same in the table of mounts, too; one with photos has a device of its own.
        private.tmpfs(other, _MEGABYTES, "stick-2" if photos else "stick-1")
        for photo in photos:
            shutil.copyfile(photo, other / photo.name)
        private.bind(other, self.root)
        private.unmount(other)

    def restore(self) -> None:
        """Pull that other disk out."""
        private.unmount(self.root)

    def close(self) -> None:
        """Undo everything."""
        private.unmount(self.inside)


class Renamed:
    """A folder that is renamed; what is put in its place can only be nothing or an empty folder."""

    def __init__(self, home: Path) -> None:
        self.root = home / "disk"
        self._away = home / "unplugged disk"
        self._away.mkdir()
        self._plugged = False

    @property
    def inside(self) -> Path:
        """Where its content is now, or was a moment ago."""
        return self.root if self._plugged else self._away

    def plug(self) -> None:
        """Put it in."""
        self._away.rename(self.root)
        self._plugged = True

    def unplug(self) -> None:
        """Pull it out, whoever uses it."""
        self.root.rename(self._away)
        self._plugged = False

    def replace(self, photos: Sequence[Path]) -> None:
        """Put an empty folder in its place: photos could not be told from the owner's own changes."""
        del photos
        self.root.mkdir()

    def restore(self) -> None:
        """Take that away."""
        self.root.rmdir()

    def close(self) -> None:
        """Nothing to undo."""
