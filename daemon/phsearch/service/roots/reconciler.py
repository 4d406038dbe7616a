"""One root compared with the index, by names and stat only; an unchanged file costs no read.

What is found changed is offered to the pipeline; what is missed is offered, too, and only a look at the very path may
declare it gone. Before that, the root must be what it was: on the disk it was on, not empty all of a sudden, and not
without a large part of its photos at once.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phsearch.domain.roots.deletion_policy import Brake, held_back
from phsearch.domain.roots.roots import below
from phsearch.domain.types import Unlistable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phsearch.domain.library import Library
    from phsearch.domain.ports import Scanner
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import Fingerprint, ScanItem
    from phsearch.service.indexing.pipeline import Pipeline
    from phsearch.service.roots.volume_tracker import Presence
    from phsearch.service.threads import RootDisk

log = logging.getLogger("phsearch.watch")

_CHUNK = 500
_CHUNK_SECONDS = 1.0


@dataclass(slots=True)
class _Sight:
    """What one scan saw."""

    paths: set[str] = field(default_factory=set)
    other: set[str] = field(default_factory=set)
    """Those of another size than the photos known under their names."""
    new: set[Fingerprint] = field(default_factory=set)
    """Size and time of files under names that are not known."""
    changed: list[str] = field(default_factory=list)
    """Those to be offered that have not been."""
    unlisted: list[str] = field(default_factory=list)
    """Beginnings of paths of which nothing could be seen."""


class Reconciler:
    """Scans of one root. `emptied` says that the root went away lately, so that an empty one is not believed."""

    def __init__(
        self,
        root: str,
        roots: Roots,
        scanner: Scanner,
        disk: RootDisk,
        presence: Presence,
        library: Library,
        pipeline: Pipeline,
        brake: Brake,
    ) -> None:
        self._root = root
        self._roots = roots
        self._scanner = scanner
        self._disk = disk
        self._presence = presence
        self._library = library
        self._pipeline = pipeline
        self.brake = brake
        self._here: dict[str, str] = {}
        self.emptied = False
        self.confirmed = False
        self.confirms = False
        self.held: frozenset[str] = frozenset()
        self.away: tuple[str, ...] = ()

    @property
    def remounted(self) -> bool:
        """Whether what is mounted at or below the root is not what the last scan found."""
        return self._presence.here() != self._here

    @property
    def missing(self) -> int:
        """Number of photos that are kept although their files are not there."""
        return len(self.held) + sum(1 for path in self.away for _ in self._library.under(path))

    @property
    def detail(self) -> str:
        """What is missing and why that is kept, in a clause; empty when nothing is."""
        away = f"not mounted: {', '.join(self.away)}; its photos are kept" if self.away else ""
        total = self._library.count(self._root)
        count = f"{len(self.held):,} of {total:,} photos are missing at once"
        held = f"{count}; they are kept until a scan in ten minutes misses them, too" if self.held else ""
        return "; ".join(filter(None, (away, held)))

    def keeps(self, path: str) -> bool:
        """Tell whether a photo is kept although its file is not there."""
        return path in self.held or self._is_away(path)

    def succeed(self, former: Reconciler) -> None:
        """Know what an earlier one for the same root knew of it."""
        self.emptied, self.confirmed = former.emptied, former.confirmed

    def everything(self) -> list[str]:
        """Give the paths of all photos and failures of the root."""
        return self._missing(self._root, set(), [])

    async def fault(self) -> OSError | None:
        """Say why the root cannot be listed; None where it can."""
        try:
            items = await self._disk.ask(self._begin, self._root)
            await self._disk.ask(lambda _tick: next(items, None))
        except OSError as error:
            return error
        return None

    def offer_missing(self, folder: str) -> None:
        """Have everything looked at that was in a folder which cannot be listed."""
        self._offer(self._missing(folder, set(), []))

    async def scan(self, folder: str, *, doubtful: bool) -> bool:
        """Compare a folder with the library. Raises OSError when it cannot be listed or is not what it was.

        In a `doubtful` root nothing is taken in before it is clear that it is the right one. Gives False when the scan
        says nothing of the root as a whole, because something was mounted meanwhile: then it is to be scanned again.
        """
        whole = folder == self._root
        before = self._presence.here()
        doubtful = doubtful or self._root in self._presence.away()
        sight = _Sight()
        items = await self._disk.ask(self._begin, folder)
        while chunk := await self._disk.ask(_take, items):
            for item in chunk:
                self._see(item, sight)
            if not doubtful:
                self._offer(sight.changed)
                sight.changed.clear()
        missing = self._missing(folder, sight.paths, sight.unlisted)
        if whole:
            here = self._presence.here()
            if here.get(self._root) != before.get(self._root):
                raise OSError(None, "its disk was just mounted or unmounted")
            if here != before:
                return False
            self._here = here
            missing = self._believable(sight, missing)
        self._offer(sight.changed)
        self._offer(missing)
        return True

    def _see(self, item: ScanItem, sight: _Sight) -> None:
        if isinstance(item, Unlistable):
            sight.unlisted.append(below(item.path))
            log.warning("%s: cannot be listed: %s", item.path, item.reason)
            return
        sight.paths.add(item.path)
        if self._pipeline.current(item.path, item.fingerprint):
            return
        sight.changed.append(item.path)
        photo = self._library.get(item.path)
        if photo is None:
            sight.new.add(item.fingerprint)
        elif photo.fingerprint.size != item.fingerprint.size:
            sight.other.add(item.path)

    def _believable(self, sight: _Sight, missing: list[str]) -> list[str]:
        """Say which of the missing photos may be looked for; raises OSError where the root is not what it was."""
        if self.confirmed:
            self._presence.forget(self._presence.away())
        else:
            self._check(sight)
        gone = [path for path in self._presence.away() if not self._replaced(path, sight)]
        self.away = tuple(path for path in gone if any(self._library.under(path)))
        self._presence.forget(path for path in gone if path not in self.away)
        missing = [path for path in missing if not self._is_away(path)]
        # A file of the same size and time under a new name is where the photo went.
        lost = [path for path in missing if self._fingerprint(path) not in sight.new]
        known = self._library.count(self._root)
        waiting = held_back(lost, known, self.brake, self.held, confirms=self.confirms)
        self.held = frozenset() if self.confirmed else waiting
        self.emptied = self.confirms = self.confirmed = False
        self._presence.seen(self.away, time.time())
        return [path for path in missing if path not in self.held]

    def _check(self, sight: _Sight) -> None:
        known = self._library.count(self._root)
        if self._root in self._presence.away() and not self._replaced(self._root, sight):
            instead = "another file system" if sight.paths else "an empty folder"
            raise OSError(None, f"its disk is not mounted, {instead} is in its place")
        if not sight.paths and not sight.unlisted and known >= (1 if self.emptied else self.brake.least):
            raise OSError(None, "it is empty, as when its disk is not mounted")

    def _replaced(self, path: str, sight: _Sight) -> bool:
        """Tell whether another file system took over a volume's photos: moved to a new disk, or known by a new name.

        A file of the same name and size counts as the photo: a copy need not have kept its time.
        """
        known = [each for each in self._library.under(path) if self._roots.of(each) == self._root]
        alike = [each for each in known if each in self._library and each in sight.paths and each not in sight.other]
        return path in self._presence.here() and 2 * len(alike) >= len(known)

    def _fingerprint(self, path: str) -> Fingerprint | None:
        known = self._library.get(path) or self._library.failure(path)
        return known.fingerprint if known is not None else None

    def _missing(self, folder: str, seen: set[str], unlisted: list[str]) -> list[str]:
        unknown = tuple(unlisted)
        return [
            path
            for path in self._library.under(folder)
            if path not in seen and self._roots.of(path) == self._root and not path.startswith(unknown)
        ]

    def _is_away(self, path: str) -> bool:
        return any(path.startswith(below(each)) for each in self.away)

    def _offer(self, paths: list[str]) -> None:
        for path in paths:
            self._pipeline.offer(path)

    def _begin(self, tick: Callable[[], None], folder: str) -> Iterator[ScanItem]:
        return self._scanner.scan(self._root, folder, tick)


def _take(tick: Callable[[], None], items: Iterator[ScanItem]) -> list[ScanItem]:
    """Take some items, fewer where they come slowly, so that what was found is worked on meanwhile."""
    until = time.monotonic() + _CHUNK_SECONDS
    chunk: list[ScanItem] = []
    for item in items:
        chunk.append(item)
        tick()
        if len(chunk) >= _CHUNK or time.monotonic() >= until:
            break
    return chunk
