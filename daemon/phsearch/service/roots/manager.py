"""The roots, which are added and removed while everything else goes on.

Each root has a `WatchedRoot`. That ends when the root is removed, when the root's extent changes because a root inside
it is added or removed, and when other ignore rules apply: its tasks are cancelled and its pending files are dropped. A
root that stays gets a new `WatchedRoot` and is scanned as at a start, so that no state has to be patched. What the old
one had at the worker still comes back, and `InFlightContents` caches it by content.

Everything that others see (the roots, the monitors, the library) changes at one moment, without an await in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING

from phsearch.domain.roots.ignore_rules import IGNORE_REMEDY, IgnoreRules
from phsearch.domain.roots.roots import Roots
from phsearch.domain.roots.same_folder import RealFolder, Respelling
from phsearch.errors import StoreError
from phsearch.service.roots.root import WatchedRoot
from phsearch.service.threads import TimeoutExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from phsearch.config import WatchConfig
    from phsearch.domain.ports import Scanner
    from phsearch.domain.roots.mounts import Mounts
    from phsearch.domain.types import Volume
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.service.roots.root_monitors import RootMonitors
    from phsearch.service.roots.shared import SharedParts

log = logging.getLogger("phsearch.watch")

_DROPPED_AT_ONCE = 256
_RESOLVE_SECONDS = 5.0
"""How long the comparison of roots may take: a disk that hangs must not hold up the others."""


class RootManager:
    """All roots. `rewatch` makes the watcher use other settings; it watches no root then."""

    def __init__(
        self,
        *,
        shared: SharedParts,
        watch: WatchConfig,
        monitors: RootMonitors,
        removed: RemovedRoots,
        make_scanner: Callable[[WatchConfig], Scanner],
        rewatch: Callable[[WatchConfig], None],
        volumes: Iterable[Volume],
    ) -> None:
        self.watch = watch
        self.rules = ignore_rules_of(watch)
        _log_faults(self.rules)
        self.monitors = monitors
        self._shared = shared
        self._roots = shared.roots
        self._photo_index = shared.photo_index
        self._removed = removed
        self._make_scanner = make_scanner
        self._scanner = make_scanner(watch)
        self._rewatch = rewatch
        self._volumes = {volume.path: volume for volume in volumes}
        self._unwatching = TimeoutExecutor("ends watches", watch.disk_seconds, max_concurrent=1)
        self._resolving = TimeoutExecutor("finds folders", _RESOLVE_SECONDS, max_concurrent=1)
        self._group: asyncio.TaskGroup | None = None
        self._watched: dict[str, WatchedRoot] = {}
        self._replace_watched({root: self._build_root(root) for root in self._roots})

    async def run(self) -> None:
        """Keep every root watched and indexed, until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            # A change under way may have stopped some of them.
            async with self._removed.lock:
                await self._restore_respelled()
                self._start_new()
            await self._learn_aliases()
            await asyncio.Event().wait()

    def close(self) -> None:
        """Note of each root that it was there until now."""
        for monitor in self.monitors.values():
            monitor.close()

    async def apply(self, paths: Iterable[str], watch: WatchConfig, *, keep: bool = False) -> None:
        """Watch these roots by these settings. With `keep`, photos of removed roots are never forgotten.

        Raises ConfigError or StoreError; then nothing has changed.
        """
        rules = ignore_rules_of(watch)
        rules.check()
        async with self._removed.lock:
            new = Roots(paths)
            ruled = rules != self.rules or watch.follow_symlinks != self.watch.follow_symlinks
            respelling = await self._respelling(new)
            returning = self._returning(new, respelling)
            photos, failures = await self._removed.rows(returning, new)
            respelled = frozenset(respelling.folders)
            moving = [root for root in self._roots if ruled or root in respelled or not self._unchanged(root, new)]
            for root in moving:
                await self._watched[root].stop()
            await self._photo_index.drain_renames()
            self._swap(new, watch, moving, keep=keep)
            self._photo_index.restore(photos, failures, returning)
            self._removed.restore(returning)
            await self._rewatch_roots(watch, moving, ruled=ruled)
            if ruled or returning:
                await self._drop_excluded()
            self._start_new()
        await self._learn_aliases()

    async def _learn_aliases(self) -> None:
        """Find out by which other names the roots can be reached, so that the owner may use any."""
        with contextlib.suppress(OSError):
            roots, mounts = list(self._roots), self._shared.mounts()
            places = await self._resolving.run(lambda _tick: _real_folders(roots, mounts))
            self._roots.learn_aliases(
                {path: root for root, place in places.items() for path in (*place.aliases, place.path) if path != root}
            )

    async def returning(self, new: Roots) -> dict[str, str]:
        """Return the known paths that get into one of these roots, each with what it is called there.

        They are photos of removed roots, and those of a root that is the same folder under another name now.
        """
        return self._returning(new, await self._respelling(new))

    def _returning(self, new: Roots, respelling: Respelling) -> dict[str, str]:
        returning = {path: path for path in self._removed.covered_by(new)}
        known = [path for root in self._removed for path in self._removed.paths(root)]
        known += [path for folder in respelling.folders for path in self._photo_index.library.under(folder)]
        for path in known:
            now = respelling.path_now(path)
            if now != path and new.root_of(now) is not None:
                returning[path] = now
        return returning

    async def _restore_respelled(self) -> None:
        """Restore photos of roots that got another name while the daemon did not run."""
        try:
            returning = await self.returning(self._roots)
            photos, failures = await self._removed.rows(returning, self._roots)
        except StoreError as error:
            log.warning("%s", error.sentence())
            return
        self._photo_index.restore(photos, failures, returning)
        self._removed.restore(returning)

    async def _respelling(self, new: Roots) -> Respelling:
        roots = {*self._removed, *self._roots, *new}
        if len(roots) == 1:
            return Respelling(new, {})
        try:
            return Respelling(new, await self._resolving.run(lambda _tick: _real_folders(roots, self._shared.mounts())))
        except OSError as error:
            log.warning("roots cannot be compared, their photos are read again: %s", error.strerror)
            return Respelling(new, {})

    def _start_new(self) -> None:
        for watched in self._watched.values():
            if self._group is not None and not watched.running:
                watched.start(self._group)

    def _unchanged(self, root: str, new: Roots) -> bool:
        same = self.monitors[root].same_as_other  # the other one may be gone
        return root in new and self._roots.nested(root) == new.nested(root) and not same

    def _swap(self, new: Roots, watch: WatchConfig, moving: Iterable[str], *, keep: bool) -> None:
        """Change everything that others see, at one moment."""
        old = Roots(self._roots)
        former = {root: self._detach(root) for root in moving}
        self._roots.replace(new)
        rules = ignore_rules_of(watch)
        if rules != self.rules:
            _log_faults(rules)
        self.watch, self.rules = watch, rules
        self._scanner = self._make_scanner(watch)
        outside = self._photo_index.reassign_roots(old)
        self._removed.add(
            ((path, old.root_of(folder) or "") for folder in outside for path in outside[folder]), keep=keep
        )
        for watched in self._watched.values():
            watched.reconfigure(watch)
        self._replace_watched(
            {root: self._watched.get(root) or self._build_root(root, former.get(root)) for root in new}
        )
        for root in old:
            if root not in new:
                log.info("%s: watched no longer", root)
                self._shared.events.publish("root", root, state="removed")
        for root in new:
            if root not in old:
                log.info("%s: watched from now on", root)
                self._shared.events.publish("root", root, state="added")

    def _replace_watched(self, watched: dict[str, WatchedRoot]) -> None:
        self._watched = watched
        self.monitors.replace_all({root: each.monitor for root, each in watched.items()})

    def _detach(self, root: str) -> WatchedRoot:
        watched = self._watched.pop(root)
        watched.detach()
        before = {path for path in self._volumes if self._roots.root_of(path) == root}
        self._volumes = {path: volume for path, volume in self._volumes.items() if path not in before}
        self._volumes |= {volume.path: volume for volume in watched.volumes}
        return watched

    async def _rewatch_roots(self, watch: WatchConfig, moved: Iterable[str], *, ruled: bool) -> None:
        def unwatch(tick: Callable[[], None]) -> None:
            if ruled:
                self._rewatch(watch)
                return
            for root in moved:
                self._shared.watcher.remove_root(root)
                tick()

        try:
            await self._unwatching.run(unwatch)
        except OSError as error:
            log.warning("watches of removed folders may be left: %s", error.strerror)

    async def _drop_excluded(self) -> None:
        """Forget what the rules exclude now. A scan that misses it could not tell that from a lost disk."""
        library, roots, rules = self._photo_index.library, Roots(self._roots), self.rules
        known = [(photo.path, photo.fingerprint.size) for photo in library.photos()]
        known += [(failure.path, failure.fingerprint.size) for failure in library.failures()]

        def excluded() -> list[str]:
            folders: dict[str, bool] = {}
            return [path for path, size in known if not _is_allowed(path, size, roots, rules, folders)]

        gone = await asyncio.to_thread(excluded)
        for start in range(0, len(gone), _DROPPED_AT_ONCE):
            self._photo_index.remove_photos(gone[start : start + _DROPPED_AT_ONCE])
            await asyncio.sleep(0)

    def _build_root(self, root: str, former: WatchedRoot | None = None) -> WatchedRoot:
        return WatchedRoot(
            root=root,
            shared=self._shared,
            watch=self.watch,
            scanner=self._scanner,
            volumes=list(self._volumes.values()),
            former=former,
        )


def _log_faults(rules: IgnoreRules) -> None:
    for fault in rules.faults:
        log.warning("%s: %s", fault, IGNORE_REMEDY)


def ignore_rules_of(watch: WatchConfig) -> IgnoreRules:
    """Return the rules that the settings ask for. Raises ConfigError."""
    return IgnoreRules(watch.ignore, watch.hidden, watch.min_bytes)


def _real_folders(roots: Iterable[str], mounts: Mounts) -> dict[str, RealFolder]:
    found = {}
    for root in roots:
        real, identity = os.path.realpath(root), None
        with contextlib.suppress(OSError):
            status = os.stat(root)  # noqa: PTH116 - a str stays a str
            identity = status.st_dev, status.st_ino
        found[root] = RealFolder(real, tuple(mounts.aliases(real)), identity)
    return found


def _is_allowed(path: str, size: int, roots: Roots, rules: IgnoreRules, folders: dict[str, bool]) -> bool:
    root = roots.root_of(path)
    if root is None:
        return True
    rel = roots.rel_path(path)
    folder = path.rpartition("/")[0]
    if folder not in folders:
        folders[folder] = rules.allows_folder_path(rel.rpartition("/")[0])
    return folders[folder] and rules.allows_file_name(rel) and rules.allows_size(size)
