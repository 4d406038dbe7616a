"""The roots, which come and go while everything else goes on.

Each root has a home with parts of its own. A root that is removed, or whose extent changes because a root within it is
added or removed, or for which other rules hold now, leaves its home: its tasks are cancelled, what it had under way is
let go, and nothing of it is asked any more. One that stays gets a new home and is scanned like at a start, so that no
state has to be patched. What the old home had in the worker still comes back; `Pipelines` keeps that by its content.

All that others see (the roots, the keepers, the library) changes at one moment, without a pause in between.
"""

from __future__ import annotations

import asyncio
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING

from phsearch.domain.roots.ignore_rules import IgnoreRules
from phsearch.domain.roots.roots import Roots
from phsearch.service.threads import TimeoutExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from phsearch.config import WatchConfig
    from phsearch.domain.ports import Scanner, Watcher
    from phsearch.domain.types import Volume
    from phsearch.service.events import EventBus
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.roots.monitor import RootMonitor
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.service.roots.root import WatchedRoot, WatchedRootFactory

log = logging.getLogger("phsearch.watch")


class RootManager:
    """All roots. `roots` is the one that everybody holds."""

    def __init__(
        self,
        roots: Roots,
        watch: WatchConfig,
        builder: WatchedRootFactory,
        scanner: Callable[[WatchConfig], Scanner],
        watcher: Watcher,
        rewatch: Callable[[WatchConfig], None],
        photo_index: PhotoIndex,
        router: PipelineRouter,
        events: EventBus,
        removed: RemovedRoots,
        volumes: Iterable[Volume],
    ) -> None:
        """Make a home for every root. `rewatch` has the watcher keep to other rules; it watches no root then."""
        self.watch = watch
        self.rules = ignore_rules_of(watch)
        self._roots = roots
        self._factory = builder
        self._make_scanner = scanner
        self._scanner = scanner(watch)
        self._watcher = watcher
        self._rewatch = rewatch
        self._photo_index = photo_index
        self._router = router
        self._events = events
        self._removed = removed
        self._volumes = {volume.path: volume for volume in volumes}
        self._stopping = TimeoutExecutor("ends watches", watch.disk_seconds, max_concurrent=1)
        self._group: asyncio.TaskGroup | None = None
        self._watched = {root: self._build_root(root) for root in roots}
        self._monitors = {root: home.monitor for root, home in self._watched.items()}

    @property
    def monitors(self) -> Mapping[str, RootMonitor]:
        """The keepers of the roots there are at any time, in their order."""
        return MappingProxyType(self._monitors)

    @property
    def online_roots(self) -> list[str]:
        """The roots whose disks are there."""
        return [root for root, monitor in self._monitors.items() if monitor.state != "offline"]

    async def run(self) -> None:
        """Have every root kept, until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            # A change under way has it that some homes are to rest.
            async with self._removed.lock:
                self._start_new()
            await asyncio.Event().wait()

    def close(self) -> None:
        """Remember of each root that it was there until now."""
        for monitor in self._monitors.values():
            monitor.close()

    async def apply(self, paths: Iterable[str], watch: WatchConfig, *, keep: bool = False) -> None:
        """Watch these roots, by these settings; `keep` says that photos of removed ones are never to be forgotten.

        Raises ConfigError or StoreError, and then nothing has changed.
        """
        rules = ignore_rules_of(watch)
        async with self._removed.lock:
            new = Roots(paths)
            ruled = rules != self.rules or watch.follow_symlinks != self.watch.follow_symlinks
            returning = self._removed.covered_by(new)
            photos, failures = await self._removed.rows(returning, new)
            moving = [root for root in self._roots if ruled or not self._unchanged(root, new)]
            for root in moving:
                await self._watched[root].stop()
            await self._photo_index.drain_renames()
            self._swap(new, watch, moving, keep=keep)
            self._photo_index.restore(photos, failures)
            self._removed.restore(returning)
            await self._rewatch_roots(watch, moving, ruled=ruled)
            if ruled or returning:
                await self._drop_excluded()
            self._start_new()

    def _start_new(self) -> None:
        for home in self._watched.values():
            if self._group is not None and not home.running:
                home.start(self._group)

    def _unchanged(self, root: str, new: Roots) -> bool:
        return root in new and self._roots.nested(root) == new.nested(root)

    def _swap(self, new: Roots, watch: WatchConfig, moving: Iterable[str], *, keep: bool) -> None:
        """Change what everybody sees, at one moment."""
        old = Roots(self._roots)
        left = {root: self._detach(root) for root in moving}
        self._roots.replace(new)
        self.watch, self.rules = watch, ignore_rules_of(watch)
        self._scanner = self._make_scanner(watch)
        outside = self._photo_index.reassign_roots()
        self._removed.add(
            ((path, old.root_of(folder) or "") for folder in outside for path in outside[folder]), keep=keep
        )
        for home in self._watched.values():
            home.reconfigure(watch)
        watched = {root: self._watched.get(root) or self._build_root(root, left.get(root)) for root in new}
        self._watched = watched
        self._monitors.clear()
        self._monitors.update({root: home.monitor for root, home in watched.items()})
        for root in old:
            if root not in new:
                log.info("%s: watched no longer", root)
                self._events.publish("root", root, state="removed")
        for root in new:
            if root not in old:
                log.info("%s: watched from now on", root)
                self._events.publish("root", root, state="added")

    def _detach(self, root: str) -> WatchedRoot:
        home = self._watched.pop(root)
        home.monitor.detach()
        before = {path for path, volume in self._volumes.items() if self._roots.root_of(path) == root}
        self._volumes = {path: volume for path, volume in self._volumes.items() if path not in before}
        self._volumes |= {volume.path: volume for volume in home.volumes}
        self._router.remove_pipeline(root, hung=home.disk.stalled)
        return home

    async def _rewatch_roots(self, watch: WatchConfig, moved: Iterable[str], *, ruled: bool) -> None:
        def end(tick: Callable[[], None]) -> None:
            if ruled:
                self._rewatch(watch)
                return
            for root in moved:
                self._watcher.remove_root(root)
                tick()

        try:
            await self._stopping.run(end)
        except OSError as error:
            log.warning("watches of removed folders may be left: %s", error.strerror)

    async def _drop_excluded(self) -> None:
        """Forget what the rules leave out now: that a scan misses it would say nothing of why."""
        library, roots, rules = self._photo_index.library, Roots(self._roots), self.rules
        known = [(photo.path, photo.fingerprint.size) for photo in library.photos()]
        known += [(failure.path, failure.fingerprint.size) for failure in library.failures()]

        def excluded() -> list[str]:
            folders: dict[str, bool] = {}
            return [path for path, size in known if not _is_allowed(path, size, roots, rules, folders)]

        for path in await asyncio.to_thread(excluded):
            self._photo_index.remove_photo(path)

    def _build_root(self, root: str, former: WatchedRoot | None = None) -> WatchedRoot:
        return self._factory.build_root(root, self.watch, self._scanner, list(self._volumes.values()), former)


def ignore_rules_of(watch: WatchConfig) -> IgnoreRules:
    """Give the rules the settings ask for. Raises ConfigError."""
    return IgnoreRules(watch.ignore, watch.hidden, watch.min_bytes)


def _is_allowed(path: str, size: int, roots: Roots, rules: IgnoreRules, folders: dict[str, bool]) -> bool:
    root = roots.root_of(path)
    if root is None:
        return True
    rel = roots.rel_path(path)
    folder = path.rpartition("/")[0]
    if folder not in folders:
        folders[folder] = rules.allows_folder_path(rel.rpartition("/")[0])
    return folders[folder] and rules.allows_file_name(rel) and rules.allows_size(size)
