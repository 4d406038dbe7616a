"""Walking a root by names and stat only: no file is opened, so no scan disturbs a disk or the watch.

A scan is the truth the index is measured by, so it tells apart three kinds of "not seen". What is gone is simply not
given. What cannot be looked at is given as Unlistable: nothing is known of it, and nobody may conclude it is gone.
And when even the starting folder cannot be listed, the scan raises instead of giving an empty answer.

With `follow_symlinks`, real folders are walked before linked ones and every folder (by device and inode) once: loops
end, and a photo that can be reached in two ways is counted under its real path. The watch makes the same choice.
`apart` is a folder that no link leads into: links that the daemon makes there itself would be new photos, for which it
would make new links.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.types import Fingerprint, NotAFile, PathStatus, PhotoFile, UnreadableDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phsearch.domain.roots.ignore_rules import IgnoreRules
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import ScanItem

# A closer look at one path than a scan needs: what it is, and which links lead to it.


def stat_path(path: str, root: str | None) -> PathStatus:
    """Look at `path`; links are named below `root` only. Raises OSError where that cannot be known."""
    real = os.path.realpath(path)
    link = _first_link(path, root) if root is not None else ""
    try:
        status = os.stat(path)  # noqa: PTH116 - a str stays a str
    except (FileNotFoundError, NotADirectoryError):
        return PathStatus("nothing", real, link)
    fingerprint = Fingerprint(status.st_size, status.st_mtime_ns)
    if stat.S_ISREG(status.st_mode):
        return PathStatus("file", real, link, fingerprint)
    return PathStatus("folder" if stat.S_ISDIR(status.st_mode) else "other", real, link, fingerprint)


def _first_link(path: str, root: str) -> str:
    names = path[len(dir_prefix(root)) :].split("/") if path != root else []
    for depth in range(1, len(names) + 1):
        above = dir_prefix(root) + "/".join(names[:depth])
        if os.path.islink(above):  # noqa: PTH114 - as above
            return above
    return ""


_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
"""Errors of a stat that mean: there is no such file (any more). A dangling link is no file, either."""

_NOT_A_FILE_REASONS = {
    stat.S_IFIFO: "a FIFO, not a regular file",
    stat.S_IFSOCK: "a socket, not a regular file",
    stat.S_IFCHR: "a character device, not a regular file",
    stat.S_IFBLK: "a block device, not a regular file",
}


class FolderScanner:
    """Finds the photos of the library; fills `ports.Scanner`."""

    def __init__(
        self, roots: Roots, rules: IgnoreRules, *, follow_symlinks: bool = False, apart: str | None = None
    ) -> None:
        self._roots = roots
        self._rules = rules
        self._follow = follow_symlinks
        self._albums_dir = apart

    def scan(self, root: str, below: str, tick: Callable[[], None] = lambda: None) -> Iterator[ScanItem]:
        """Give every photo of `root` that lies in the folder `below` (the root itself for all of it).

        `tick` is called at every folder: a long walk that finds few photos is no hung disk.
        Raises OSError when `below` itself cannot be listed. Gives nothing when it is not admitted.
        """
        if self._roots.root_of(below) != root or not self._rules.allows_folder_path(self._roots.rel_path(below)):
            return iter(())
        if self._is_below_link(root, below) or self._is_excluded(below):
            return iter(())
        return self._walk(root, below, _list_folder(below), tick)

    def check_path(self, path: str) -> PhotoFile | NotAFile | None:
        """Judge one path as a scan would; None where it is gone, not admitted, or no file.

        Raises OSError where that cannot be known, also when the whole root is gone: a root is then offline, and
        nothing in it is to be taken for deleted.
        """
        root = self._roots.root_of(path)
        if root is None or not self._rules.allows_file_path(self._roots.rel_path(path)):
            return None
        folder = os.path.dirname(path)  # noqa: PTH120 - a str stays a str
        try:
            if self._is_below_link(root, folder) or self._is_excluded(folder):
                return None
            return self._classify(path, os.stat(path, follow_symlinks=self._follow))  # noqa: PTH116 - as above
        except OSError as error:
            if error.errno not in _GONE:
                raise
        os.stat(root)  # noqa: PTH116 - raises when it is the root that is gone
        return None

    def _walk(
        self, root: str, top: str, entries: list[os.DirEntry[str]], tick: Callable[[], None]
    ) -> Iterator[ScanItem]:
        inner = self._roots.nested(root)
        folders: list[str] = []
        links: list[str] = []
        # A link from one root into another leads to the other root's photos.
        others = [other for other in self._roots if other != root] + ([self._albums_dir] if self._albums_dir else [])
        seen = _folder_ids(top, *others) if self._follow else set()
        yield from self._classify_entries(top, entries, folders, links)
        while folders or links:
            tick()
            links.sort(reverse=True)  # which of two links to one folder wins must not depend on the disk's order
            linked = not folders
            path = links.pop() if linked else folders.pop()
            if path in inner:
                continue
            if self._follow:
                identity = _folder_ids(path)
                if identity <= seen:  # also where it is gone and there is none
                    continue
                seen |= identity
                if linked and self._is_excluded(path):
                    continue
            try:
                entries = _list_folder(path)
            except OSError as error:
                if error.errno not in _GONE:
                    yield UnreadableDir(path, _reason(error))
                continue
            yield from self._classify_entries(path, entries, folders, links)

    def _classify_entries(
        self, path: str, entries: list[os.DirEntry[str]], folders: list[str], links: list[str]
    ) -> Iterator[ScanItem]:
        """Give the photos among `entries`; folders to walk into are added to `folders` or `links`."""
        rel = self._roots.rel_path(path)
        prefix = f"{rel}/" if rel else ""
        fault: OSError | None = None
        for entry in entries:
            name = prefix + entry.name
            if _is_folder(entry, follow=self._follow):
                if self._rules.allows_folder_name(name):
                    (links if entry.is_symlink() else folders).append(entry.path)
            elif self._rules.allows_file_name(name):
                try:
                    item = self._classify(entry.path, entry.stat(follow_symlinks=self._follow))
                except OSError as error:
                    fault = fault if error.errno in _GONE else error
                    continue
                if item is not None:
                    yield item
        if fault is not None:  # say, a folder without the x bit: its names can be read and nothing else
            yield UnreadableDir(path, _reason(fault))

    def _classify(self, path: str, status: os.stat_result) -> PhotoFile | NotAFile | None:
        mode = status.st_mode
        fingerprint = Fingerprint(status.st_size, status.st_mtime_ns)
        if stat.S_ISREG(mode):
            return PhotoFile(path, fingerprint) if self._rules.allows_size(status.st_size) else None
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            return None
        return NotAFile(path, fingerprint, _NOT_A_FILE_REASONS.get(stat.S_IFMT(mode), "not a regular file"))

    def _is_below_link(self, root: str, folder: str) -> bool:
        """Say whether `folder` is reached through a symbolic link below the root although links are not followed."""
        if self._follow:
            return False
        while folder != root:
            if stat.S_ISLNK(os.lstat(folder).st_mode):
                return True
            folder = os.path.dirname(folder)  # noqa: PTH120
        return False

    def _is_excluded(self, folder: str) -> bool:
        """Say whether `folder` is, by whatever name, the one that is apart, or lies in it."""
        if not self._follow or self._albums_dir is None:
            return False
        real, apart = os.path.realpath(folder), os.path.realpath(self._albums_dir)
        return real == apart or real.startswith(f"{apart}/")


def _list_folder(folder: str) -> list[os.DirEntry[str]]:
    # The whole listing at once: a folder that fails half-way is unlistable, not half empty.
    with os.scandir(folder) as entries:
        return list(entries)


def _is_folder(entry: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:  # a link into nothing or into itself
        return False


def _folder_ids(*folders: str) -> set[tuple[int, int]]:
    found = set()
    for folder in folders:
        try:
            status = os.stat(folder)  # noqa: PTH116
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    return found


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
