"""What a root is called is what the last look at its disk found, whatever is mounted, renamed, reloaded or killed.

Real folders and the real parts over them. The table of mounts is the test's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from phsearch.domain.roots.mounts import Mount, Mounts
from phsearch.domain.watch_events import MountsChanged, RootLost, WatchDegraded
from phsearch.service.roots import scan_schedule
from support.harness import photo
from support.index_rig import QUICK, IndexRig
from support.time_limits import scaled

if TYPE_CHECKING:
    from phsearch.config import WatchConfig
    from phsearch.domain.types import RootState

SETTINGS: tuple[WatchConfig, ...] = (
    QUICK,
    dataclasses.replace(QUICK, rescan_minutes=50.0),
    dataclasses.replace(QUICK, ignore=("nothing/",)),
)


class RootStates(RuleBasedStateMachine):
    """Two roots: one is a disk that is mounted, one a folder."""

    def __init__(self) -> None:
        super().__init__()
        self._cleanup = contextlib.ExitStack()
        self._cleanup.enter_context(mock.patch.object(scan_schedule, "_RETRY_OFFLINE", 0.03))
        self._home = Path(os.path.realpath(self._cleanup.enter_context(tempfile.TemporaryDirectory())))
        self._loop = asyncio.new_event_loop()
        self._cleanup.callback(self._loop.close)
        self._disk, self._folder = str(self._home / "disk"), str(self._home / "folder")
        self._gone: set[str] = set()
        self._unmounted = False
        self._settings = 0
        self._offline: set[str] = set()
        self._photos = {
            str(photo(Path(root) / f"{number}.png", (number, 0, 0), (8, 8)))
            for root in (self._disk, self._folder)
            for number in range(3)
        }
        self._rig = self._call(self._new_rig)
        self._settle()

    def teardown(self) -> None:
        try:
            for root in list(self._gone):
                self.return_of(root)
            self.mount()
            self._settle()
            assert {each.path for each in self._rig.library.photos()} == self._photos
            assert self._states() == {self._disk: "watching", self._folder: "watching"}
        finally:
            self._run(self._rig.end(flush=False))
            self._cleanup.close()

    # --- what happens -----------------------------------------------------------------------------------------

    @precondition(lambda self: not self._unmounted and self._disk not in self._gone)
    @rule()
    def unmount(self) -> None:
        os.rename(self._disk, f"{self._disk} away")
        os.mkdir(self._disk)
        self._unmounted = True
        self._tell(MountsChanged())

    @rule()
    def mount(self) -> None:
        if self._unmounted:
            os.rmdir(self._disk)
            os.rename(f"{self._disk} away", self._disk)
            self._unmounted = False
            self._tell(MountsChanged())

    @rule(which=st.booleans(), told=st.booleans())
    def rename_away(self, *, which: bool, told: bool) -> None:
        root = self._disk if which and not self._unmounted else self._folder
        if root not in self._gone:
            os.rename(root, f"{root} away")
            self._gone.add(root)
            if told:
                self._tell(RootLost(root, "its folder was renamed"))
            else:
                self._rig.monitors[root].scan(root)

    @precondition(lambda self: self._gone)
    @rule(which=st.integers(0, 1))
    def return_of_one(self, which: int) -> None:
        self.return_of(sorted(self._gone)[which % len(self._gone)])

    def return_of(self, root: str) -> None:
        os.rename(f"{root} away", root)
        self._gone.discard(root)

    @rule(which=st.booleans())
    def forbid_and_allow(self, *, which: bool) -> None:
        root = self._disk if which else self._folder
        if root not in self._gone:
            os.chmod(root, 0)
            self._call(self._rig.monitors[root].scan, root)
            self._pass(0.02)
            os.chmod(root, 0o700)

    @rule(chosen=st.integers(0, len(SETTINGS) - 1))
    def reload(self, chosen: int) -> None:
        self._pass(0.02)
        self.what_is_missing_stays_offline()
        self._settings = chosen
        self._run(self._rig.manager.apply([self._disk, self._folder], SETTINGS[chosen]))
        self.what_is_missing_stays_offline()
        self._pass(0.01)

    @rule(which=st.booleans(), folders=st.integers(0, 1))
    def watch_degrades(self, *, which: bool, folders: int) -> None:
        root = self._disk if which else self._folder
        self._tell(WatchDegraded(root, folders, "there are no more watches", 3))

    @rule(flush=st.booleans())
    def end_and_start(self, *, flush: bool) -> None:
        self._run(self._rig.end(flush=flush))
        self._rig = self._call(self._new_rig)
        self._offline.clear()

    @rule(seconds=st.sampled_from((0, 0.01, 0.05)))
    def time_passes(self, seconds: float) -> None:
        self._pass(seconds)

    @rule()
    def everything_is_seen(self) -> None:
        self._settle()
        assert {root for root, state in self._states().items() if state == "offline"} == self._missing()

    @invariant()
    def what_is_missing_stays_offline(self) -> None:
        self._offline &= self._missing()
        for root in self._offline:
            assert self._states()[root] == "offline", f"nobody has seen {root} since it was found to be missing"
        self._offline |= {root for root in self._missing() if self._states()[root] == "offline"}

    @invariant()
    def photos_of_an_offline_root_are_said_to_be_offline(self) -> None:
        for path in self._photos:
            root = os.path.dirname(path)
            if self._states()[root] == "offline":
                assert self._rig.monitors[root].offline(path)
            assert path in self._rig.library or not self._settled

    # --- the means --------------------------------------------------------------------------------------------

    _settled = False

    def _missing(self) -> set[str]:
        return self._gone | ({self._disk} if self._unmounted else set())

    def _states(self) -> dict[str, RootState]:
        return {root: monitor.state for root, monitor in self._rig.monitors.items()}

    def _new_rig(self) -> IndexRig:
        roots = [self._disk, self._folder]
        return IndexRig(self._home / "state", roots, Counter(), SETTINGS[self._settings], mounts=self._mounts)

    def _mounts(self) -> Mounts:
        top = Mount(1, "/", "ext4", "top", remote=False)
        disk = Mount(2, self._disk, "ext4", "stick", remote=False)
        return Mounts((top,) if self._unmounted else (top, disk))

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    def _call(self, what: Any, *args: Any) -> Any:
        async def call() -> Any:
            return what(*args)

        return self._run(call())

    def _tell(self, event: Any) -> None:
        self._call(self._rig.dispatcher.dispatch, event)

    def _pass(self, seconds: float) -> None:
        self._run(asyncio.sleep(seconds))
        self._rig.check()

    def _settle(self) -> None:
        """Have everything scanned, and wait until nothing is under way, all is written and called what it is."""
        for root in (self._disk, self._folder):
            self._tell(WatchDegraded(root, 0, "", 3))
            self._call(self._rig.monitors[root].scan, root)
        deadline = self._loop.time() + scaled(10)
        quiet = 0
        while quiet < 4:
            offline = {root for root, state in self._states().items() if state == "offline"}
            assert self._loop.time() < deadline, f"{self._states()}, missing: {self._missing()}"
            self._pass(0.01)
            self._call(self._rig.image_worker.finish)
            self._run(self._rig.drain())
            done = not self._rig.busy and not self._rig.writer.pending and offline == self._missing()
            quiet = quiet + 1 if done else 0
        self._settled = self._settled or not self._missing()


TestWhatARootIsCalled = RootStates.TestCase
TestWhatARootIsCalled.settings = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
