"""One daemon's parts in a test's hands: real ones, but for a watcher and an embedder that do as they are told."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, cast

from colour_worker import PREPROCESS, photo_vector
from machine import at_ease
from phsearch.adapters.files.digest import digest
from phsearch.adapters.images import PillowDecoder
from phsearch.adapters.linux.mounts import MountTable
from phsearch.adapters.state.json_files import RemovedFile
from phsearch.adapters.store.lance import LanceStore
from phsearch.config import WatchConfig
from phsearch.daemon import compose_index as indexing
from phsearch.domain.indexing.batching import ChangedMeanwhile, Embedded, Unreadable
from phsearch.domain.roots.roots import Roots
from phsearch.domain.types import ModelIdentity
from phsearch.errors import UnreadableImageError
from phsearch.service.events import Events
from phsearch.service.indexing.photo_index import Catalog
from phsearch.service.indexing.router import Pipelines
from phsearch.service.indexing.store_writer import Writer
from phsearch.service.roots.event_dispatcher import Intake
from phsearch.service.roots.manager import Household
from phsearch.service.roots.removed_roots import RemovedRoots
from phsearch.service.roots.root import Builder
from phsearch.service.threads import Lane

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from phsearch.domain.indexing.batching import Candidate, Outcome
    from phsearch.domain.types import FsEvent
    from phsearch.service.workers.image_worker import Embedder

QUICK = WatchConfig(settle_seconds=0.05)
IDENTITY = ModelIdentity("colour", "", "colours", "32", 4)


class ScriptedWatcher:
    """Knows which roots it watches; what it tells is the machine's business."""

    def __init__(self) -> None:
        self.watched: set[str] = set()

    def start(self, emit: Callable[[FsEvent], None]) -> None:
        """Nothing to start."""

    def add(self, root: str) -> None:
        """Watch a root that is there."""
        os.stat(root)
        self.watched.add(root)

    def remove(self, root: str) -> None:
        """Watch it no longer."""
        self.watched.discard(root)

    def mark(self, token: int) -> bool:
        """Promise nothing."""
        return token < 0

    def counts(self, root: str) -> tuple[int, int] | None:
        """Count nothing."""

    def close(self) -> None:
        """Nothing to stop."""


class PatientEmbedder:
    """Embeds what it was given when it is told to, in any order; what it found out is told later still."""

    def __init__(self, forward_passes: Counter[bytes]) -> None:
        self.on_outcome: Callable[[Outcome], None]
        self.running = False
        self._forward_passes = forward_passes
        self._decoder = PillowDecoder(1_000_000)
        self._waiting: list[Candidate] = []
        self._found: list[Outcome] = []

    def submit(self, candidate: Candidate) -> None:
        """Queue a photo."""
        self._waiting.append(candidate)

    def withdraw(self, root: str, *, hung: bool) -> None:
        """Give back what waits in a root that is gone."""
        assert not hung
        gone = [photo for photo in self._waiting if photo.root == root]
        self._waiting = [photo for photo in self._waiting if photo.root != root]
        for photo in gone:
            self.on_outcome(ChangedMeanwhile(photo))

    @property
    def pending(self) -> int:
        """Photos whose outcome is still to come."""
        return len(self._waiting) + len(self._found)

    async def room(self, most: int) -> None:
        """Wait for nothing."""

    @property
    def paths(self) -> frozenset[str]:
        """The photos whose outcome is still to come."""
        return frozenset(each.path for each in (*self._waiting, *(outcome.photo for outcome in self._found)))

    def work(self, chosen: int) -> None:
        """Embed one photo that waits."""
        if self._waiting:
            self._found.append(self._embed(self._waiting.pop(chosen % len(self._waiting))))

    def read_all(self) -> None:
        """Embed all that wait, and tell nothing yet."""
        while self._waiting:
            self.work(0)

    def tell(self, chosen: int) -> None:
        """Tell one outcome."""
        if self._found:
            self.on_outcome(self._found.pop(chosen % len(self._found)))

    def finish(self) -> None:
        """Embed and tell everything."""
        while self.pending:
            self.work(0)
            self.tell(0)

    def _embed(self, photo: Candidate) -> Outcome:
        if not _unchanged(photo):
            return ChangedMeanwhile(photo)
        try:
            decoded = self._decoder.decode(photo.path, PREPROCESS)
        except UnreadableImageError as error:
            return Unreadable(photo, str(error))
        if not _unchanged(photo):
            return ChangedMeanwhile(photo)
        self._forward_passes[photo.digest] += 1
        return Embedded(photo, decoded.info, photo_vector(decoded.pixels))


def _unchanged(photo: Candidate) -> bool:
    try:
        status = os.stat(photo.path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (photo.fingerprint.size, photo.fingerprint.mtime_ns)


class Life:
    """The parts of one daemon from its start to its end, put together as `assembly.indexing` does it."""

    def __init__(
        self, state: Path, roots: Iterable[str], forward_passes: Counter[bytes], watch: WatchConfig = QUICK
    ) -> None:
        self.roots = Roots(roots)
        self.store = LanceStore(state, "colour")
        self.store.bind(IDENTITY)
        self.library, self.index, outside = indexing.known(self.store, self.roots)
        self._lanes = store_lane, rank_lane = Lane("store"), Lane("rank")
        self.rank_lane = rank_lane
        events = Events()
        self.watcher = ScriptedWatcher()
        self.embedder = PatientEmbedder(forward_passes)
        self.writer = Writer(self.store, store_lane, idle=lambda: self.pipelines.pending == 0)
        catalog = Catalog(self.library, self.index, rank_lane, self.writer, events, self.roots)
        self.pipelines = Pipelines(self.roots, cast("Embedder", self.embedder), catalog.keep)
        file = RemovedFile(state / "removed.json")
        self.removed = RemovedRoots(file, watch, outside, self.store, store_lane, self.writer)
        builder = Builder(
            self.roots,
            self.watcher,
            MountTable().read,
            digest,
            "test",
            catalog,
            self.pipelines,
            self.writer,
            events,
            at_ease().turn,
        )
        self.household = Household(
            self.roots,
            watch,
            builder,
            indexing.scanner(self.roots, state),
            self.watcher,
            lambda _: self.watcher.watched.clear(),
            catalog,
            self.pipelines,
            events,
            self.removed,
            self.store.load_volumes(),
        )
        self.keepers = self.household.keepers
        self.intake = Intake(self.roots, self.keepers, catalog, self.pipelines, lambda _: None)
        runs = (self.household.run(), self.writer.run(), self.removed.run())
        self._tasks = [asyncio.ensure_future(work) for work in runs]

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        keepers = self.keepers.values()
        return bool(self.embedder.pending or self.pipelines.pending or any(keeper.busy for keeper in keepers))

    async def drain(self) -> None:
        """Wait for what the lanes were given; on a crowded machine their threads may not run for a while."""
        for lane in self._lanes:
            await lane.run(int)

    def check(self) -> None:
        """Raise what a part raised."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def end(self, *, flush: bool) -> None:
        """End as the daemon does, or, without a flush, as kill -9 does."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if flush:
            self.household.close()
            await self.writer.flush()
        for lane in self._lanes:
            lane.close()
        self.store.close()
