"""Small JSON files of the state folder: the user's pause, the removed roots, how far photos are numbered."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from typing import TYPE_CHECKING

from phsearch.atomic_write import atomic_write
from phsearch.domain.roots.deletion_policy import RemovedRoot
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FAR = 1 << 32
_HIGHEST = 1 << 53
"""Larger whole numbers lose digits in many readers of JSON."""

log = logging.getLogger("phsearch.store")


class PauseFile:
    """Keeps a pause over a restart: `{"until": seconds since the epoch, or null}`; there is no file without a pause."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[bool, float | None]:
        """Return whether there is a pause, and until when. A file that makes no sense counts as no pause."""
        try:
            until = json.loads(self._path.read_bytes())["until"]
            sound = until is None or math.isfinite(until)
        except FileNotFoundError:
            return False, None
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            log.warning("%s cannot be used (%s): indexing is not paused", self._path, error)
            return False, None
        if not sound:
            log.warning("%s cannot be used (%s): indexing is not paused", self._path, until)
        return sound, until if sound else None

    def save(self, paused: bool, until: float | None) -> None:  # noqa: FBT001 - as `load` returns it
        """Write the pause, or remove the file where there is none. Raise OSError; then the file is what it was."""
        if paused:
            atomic_write(self._path, json.dumps({"until": until}).encode("ascii"))
        else:
            self._path.unlink(missing_ok=True)


class SequenceFile:
    """Keeps the highest number that a photo may have: `{"reserved": number}`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, known: int) -> int:
        """Return the number, at least `known`; far above without a sound file, since others may have been given."""
        try:
            reserved = json.loads(self._path.read_bytes())["reserved"]
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            if not isinstance(error, FileNotFoundError):
                log.warning("%s cannot be used (%s)", self._path, error)
            reserved = None
        if not isinstance(reserved, int) or not 0 <= reserved < _HIGHEST:
            return known + _FAR if known else 0
        return max(reserved, known)

    def save(self, reserved: int) -> None:
        """Write the number. Raise OSError; then the file is what it was."""
        atomic_write(self._path, json.dumps({"reserved": reserved}).encode("ascii"))


class RemovedFile:
    """The list of removed roots. The file need not exist."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[RemovedRoot]:
        """Return the removed roots. A damaged file counts as empty: then each root's grace days begin again."""
        try:
            return [RemovedRoot(**each) for each in json.loads(self._path.read_bytes())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s cannot be read (%s): the grace days of removed folders begin again", self._path, error)
            return []

    def save(self, records: Iterable[RemovedRoot]) -> None:
        """Replace the list; it is on the disk when this returns. Raise StoreError."""
        try:
            atomic_write(self._path, json.dumps([dataclasses.asdict(each) for each in records]).encode("ascii"))
        except OSError as error:
            hint = "make room on its disk, or make it writable"
            raise StoreError(f"cannot write {self._path}: {(error.strerror or str(error)).lower()}", hint) from error
