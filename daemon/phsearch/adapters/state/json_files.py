"""The list of removed roots on disk: a small JSON file beside the index, written as a whole."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import math
import os
from typing import TYPE_CHECKING

from phsearch.domain.roots.deletion_policy import RemovedRoot
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# A small file that keeps the owner's pause over a restart.


log = logging.getLogger("phsearch.store")


class PauseFile:
    """`{"until": seconds since the epoch, or null}`; no file where there is no pause."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[bool, float | None]:
        """Tell whether there is a pause, and until when. A file that makes no sense is none."""
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

    def save(self, paused: bool, until: float | None) -> None:  # noqa: FBT001 - as `load` gives it
        """Keep a pause, or that there is none. Raises OSError; then the file is what it was."""
        if not paused:
            self._path.unlink(missing_ok=True)
            return
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                json.dump({"until": until}, file)
                file.flush()
                os.fsync(descriptor)
            new.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise


class RemovedFile:
    """The file at `path`, which need not exist."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[RemovedRoot]:
        """Give what is on record; of a damaged file nothing, so that every time of grace begins anew."""
        try:
            return [RemovedRoot(**each) for each in json.loads(self._path.read_bytes())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s cannot be read (%s): the grace of removed folders begins anew", self._path, error)
            return []

    def save(self, records: Iterable[RemovedRoot]) -> None:
        """Put these in the place of what is there; on the disk when this returns. Raises StoreError."""
        part = self._path.with_suffix(".part")
        try:
            with part.open("w", encoding="ascii") as file:
                json.dump([dataclasses.asdict(each) for each in records], file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            hint = "make room on its disk, or make it writable"
            raise StoreError(f"cannot write {self._path}: {(error.strerror or str(error)).lower()}", hint) from error
