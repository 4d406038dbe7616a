"""The list of removed roots on disk: a small JSON file beside the index, written as a whole."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from typing import TYPE_CHECKING

from phsearch.domain.removed import Removed
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = logging.getLogger("phsearch.store")


class RemovedFile:
    """The file at `path`, which need not exist."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[Removed]:
        """Give what is on record; of a damaged file nothing, so that every time of grace begins anew."""
        try:
            return [Removed(**each) for each in json.loads(self._path.read_bytes())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s cannot be read (%s): the grace of removed folders begins anew", self._path, error)
            return []

    def save(self, records: Iterable[Removed]) -> None:
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
