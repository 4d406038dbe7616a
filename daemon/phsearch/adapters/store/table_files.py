"""The files of one LanceDB table, made safe against crashes and power failures.

LanceDB never calls fsync (seen with strace). So after a power failure the newest files may be empty while others that
refer to them are there. Reading needs four kinds of files: `_versions/*.manifest`, one for each version, named so that
the newest sorts first; `data`, `_deletions` and `_indices`, each written once with a new name. Any file of
`_transactions` and any `latest_version_hint.json` can be missing or empty, and the table still reads and writes (tried
for each file).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEEDED = ("data", "_deletions", "_indices", "_versions")
_MANIFEST = re.compile(r"\d{20}\.manifest")
_END_OF_MANIFEST = b"LANC"
_HIDDEN = ".damaged"
_LEFTOVER = re.compile(rf"\.tmp.*|.*#\d+|.*{re.escape(_HIDDEN)}")
"""Files that were half written when the process was killed, and hidden manifests. LanceDB removes none of them."""


class TableFiles:
    """The folder of one table, for example index/photos_mini_0a1b2c3d.lance."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._synced: set[str] = set()

    def manifests(self) -> list[Path]:
        """Return the manifests, newest first."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return sorted(file for file in (self.folder / "_versions").iterdir() if _MANIFEST.fullmatch(file.name))
        return []

    def holds_rows(self) -> bool:
        """Whether rows were ever written here."""
        return any(name.endswith(".lance") for _, name in self._files(("data",)))

    def fsync(self) -> None:
        """Make everything written since the last call survive a power failure. Raises OSError.

        Measured on ext4 in a virtual machine, median of 60 writes: 1.1 ms after an addition of 256 rows of 512
        numbers, which itself takes 4.7 ms; 2.6 ms after addition, merge and deletion, which take 36 ms.
        """
        present = {f"{folder}/{name}" for folder, name in self._files(_NEEDED)}
        fresh = sorted(file for file in present - self._synced if not file.endswith(".json"))
        for file in fresh:
            _sync(file)
        folders = {file.rpartition("/")[0] for file in fresh}
        if not self._synced:
            folders.update(str(folder) for folder in (self.folder, *self.folder.parents[:2]))
            folders.update(str(folder) for folder in self.folder.glob("_indices"))
        for folder in folders:
            _sync(folder)
        self._synced = present

    def remove_orphans(self) -> None:
        """Remove what killed or failed writes left behind; no write may be under way."""
        for folder, name in self._files((*_NEEDED, "_transactions")):
            if _LEFTOVER.fullmatch(name):
                # Where it cannot be removed, on a read-only disk, it does no harm.
                with contextlib.suppress(OSError):
                    Path(folder, name).unlink()

    def remove_truncated(self) -> None:
        """Remove older manifests that are truncated: while there is one, LanceDB cleans nothing up."""
        for file in self.manifests()[1:]:
            with file.open("rb") as opened:
                opened.seek(max(0, file.stat().st_size - len(_END_OF_MANIFEST)))
                complete = opened.read() == _END_OF_MANIFEST
            if not complete:
                file.unlink()

    def discard(self) -> None:
        """Remove the whole table."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._synced = set()

    def _files(self, kinds: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for kind in kinds:
            for folder, _, names in os.walk(self.folder / kind):
                for name in names:
                    yield folder, name


def hide_manifest(manifest: Path) -> Path:
    """Hide a version, so that the one before it is the newest; return its new name."""
    return manifest.rename(manifest.with_name(manifest.name + _HIDDEN))


def restore_manifest(manifest: Path) -> None:
    """Undo `hide_manifest`, by the name that it returned."""
    manifest.rename(manifest.with_name(manifest.name.removesuffix(_HIDDEN)))


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    total = 0
    for where, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):  # removed meanwhile
                total += os.lstat(os.path.join(where, file)).st_size  # noqa: PTH118 - thousands of them
    return total
