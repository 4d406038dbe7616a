"""The record of the workers: every photo that any of them embedded."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """One forward pass for one photo; `digest` is None if the file changed before it was recorded."""

    at: float
    pid: int
    path: str
    digest: bytes | None


class EmbeddingCosts:
    """Reads the file that the counted workers append to, each line once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: list[Entry] = []
        self._read = 0

    def __len__(self) -> int:
        """Return the number of forward passes."""
        return len(self.entries())

    def entries(self) -> list[Entry]:
        """Return all forward passes, oldest first."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                self._entries.append(_entry(json.loads(line)))
        return self._entries

    def digests(self) -> set[bytes]:
        """Return every content that was ever embedded."""
        return {entry.digest for entry in self.entries() if entry.digest is not None}


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(row["at"], row["pid"], row["path"], bytes.fromhex(row["digest"]) if row["digest"] else None)
