"""What the workers noted of every photo they embedded, in all their lives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """One forward pass spent on one photo; `digest` is None where the file changed before it could be noted."""

    at: float
    pid: int
    path: str
    digest: bytes | None


class Ledger:
    """Reads the file the counted workers append to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __len__(self) -> int:
        """Count the forward passes."""
        return len(self._lines())

    def entries(self) -> list[Entry]:
        """Give all forward passes, oldest first."""
        rows = map(json.loads, self._lines())
        return [
            Entry(row["at"], row["pid"], row["path"], bytes.fromhex(row["digest"]) if row["digest"] else None)
            for row in rows
        ]

    def digests(self) -> set[bytes]:
        """Give every content that was ever embedded."""
        return {entry.digest for entry in self.entries() if entry.digest is not None}

    def _lines(self) -> list[bytes]:
        if not self.path.exists():
            return []
        return [line for line in self.path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
