"""Reads the settings again while the daemon runs: all of a file is applied, or nothing of it.

Roots and the section [watch] go to the RootManager. Each other section that can change at run time has a function in
`live`. Any other change needs a restart: the answer says so, and the old value stays in force.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from phsearch.domain.roots.roots import Roots
from phsearch.errors import ConfigError, PhsearchError, StoreError
from phsearch.service.roots.manager import ignore_rules_of
from phsearch.service.threads import TimeoutExecutor
from phsearch.wire.results.daemon import AddedRoot, ConfigChanges, OverruledKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phsearch.config import Config, Settings
    from phsearch.domain.library import Library
    from phsearch.service.roots.manager import RootManager
    from phsearch.service.roots.removed_roots import RemovedRoots
    from phsearch.wire.results.daemon import RemovedRootStatus

log = logging.getLogger("phsearch")

_READ_SECONDS = 15.0

RemovedPolicy = Literal["grace", "keep", "forget"]
"""What happens to the photos of a removed root: as the settings say, kept for good, or forgotten at once."""


class ConfigReloader:
    """Reads the settings again and applies them. Threads call `on_begin` and `on_end` around it, as they may block."""

    def __init__(
        self,
        *,
        read: Callable[[], Settings],
        settings: Settings,
        roots: Roots,
        manager: RootManager,
        removed: RemovedRoots,
        library: Library,
        live: Mapping[str, Callable[[Any], None]],
        on_begin: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._read = read
        self._settings = settings
        self._roots = roots
        self._manager = manager
        self._removed = removed
        self._library = library
        self._live = live
        self._on_begin = on_begin
        self._on_end = on_end
        self._executor = TimeoutExecutor("settings", _READ_SECONDS, max_concurrent=1)
        self._lock = asyncio.Lock()
        self._requested = asyncio.Event()

    @property
    def config(self) -> Config:
        """The settings in force."""
        return self._settings.config

    def request_reload(self) -> None:
        """Read the settings again soon, as for SIGHUP. The result is only logged."""
        self._requested.set()

    async def run(self) -> None:
        """Reload whenever it is requested, until cancelled."""
        while True:
            await self._requested.wait()
            self._requested.clear()
            try:
                await self.reload("grace")
            except PhsearchError:
                pass  # logged already
            except Exception:
                log.exception("a bug in phsearch kept the settings from being read again")

    async def plan(self) -> ConfigChanges:
        """Return what `reload` would return now, and change nothing. Raises ConfigError."""
        new = await self._read_new()
        _, changes = await self._compare(new, "grace")
        return changes

    async def reload(self, policy: RemovedPolicy) -> ConfigChanges:
        """Apply the settings as they are now, and return what changed.

        Raises ConfigError or StoreError; then nothing has changed.
        """
        async with self._lock:
            await asyncio.to_thread(self._on_begin)
            try:
                return await self._reload(policy)
            except PhsearchError as error:
                log.error("the settings stay as they were: %s", error.sentence())
                raise
            finally:
                await asyncio.to_thread(self._on_end)

    async def _reload(self, policy: RemovedPolicy) -> ConfigChanges:
        new = await self._read_new()
        config, changes = await self._compare(new, policy)
        before = self._settings.config
        await self._manager.apply(new.paths.roots, config.watch, keep=policy == "keep")
        for section, apply in self._live.items():
            if getattr(config, section) != getattr(before, section):
                apply(getattr(config, section))
        self._settings = dataclasses.replace(new, config=config)
        try:
            await self._removed.save()
            if policy == "forget":
                for gone in changes.removed:
                    await self._removed.forget(gone.path)
        except StoreError as error:
            log.warning("%s", error.sentence())  # both are tried again
        _log_changes(changes)
        return changes

    async def _read_new(self) -> Settings:
        try:
            new = await self._executor.run(lambda _progress: self._read())
        except OSError as error:
            raise ConfigError(f"the settings cannot be read: {error.strerror}", "try again later") from None
        ignore_rules_of(new.config.watch).check()
        return new

    async def _compare(self, new: Settings, policy: RemovedPolicy) -> tuple[Config, ConfigChanges]:
        """Return the settings that will be in force, and a description of the changes."""
        old = self._settings
        changed = [key for key in _differing(old.config, new.config) if key != "roots"]
        restart = [key for key in changed if key.partition(".")[0] not in self._live]
        kept = {key.partition(".")[0]: getattr(old.config, key.partition(".")[0]) for key in restart}
        config = dataclasses.replace(new.config, **kept)
        overruled = [key for key in _differing(old.written, new.written) if key in new.options]
        roots = Roots(new.paths.roots)
        returning = await self._manager.returning(roots)
        return config, ConfigChanges(
            added=tuple(self._added(root, roots, returning) for root in roots if root not in self._roots),
            removed=self._gone(roots, policy, returning),
            changed=tuple(key for key in changed if key not in restart),
            restart_needed=tuple(restart),
            overruled=tuple(OverruledKey(key=key, option=new.options[key]) for key in overruled),
        )

    def _added(self, root: str, roots: Roots, returning: Mapping[str, str]) -> AddedRoot:
        known = sum(
            len(paths - returning.keys()) for folder, paths in self._library.folders() if roots.root_of(folder) == root
        )
        return AddedRoot(path=root, photos=known + sum(roots.root_of(path) == root for path in returning.values()))

    def _gone(self, roots: Roots, policy: RemovedPolicy, returning: Mapping[str, str]) -> tuple[RemovedRootStatus, ...]:
        lost: Counter[str] = Counter()
        gone = [root for root in self._roots if root not in roots]
        respelled = {self._roots.root_of(path) for path, now in returning.items() if path != now}
        for folder, paths in self._library.folders() if gone else ():
            if roots.root_of(folder) is None:
                lost[self._roots.root_of(folder) or ""] += len(paths - returning.keys())
        # A root that is watched under another name now is not gone.
        return tuple(
            self._removed.preview(root, lost[root], policy) for root in gone if lost[root] or root not in respelled
        )


def _differing(old: Any, new: Any, prefix: str = "") -> list[str]:
    """Return the dotted keys in which two configurations differ."""
    keys = []
    for field in dataclasses.fields(new):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if dataclasses.is_dataclass(after):
            keys += _differing(before, after, f"{prefix}{field.name}.")
        elif before != after:
            keys.append(prefix + field.name)
    return keys


def _log_changes(changes: ConfigChanges) -> None:
    changed = [*(f"added {each.path}" for each in changes.added)]
    changed += [f"removed {each.path}" for each in changes.removed]
    changed += changes.changed
    log.info("settings read again: %s", ", ".join(changed) or "nothing changed")
    if changes.restart_needed:
        log.warning("in force after a restart only: %s", ", ".join(changes.restart_needed))
    for each in changes.overruled:
        log.warning("%s in the settings is passed over: %s was given", each.key, each.option)
