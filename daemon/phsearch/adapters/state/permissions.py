"""Files of the state are their owner's alone, also those made when umask or an unpacked backup said otherwise."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OTHERS = 0o077
_OURS = ("index", "torch", "lock")
_ANYTHING_OF_OURS = frozenset({*_OURS, "run"})


def restrict(state: Path) -> None:
    """Take from others whatever they may do with our files; what else lies in that folder is not touched."""
    for name in _OURS:
        for path in _below(str(state / name)):
            _restrict(path)
    if _ANYTHING_OF_OURS.issuperset(entry.name for entry in state.iterdir()):
        _restrict(str(state))


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
