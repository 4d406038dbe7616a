"""One node for one folder, so that a renamed folder with ten thousand below it is one changed name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watchdog.observers.inotify_c import CallbackId

from phsearch.domain.roots import below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watchdog.observers.inotify_c import WatchDescriptor


@dataclass(eq=False, slots=True)
class Folder:
    """A folder that is watched, or that should be (`wd` is None then); `parent` is None at a root."""

    parent: Folder | None
    name: str
    wd: WatchDescriptor | None = None
    callback: CallbackId = CallbackId(0)  # noqa: RUF009 - an int
    children: dict[str, Folder] = field(default_factory=dict)
    alive: bool = True
    identity: tuple[int, int] = (0, 0)  # of a root: device and inode

    @property
    def attached(self) -> bool:
        """False between its own moved-from and moved-to."""
        return self.parent is None or self.parent.children.get(self.name) is self

    def adrift(self) -> Folder | None:
        """Give the folder, itself or one above it, that is between moved-from and moved-to: the path is a ghost's."""
        folder: Folder | None = self
        while folder is not None and folder.attached:
            folder = folder.parent
        return folder

    def place(self) -> tuple[Folder, str]:
        """Give the root's node and the path relative to it."""
        names, folder = [], self
        while folder.parent is not None:
            names.append(folder.name)
            folder = folder.parent
        return folder, "/".join(reversed(names))

    @property
    def path(self) -> str:
        """The absolute path, as of now."""
        top, rel = self.place()
        return below(top.name) + rel if rel else top.name

    def subtree(self) -> Iterator[Folder]:
        """Give the folder itself and all below it."""
        folders = [self]
        while folders:
            folder = folders.pop()
            yield folder
            folders.extend(folder.children.values())
