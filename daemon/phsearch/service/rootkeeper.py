"""Each root's life: watched, scanned, offline and back.

A root is watched before it is scanned, so that nothing falls between the two. What a scan finds changed is offered to
the pipeline; what it misses is offered, too, and only a look at the very path may declare it gone. A root that cannot
be listed says nothing about its photos: it is offline, they stay, and it is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from itertools import islice
from typing import TYPE_CHECKING, Literal

from phsearch.domain.types import Found, Refused, Unlistable
from phsearch.service.lanes import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phsearch.domain.library import Library
    from phsearch.domain.ports import Scanner, Watcher
    from phsearch.domain.roots import Roots
    from phsearch.domain.types import ScanItem
    from phsearch.service.events import Events
    from phsearch.service.pipeline import Pipeline

log = logging.getLogger("phsearch.watch")

State = Literal["starting", "scanning", "watching", "polling", "offline"]

_CHUNK = 500
_RETRY_OFFLINE = 5.0
_JITTER = 0.1
_OVERFLOW_FIRST = 1.0
_OVERFLOW_LAST = 120.0
_MANY_MISSING = 50


class RootKeeper:
    """One root."""

    def __init__(
        self,
        root: str,
        roots: Roots,
        watcher: Watcher,
        scanner: Scanner,
        library: Library,
        pipeline: Pipeline,
        events: Events,
        *,
        rescan_seconds: float,
        poll_seconds: float,
        unwatchable: Callable[[str], str | None],
    ) -> None:
        self.root = root
        self.state: State = "starting"
        self.detail = ""
        self._roots = roots
        self._watcher = watcher
        self._scanner = scanner
        self._library = library
        self._pipeline = pipeline
        self._events = events
        self._rescan_seconds = rescan_seconds
        self._poll_seconds = poll_seconds
        self._unwatchable = unwatchable
        self._lane = Lane(f"scan {root}")
        self._wanted: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._overflow_delay = _OVERFLOW_FIRST
        self._was_lost = False
        self._remote = ""
        self._unwatched = ""
        self._due: asyncio.TimerHandle | None = None
        self._folders = (0, 0)
        self.overflows = 0
        self.passes = 0
        """How often everything that was wanted had been scanned."""

    @property
    def busy(self) -> bool:
        """Whether a scan is running or waiting."""
        return self.state in {"starting", "scanning"} or (bool(self._wanted) and self.state != "offline")

    def scan(self, folder: str) -> None:
        """Scan `folder` of this root soon."""
        self._wanted[folder] = None
        self._wake.set()

    def lost(self, reason: str) -> None:
        """Take the watch's word that the root is gone."""
        self._was_lost = True
        self._unwatched = ""
        self._go_offline(reason)
        self.scan(self.root)

    def overflowed(self) -> None:
        """Events were lost: scan, but not faster than the disk can bear if it happens again and again."""
        log.warning("%s: too many changes at once, some events were lost; scanning it", self.root)
        self.overflows += 1
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(self._overflow_delay, self.catch_up)
        self._overflow_delay = min(self._overflow_delay * 2, _OVERFLOW_LAST)

    def catch_up(self, *, everything: bool = False) -> None:
        """Scan at once what events did not tell: after an overflow, where the watch is `blind`, or all of it."""
        due, self._due = self._due, None
        if due is not None:
            due.cancel()
        if self.state != "offline" and (due is not None or self.blind or everything):
            self.scan(self.root)

    def blinded(self, folders: int, reason: str, watched: int) -> None:
        """Note that some folders cannot be watched (0: all can again); until then they are scanned on a timer."""
        self._unwatched = f"watching {watched:,} of {watched + folders:,} folders: {reason}" if folders else ""
        if folders:
            log.warning("%s: %s", self.root, self._unwatched)
        self._wake.set()

    @property
    def folders(self) -> tuple[int, int]:
        """How many folders are watched and how many are not, as of when that could last be counted."""
        self._folders = self._watcher.counts(self.root) or self._folders
        return self._folders

    @property
    def blind(self) -> str:
        """Why changes of this root may go unseen until its next scan, if they may."""
        return self._remote or self._unwatched

    async def run(self) -> None:
        """Keep the root until cancelled."""
        self.scan(self.root)
        while True:
            if self.state != "offline":
                await self._rest()
            if not await self._scan_wanted():
                await asyncio.sleep(_RETRY_OFFLINE)
                self.scan(self.root)

    def close(self) -> None:
        """End the scan lane."""
        self._lane.close()

    async def _scan_wanted(self) -> bool:
        """Scan what was asked for; False when the root is offline."""
        while self._wanted:
            folder = next(iter(self._wanted))
            del self._wanted[folder]
            if any(folder.startswith(other.rstrip("/") + "/") for other in self._wanted):
                continue
            try:
                await self._scan(folder)
            except OSError as error:
                # A folder may well vanish between its event and its scan; a root that cannot be listed is offline.
                if folder == self.root or await self._lane.run(_unreachable, self._scanner, self.root):
                    await self._lane.run(self._watcher.remove, self.root)
                    self._go_offline(_reason(error))
                    return False
                self._offer_missing(folder, set(), [])
            if self.state == "offline":  # lost while it was scanned
                return False
        self.state = "polling" if self.blind else "watching"
        self.detail = self.blind
        self.passes += 1
        return True

    async def _scan(self, folder: str) -> None:
        if folder == self.root:
            # Watch before scanning, so that nothing falls between; for a root that is watched this mends what broke.
            await self._lane.run(self._watcher.add, self.root)
            filesystem = await self._lane.run(self._unwatchable, self.root)
            self._remote = f"{filesystem} tells of no changes made elsewhere; scanned on a timer" if filesystem else ""
            if self.state == "offline":
                log.info("%s: is back", self.root)
                self._events.publish("root", self.root, state="online")
        self.state = "scanning"
        await self._reconcile(folder)

    async def _rest(self) -> None:
        """Wait for something to scan; the timer is the safety net under everything else."""
        seconds = self._rescan_seconds if self.state == "watching" else min(self._poll_seconds, self._rescan_seconds)
        self._wake.clear()
        if self._wanted:
            return
        try:
            await asyncio.wait_for(self._wake.wait(), seconds * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311
        except TimeoutError:
            self._overflow_delay = _OVERFLOW_FIRST
            self.scan(self.root)

    async def _reconcile(self, folder: str) -> None:
        """Compare a folder with the library, by names and stat only. Raises OSError when it cannot be listed."""
        seen: set[str] = set()
        unlisted: list[str] = []
        items = await self._lane.run(self._scanner.scan, self.root, folder)
        while chunk := await self._lane.run(_take, items, _CHUNK):
            for item in chunk:
                match item:
                    case Found():
                        seen.add(item.path)
                        if not self._pipeline.current(item.path, item.fingerprint):
                            self._pipeline.offer(item.path)
                    case Refused():
                        seen.add(item.path)
                        if not self._pipeline.current(item.path, item.fingerprint):
                            self._pipeline.offer(item.path)
                    case Unlistable():
                        unlisted.append(item.path.rstrip("/") + "/")
                        log.warning("%s: cannot be listed: %s", item.path, item.reason)
        known = self._library.count(self.root)
        if folder == self.root and not seen and not unlisted and known >= (1 if self._was_lost else _MANY_MISSING):
            raise OSError(None, "it is empty, as when its disk is not mounted")
        if folder == self.root:
            self._was_lost = False
        self._offer_missing(folder, seen, unlisted)

    def _offer_missing(self, folder: str, seen: set[str], unlisted: list[str]) -> None:
        for path in self._library.under(folder):
            if path not in seen and self._roots.of(path) == self.root and not path.startswith(tuple(unlisted)):
                self._pipeline.offer(path)

    def _go_offline(self, reason: str) -> None:
        self.detail = reason
        if self.state != "offline":
            log.warning("%s: offline: %s; its photos are kept, and it is tried again by itself", self.root, reason)
            self._events.publish("root", self.root, state="offline", reason=reason)
        self.state = "offline"


def _take(items: Iterator[ScanItem], count: int) -> list[ScanItem]:
    return list(islice(items, count))


def _unreachable(scanner: Scanner, root: str) -> bool:
    with contextlib.suppress(OSError):
        for _ in islice(scanner.scan(root, root), 1):
            break
        return False
    return True


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
