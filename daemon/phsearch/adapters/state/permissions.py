"""Only the owner may use the files of the state folder, even if an old umask or a restored backup allowed more."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phsearch.paths import StateFolder

_OTHERS = 0o077


def restrict(state: StateFolder) -> None:
    """Remove all rights of other users to our files. Files in the folder that are not ours are not touched."""
    ours = set(state.entries())
    for path in ours - {state.albums}:
        for each in _below(str(path)):
            _restrict(each)
    for album in _albums(state):
        _restrict(str(album))
    if ours.issuperset(state.path.iterdir()):
        _restrict(str(state.path))


def _albums(state: StateFolder) -> Iterator[Path]:
    """Yield the folders of albums and their records, but no files in them, which may be the user's."""
    yield state.albums
    if state.albums.is_dir():
        yield from (each for each in state.albums.iterdir() if each.name.startswith(".") or each.is_dir())


def _below(path: str) -> Iterator[str]:
    yield path
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            yield os.path.join(folder, name)  # noqa: PTH118 - thousands of fragments


def _restrict(path: str) -> None:
    with contextlib.suppress(OSError):  # gone, or another user's
        mode = os.lstat(path).st_mode
        if mode & _OTHERS and not stat.S_ISLNK(mode):
            os.chmod(path, stat.S_IMODE(mode) & ~_OTHERS)  # noqa: PTH101
