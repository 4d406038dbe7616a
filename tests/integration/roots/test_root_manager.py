"""Whatever roots and rules come and go in whatever order, what is shown is what lies in a root and is admitted.

The real parts over real files, with settings that change at any moment: while photos are settling, being read, at the
worker, or on their way to the store; with the daemon stopped or killed in between. Nothing is embedded twice, and only
what its user has forgotten, or the rules exclude, is gone from the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from phsearch.domain.watch_events import RootLost
from support.harness import photo
from support.index_rig import QUICK, IndexRig
from support.time_limits import scaled

if TYPE_CHECKING:
    from phsearch.config import WatchConfig

FOLDERS = ("a", "a/b", "a/b/c", "d", "d/.e", "f")
RULES = (QUICK, dataclasses.replace(QUICK, hidden=True), dataclasses.replace(QUICK, ignore=("b/",)))
ROOTS: tuple[list[str], ...] = (
    ["a"],
    ["d", "a"],
    ["a", "a/b"],
    ["a/b", "d", "f"],
    ["a", "a/b", "a/b/c"],
    ["a/b/c"],
    [],
    ["d/.e"],
)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("roots"), st.integers(0, len(ROOTS) - 1)),
        st.tuples(st.just("rules"), st.integers(0, len(RULES) - 1)),
        st.tuples(st.just("write"), st.integers(0, len(FOLDERS) - 1)),
        st.tuples(st.just("delete"), st.integers(0, len(FOLDERS) - 1)),
        st.tuples(st.just("worker"), st.integers(0, 6)),
        st.tuples(st.just("passes"), st.sampled_from([0, 1, 3])),
        st.tuples(st.just("settles"), st.just(0)),
        st.tuples(st.just("stops"), st.integers(0, 1)),
    ),
    min_size=4,
    max_size=14,
)


class Story:
    """One daemon after the other over the same files, and what is to be shown."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.roots = [str(top / "a")]
        self.watch: WatchConfig = QUICK
        self.passes: Counter[bytes] = Counter()
        self.lost: Counter[bytes] = Counter()
        """How often contents were embedded of which a daemon that ended kept nothing: their root was removed."""
        self.number = 0
        self.killed = False
        for folder in FOLDERS:
            for _ in range(3):
                self._write(folder)
        self.rig = self._begin()

    async def take(self, step: tuple[str, int]) -> None:
        match step:
            case "roots", which:
                self.roots = [str(self.top / root) for root in ROOTS[which]]
                await self.rig.manager.apply(self.roots, self.watch)
            case "rules", which:
                self.watch = RULES[which]
                await self.rig.manager.apply(self.roots, self.watch)
            case "write", which:
                self._write(FOLDERS[which])
            case "delete", which:
                with contextlib.suppress(StopIteration):
                    next((self.top / FOLDERS[which]).glob("*.png")).unlink()
            case "worker", count:
                await asyncio.sleep(0.02)
                for _ in range(count):
                    self.rig.image_worker.work(count)
                    self.rig.image_worker.tell(0)
            case "settles", _:
                await self.settle()
            case "stops", flush:
                await self.rig.end(flush=bool(flush))
                self.killed = self.killed or not flush
                self.rig = self._begin()
                kept = {photo.digest for photo in self.rig.store.load()[0]}
                self.lost |= Counter({key: times for key, times in self.passes.items() if key not in kept})
            case _, count:
                await asyncio.sleep(count * 0.02)

    async def settle(self) -> None:
        for root in self.rig.monitors.values():
            root.scan(root.root)
        quiet = 0
        async with asyncio.timeout(scaled(20)):
            while quiet < 5:
                await asyncio.sleep(0.02)
                self.rig.check()
                self.rig.image_worker.finish()
                quiet = 0 if self.rig.busy else quiet + 1

    def shown(self) -> dict[str, str]:
        return {photo.path: photo.root for photo in self.rig.library.photos()}

    def wanted(self) -> dict[str, str]:
        """Return what is to be shown, by path with its root, found by other means."""
        found = {}
        for root in sorted(self.roots, key=len):
            for file in Path(root).rglob("*.png"):
                parts = file.relative_to(root).parts
                hidden = any(part.startswith(".") for part in parts) and not self.watch.hidden
                ignored = "b" in parts[:-1] and "b/" in self.watch.ignore
                found[str(file)] = "" if hidden or ignored else root
        return {path: root for path, root in found.items() if root}

    def _begin(self) -> IndexRig:
        return IndexRig(self.top / "state", self.roots, self.passes, self.watch)

    def _write(self, folder: str) -> None:
        self.number += 1
        photo(self.top / folder / f"{self.number}.png", (self.number, 0, 0), (8, 8))


async def play(folder: Path, steps: list[tuple[str, int]]) -> None:
    story = Story(folder)
    try:
        for step in steps:
            await story.take(step)
        await story.settle()
        assert story.shown() == story.wanted()
        await story.rig.rank_executor.submit(int)
        assert set(story.rig.index.paths()) == set(story.shown())
        await story.rig.writer.flush()
        stored, _ = story.rig.store.load()
        resting = {path for root in story.rig.removed for path in story.rig.removed.paths(root)}
        assert {each.path for each in stored} == set(story.shown()) | resting
        assert not resting & set(story.shown())
        assert {each.path for each in story.rig.removed.report()} == set(story.rig.removed)
        if not story.killed:
            again = {key for key, count in story.passes.items() if count > 1 + story.lost[key]}
            assert not again, "something was embedded twice"
    finally:
        await story.rig.end(flush=False)


@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(STEPS)
@example([("rules", 2), ("settles", 0), ("roots", 1), ("stops", 1), ("rules", 0), ("worker", 3), ("settles", 0)])
def test_what_is_shown_is_what_lies_in_a_root_and_is_admitted(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(os.path.realpath(folder)), steps))


def test_duplicates_of_a_photo_whose_root_goes_while_the_worker_has_it_are_not_left_waiting(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(scaled(20)):
            await duplicates()

    async def duplicates() -> None:
        one, two = str(tmp_path / "one"), str(tmp_path / "two")
        file = photo(tmp_path / "one" / "x.png", "red", (8, 8))
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "same.png").write_bytes(file.read_bytes())
        passes: Counter[bytes] = Counter()
        rig = IndexRig(tmp_path / "state", [one], passes)
        while rig.image_worker.pending == 0:  # noqa: ASYNC110 - the test's own time-out ends it
            await asyncio.sleep(0.01)
        rig.image_worker.read_all()  # from here on it cannot be withdrawn
        await rig.manager.apply([one, two], QUICK)
        pipeline = rig.router.pipeline_of(f"{two}/same.png")
        assert pipeline is not None
        while pipeline.stage_of(f"{two}/same.png") != "being indexed":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await rig.manager.apply([two], QUICK)
        rig.image_worker.finish()
        while f"{two}/same.png" not in rig.library:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert len(rig.library) == 1
        assert sum(passes.values()) == 1
        await rig.end(flush=False)

    asyncio.run(scenario())


def test_a_photo_moved_out_of_a_root_that_is_removed_before_the_move_is_told_is_not_embedded_again(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        one, two = str(tmp_path / "one"), str(tmp_path / "two")
        photo(tmp_path / "one" / "anchor.png", "blue", (8, 8))
        file = photo(tmp_path / "two" / "x.png", "red", (8, 8))
        passes: Counter[bytes] = Counter()
        rig = IndexRig(tmp_path / "state", [one, two], passes)
        async with asyncio.timeout(scaled(20)):
            while len(rig.library) < 2:
                rig.image_worker.finish()
                await asyncio.sleep(0.01)
            file.rename(tmp_path / "one" / "x.png")
            await rig.manager.apply([one], QUICK)
            rig.monitors[one].scan(one)
            while f"{one}/x.png" not in rig.library:
                rig.image_worker.finish()
                await asyncio.sleep(0.01)
        assert sorted(passes.values()) == [1, 1]
        await rig.end(flush=False)

    asyncio.run(scenario())


def test_a_failed_change_changes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        photo(tmp_path / "one" / "x.png", "red", (8, 8))
        rig = IndexRig(tmp_path / "state", [str(tmp_path / "one")], Counter())
        monitor = rig.monitors[str(tmp_path / "one")]
        with pytest.raises(Exception, match="bad ignore rule"):
            await rig.manager.apply([], dataclasses.replace(QUICK, ignore=("!",)))
        assert list(rig.roots) == [str(tmp_path / "one")]
        assert rig.monitors[str(tmp_path / "one")] is monitor
        await rig.end(flush=False)

    asyncio.run(scenario())


def test_a_root_inside_one_that_is_lost_is_watched_and_scanned_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        outer, inner = str(tmp_path / "outer"), str(tmp_path / "outer" / "inner")
        photo(tmp_path / "outer" / "x.png", "red", (8, 8))
        photo(tmp_path / "outer" / "inner" / "y.png", "blue", (8, 8))
        rig = IndexRig(tmp_path / "state", [outer, inner], Counter())
        async with asyncio.timeout(scaled(20)):
            while len(rig.library) < 2 or rig.busy:
                rig.image_worker.finish()
                await asyncio.sleep(0.01)
            photo(tmp_path / "outer" / "inner" / "missed.png", "green", (8, 8))
            rig.watcher.watched.clear()
            rig.dispatcher.dispatch(RootLost(outer, "its folder was renamed"))
            while len(rig.library) < 3 or rig.busy:
                rig.image_worker.finish()
                await asyncio.sleep(0.01)
        assert rig.watcher.watched == {outer, inner}
        await rig.end(flush=False)

    asyncio.run(scenario())
