"""One node for one folder, so that the rename of a folder with ten thousand below it is one changed name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watchdog.observers.inotify_c import CallbackId

from phsearch.domain.roots.roots import dir_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watchdog.observers.inotify_c import WatchDescriptor


@dataclass(eq=False, slots=True)
class FolderNode:
    """A folder that is watched, or should be (then `wd` is None). `parent` is None for a root."""

    parent: FolderNode | None
    name: str
    wd: WatchDescriptor | None = None
    callback: CallbackId = CallbackId(0)  # noqa: RUF009 - an int
    children: dict[str, FolderNode] = field(default_factory=dict)
    alive: bool = True
    identity: tuple[int, int] = (0, 0)  # of a root: device and inode

    @property
    def attached(self) -> bool:
        """Whether its parent has it; it does not between the moved-from and the moved-to event of this folder."""
        return self.parent is None or self.parent.children.get(self.name) is self

    def detached_ancestor(self) -> FolderNode | None:
        """Return the folder, this or one above it, that is between moved-from and moved-to; its path is not valid."""
        folder: FolderNode | None = self
        while folder is not None and folder.attached:
            folder = folder.parent
        return folder

    def location(self) -> tuple[FolderNode, str]:
        """Return the root's node and the path relative to it."""
        names, folder = [], self
        while folder.parent is not None:
            names.append(folder.name)
            folder = folder.parent
        return folder, "/".join(reversed(names))

    @property
    def path(self) -> str:
        """The current absolute path."""
        top, rel = self.location()
        return dir_prefix(top.name) + rel if rel else top.name

    def subtree(self) -> Iterator[FolderNode]:
        """Yield the folder itself and all folders below it."""
        folders = [self]
        while folders:
            folder = folders.pop()
            yield folder
            folders.extend(folder.children.values())
