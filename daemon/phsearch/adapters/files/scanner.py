"""Scans a root by names and stat only. No file is opened, so a scan disturbs neither a disk nor the watch.

The index is compared with a scan, so a scan distinguishes three cases of a missing photo. A photo that is gone is not
reported. A folder that cannot be listed is reported as UnreadableDir: nothing is known of its photos, and they must not
be taken for gone. If even the first folder cannot be listed, the scan raises and does not return an empty result.

With `follow_symlinks`, real folders are scanned before linked ones, and each folder (by device and inode) only once. So
loops end, and a photo that can be reached by two paths is reported under its real path. The watch makes the same
choice.
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

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
"""Errors of stat for a file that does not exist. A dangling link is not a file, either."""

_NOT_A_FILE_REASONS = {
    stat.S_IFIFO: "a FIFO, not a regular file",
    stat.S_IFSOCK: "a socket, not a regular file",
    stat.S_IFCHR: "a character device, not a regular file",
    stat.S_IFBLK: "a block device, not a regular file",
}


def stat_path(path: str, root: str | None) -> PathStatus:
    """Return what is at `path`, and the first link to it below `root`. Raises OSError if that cannot be known."""
    real = os.path.realpath(path)
    link = _first_link(path, root) if root is not None else ""
    try:
        status = os.stat(path)  # noqa: PTH116 - a str stays a str
    except (FileNotFoundError, NotADirectoryError):
        return PathStatus("nothing", real, link)
    fingerprint = Fingerprint.of(status)
    if stat.S_ISREG(status.st_mode):
        return PathStatus("file", real, link, fingerprint)
    return PathStatus("folder" if stat.S_ISDIR(status.st_mode) else "other", real, link, fingerprint)


class FolderScanner:
    """Finds the photos of the library; implements `ports.Scanner`."""

    def __init__(
        self, roots: Roots, rules: IgnoreRules, *, follow_symlinks: bool = False, albums_dir: str | None = None
    ) -> None:
        """Scan `roots`; no link is followed into `albums_dir`.

        The daemon makes links there itself. They would be new photos, for which it would make new links.
        """
        self._roots = roots
        self._rules = rules
        self._follow = follow_symlinks
        self._albums_dir = albums_dir

    def scan(self, root: str, below: str, tick: Callable[[], None] = lambda: None) -> Iterator[ScanItem]:
        """Return every photo of `root` in the folder `below`, which may be the root; none if it is ignored.

        `tick` is called at every folder: a long scan that finds few photos is not a hung disk.
        Raises OSError if `below` itself cannot be listed.
        """
        if self._roots.root_of(below) != root or not self._rules.allows_folder_path(self._roots.rel_path(below)):
            return iter(())
        if self._is_below_link(root, below) or self._is_excluded(below):
            return iter(())
        return self._walk(root, below, _list_folder(below), tick)

    def check_path(self, path: str) -> PhotoFile | NotAFile | None:
        """Return what a scan would report for one path; None if it is gone, ignored, or a folder or link.

        Raises OSError if that cannot be known, also if the whole root is gone. The root is then offline, and none of
        its photos must be taken for deleted.
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
        os.stat(root)  # noqa: PTH116 - raises if the root itself is gone
        return None

    def _walk(
        self, root: str, top: str, entries: list[os.DirEntry[str]], tick: Callable[[], None]
    ) -> Iterator[ScanItem]:
        inner = self._roots.nested(root)
        folders: list[str] = []
        links: list[str] = []
        # A link from one root into another leads to photos of the other root.
        others = [other for other in self._roots if other != root] + ([self._albums_dir] if self._albums_dir else [])
        seen = _folder_ids(top, *others) if self._follow else set()
        yield from self._classify_entries(top, entries, folders, links)
        while folders or links:
            tick()
            links.sort(reverse=True)  # the choice between two links to one folder must not depend on the disk's order
            linked = not folders
            path = links.pop() if linked else folders.pop()
            if path in inner:
                continue
            if self._follow:
                identity = _folder_ids(path)
                if identity <= seen:  # also if the folder is gone and has none
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
        """Yield the photos among `entries`, and add its folders to `folders` or `links`."""
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
        if fault is not None:  # for example a folder without the x bit: only its names can be read
            yield UnreadableDir(path, _reason(fault))

    def _classify(self, path: str, status: os.stat_result) -> PhotoFile | NotAFile | None:
        mode = status.st_mode
        fingerprint = Fingerprint.of(status)
        if stat.S_ISREG(mode):
            return PhotoFile(path, fingerprint) if self._rules.allows_size(status.st_size) else None
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            return None
        return NotAFile(path, fingerprint, _NOT_A_FILE_REASONS.get(stat.S_IFMT(mode), "not a regular file"))

    def _is_below_link(self, root: str, folder: str) -> bool:
        """Whether the path of `folder` has a symbolic link below the root although links are not followed."""
        if self._follow:
            return False
        while folder != root:
            if stat.S_ISLNK(os.lstat(folder).st_mode):
                return True
            folder = os.path.dirname(folder)  # noqa: PTH120
        return False

    def _is_excluded(self, folder: str) -> bool:
        """Whether the real path of `folder` is in the folder of albums."""
        if not self._follow or self._albums_dir is None:
            return False
        real, albums_dir = os.path.realpath(folder), os.path.realpath(self._albums_dir)
        return real == albums_dir or real.startswith(f"{albums_dir}/")


def _first_link(path: str, root: str) -> str:
    names = path[len(dir_prefix(root)) :].split("/") if path != root else []
    for depth in range(1, len(names) + 1):
        ancestor = dir_prefix(root) + "/".join(names[:depth])
        if os.path.islink(ancestor):  # noqa: PTH114 - a str stays a str
            return ancestor
    return ""


def _list_folder(folder: str) -> list[os.DirEntry[str]]:
    # The whole listing at once: a folder that fails half-way is unreadable, not half empty.
    with os.scandir(folder) as entries:
        return list(entries)


def _is_folder(entry: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:  # a dangling link, or a loop
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
