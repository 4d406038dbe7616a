"""Settings read again while the daemon runs: all of a file is taken, or nothing of it.

Roots and what is set under [watch] go to the household; each other section that can change at run time has its taker in
`live`. Whatever else differs needs a restart: the answer says so, and the old value stays in force.
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phsearch.config import Config, Settings
    from phsearch.domain.library import Library
    from phsearch.service.roots.manager import RootManager
    from phsearch.service.roots.removed_roots import RemovedRoots

log = logging.getLogger("phsearch")

_READ_SECONDS = 15.0

RemovedPolicy = Literal["grace", "keep", "forget"]
"""What becomes of the photos of a removed root: what the settings say, kept for good, or forgotten at once."""


class ConfigReloader:
    """Reads the settings again and has everybody take them. `announce` and `done` surround each attempt."""

    def __init__(
        self,
        read: Callable[[], Settings],
        settings: Settings,
        roots: Roots,
        manager: RootManager,
        removed: RemovedRoots,
        library: Library,
        live: Mapping[str, Callable[[Any], None]],
        announce: Callable[[], None],
        done: Callable[[], None],
    ) -> None:
        self._read = read
        self._settings = settings
        self._roots = roots
        self._manager = manager
        self._removed = removed
        self._library = library
        self._apply_live = live
        self._announce = announce
        self._done = done
        self._disk = TimeoutExecutor("settings", _READ_SECONDS, max_concurrent=1)
        self._lock = asyncio.Lock()
        self._asked = asyncio.Event()

    @property
    def config(self) -> Config:
        """The settings that hold now."""
        return self._settings.config

    def request_reload(self) -> None:
        """Have the settings read again soon, as SIGHUP wants it; how that went is only logged."""
        self._asked.set()

    async def run(self) -> None:
        """Do what `ask` asks for, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self.reload("grace")
            except PhsearchError:
                pass  # logged already
            except Exception:
                log.exception("a bug in phsearch kept the settings from being read again")

    async def plan(self) -> dict[str, Any]:
        """Say what `reload` would do now, and do nothing. Raises ConfigError."""
        new = await self._new()
        _, answer = self._compare(new, "grace")
        return answer

    async def reload(self, fate: RemovedPolicy) -> dict[str, Any]:
        """Take the settings as they are now; gives what that changed.

        Raises ConfigError or StoreError, and then all is as it was.
        """
        async with self._lock:
            self._announce()
            try:
                return await self._reload(fate)
            except PhsearchError as error:
                log.error("the settings stay as they were: %s", error.sentence())
                raise
            finally:
                self._done()

    async def _reload(self, fate: RemovedPolicy) -> dict[str, Any]:
        new = await self._new()
        config, answer = self._compare(new, fate)
        before = self._settings.config
        await self._manager.apply(new.paths.roots, config.watch, keep=fate == "keep")
        for section, take in self._apply_live.items():
            if getattr(config, section) != getattr(before, section):
                take(getattr(config, section))
        self._settings = dataclasses.replace(new, config=config)
        try:
            await self._removed.save()
            if fate == "forget":
                for gone in answer["removed"]:
                    await self._removed.forget(gone["path"])
        except StoreError as error:
            log.warning("%s", error.sentence())  # it is tried again
        _tell(answer)
        return answer

    async def _new(self) -> Settings:
        try:
            new = await self._disk.run(lambda _tick: self._read())
        except OSError as error:
            raise ConfigError(f"the settings cannot be read: {error.strerror}", "try again later") from None
        ignore_rules_of(new.config.watch)
        return new

    def _compare(self, new: Settings, fate: RemovedPolicy) -> tuple[Config, dict[str, Any]]:
        """Give what is to be in force, and what is to be said of it."""
        old = self._settings
        changed = [key for key in _differing(old.config, new.config) if key != "roots"]
        restart = [key for key in changed if key.partition(".")[0] not in self._apply_live]
        kept = {key.partition(".")[0]: getattr(old.config, key.partition(".")[0]) for key in restart}
        config = dataclasses.replace(new.config, **kept)
        passed_over = [key for key in _differing(old.written, new.written) if key in new.options]
        roots = Roots(new.paths.roots)
        answer = {
            "added": [self._added(root, roots) for root in roots if root not in self._roots],
            "removed": self._gone(roots, fate),
            "changed": [key for key in changed if key not in restart],
            "restart_needed": restart,
            "overruled": [{"key": key, "option": new.options[key]} for key in passed_over],
        }
        return config, answer

    def _added(self, root: str, roots: Roots) -> dict[str, Any]:
        known = sum(len(paths) for folder, paths in self._library.folders() if roots.root_of(folder) == root)
        back = sum(roots.root_of(path) == root for path in self._removed.covered_by(roots))
        return {"path": root, "photos": known + back}

    def _gone(self, roots: Roots, fate: RemovedPolicy) -> list[dict[str, Any]]:
        lost: Counter[str] = Counter()
        gone = [root for root in self._roots if root not in roots]
        for folder, paths in self._library.folders() if gone else ():
            if roots.root_of(folder) is None:
                lost[self._roots.root_of(folder) or ""] += len(paths)
        return [self._removed.preview(root, lost[root], fate) for root in gone]


def _differing(old: Any, new: Any, prefix: str = "") -> list[str]:
    """Give the dotted keys in which two configurations differ."""
    keys = []
    for field in dataclasses.fields(new):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if dataclasses.is_dataclass(after):
            keys += _differing(before, after, f"{prefix}{field.name}.")
        elif before != after:
            keys.append(prefix + field.name)
    return keys


def _tell(answer: Mapping[str, Any]) -> None:
    changed = [*(f"added {each['path']}" for each in answer["added"])]
    changed += [f"removed {each['path']}" for each in answer["removed"]]
    changed += answer["changed"]
    log.info("settings read again: %s", ", ".join(changed) or "nothing changed")
    if answer["restart_needed"]:
        log.warning("in force after a restart only: %s", ", ".join(answer["restart_needed"]))
    for each in answer["overruled"]:
        log.warning("%s in the settings is passed over: %s was given", each["key"], each["option"])
