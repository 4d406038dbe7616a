"""Albums on disk: their list in a small JSON file, and folders of symbolic links.

The folders are in the state folder, because the service may write nowhere else. Beside each is a hidden record of the
links that were made in it. Only those are ever removed: all other files and links of the user in such a folder stay. A
record is written before its links. If it cannot be read, its links stay.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import logging
import os
from typing import TYPE_CHECKING, Any

from phsearch.atomic_write import atomic_write
from phsearch.domain.albums import MAX_HITS, Album, changes, check_name, links
from phsearch.domain.problems import Problems
from phsearch.errors import AlbumError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from phsearch.paths import StateFolder

    Link = tuple[str, str]
    """Name and target."""

log = logging.getLogger("phsearch.albums")

_UNREADABLE = (OSError, ValueError, TypeError, RecursionError, AlbumError)
"""Errors of reading a file that another program may have changed."""


class AlbumLinks:
    """The albums of a state folder. Their list and their folder need not exist."""

    def __init__(self, state: StateFolder, problems: Problems | None = None) -> None:
        self._problems = problems or Problems()
        self._list = state.albums_file
        self._damaged = state.damaged_albums_file
        self._folder = state.albums

    def load_albums(self) -> list[Album]:
        """Return the albums that can be understood. If there are others, the list is kept under another name, too."""
        found: list[Album] = []
        try:
            problem = _read_albums(json.loads(self._list.read_bytes()), found)
        except FileNotFoundError:
            problem = None
        except _UNREADABLE as error:
            problem = error
        if problem is not None:
            log.warning("the list of albums cannot be read (%s) and was set aside as %s", problem, self._damaged)
            with contextlib.suppress(OSError, StoreError):
                self._list.replace(self._damaged)
                if found:
                    self.save_albums(found)
        if self._damaged.exists():
            text = f"a list of albums could not be read, and was set aside as {self._damaged}"
            self._problems.report("albums", text, "save its albums again, and remove it")
        return found

    def save_albums(self, albums: Iterable[Album]) -> None:
        """Replace the list; it is on the disk when this returns. Raise StoreError."""
        with _store_errors(self._list):
            _write(self._list, [dataclasses.asdict(each) for each in albums])

    def folder_path(self, name: str) -> str:
        """Return the folder of an album."""
        return str(self._folder / name)

    def link_photos(self, name: str, paths: Sequence[str]) -> None:
        """Make an album's folder hold links to exactly these photos. Write only what differs. Raise StoreError."""
        with _store_errors(self._folder / name):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with self._open_folder(name, make=True) as folder:
                ours, others = self._entries(name, folder)
                # A photo that the user has linked needs no second link.
                linked = set(others.values())
                found = changes(links([path for path in paths if path not in linked], ours, others), ours)
                if found.removed or found.added:
                    _write(self._record(name), [*ours.items(), *found.added])
                for gone in found.removed:
                    _unlink((gone, ours[gone]), folder)
                for new, target in found.added:
                    os.symlink(target, new, dir_fd=folder)

    def forget_album(self, name: str) -> None:
        """Remove an album's links, and its folder if nothing else is in it. Raise StoreError."""
        with _store_errors(self._folder / name):
            with contextlib.suppress(FileNotFoundError), self._open_folder(name) as folder:
                for link in self._entries(name, folder)[0].items():
                    _unlink(link, folder)
            self._record(name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # it holds files of the user, or was never made
                (self._folder / name).rmdir()

    @contextlib.contextmanager
    def _open_folder(self, name: str, *, make: bool = False) -> Iterator[int]:
        """Yield a descriptor of an album's folder. A link is refused: it would lead out of the state folder."""
        with _open_dir(self._folder) as albums:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=albums)
            with _open_dir(name, albums) as folder:
                yield folder

    def _record(self, name: str) -> Path:
        return self._folder / f".{name}"  # no album name begins with a dot

    def _entries(self, name: str, folder: int) -> tuple[dict[str, str], dict[str, str | None]]:
        """Return our links in a folder, and the other entries: name -> target, None for an entry that is no link."""
        made = self._recorded_links(name)
        ours: dict[str, str] = {}
        others: dict[str, str | None] = {}
        for each in os.listdir(folder):
            target = _target(each, folder)
            if target is not None and (each, target) in made:
                ours[each] = target
            else:
                others[each] = target
        return ours, others

    def _recorded_links(self, name: str) -> set[Link]:
        try:
            return {(link, target) for link, target in json.loads(self._record(name).read_bytes())}
        except FileNotFoundError:
            return set()
        except _UNREADABLE as error:
            log.warning("what was linked for the album %s is not known any more, and stays (%s)", name, error)
            return set()


def _read_albums(records: Any, found: list[Album]) -> Exception | None:
    """Add the albums among the records to `found`; return what was wrong with the first other one."""
    problem: Exception | None = None
    for each in records:
        try:
            found.append(_album(each))
        except _UNREADABLE as error:
            problem = problem or error
    return problem


def _album(record: Any) -> Album:
    match record:
        case {"name": str(name), "query": str(query), "limit": int(limit), "band": str(band), "folder": bool(folder)}:
            check_name(name)
            return Album(name=name, query=query, limit=min(max(limit, 1), MAX_HITS), band=band, folder=folder)
        case _:
            raise ValueError("it holds something that is no album")


def _write(path: Path, content: Any) -> None:
    atomic_write(path, json.dumps(content).encode("ascii"))


@contextlib.contextmanager
def _open_dir(folder: str | Path, parent: int | None = None) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _target(name: str, folder: int) -> str | None:
    """Return the target of a link; None where there is no link."""
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
        return None


def _unlink(link: Link, folder: int) -> None:
    """Remove a link, unless its name is another file's by now."""
    name, target = link
    if _target(name, folder) == target:
        os.unlink(name, dir_fd=folder)


@contextlib.contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        in_the_way = error.errno in (errno.ENOTDIR, errno.EEXIST, errno.ELOOP)
        hint = "move away what lies there" if in_the_way else "make room on its disk, or make it writable"
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}", hint) from error
