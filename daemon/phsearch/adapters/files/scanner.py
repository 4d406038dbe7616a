"""Scans a root by names and stat only. No file is opened, so a scan disturbs neither a disk nor the watch.

The index is compared with a scan, so a scan distinguishes three cases of a missing photo. A photo that is gone is not
reported. A folder that cannot be listed is reported as UnreadableDir: nothing is known of its photos, and they must not
be taken for gone. If even the first folder cannot be listed, the scan raises and does not return an empty result.

A folder that can be reached by two paths is scanned once, see folder_choice. So loops end. What is behind a link or a
mount is found by scans of the whole root only: of a part of it they are reported as DeferredDir.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
import unicodedata
from typing import TYPE_CHECKING

from phsearch.adapters.files.folder_choice import FolderChoice
from phsearch.domain.roots.mounts import Mounts
from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.types import (
    DeferredDir,
    DuplicateDir,
    Fingerprint,
    NotAFile,
    OtherPath,
    PhotoFile,
    UnreadableDir,
)
from phsearch.text import fold_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phsearch.adapters.files.folder_choice import FolderWalk
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


class FolderScanner:
    """Finds the photos of the library; implements `ports.Scanner`."""

    def __init__(
        self,
        roots: Roots,
        rules: IgnoreRules,
        *,
        follow_symlinks: bool = False,
        albums_dir: str | None = None,
        mounts: Callable[[], Mounts] = Mounts,
    ) -> None:
        """Scan `roots`; no link is followed into `albums_dir`.

        The daemon makes links there itself. They would be new photos, for which it would make new links.
        """
        self._roots = roots
        self._rules = rules
        self._follow = follow_symlinks
        self._albums_dir = albums_dir
        self._choice = FolderChoice(
            roots=roots, rules=rules, mounts=mounts, follow=follow_symlinks, albums_dir=albums_dir
        )

    def scan(self, root: str, below: str, tick: Callable[[], None] = lambda: None) -> Iterator[ScanItem]:
        """Return every photo of `root` in the folder `below`, which may be the root; none if it is ignored.

        `tick` is called at every folder: a long scan that finds few photos is not a hung disk.
        Raises OSError if `below` itself cannot be listed.
        """
        if self._roots.root_of(below) != root or not self._rules.allows_folder_path(self._roots.rel_path(below)):
            return iter(())
        if self._is_below_link(root, below) or self._is_excluded(below):
            return iter(())
        kept = self._kept_path(root, below)
        if kept is None:
            return iter(())
        if self._follow and below != root and os.path.islink(below):  # noqa: PTH114 - a str stays a str
            return iter((DeferredDir(below),))
        return self._walk(root, kept, _list_folder(kept), tick)

    def path_checker(self) -> Callable[[str], PhotoFile | NotAFile | OtherPath | None]:
        """Return `check_path` for some paths, whose folders are listed once at most."""
        return functools.partial(self._check_path, ListedNames())

    def check_path(self, path: str) -> PhotoFile | NotAFile | OtherPath | None:
        """Return what a scan would report for one path; None if it is gone, ignored, or a folder or link.

        Raises OSError if that cannot be known, also if the whole root is gone. The root is then offline, and none of
        its photos must be taken for deleted.
        """
        return self.path_checker()(path)

    def _check_path(self, names: ListedNames, path: str) -> PhotoFile | NotAFile | OtherPath | None:
        root = self._roots.root_of(path)
        if root is None or not self._rules.allows_file_path(self._roots.rel_path(path)):
            return None
        folder = os.path.dirname(path)  # noqa: PTH120 - a str stays a str
        try:
            if self._is_below_link(root, folder) or self._is_excluded(folder):
                return None
            kept = self._kept_path(root, path)
            if kept != path:
                return None if kept is None else OtherPath(kept)
            found = self._classify(path, os.stat(path, follow_symlinks=self._follow))  # noqa: PTH116 - as above
            spelled = path if found is None else names.spell(path, root)
            if spelled != path:
                return None if spelled is None else OtherPath(spelled)
        except OSError as error:
            if error.errno not in _GONE:
                raise
        else:
            return found
        os.stat(root)  # noqa: PTH116 - raises if the root itself is gone
        return None

    def _walk(
        self, root: str, top: str, entries: list[os.DirEntry[str]], tick: Callable[[], None]
    ) -> Iterator[ScanItem]:
        inner = self._roots.nested(root)
        walk = self._choice.begin_walk(root, top)
        folders: list[str] = []
        yield from self._classify_entries(top, entries, walk, folders)
        while folders or (walk is not None and walk.deferred):
            tick()
            if folders:
                path, later = folders.pop(), False
            else:
                assert walk is not None
                path, later = walk.next_deferred(), True
            if path in inner:
                continue
            if later and top != root:
                yield DeferredDir(path)
                continue
            if walk is not None and not self._is_chosen(walk, path, later=later):
                if path in walk.skipped:
                    yield DuplicateDir(path, walk.skipped[path].kept)
                continue
            try:
                entries = _list_folder(path)
            except OSError as error:
                if error.errno not in _GONE:
                    yield UnreadableDir(path, _reason(error))
                continue
            yield from self._classify_entries(path, entries, walk, folders)
        if walk is not None and top == root:
            self._choice.end_walk(walk)

    def _kept_path(self, root: str, path: str) -> str | None:
        return self._choice.kept_path(root, path) if self._choice.skipped.get(root) else path

    def _is_chosen(self, walk: FolderWalk, path: str, *, later: bool) -> bool:
        if later and self._is_excluded(path):
            return False
        if not walk.whole and self._kept_path(walk.root, path) != path:
            return False
        return walk.admit(path, later=later)

    def _classify_entries(
        self, path: str, entries: list[os.DirEntry[str]], walk: FolderWalk | None, folders: list[str]
    ) -> Iterator[ScanItem]:
        """Yield the photos among `entries`, and add its folders to `folders`, or to those that `walk` defers."""
        rel = self._roots.rel_path(path)
        prefix = f"{rel}/" if rel else ""
        fault: OSError | None = None
        for entry in entries:
            name = prefix + entry.name
            if _is_folder(entry, follow=self._follow):
                if not self._rules.allows_folder_name(name):
                    continue
                if walk is not None and (entry.is_symlink() or walk.is_mount_point(entry.path)):
                    walk.defer(entry.path)
                else:
                    folders.append(entry.path)
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


def _list_folder(folder: str) -> list[os.DirEntry[str]]:
    # The whole listing at once: a folder that fails half-way is unreadable, not half empty.
    with os.scandir(folder) as entries:
        return list(entries)


def _is_folder(entry: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:  # a dangling link, or a loop
        return False


class ListedNames:
    """The names that folders list, for some paths.

    A file system may accept names that no folder lists: in other case, with accented letters in another form, short
    ones such as IMG_00~1.JPG. A photo is known by the name that is listed. A folder is listed only where it accepts
    another spelling of the name, too, and then once.
    """

    def __init__(self) -> None:
        self._spellings: dict[str, str | None] = {}
        self._names: dict[str, frozenset[str]] = {}

    def spell(self, path: str, root: str) -> str | None:
        """Return the path as the folders below `root` list it, None where they do not. Raises OSError."""
        if path == root:
            return root
        *folders, last = path[len(dir_prefix(root)) :].split("/")
        asked = spelled = root
        for name in folders:
            asked = dir_prefix(asked) + name
            if asked not in self._spellings:
                self._spellings[asked] = self._spell_name(spelled, name)
            found = self._spellings[asked]
            if found is None:
                return None
            spelled = found
        return self._spell_name(spelled, last)

    def _spell_name(self, folder: str, name: str) -> str | None:
        prefix = dir_prefix(folder)
        if not _accepts_other_spelling(prefix, name):
            return prefix + name
        if folder not in self._names:
            self._names[folder] = frozenset(os.listdir(folder))  # noqa: PTH208 - a str stays a str
        names = self._names[folder]
        if name in names:
            return prefix + name
        same = [each for each in names if fold_name(each) == fold_name(name)]
        return prefix + same[0] if len(same) == 1 else None


def _accepts_other_spelling(prefix: str, name: str) -> bool:
    others = {"".join(map(_swap_case, name))}
    if not name.isascii():
        others |= {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    others.discard(name)
    # A name without letters can only be short, or have lost what Windows removes at its end.
    return any(map(os.path.lexists, map(prefix.__add__, others))) or (not others and ("~" in name or name[-1] in ". "))


def _swap_case(char: str) -> str:
    other = char.swapcase()
    return other if len(other) == 1 and other.swapcase() == char else char


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
