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

from phsearch.domain.roots.ignore_rules import Rules
from phsearch.domain.roots.roots import Roots
from phsearch.service.threads import RootDisk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from phsearch.config import WatchConfig
    from phsearch.domain.ports import Scanner, Watcher
    from phsearch.domain.types import Volume
    from phsearch.service.events import Events
    from phsearch.service.indexing.photo_index import Catalog
    from phsearch.service.indexing.router import Pipelines
    from phsearch.service.roots.monitor import RootKeeper
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.service.roots.root import Builder, Home

log = logging.getLogger("phsearch.watch")


class Household:
    """All roots. `roots` is the one that everybody holds."""

    def __init__(
        self,
        roots: Roots,
        watch: WatchConfig,
        builder: Builder,
        scanner: Callable[[WatchConfig], Scanner],
        watcher: Watcher,
        rewatch: Callable[[WatchConfig], None],
        catalog: Catalog,
        pipelines: Pipelines,
        events: Events,
        removed: RemovedRoots,
        volumes: Iterable[Volume],
    ) -> None:
        """Make a home for every root. `rewatch` has the watcher keep to other rules; it watches no root then."""
        self.watch = watch
        self.rules = rules_of(watch)
        self._roots = roots
        self._builder = builder
        self._make_scanner = scanner
        self._scanner = scanner(watch)
        self._watcher = watcher
        self._rewatch = rewatch
        self._catalog = catalog
        self._pipelines = pipelines
        self._events = events
        self._removed = removed
        self._volumes = {volume.path: volume for volume in volumes}
        self._ending = RootDisk("ends watches", watch.disk_seconds, 1)
        self._group: asyncio.TaskGroup | None = None
        self._homes = {root: self._home(root) for root in roots}
        self._keepers = {root: home.keeper for root, home in self._homes.items()}

    @property
    def keepers(self) -> Mapping[str, RootKeeper]:
        """The keepers of the roots there are at any time, in their order."""
        return MappingProxyType(self._keepers)

    @property
    def there(self) -> list[str]:
        """The roots whose disks are there."""
        return [root for root, keeper in self._keepers.items() if keeper.state != "offline"]

    async def run(self) -> None:
        """Have every root kept, until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            # A change under way has it that some homes are to rest.
            async with self._removed.turn:
                self._live()
            await asyncio.Event().wait()

    def close(self) -> None:
        """Remember of each root that it was there until now."""
        for keeper in self._keepers.values():
            keeper.close()

    async def change(self, paths: Iterable[str], watch: WatchConfig, *, keep: bool = False) -> None:
        """Watch these roots, by these settings; `keep` says that photos of removed ones are never to be forgotten.

        Raises ConfigError or StoreError, and then nothing has changed.
        """
        rules = rules_of(watch)
        async with self._removed.turn:
            new = Roots(paths)
            ruled = rules != self.rules or watch.follow_symlinks != self.watch.follow_symlinks
            returning = self._removed.inside(new)
            photos, failures = await self._removed.rows(returning, new)
            moving = [root for root in self._roots if ruled or not self._stays(root, new)]
            for root in moving:
                await self._homes[root].rest()
            await self._catalog.settled()
            self._switch(new, watch, moving, keep=keep)
            self._catalog.welcome(photos, failures)
            self._removed.welcome(returning)
            await self._watch_anew(watch, moving, ruled=ruled)
            if ruled or returning:
                await self._leave_out()
            self._live()

    def _live(self) -> None:
        for home in self._homes.values():
            if self._group is not None and not home.lives:
                home.live(self._group)

    def _stays(self, root: str, new: Roots) -> bool:
        return root in new and self._roots.inner(root) == new.inner(root)

    def _switch(self, new: Roots, watch: WatchConfig, moving: Iterable[str], *, keep: bool) -> None:
        """Change what everybody sees, at one moment."""
        old = Roots(self._roots)
        left = {root: self._leave(root) for root in moving}
        self._roots.become(new)
        self.watch, self.rules = watch, rules_of(watch)
        self._scanner = self._make_scanner(watch)
        outside = self._catalog.rehome()
        self._removed.leave(((path, old.of(folder) or "") for folder in outside for path in outside[folder]), keep=keep)
        for home in self._homes.values():
            home.take(watch)
        homes = {root: self._homes.get(root) or self._home(root, left.get(root)) for root in new}
        self._homes = homes
        self._keepers.clear()
        self._keepers.update({root: home.keeper for root, home in homes.items()})
        for root in old:
            if root not in new:
                log.info("%s: watched no longer", root)
                self._events.publish("root", root, state="removed")
        for root in new:
            if root not in old:
                log.info("%s: watched from now on", root)
                self._events.publish("root", root, state="added")

    def _leave(self, root: str) -> Home:
        home = self._homes.pop(root)
        home.keeper.leave()
        before = {path for path, volume in self._volumes.items() if self._roots.of(path) == root}
        self._volumes = {path: volume for path, volume in self._volumes.items() if path not in before}
        self._volumes |= {volume.path: volume for volume in home.volumes}
        self._pipelines.remove(root, hung=home.disk.hangs)
        return home

    async def _watch_anew(self, watch: WatchConfig, moved: Iterable[str], *, ruled: bool) -> None:
        def end(tick: Callable[[], None]) -> None:
            if ruled:
                self._rewatch(watch)
                return
            for root in moved:
                self._watcher.remove(root)
                tick()

        try:
            await self._ending.ask(end)
        except OSError as error:
            log.warning("watches of removed folders may be left: %s", error.strerror)

    async def _leave_out(self) -> None:
        """Forget what the rules leave out now: that a scan misses it would say nothing of why."""
        library, roots, rules = self._catalog.library, Roots(self._roots), self.rules
        known = [(photo.path, photo.fingerprint.size) for photo in library.photos()]
        known += [(failure.path, failure.fingerprint.size) for failure in library.failures()]

        def excluded() -> list[str]:
            folders: dict[str, bool] = {}
            return [path for path, size in known if not _admitted(path, size, roots, rules, folders)]

        for path in await asyncio.to_thread(excluded):
            self._catalog.remove(path)

    def _home(self, root: str, former: Home | None = None) -> Home:
        return self._builder.build(root, self.watch, self._scanner, list(self._volumes.values()), former)


def rules_of(watch: WatchConfig) -> Rules:
    """Give the rules the settings ask for. Raises ConfigError."""
    return Rules(watch.ignore, watch.hidden, watch.min_bytes)


def _admitted(path: str, size: int, roots: Roots, rules: Rules, folders: dict[str, bool]) -> bool:
    root = roots.of(path)
    if root is None:
        return True
    rel = roots.rel(path)
    folder = path.rpartition("/")[0]
    if folder not in folders:
        folders[folder] = rules.admits_folder(rel.rpartition("/")[0])
    return folders[folder] and rules.keeps_file(rel) and rules.admits_size(size)
