"""A small file that keeps the owner's pause over a restart."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("phsearch")


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
