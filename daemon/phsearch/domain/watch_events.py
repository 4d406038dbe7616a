"""What the watcher reports."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Changed:
    """A file appeared or changed; `closed` when its writer has closed it, or when it was moved here complete."""

    path: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Deleted:
    """A file or folder is said to be gone; the disk has to be checked."""

    path: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A file was renamed within what is watched."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class FolderAppeared:
    """A folder appeared, by mkdir or because it was moved here: it has to be scanned."""

    path: str


@dataclass(frozen=True, slots=True)
class FolderMoved:
    """A folder was renamed within what is watched, with everything in it."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Overflowed:
    """Events of this root were lost, so that it has to be scanned."""

    root: str


@dataclass(frozen=True, slots=True)
class WatchDegraded:
    """So many `folders` of this root cannot be watched, for `reason`; 0 when all can be again.

    `beyond_limit` of them lack a watch since there are no more, and `watched` is the number of the others.
    """

    root: str
    folders: int
    reason: str
    watched: int = field(default=0, compare=False)
    beyond_limit: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class RootLost:
    """The root itself is gone, or its watch failed: it is offline until it can be watched again."""

    root: str
    reason: str


@dataclass(frozen=True, slots=True)
class MountsChanged:
    """Something was mounted or unmounted, in a root or elsewhere."""


@dataclass(frozen=True, slots=True)
class SyncMark:
    """Everything that happened before `send_mark(token)` has been reported."""

    token: int


FsEvent = (
    Changed
    | Deleted
    | Moved
    | FolderAppeared
    | FolderMoved
    | Overflowed
    | WatchDegraded
    | RootLost
    | MountsChanged
    | SyncMark
)
