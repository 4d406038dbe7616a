"""One cycle of changes to a library: photos are added, rewritten, renamed and deleted, and their number stays the same.

Every content is new, so that every photo is really embedded and every deleted vector is kept. Folders come and go
with their photos, broken files fail and are deleted, copies come in pairs.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import defaultdict, deque
from typing import TYPE_CHECKING

from torture.photos import with_other_content

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LIFE = 3
"""The number of cycles after which a folder is deleted."""
_BROKEN = 3
_DAY = 86_400


class LibraryChanges:
    """Changes `root`; each cycle adds a folder of `batch` photos."""

    def __init__(self, root: Path, supply: Sequence[Path], batch: int) -> None:
        self._root = root
        self._supply = supply
        self._alike: dict[str, list[Path]] = defaultdict(list)
        for path in supply:
            self._alike[path.suffix].append(path)
        self._batch = batch
        self._rng = random.Random(0)
        self._folders: deque[Path] = deque()
        self._broken: list[Path] = []
        self._number = 0
        for _ in range(_LIFE):
            self._bring()

    @property
    def photos(self) -> int:
        """The number of photos between two cycles."""
        return _LIFE * (self._batch + 1)

    @property
    def broken(self) -> int:
        """The number of files that cannot be read."""
        return len(self._broken)

    def turn(self) -> None:
        """Apply all changes of one cycle to the folders."""
        self._bring()
        self._rewrite()
        self._rename()
        self._fail()
        self._remove()

    def _bring(self) -> None:
        folder = self._root / f"roll {self._number}" / "best of"
        folder.mkdir(parents=True)
        for _ in range(self._batch):
            suffix = self._supply[self._number % len(self._supply)].suffix
            self._write(folder / f"{self._number}{suffix}")
        whole = next(folder.iterdir())
        shutil.copyfile(whole, folder / f"copy of {whole.name}")
        self._folders.append(folder.parent)

    def _rewrite(self) -> None:
        for path in self._some(self._batch // 4):
            self._write(path)

    def _rename(self) -> None:
        for path in self._some(self._batch // 4):
            path.rename(path.with_name(f"renamed {self._number}{path.suffix}"))
            self._number += 1
        folder = self._rng.choice(self._folders)
        renamed = folder.with_name(f"roll {self._number} renamed")
        folder.rename(renamed)
        self._number += 1
        self._folders[self._folders.index(folder)] = renamed

    def _fail(self) -> None:
        for path in self._broken:
            path.unlink()
        self._broken = [self._root / f"broken {self._number}-{each}.jpg" for each in range(_BROKEN)]
        for path in self._broken:
            path.write_bytes(b"\xff\xd8\xff\xe0 no picture " + os.urandom(64))

    def _remove(self) -> None:
        shutil.rmtree(self._folders.popleft())

    def _some(self, count: int) -> list[Path]:
        paths = [path for folder in self._folders for path in sorted((folder / "best of").iterdir())]
        return self._rng.sample(paths, min(count, len(paths)))

    def _write(self, path: Path) -> None:
        sources = self._alike[path.suffix]
        path.write_bytes(with_other_content(sources[self._number % len(sources)], self._number))
        self._number += 1
        # Yesterday's time, so that the daemon does not wait for it to settle.
        status = path.stat()
        os.utime(path, (status.st_atime - _DAY, status.st_mtime - _DAY))
