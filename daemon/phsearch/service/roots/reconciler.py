"""Compares one root with the index, by names and stats only. An unchanged file costs no read.

Changed files are handed to the pipeline. So are missing ones, and only a check of the path itself may find that it is
gone. Before that, the root must be what it was: it is on the same disk, it is not suddenly empty, and it does not lack
a large part of its photos at once.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phsearch.domain.roots.deletion_policy import ConfirmedDeletions, deletions_to_hold
from phsearch.domain.roots.roots import dir_prefix
from phsearch.domain.types import DeferredDir, DuplicateDir, NotAFile, PhotoFile, UnreadableDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

    from phsearch.domain.library import Library
    from phsearch.domain.ports import Scanner
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import Fingerprint, ScanItem
    from phsearch.service.indexing.deletions import Deletions
    from phsearch.service.indexing.pipeline import RootPipeline
    from phsearch.service.roots.volume_tracker import VolumeTracker
    from phsearch.service.threads import TimeoutExecutor

log = logging.getLogger("phsearch.watch")

_CHUNK = 500
_CHUNK_SECONDS = 1.0


@dataclass(slots=True)
class ScanResult:
    """What one scan found."""

    paths: set[str] = field(default_factory=set)
    other: set[str] = field(default_factory=set)
    """Files of another size than the photos known by their names."""
    new: set[Fingerprint] = field(default_factory=set)
    """Size and time of files whose names are not known."""
    changed: list[str] = field(default_factory=list)
    """Changed files that the pipeline does not have yet."""
    unlisted: list[str] = field(default_factory=list)
    """Prefixes of the paths that could not be seen."""
    duplicates: list[DuplicateDir] = field(default_factory=list)
    deferred: bool = False
    """Whether all of the root has to be scanned to know what is behind a link or a mount."""


class Reconciler:
    """Scans of one root.

    `suspect_empty` says that the root was offline lately, so that an empty one is not believed. `confirmed` is what
    the user said to be deleted. `confirms` says that the next scan may confirm `held_deletions`.
    """

    def __init__(
        self,
        *,
        root: str,
        roots: Roots,
        scanner: Scanner,
        disk: TimeoutExecutor,
        volume_tracker: VolumeTracker,
        library: Library,
        pipeline: RootPipeline,
        deletions: Deletions,
    ) -> None:
        self._root = root
        self._roots = roots
        self._scanner = scanner
        self._disk = disk
        self._volume_tracker = volume_tracker
        self._library = library
        self._pipeline = pipeline
        self._deletions = deletions
        self._mounted: dict[str, str] = {}
        self.suspect_empty = False
        self.confirmed: ConfirmedDeletions | None = None
        self.confirms = False
        self.away: tuple[str, ...] = ()
        self._duplicates: list[DuplicateDir] = []

    @property
    def held_deletions(self) -> AbstractSet[str]:
        """The photos whose deletion waits, because too many are missing at once."""
        return self._deletions.held

    @property
    def remounted(self) -> bool:
        """Whether what is mounted at or below the root is not what the last scan found."""
        return self._volume_tracker.mounted() != self._mounted

    @property
    def missing(self) -> int:
        """Number of photos that are kept although their files are not there."""
        return len(self.held_deletions) + sum(1 for path in self.away for _ in self._library.under(path))

    @property
    def detail(self) -> str:
        """What is missing and why that is kept, in a clause; empty when nothing is."""
        away = f"not mounted: {', '.join(self.away)}; its photos are kept" if self.away else ""
        total = self._library.count(self._root)
        count = f"{len(self.held_deletions):,} of {total:,} photos are missing at once"
        held = f"{count}; they are kept until a scan in ten minutes misses them, too" if self.held_deletions else ""
        return "; ".join(filter(None, (away, held)))

    def is_held(self, path: str) -> bool:
        """Whether a photo is kept although its file is not there."""
        return path in self.held_deletions or self._is_away(path)

    def copy_state(self, former: Reconciler) -> None:
        """Copy what the former reconciler of the same root knew."""
        self.suspect_empty, self.confirmed, self.away = former.suspect_empty, former.confirmed, former.away
        self._deletions.held = set(former.held_deletions)

    def confirm_missing(self, *, offline: bool, hung: bool) -> None:
        """Take what is missing now for deleted: all photos of a root that is `offline`."""
        away = (path for volume in self.away for path in self._library.under(volume))
        paths = self.all_paths() if offline else [*self.held_deletions, *away]
        self.confirmed = ConfirmedDeletions(paths=frozenset(paths), offline=offline, hung=hung)

    def has_duplicates(self, folder: str) -> bool:
        """Whether the last scan left out another path of a folder at or below `folder`, or of one above it."""
        kept = (each.kept for each in self._duplicates if each.kept is not None)
        return any(each == folder or each.startswith(dir_prefix(folder)) for each in kept)

    def all_paths(self) -> list[str]:
        """Return the paths of all photos and failures of the root."""
        return self._missing(self._root, set(), [])

    async def list_error(self) -> OSError | None:
        """Return why the root cannot be listed, None where it can."""
        try:
            await self._disk.run(lambda tick: next(self._scanner.scan(self._root, self._root, tick), None))
        except OSError as error:
            return error
        return None

    def offer_missing(self, folder: str) -> None:
        """Send all known files in a folder that cannot be listed to the pipeline."""
        self._offer(self._missing(folder, set(), []))

    async def scan(self, folder: str, *, doubtful: bool) -> str | None:
        """Compare a folder with the library. Raises OSError when it cannot be listed or is not what it was.

        Of a `doubtful` root nothing is indexed before it is clear that it is the right one. Return what has to be
        scanned now: the same root where something was mounted meanwhile, and the whole root to see behind a link.
        """
        whole = folder == self._root
        before = self._volume_tracker.mounted()
        doubtful = doubtful or self._root in self._volume_tracker.unmounted(before)
        result = ScanResult()
        items, chunk, ended = await self._disk.run(self._begin, folder)
        while True:
            for item in chunk:
                self._classify(item, result)
            if not doubtful:
                await self._offer_slowly(result.changed, self._pipeline.check_now)
                result.changed.clear()
            if ended:
                break
            chunk, ended = await self._disk.run(_next_items, items)
        missing = await self._find_missing(folder, result)
        # A file that is being embedded is in no index yet. If it is gone, it would get into one.
        result.changed += (path for path in self._pipeline.active_under(folder) if path not in result.paths)
        if whole:
            after = self._volume_tracker.mounted()
            if after.get(self._root) != before.get(self._root):
                raise OSError(errno.EAGAIN, "its disk was just mounted or unmounted")
            if after != before:
                return folder
            self._mounted = after
            self._duplicates = result.duplicates
            missing = self._confirm_missing(result, missing)
        await self._offer_slowly(result.changed, self._pipeline.check_now)
        await self._offer_slowly(missing, self._pipeline.check_missing)
        return self._root if result.deferred else None

    def _classify(self, item: ScanItem, result: ScanResult) -> None:
        match item:
            case UnreadableDir(path, reason):
                result.unlisted.append(dir_prefix(path))
                log.warning("%s: cannot be listed: %s", path, reason)
            case DeferredDir(path):
                result.unlisted.append(dir_prefix(path))
                result.deferred = True
            case DuplicateDir():
                result.duplicates.append(item)
            case PhotoFile() | NotAFile():
                self._classify_file(item, result)

    def _classify_file(self, item: PhotoFile | NotAFile, result: ScanResult) -> None:
        result.paths.add(item.path)
        if self._pipeline.current(item.path, item.fingerprint):
            return
        result.changed.append(item.path)
        photo = self._library.get(item.path)
        if photo is None:
            result.new.add(item.fingerprint)
        elif photo.fingerprint.size != item.fingerprint.size:
            result.other.add(item.path)

    def _confirm_missing(self, result: ScanResult, missing: list[str]) -> list[str]:
        """Return the missing photos that may be gone. Raises OSError where the root is not what it was."""
        confirmed = self.confirmed or ConfirmedDeletions(paths=frozenset(), offline=False, hung=False)
        if confirmed.offline:
            self._volume_tracker.forget(self._volume_tracker.unmounted())
        else:
            self._check(result)
        unmounted = self._volume_tracker.unmounted()
        self._volume_tracker.forget(path for path in unmounted if confirmed.paths.issuperset(self._library.under(path)))
        unmounted = [path for path in self._volume_tracker.unmounted() if not self._replaced(path, result)]
        self.away = tuple(path for path in unmounted if any(self._library.under(path)))
        self._volume_tracker.forget(path for path in unmounted if path not in self.away)
        missing = [path for path in missing if not self._is_away(path)]
        # A new file of the same size and time shows that the photo was renamed. Another path of its folder counts now.
        duplicates = tuple(dir_prefix(each.path) for each in result.duplicates)
        lost = [path for path in missing if not (self._fingerprint(path) in result.new or path.startswith(duplicates))]
        lost = [path for path in lost if path not in confirmed.paths]
        known = self._library.count(self._root)
        confirms = self.confirms and not self._deletions.unscanned
        held = deletions_to_hold(lost, known, self._deletions.guard, self.held_deletions, confirms=confirms)
        self._deletions.held, self._deletions.unscanned = set(held), False
        self.suspect_empty = self.confirms = False
        self.confirmed = None
        self._volume_tracker.seen(self.away, time.time())
        return [path for path in missing if path not in self.held_deletions]

    def _check(self, result: ScanResult) -> None:
        known = self._library.count(self._root)
        if self._root in self._volume_tracker.unmounted() and not self._replaced(self._root, result):
            instead = "another file system" if result.paths else "an empty folder"
            raise OSError(None, f"its disk is not mounted, {instead} is in its place")
        if (
            not result.paths
            and not result.unlisted
            and not result.duplicates
            and known >= (1 if self.suspect_empty else self._deletions.guard.least)
        ):
            raise OSError(None, "it is empty, as when its disk is not mounted")

    def _replaced(self, path: str, result: ScanResult) -> bool:
        """Whether another file system has a volume's photos now: a new disk, or the same disk by a new identity.

        A file of the same name and size counts as the photo, because a copy may have another time.
        """
        if path not in self._volume_tracker.mounted():
            return False
        known = [each for each in self._library.under(path) if self._roots.root_of(each) == self._root]
        same = [each for each in known if each in self._library and each in result.paths and each not in result.other]
        return 2 * len(same) >= len(known)

    def _fingerprint(self, path: str) -> Fingerprint | None:
        known = self._library.get(path) or self._library.failure(path)
        return known.fingerprint if known is not None else None

    def _missing(self, folder: str, seen: set[str], unlisted: list[str]) -> list[str]:
        return [path for path in self._library.under(folder) if self._is_missing(path, seen, tuple(unlisted))]

    async def _find_missing(self, folder: str, result: ScanResult) -> list[str]:
        """Return what a scan has not seen. What is indexed meanwhile may be among it, and each is checked."""
        missing: list[str] = []
        paths, unlisted = self._library.under(folder), tuple(result.unlisted)
        while some := list(itertools.islice(paths, _CHUNK)):
            missing += (path for path in some if self._is_missing(path, result.paths, unlisted))
            await asyncio.sleep(0)
        return missing

    def _is_missing(self, path: str, seen: set[str], unlisted: tuple[str, ...]) -> bool:
        return path not in seen and self._roots.root_of(path) == self._root and not path.startswith(unlisted)

    def _is_away(self, path: str) -> bool:
        return any(path.startswith(dir_prefix(each)) for each in self.away)

    def _offer(self, paths: list[str]) -> None:
        for path in paths:
            self._pipeline.check_now(path)

    async def _offer_slowly(self, paths: list[str], offer: Callable[[str], None]) -> None:
        for start in range(0, len(paths), _CHUNK):
            for path in paths[start : start + _CHUNK]:
                offer(path)
            await asyncio.sleep(0)

    def _begin(self, tick: Callable[[], None], folder: str) -> tuple[Iterator[ScanItem], list[ScanItem], bool]:
        """Return the items of a folder, and the first of them as `_next_items` does: of a small folder that is all."""
        items = self._scanner.scan(self._root, folder, tick)
        return items, *_next_items(tick, items)


def _next_items(tick: Callable[[], None], items: Iterator[ScanItem]) -> tuple[list[ScanItem], bool]:
    """Return the next items, and whether these are the last ones.

    They are fewer where they come slowly, so that files are indexed meanwhile.
    """
    deadline = time.monotonic() + _CHUNK_SECONDS
    chunk: list[ScanItem] = []
    for item in items:
        chunk.append(item)
        tick()
        if len(chunk) >= _CHUNK or time.monotonic() >= deadline:
            return chunk, False
    return chunk, True
