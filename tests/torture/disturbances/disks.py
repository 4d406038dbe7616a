"""A removable disk: a mount or, if mounts are not permitted, a folder that is renamed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Protocol

from torture.disturbances import private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MEGABYTES = 64


class Disk(Protocol):
    """A disk that is plugged in at `root`; `inside` is its content, which exists also while it is unplugged."""

    @property
    def root(self) -> Path:
        """The folder where the daemon sees it."""

    @property
    def inside(self) -> Path:
        """The folder of its content now."""

    def plug(self) -> None:
        """Plug it in."""

    def unplug(self) -> None:
        """Unplug it, even if it is in use."""

    def replace(self, photos: Sequence[Path]) -> None:
        """While it is unplugged, plug in another disk instead, with these photos or empty."""

    def restore(self) -> None:
        """Unplug the other disk."""

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
        """Plug it in."""
        private.bind(self.inside, self.root)

    def unplug(self) -> None:
        """Unplug it, even if it is in use."""
        private.unmount(self.root)

    def replace(self, photos: Sequence[Path]) -> None:
        """While it is unplugged, plug in another disk instead, with these photos or empty."""
        # Filled elsewhere first, so that it appears with all its photos at once.
        other = self.root.with_name("another disk")
        # An empty one also looks the same in the table of mounts; one with photos has another device.
        private.tmpfs(other, _MEGABYTES, "stick-2" if photos else "stick-1")
        for photo in photos:
            shutil.copyfile(photo, other / photo.name)
        private.bind(other, self.root)
        private.unmount(other)

    def restore(self) -> None:
        """Unplug the other disk."""
        private.unmount(self.root)

    def close(self) -> None:
        """Undo everything."""
        private.unmount(self.inside)


class Renamed:
    """A folder that is renamed; it can be replaced only by nothing or by an empty folder."""

    def __init__(self, home: Path) -> None:
        self.root = home / "disk"
        self._away = home / "unplugged disk"
        self._away.mkdir()
        self._plugged = False

    @property
    def inside(self) -> Path:
        """The folder of its content now, or a moment ago."""
        return self.root if self._plugged else self._away

    def plug(self) -> None:
        """Plug it in."""
        self._away.rename(self.root)
        self._plugged = True

    def unplug(self) -> None:
        """Unplug it, even if it is in use."""
        self.root.rename(self._away)
        self._plugged = False

    def replace(self, photos: Sequence[Path]) -> None:
        """Make an empty folder in its place: photos in it could not be distinguished from the owner's own changes."""
        del photos
        self.root.mkdir()

    def restore(self) -> None:
        """Remove the empty folder."""
        self.root.rmdir()

    def close(self) -> None:
        """Do nothing."""
