"""Each root's life: watched, scanned, offline and back.

A root is watched before it is scanned, so that nothing falls between the two. A root that cannot be listed, does not
answer, or is not on the disk it was on says nothing about its photos: it is offline, they stay, and it is tried again.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import random
import shlex
import time
from typing import TYPE_CHECKING, Literal

from phsearch.domain.roots.roots import dir_prefix

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.config import WatchConfig
    from phsearch.domain.ports import Watcher
    from phsearch.domain.roots.roots import Roots
    from phsearch.service.events import EventBus
    from phsearch.service.indexing.photo_index import PhotoIndex
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.roots.reconciler import Reconciler
    from phsearch.service.roots.volume_tracker import VolumeTracker
    from phsearch.service.threads import TimeoutExecutor

log = logging.getLogger("phsearch.watch")

State = Literal["starting", "scanning", "watching", "polling", "offline"]

_RETRY_OFFLINE = 5.0
_JITTER = 0.1
_CONFIRM = 600.0
"""How long photos missing in great number wait for the next look; many computers are not on for much longer."""
_OVERFLOW_FIRST = 1.0
_OVERFLOW_LAST = 120.0


class RootMonitor:
    """One root."""

    def __init__(
        self,
        root: str,
        roots: Roots,
        watcher: Watcher,
        disk: TimeoutExecutor,
        volume_tracker: VolumeTracker,
        reconciler: Reconciler,
        photo_index: PhotoIndex,
        router: PipelineRouter,
        events: EventBus,
        settings: WatchConfig,
    ) -> None:
        self.root = root
        self.state: State = "starting"
        self._roots = roots
        self._watcher = watcher
        self._disk = disk
        self._volume_tracker = volume_tracker
        self._reconciler = reconciler
        self._photo_index = photo_index
        self._router = router
        self._events = events
        self._wanted: dict[str, None] = {}
        self._wake = asyncio.Event()
        self.reconfigure(settings)
        self._overflow_delay = _OVERFLOW_FIRST
        self._last_pass = 0.0
        self._losses = 0
        self._online = False
        self._detached = False
        self._fault = ""
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
        if self._detached:
            return False
        return self.state in {"starting", "scanning"} or (bool(self._wanted) and self.state != "offline")

    def reconfigure(self, settings: WatchConfig) -> None:
        """Keep to these settings from now on."""
        self._rescan_seconds = settings.rescan_minutes * 60
        self._poll_seconds = settings.poll_minutes * 60
        self._wake.set()

    @property
    def unwatched_reason(self) -> str:
        """Why changes of this root may go unseen until its next scan, if they may."""
        return self._remote or self._unwatched

    @property
    def remote(self) -> bool:
        """Whether it lies on a file system that tells of no changes made elsewhere."""
        return bool(self._remote)

    @property
    def detail(self) -> str:
        """What there is to say of the root, in a clause."""
        if self.state == "offline":
            return self._fault
        return "; ".join(filter(None, (self.unwatched_reason, self._reconciler.detail)))

    @property
    def hint(self) -> str:
        """What the owner can do about it, where only the owner can."""
        if self.state == "offline" or self._reconciler.detail:
            return f"if they are gone for good: phsearch-client confirm-deletions {shlex.quote(self.root)}"
        return ""

    @property
    def missing(self) -> int:
        """Number of photos that are kept although their files are not there."""
        return self._photo_index.library.count(self.root) if self.state == "offline" else self._reconciler.missing

    @property
    def last_seen(self) -> float | None:
        """When the root was last there, seconds since the epoch; None while it is there, or when it never was."""
        return self._volume_tracker.last_seen(self.root) if self.state == "offline" else None

    def offline(self, path: str) -> bool:
        """Tell whether a photo of this root is kept although its file is not there."""
        return self.state == "offline" or self._reconciler.is_held(path)

    def seen_at(self, path: str) -> float | None:
        """Give when the disk of a photo of this root was last there, seconds since the epoch."""
        return self._volume_tracker.last_seen(path)

    def scan(self, folder: str) -> None:
        """Scan `folder` of this root soon."""
        self._wanted[folder] = None
        self._wake.set()

    def confirm_deletions(self) -> int:
        """Take what is missing for deleted because the owner says so; gives how many photos that are, as of now."""
        missing = self.missing
        self._reconciler.confirmed = True
        self.scan(self.root)
        return missing

    def watch_lost(self, reason: str) -> None:
        """Take the watch's word that the root is gone."""
        self._losses += 1
        self._unwatched = ""
        self._go_offline(reason)
        self.scan(self.root)

    def disk_hung(self) -> None:
        """Take the root offline, as its disk does not answer; ignored after `detach`."""
        if not self._detached:
            self.watch_lost("its disk does not answer")

    def remounted(self) -> None:
        """Something was mounted or unmounted somewhere: scan if it concerns this root."""
        if self.state == "offline" or self._reconciler.remounted:
            self.scan(self.root)

    def overflowed(self) -> None:
        """Events were lost: scan, but not faster than the disk can bear if it happens again and again."""
        log.warning("%s: too many changes at once, some events were lost; scanning it", self.root)
        self.overflows += 1
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(self._overflow_delay, self.rescan_if_stale)
        self._overflow_delay = min(self._overflow_delay * 2, _OVERFLOW_LAST)

    def rescan_if_stale(self, *, everything: bool = False) -> None:
        """Scan at once what events did not tell: after an overflow, where the watch is `blind`, or all of it."""
        due, self._due = self._due, None
        if due is not None:
            due.cancel()
        if self.state != "offline" and (due is not None or self.unwatched_reason or everything):
            self.scan(self.root)

    def watch_degraded(self, folders: int, reason: str, watched: int) -> None:
        """Note that some folders cannot be watched (0: all can again); until then they are scanned on a timer."""
        self._unwatched = f"watching {watched:,} of {watched + folders:,} folders: {reason}" if folders else ""
        if folders:
            log.warning("%s: %s", self.root, self._unwatched)
        self._wake.set()

    @property
    def folders(self) -> tuple[int, int]:
        """How many folders are watched and how many are not, as of when that could last be counted."""
        self._folders = self._watcher.watch_counts(self.root) or self._folders
        return self._folders

    async def run(self) -> None:
        """Keep the root until cancelled."""
        self.scan(self.root)
        while True:
            await self._scan_wanted()
            await self._wait()

    def close(self) -> None:
        """Remember that the root was there until now."""
        if self._online:
            self._volume_tracker.mark_seen(self._reconciler.away, time.time())

    def detach(self) -> None:
        """Have nothing to do with the root any more; whoever waits for a scan of it waits no longer."""
        self._detached = True
        if self._due is not None:
            self._due.cancel()
        self.close()

    async def _wait(self) -> None:
        """Wait for something to scan; the timer is the safety net under everything else."""
        # Counted from the last pass over all of it: scans of single folders, however many, do not put it off.
        seconds = self._interval() * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
        left = self._last_pass + seconds - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(left, 0)):
                await (self._wake.wait() if left > 0 else asyncio.Event().wait())
        except TimeoutError:
            self._overflow_delay = _OVERFLOW_FIRST
            self._reconciler.confirms = self.state != "offline"
            self.scan(self.root)

    def _interval(self) -> float:
        match self.state:
            case "offline":
                return _RETRY_OFFLINE
            case "polling":
                seconds = min(self._poll_seconds, self._rescan_seconds)
            case _:
                seconds = self._rescan_seconds
        return min(seconds, _CONFIRM) if self._reconciler.held_deletions else seconds

    async def _scan_wanted(self) -> None:
        self._wake.clear()
        while self._wanted:
            # A root that was away is seen as a whole first.
            folder = self.root if self.state == "offline" else next(iter(self._wanted))
            self._wanted.pop(folder, None)
            if any(folder.startswith(dir_prefix(other)) for other in self._wanted):
                continue
            losses = self._losses
            try:
                whole = await self._scan(folder)
            except OSError as error:
                # A folder may well vanish between its event and its scan; a root that cannot be listed is offline.
                fault = error if folder == self.root else await self._reconciler.list_error()
                if fault is not None:
                    await self._handle_loss(_reason(fault))
                    return
                self._reconciler.offer_missing(folder)
                continue
            finally:
                if folder == self.root:
                    self._last_pass = asyncio.get_running_loop().time()
            if self._losses != losses:
                return
            if folder == self.root and whole:
                self._come_online()
        self.state = "polling" if self.unwatched_reason else "watching"
        self.passes += 1

    async def _scan(self, folder: str) -> bool:
        """Scan one folder; gives whether the scan says anything of it as a whole."""
        offline = self.state == "offline"
        if not offline:
            self.state = "scanning"
        if folder == self.root:
            # Watch before scanning, so that nothing falls between; for a root that is watched this mends what broke.
            await self._disk.run(self._watch)
            filesystem = await self._disk.run(self._volume_tracker.resolve)
            self._remote = f"{filesystem} tells of no changes made elsewhere; scanned on a timer" if filesystem else ""
        whole = await self._reconciler.scan(folder, doubtful=offline)
        if not whole:
            self._wanted[folder] = None
        return whole

    def _watch(self, _tick: Callable[[], None]) -> None:
        self._watcher.add_root(self.root)
        if self.root not in self._roots:
            # It was removed while its disk kept us waiting, and nobody else would end this watch.
            self._watcher.remove_root(self.root)

    async def _handle_loss(self, reason: str) -> None:
        if self._reconciler.confirmed:
            # The owner knows: what cannot be reached is to be forgotten.
            self._reconciler.confirmed = False
            log.info("%s: its photos are forgotten, as its owner wishes", self.root)
            for path in self._reconciler.all_paths():
                self._photo_index.remove_photo(path)
            self._volume_tracker.forget([self.root])
        if not self._disk.stalled:
            await asyncio.to_thread(self._watcher.remove_root, self.root)
        self._go_offline(reason)

    def _come_online(self) -> None:
        self._online = True
        if self.state == "offline":
            log.info("%s: is back", self.root)
            self._events.publish("root", self.root, state="online")
            self.state = "scanning"

    def _go_offline(self, reason: str) -> None:
        self._fault = reason
        self._reconciler.suspect_empty = True
        self._router.withdraw(self.root, hung=self._disk.stalled)
        if self._online:
            self._online = False
            self._volume_tracker.mark_seen(self._reconciler.away, time.time())
        if self.state != "offline":
            log.warning("%s: offline: %s; its photos are kept, and it is tried again by itself", self.root, reason)
            self._events.publish("root", self.root, state="offline", reason=reason)
        self.state = "offline"


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return "its folder is not there"
        case errno.EACCES | errno.EPERM:
            return "its folder may not be read (permission denied)"
        case errno.ENOTCONN | errno.ESTALE | errno.EIO | errno.ENODEV:
            return f"its disk or share does not work ({(error.strerror or '').lower()})"
        case _:
            return error.strerror or str(error)
