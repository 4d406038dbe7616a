"""What a user confirms to be deleted is what was missing then. A photo that is there is never forgotten."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from phsearch.domain.roots.mounts import Mount, Mounts
from phsearch.service.roots import scan_schedule
from support.harness import photo
from support.index_rig import IndexRig
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _quick_retry() -> Iterator[None]:
    with mock.patch.object(scan_schedule, "_RETRY_OFFLINE", 0.05):
        yield


class Library:
    """A daemon over one root of three photos."""

    def __init__(self, home: Path) -> None:
        self.home = Path(os.path.realpath(home))
        self.root = str(self.home / "photos")
        self.paths = {str(photo(Path(self.root) / f"{number}.png", (number, 0, 0), (8, 8))) for number in range(3)}
        self.mount_number = 1
        self.on_read: Callable[[], None] = lambda: None
        self.rig = IndexRig(self.home / "state", [self.root], Counter(), mounts=self._mounts)

    @property
    def state(self) -> str:
        return self.rig.monitors[self.root].state

    @property
    def known(self) -> set[str]:
        return {each.path for each in self.rig.library.photos()}

    def confirm(self) -> int:
        return self.rig.monitors[self.root].confirm_deletions()

    def away(self) -> None:
        os.rename(self.root, f"{self.root} away")

    def back(self) -> None:
        os.rename(f"{self.root} away", self.root)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(scaled(10)):
            while not condition():
                self.rig.image_worker.finish()
                self.rig.check()
                await asyncio.sleep(0.01)

    async def indexed(self) -> None:
        await self.until(lambda: self.known == self.paths and self.state == "watching")

    async def scanned(self) -> None:
        monitor = self.rig.monitors[self.root]
        passes = monitor.passes
        monitor.scan(self.root)
        await self.until(lambda: monitor.passes > passes and not self.rig.busy)

    async def keeps_all(self) -> None:
        """Whether all is known once the root is back. Ends the daemon."""
        await self.until(lambda: self.state == "watching")
        await self.scanned()
        assert self.known == self.paths
        await self.rig.end(flush=False)

    def _mounts(self) -> Mounts:
        self.on_read()
        return Mounts((Mount(self.mount_number, self.root, "ext4", f"stick {self.mount_number}", remote=False),))


def test_a_root_that_is_unreachable_at_the_moment_of_the_confirmation_is_forgotten_only_if_it_was_said_to_be(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        library = Library(tmp_path)
        await library.indexed()
        library.away()
        assert library.confirm() == 0, "nothing was missing"
        await library.until(lambda: library.state == "offline")
        await asyncio.sleep(0.2)
        assert library.known == library.paths, "and so nothing is forgotten"
        library.back()
        await library.keeps_all()

    asyncio.run(scenario())


def test_a_root_that_comes_back_at_the_moment_of_the_confirmation_is_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        library = Library(tmp_path)
        await library.indexed()
        library.away()
        library.rig.monitors[library.root].scan(library.root)
        await library.until(lambda: library.state == "offline")
        assert library.confirm() == 3
        library.back()
        await library.keeps_all()

    asyncio.run(scenario())


def test_a_disk_that_is_mounted_during_the_scan_of_the_confirmation_is_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        library = Library(tmp_path)
        await library.indexed()
        library.away()
        library.rig.monitors[library.root].scan(library.root)
        await library.until(lambda: library.state == "offline")
        os.mkdir(library.root)

        def remounts() -> None:
            library.mount_number += 1

        library.on_read = remounts
        library.confirm()
        await asyncio.sleep(0.2)
        assert library.known == library.paths
        os.rmdir(library.root)
        library.back()
        library.on_read, library.mount_number = lambda: None, 1
        await library.keeps_all()

    asyncio.run(scenario())


def test_a_root_that_is_gone_is_forgotten_as_confirmed(tmp_path: Path) -> None:
    async def scenario() -> None:
        library = Library(tmp_path)
        await library.indexed()
        library.away()
        library.rig.monitors[library.root].scan(library.root)
        await library.until(lambda: library.state == "offline")
        assert library.confirm() == 3
        await library.until(lambda: not library.known)
        await library.rig.end(flush=False)

    asyncio.run(scenario())
