"""Keeps one root watched and scanned, and says what state it is in.

A root is watched before it is scanned, so that no change falls between the two. A root that cannot be listed, does not
answer, or is not on the disk it was on says nothing about its photos. It is offline then: its photos are kept, and it
is tried again.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import shlex
import time
from typing import TYPE_CHECKING

from phsearch.domain.roots.root_state import next_state
from phsearch.domain.roots.roots import folders_above
from phsearch.service.roots.scan_schedule import ScanSchedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.config import WatchConfig
    from phsearch.domain.roots.root_state import RootFinding
    from phsearch.domain.types import RootState
    from phsearch.domain.watch_events import WatchDegraded
    from phsearch.service.roots.reconciler import Reconciler
    from phsearch.service.roots.shared import SharedParts
    from phsearch.service.roots.volume_tracker import VolumeTracker
    from phsearch.service.threads import TimeoutExecutor

log = logging.getLogger("phsearch.watch")
_NOT_READABLE = "its folder may not be read (permission denied)"


class RootMonitor:
    """One root."""

    def __init__(
        self,
        *,
        root: str,
        shared: SharedParts,
        disk: TimeoutExecutor,
        volume_tracker: VolumeTracker,
        reconciler: Reconciler,
        settings: WatchConfig,
        former: RootMonitor | None,
    ) -> None:
        """`former` watched the same root before: what was offline is offline until a scan finds it."""
        self.root = root
        self._state: RootState = "starting"
        self.overflows = 0
        self.passes = 0
        """How often everything that was wanted had been scanned."""
        self.same_as_other = False
        """Whether it is offline because an earlier root is the same folder."""
        self._shared = shared
        self._watcher = shared.watcher
        self._disk = disk
        self._volume_tracker = volume_tracker
        self._reconciler = reconciler
        self._schedule = ScanSchedule(settings)
        self._wanted: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._overflow_timer: asyncio.TimerHandle | None = None
        self._losses = 0
        self._online = False
        self._detached = False
        self._fault = ""
        if former is not None and former.state == "offline":
            self._state, self._fault, self.same_as_other = "offline", former.detail, former.same_as_other
        self._remote = ""
        self._unwatched = ""
        self.beyond_limit = 0
        """How many folders lack a watch since there are no more."""
        self._folders = (0, 0)

    @property
    def state(self) -> RootState:
        """Where it is in the table of `root_state`."""
        return self._state

    @property
    def busy(self) -> bool:
        """Whether a scan is running or waiting."""
        if self._detached:
            return False
        return self.state in {"starting", "scanning"} or (bool(self._wanted) and self.state != "offline")

    def reconfigure(self, settings: WatchConfig) -> None:
        """Use these settings from now on."""
        self._schedule.reconfigure(settings)
        self._wake.set()

    @property
    def unwatched_reason(self) -> str:
        """Why changes of this root may go unseen until its next scan, if they may."""
        return self._remote or self._unwatched

    @property
    def remote(self) -> bool:
        """Whether it lies on a file system that does not report changes made elsewhere."""
        return bool(self._remote)

    @property
    def detail(self) -> str:
        """What is wrong with the root, in a clause; empty where nothing is."""
        if self.state == "offline":
            return self._fault
        return "; ".join(filter(None, (self.unwatched_reason, self._reconciler.detail)))

    @property
    def hint(self) -> str:
        """What the user can do about it, where only the user can."""
        if self.state == "offline" and self.same_as_other:
            return "take one of the two out of the settings"
        if self.state == "offline" and self._fault == _NOT_READABLE:
            return f"make it readable: chmod u+rx {shlex.quote(self.root)}"
        if self.state == "offline" or self._reconciler.detail:
            return f"if they are gone for good: phsearch-client confirm-deletions {shlex.quote(self.root)}"
        return ""

    @property
    def missing(self) -> int:
        """Number of photos that are kept although their files are not there."""
        library = self._shared.photo_index.library
        return library.count(self.root) if self.state == "offline" else self._reconciler.missing

    @property
    def last_seen(self) -> float | None:
        """When the root was last there, in seconds since the epoch; None while it is there, or when it never was."""
        return self._volume_tracker.last_seen(self.root) if self.state == "offline" else None

    def offline(self, path: str) -> bool:
        """Whether a photo of this root is kept although its file is not there."""
        return self.state == "offline" or self._reconciler.is_held(path)

    def seen_at(self, path: str) -> float | None:
        """Return when the disk of a photo of this root was last there, in seconds since the epoch."""
        return self._volume_tracker.last_seen(path)

    def scan(self, folder: str) -> None:
        """Scan `folder` of this root soon."""
        self._wanted[folder] = None
        self._wake.set()

    def folder_gone(self, folder: str) -> None:
        """Scan if photos of a folder that is gone may still be reached by another path."""
        if self._reconciler.has_duplicates(folder):
            self.scan(self.root)

    def confirm_deletions(self) -> int:
        """Treat what is missing as deleted, as the user says; return how many photos that are, as of now."""
        missing = self.missing
        self._reconciler.confirm_missing(offline=self.state == "offline", hung=self._disk.stalled)
        self.scan(self.root)
        return missing

    def mass_deletion(self) -> None:
        """Scan, because so many photos were deleted at once that they are held."""
        held = len(self._reconciler.held_deletions)
        log.warning("%s: %s photos were deleted at once; they are kept for now", self.root, f"{held:,}")
        self.scan(self.root)

    def watch_lost(self, reason: str) -> None:
        """Go offline: the watch reports that the root is gone."""
        self._losses += 1
        self._unwatched = ""
        self._go_offline(reason)
        self.scan(self.root)

    def disk_hung(self) -> None:
        """Go offline, as the root's disk does not answer. Ignored after `detach`."""
        if not self._detached:
            self.watch_lost("its disk does not answer")

    def remounted(self) -> None:
        """Scan if this root is affected by what was mounted or unmounted somewhere."""
        if self.state == "offline" or self._reconciler.remounted:
            self.scan(self.root)

    def overflowed(self) -> None:
        """Scan because events were lost, but not too often if that happens again and again."""
        log.warning("%s: too many changes at once, some events were lost; scanning it", self.root)
        self.overflows += 1
        delay = self._schedule.next_overflow_delay()
        if self._overflow_timer is None:
            self._overflow_timer = asyncio.get_running_loop().call_later(delay, self.rescan_if_stale)

    def rescan_if_stale(self, *, everything: bool = False) -> None:
        """Scan now where events may be missing: after an overflow, and where folders are unwatched.

        With `everything`, scan in any case.
        """
        timer, self._overflow_timer = self._overflow_timer, None
        if timer is not None:
            timer.cancel()
        if self.state != "offline" and (timer is not None or self.unwatched_reason or everything):
            self.scan(self.root)

    def watch_degraded(self, event: WatchDegraded) -> None:
        """Note that some folders cannot be watched, so that they are scanned on a timer; 0 when all can be again."""
        folders, watched = event.folders, event.watched
        self._unwatched = f"watching {watched:,} of {watched + folders:,} folders: {event.reason}" if folders else ""
        self.beyond_limit = event.beyond_limit
        if folders:
            log.warning("%s: %s", self.root, self._unwatched)
        self._wake.set()

    @property
    def folders(self) -> tuple[int, int]:
        """How many folders are watched and how many are not, as last counted."""
        self._folders = self._watcher.watch_counts(self.root) or self._folders
        return self._folders

    async def run(self) -> None:
        """Keep the root watched and scanned, until cancelled."""
        self.scan(self.root)
        while True:
            await self._scan_wanted()
            await self._wait()

    def close(self) -> None:
        """Note that the root was there until now."""
        if self._online:
            self._volume_tracker.mark_seen(self._reconciler.away, time.time())

    def detach(self) -> None:
        """Give up the root. It is not `busy` any more, so that nothing waits for a scan of it."""
        self._detached = True
        if self._overflow_timer is not None:
            self._overflow_timer.cancel()
        self.close()

    async def _wait(self) -> None:
        """Wait for something to scan. The timer finds what everything else missed."""
        left = self._schedule.seconds_left(self.state, holds_deletions=bool(self._reconciler.held_deletions))
        try:
            async with asyncio.timeout(max(left, 0)):
                await (self._wake.wait() if left > 0 else asyncio.Event().wait())
        except TimeoutError:
            self._schedule.reset_overflow_delay()
            self._reconciler.confirms = self.state != "offline"
            self.scan(self.root)

    async def _scan_wanted(self) -> None:
        self._wake.clear()
        while self._wanted:
            # A root that was offline is scanned as a whole first.
            folder = self.root if self.state == "offline" else next(iter(self._wanted))
            self._wanted.pop(folder, None)
            if any(above in self._wanted for above in folders_above(folder)):
                continue
            losses = self._losses
            try:
                whole = await self._scan(folder)
            except OSError as error:
                # A folder may vanish between its event and its scan. A root that cannot be listed is offline.
                fault = error if folder == self.root else await self._reconciler.list_error()
                if fault is not None:
                    self.same_as_other = fault.errno == errno.EEXIST
                    await self._handle_loss(fault)
                    return
                self._reconciler.offer_missing(folder)
                continue
            finally:
                if folder == self.root:
                    self._schedule.pass_done()
            if self._losses != losses:
                return
            if folder == self.root and whole:
                self._come_online()
        self._note("scanned, unwatched" if self.unwatched_reason else "scanned")
        self.passes += 1

    async def _scan(self, folder: str) -> bool:
        """Scan one folder; return whether the scan says anything of it as a whole."""
        self._note("scan begins")
        offline = self.state == "offline"
        if folder == self.root:
            filesystem = await self._disk.run(self._volume_tracker.resolve)
            # Watch before scanning, so that no change falls between. In a watched root this repairs what broke.
            await self._disk.run(self._watch)
            self._remote = f"{filesystem} tells of no changes made elsewhere; scanned on a timer" if filesystem else ""
        again = await self._reconciler.scan(folder, doubtful=offline)
        if again is not None:
            self._wanted[again] = None
        return again is None

    def _watch(self, _tick: Callable[[], None]) -> None:
        self._watcher.add_root(self.root)
        if self.root not in self._shared.roots:
            # It was removed while its disk kept us waiting, and nothing else would end this watch.
            self._watcher.remove_root(self.root)

    async def _handle_loss(self, fault: OSError) -> None:
        confirmed = self._reconciler.confirmed
        # Only what was offline when the user confirmed it, and does not just come back, is gone for good. Anything else
        # that was confirmed waits for a scan.
        if (
            confirmed is not None
            and confirmed.offline
            and not (fault.errno == errno.EAGAIN or (self._disk.stalled and not confirmed.hung))
        ):
            self._reconciler.confirmed = None
            log.info("%s: its photos are forgotten, as confirmed", self.root)
            self._shared.photo_index.remove_photos(self._reconciler.all_paths())
            self._volume_tracker.forget([self.root])
        if not self._disk.stalled:
            await asyncio.to_thread(self._watcher.remove_root, self.root)
        self._go_offline(_reason(fault))

    def _note(self, finding: RootFinding) -> bool:
        """Change the state as the table says; return whether it is another."""
        before, self._state = self._state, next_state(self._state, finding)
        return self._state != before

    def _come_online(self) -> None:
        self._online = True
        if self.state == "offline":
            log.info("%s: is back", self.root)
            self._shared.events.publish("root", self.root, state="online")
        self._note("there")

    def _go_offline(self, reason: str) -> None:
        self._fault = reason
        self._reconciler.suspect_empty = True
        # Photos that wait to be embedded are found again when the root is back.
        self._shared.image_worker.withdraw_root(self.root, hung=self._disk.stalled)
        self._shared.activity.set()
        self.close()
        self._online = False
        if self._note("lost"):
            log.warning("%s: offline: %s; its photos are kept, and it is tried again by itself", self.root, reason)
            self._shared.events.publish("root", self.root, state="offline", reason=reason)


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return "its folder is not there"
        case errno.EACCES | errno.EPERM:
            return _NOT_READABLE
        case errno.ENOTCONN | errno.ESTALE | errno.EIO | errno.ENODEV:
            return f"its disk or share does not work ({(error.strerror or '').lower()})"
        case _:
            return error.strerror or str(error)
