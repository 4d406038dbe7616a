"""Small JSON files of the state folder: the user's pause, the removed roots, how far photos are numbered."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from phsearch.atomic_write import atomic_write
from phsearch.domain.problems import Problems
from phsearch.domain.roots.deletion_policy import RemovedRoot
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_PAUSE, _REMOVED = "pause", "removed folders"
UNREADABLE = (OSError, ValueError, TypeError, KeyError, RecursionError)
"""What reading a file raises that cannot be read, or holds something else than it should."""
_LATEST = 2**37
"""The year 6325, within which every library can tell the date."""
_FAR = 1 << 32
_HIGHEST = 1 << 53
"""Larger whole numbers lose digits in many readers of JSON."""


class PauseFile:
    """Keeps a pause over a restart: `{"until": seconds since the epoch, or null}`; there is no file without a pause."""

    def __init__(self, path: Path, problems: Problems | None = None) -> None:
        self._path = path
        self._problems = problems or Problems()

    def load(self) -> tuple[bool, float | None]:
        """Return whether there is a pause, and until when. A file that makes no sense counts as no pause."""
        try:
            until = json.loads(self._path.read_bytes())["until"]
            return True, None if until is None else _time(until)
        except FileNotFoundError:
            return False, None
        except UNREADABLE as error:
            text = f"{self._path} cannot be used ({fault_of(error)}): indexing is not paused"
            self._problems.report(_PAUSE, text, "pause again, or resume")
            return False, None

    def save(self, paused: bool, until: float | None) -> None:  # noqa: FBT001 - as `load` returns it
        """Write the pause, or remove the file where there is none. Raise OSError; then the file is what it was."""
        if paused:
            atomic_write(self._path, json.dumps({"until": until}).encode("ascii"))
        else:
            self._path.unlink(missing_ok=True)
        self._problems.resolve(_PAUSE)


class SequenceFile:
    """Keeps the highest number that a photo may have: `{"reserved": number}`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, known: int) -> int:
        """Return the number, at least `known`; far above without a sound file, since others may have been given."""
        try:
            reserved = json.loads(self._path.read_bytes())["reserved"]
        except UNREADABLE:  # it is made anew, and costs nothing but numbers
            reserved = None
        if not isinstance(reserved, int) or not 0 <= reserved < _HIGHEST:
            return known + _FAR if known else 0
        return max(reserved, known)

    def save(self, reserved: int) -> None:
        """Write the number. Raise OSError; then the file is what it was."""
        atomic_write(self._path, json.dumps({"reserved": reserved}).encode("ascii"))


class RemovedFile:
    """The list of removed roots. The file need not exist."""

    def __init__(self, path: Path, problems: Problems | None = None) -> None:
        self._path = path
        self._problems = problems or Problems()

    def load(self) -> list[RemovedRoot]:
        """Return the removed roots. Of those whose record makes no sense the grace days begin again."""
        found: list[RemovedRoot] = []
        try:
            for each in json.loads(self._path.read_bytes()):
                try:
                    found.append(_removed_root(each))
                except UNREADABLE as error:
                    self._report(error)
        except FileNotFoundError:
            pass
        except UNREADABLE as error:
            self._report(error)
        return found

    def _report(self, error: Exception) -> None:
        text = f"{self._path} cannot be read ({fault_of(error)}): the grace days of removed folders begin again"
        self._problems.report(_REMOVED, text, "phsearch-client status lists them with their days")

    def save(self, records: Iterable[RemovedRoot]) -> None:
        """Replace the list; it is on the disk when this returns. Raise StoreError."""
        write_json(self._path, [dataclasses.asdict(each) for each in records])
        self._problems.resolve(_REMOVED)


def write_json(path: Path, value: Any) -> None:
    """Write a file of the state folder; it is on the disk when this returns. Raise StoreError; then it is what it was.

    The value must be one that JSON has.
    """
    try:
        atomic_write(path, json.dumps(value).encode("ascii"))
    except OSError as error:
        hint = "make room on its disk, or make it writable"
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}", hint) from error


def _removed_root(record: Any) -> RemovedRoot:
    match record:
        case {"path": str(path), "since": since, "keep": bool(keep)} if path.startswith("/"):
            return RemovedRoot(path, _time(since), keep)
        case _:
            raise ValueError("it holds something that is no removed folder")


def _time(value: Any) -> float:
    """Return a time in seconds since the epoch. Raise ValueError where it is none, or lies beyond all calendars."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise ValueError("it holds something that is no time")
    return value


def fault_of(error: Exception) -> str:
    """Return why a file is of no use."""
    return str(error) or type(error).__name__
