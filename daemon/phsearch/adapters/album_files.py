"""Albums on disk: their list, a small JSON file written as a whole, and folders of symbolic links.

The folders lie in the state directory, which is all that the service may write to. In them nothing is ever removed but
symbolic links; whatever else somebody puts there stays.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
from typing import TYPE_CHECKING

from phsearch.domain.albums import Album, changes, links
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

log = logging.getLogger("phsearch.albums")


class AlbumFiles:
    """In the folder `state`; `albums.json` and `albums/` need not exist."""

    def __init__(self, state: Path) -> None:
        self._list = state / "albums.json"
        self._folder = state / "albums"

    def load(self) -> list[Album]:
        """Give the albums; a damaged list is set aside."""
        try:
            return [Album(**each) for each in json.loads(self._list.read_bytes())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            aside = self._list.with_suffix(".damaged")
            with contextlib.suppress(OSError):
                self._list.replace(aside)
            log.warning("the list of albums cannot be read (%s) and was set aside as %s", error, aside)
            return []

    def save(self, albums: Iterable[Album]) -> None:
        """Put these in the place of what is there; on the disk when this returns. Raises StoreError."""
        part = self._list.with_suffix(".part")
        with _writing(self._list), part.open("w", encoding="ascii") as file:
            json.dump([dataclasses.asdict(each) for each in albums], file)
            file.flush()
            os.fsync(file.fileno())
            part.replace(self._list)

    def place(self, name: str) -> str:
        """Give the folder of an album."""
        return str(self._folder / name)

    def link(self, name: str, paths: Sequence[str]) -> None:
        """Make an album's folder hold links to just these photos; writes nothing where it does. Raises StoreError."""
        folder = self._folder / name
        with _writing(folder):
            there, foreign = _there(folder)
            found = changes(links(paths, there, foreign), there)
            if found.new:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for gone in found.gone:
                (folder / gone).unlink(missing_ok=True)
            for new, target in found.new:
                (folder / new).symlink_to(target)

    def forget(self, name: str) -> None:
        """Remove an album's links, and its folder if nothing else is in it. Raises StoreError."""
        folder = self._folder / name
        with _writing(folder):
            for link in _there(folder)[0]:
                (folder / link).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody's files are in it, or it was never made
                folder.rmdir()


def _there(folder: Path) -> tuple[dict[str, str], set[str]]:
    """Give the links of a folder, name -> target, and the names of what is no link."""
    found: dict[str, str] = {}
    foreign: set[str] = set()
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                found[entry.name] = os.readlink(entry.path)  # noqa: PTH115 - a str stays a str
            else:
                foreign.add(entry.name)
    return found, foreign


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "make room on its disk, or make it writable"
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}", hint) from error
