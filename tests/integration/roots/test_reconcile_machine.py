"""The same files give the same index, in whatever order, however late, however often, or not at all its events came.

Real files in two roots; the real parts, put together as the daemon does it; events as inotify would give them,
delivered by the machine; and an image worker that takes its time and returns the mean colour of the real file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from PIL import Image

from phsearch.adapters.images import PillowDecoder
from phsearch.adapters.store.lance import LanceStore
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.vector_index import round_to_float16
from phsearch.domain.watch_events import Changed, Deleted, FolderAppeared, FolderMoved, Moved, Overflowed, RootLost
from phsearch.service.roots import scan_schedule
from support.index_rig import QUICK, IndexRig, digest_of
from support.time_limits import scaled
from support.workers.colour import PREPROCESS, photo_vector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phsearch.domain.types import Vectors
    from phsearch.domain.watch_events import FsEvent

QUIET = 0.12
"""Seconds without work after which nothing more is to be expected: longer than settling and every patched delay."""
NAMES = ("a.png", "b.png", "c.png")
FOLDERS = ("", "f", "f/g", "h")


class ReconcileMachine(RuleBasedStateMachine):
    """Changes the disk, directs what is told of it, and compares."""

    def __init__(self) -> None:
        super().__init__()
        self._cleanup = contextlib.ExitStack()
        for name, seconds in (("_OVERFLOW_FIRST", 0.02), ("_OVERFLOW_LAST", 0.04), ("_RETRY_OFFLINE", 0.05)):
            self._cleanup.enter_context(mock.patch.object(scan_schedule, name, seconds))
        self._home = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory()))
        self._loop = asyncio.new_event_loop()
        self._cleanup.callback(self._loop.close)
        self._tops = [str(self._home / "one"), str(self._home / "two")]
        self._outside = str(self._home / "outside")
        self._roots = Roots(self._tops)
        self._away: dict[str, frozenset[str]] = {}
        self._mail: list[FsEvent] = []
        self._forward_passes: Counter[bytes] = Counter()
        self._allowed: Counter[bytes] = Counter()
        self._number = 0
        self._vectors: dict[bytes, Vectors] = {}
        self._story: list[str] = []
        for folder in (*self._tops, self._outside):
            os.mkdir(folder)
            # A root whose last photo goes is taken for an empty mount point, which is right and not the matter here.
            self._write(f"{folder}/anchor.png", self._content())

        self._begin()

    def teardown(self) -> None:
        try:
            self.everything_is_right_once_all_is_told()
        finally:
            self._run(self.rig.end(flush=False))
            self._cleanup.close()

    # --- what happens on the disk -----------------------------------------------------------------------------

    @rule(where=st.integers(0, 99), name=st.sampled_from(NAMES), pieces=st.booleans())
    def create_or_replace(self, where: int, name: str, *, pieces: bool) -> None:
        path = f"{self._folder(where)}/{name}"
        new = not os.path.exists(path)
        data = self._content()
        _part_from_links(path)
        if pieces:
            with open(path, "wb") as file:
                file.write(data[: len(data) // 2])
                file.flush()
                if new:
                    self._tell(path, Changed(path, closed=False))
                self._pass(0.01)
                file.write(data[len(data) // 2 :])
        else:
            self._write(path, data)
            if new:
                self._tell(path, Changed(path, closed=False))
        self._tell(path, Changed(path, closed=True))

    @rule(which=st.integers(0, 99))
    def rewrite(self, which: int) -> None:
        path = self._file(which)
        self._write(path, self._content())
        self._tell(path, Changed(path, closed=True))

    @rule(which=st.integers(0, 99), name=st.sampled_from(NAMES))
    def rewrite_and_rename(self, which: int, name: str) -> None:
        self.rewrite(which)
        source = self._file(which)
        target = f"{os.path.dirname(source)}/{name}"
        if source != target:
            os.rename(source, target)
            self._tell_moved(source, target)

    @rule(which=st.integers(0, 99))
    def replace_atomically(self, which: int) -> None:
        path = self._file(which)
        part = f"{os.path.dirname(path)}/.part"
        self._write(part, self._content())
        os.rename(part, path)
        self._tell(path, Changed(path, closed=True))

    @rule(which=st.integers(0, 99), where=st.integers(0, 99), name=st.sampled_from(NAMES))
    def rename_a_file(self, which: int, where: int, name: str) -> None:
        source, target = self._file(which), f"{self._folder(where)}/{name}"
        if source != target:
            os.rename(source, target)
            self._tell_moved(source, target)

    @rule(which=st.integers(0, 99), other=st.integers(0, 99))
    def swap_two_files(self, which: int, other: int) -> None:
        one, two = self._file(which), self._file(other)
        if one != two:
            hidden = f"{os.path.dirname(one)}/.hidden"
            os.rename(one, hidden)
            os.rename(two, one)
            os.rename(hidden, two)
            self._tell(one, Deleted(one))
            self._tell_moved(two, one)
            self._tell(two, Changed(two, closed=True))

    @rule(which=st.integers(0, 99))
    def move_a_file_out(self, which: int) -> None:
        path = self._file(which)
        os.rename(path, f"{self._outside}/{os.path.basename(path)}")
        self._tell(path, Deleted(path))

    @rule(which=st.integers(0, 99), where=st.integers(0, 99), name=st.sampled_from(NAMES))
    def move_a_file_in(self, which: int, where: int, name: str) -> None:
        sources = sorted(path for path in _files(self._outside) if not path.endswith("anchor.png"))
        if sources:
            target = f"{self._folder(where)}/{name}"
            os.rename(sources[which % len(sources)], target)
            self._tell(target, Changed(target, closed=True))

    @rule(which=st.integers(0, 99), where=st.integers(0, 99), name=st.sampled_from(NAMES), dated=st.booleans())
    def copy_a_file(self, which: int, where: int, name: str, *, dated: bool) -> None:
        source, target = self._file(which, anchors=True), f"{self._folder(where)}/{name}"
        if source == target:
            return
        new = not os.path.exists(target)
        if not new and os.path.samefile(source, target):
            return
        _part_from_links(target)
        (shutil.copy2 if dated else shutil.copyfile)(source, target)
        if new:
            self._tell(target, Changed(target, closed=False))
        self._tell(target, Changed(target, closed=True))

    @rule(which=st.integers(0, 99), where=st.integers(0, 99), name=st.sampled_from(NAMES))
    def link_a_file(self, which: int, where: int, name: str) -> None:
        target = f"{self._folder(where)}/{name}"
        if not os.path.exists(target):
            os.link(self._file(which, anchors=True), target)
            self._tell(target, Changed(target, closed=False))

    @rule(which=st.integers(0, 99))
    def touch_a_file(self, which: int) -> None:
        path = self._file(which, anchors=True)
        _part_from_links(path)
        os.close(os.open(path, os.O_WRONLY))
        os.utime(path)
        self._tell(path, Changed(path, closed=True))

    @rule(which=st.integers(0, 99))
    def delete_a_file(self, which: int) -> None:
        path = self._file(which)
        os.unlink(path)
        self._tell(path, Deleted(path))

    @rule(which=st.integers(0, 99), where=st.integers(0, 99), name=st.sampled_from(("f", "h", "i")))
    def move_a_folder(self, which: int, where: int, name: str) -> None:
        source, target = self._inner_folder(which), f"{self._folder(where)}/{name}"
        if source is None or os.path.exists(target) or f"{target}/".startswith(f"{source}/"):
            return
        os.rename(source, target)
        self._tell_folder_moved(source, target)

    @rule(which=st.integers(0, 99))
    def move_a_folder_out(self, which: int) -> None:
        source = self._inner_folder(which)
        if source is not None:
            os.rename(source, f"{self._outside}/{self._fresh()}")
            self._tell(source, Deleted(source))

    @rule(which=st.integers(0, 99), where=st.integers(0, 99), name=st.sampled_from(("f", "h", "i")))
    def move_a_folder_in(self, which: int, where: int, name: str) -> None:
        sources = sorted(entry.path for entry in os.scandir(self._outside) if entry.is_dir())
        target = f"{self._folder(where)}/{name}"
        if sources and not os.path.exists(target):
            os.rename(sources[which % len(sources)], target)
            self._tell(target, FolderAppeared(target))

    @rule(which=st.integers(0, 99))
    def delete_a_folder(self, which: int) -> None:
        folder = self._inner_folder(which)
        if folder is not None:
            inside = sorted(_files(folder))
            shutil.rmtree(folder)
            for path in (*inside, folder):
                self._tell(path, Deleted(path))

    # --- roots go and come ------------------------------------------------------------------------------------

    @precondition(lambda self: not self._away)
    @rule(which=st.integers(0, 1), told=st.booleans())
    def take_a_root_away(self, which: int, *, told: bool) -> None:
        root = self._tops[which]
        there = frozenset(_files(root))
        self._away[root] = frozenset(path for path in self.rig.library.under(root) if path in there)
        os.rename(root, f"{root} away")
        if told and root in self.rig.watcher.watched:
            self._post(RootLost(root, "its folder was renamed"))
        self.rig.watcher.watched.discard(root)

    @precondition(lambda self: self._away)
    @rule()
    def bring_the_root_back(self) -> None:
        for root in self._away:
            os.rename(f"{root} away", root)
            # Where it went unseen, the watch on it still reports that its folder was renamed.
            self._post(RootLost(root, "its folder was renamed"))
        self._away.clear()

    @rule(
        which=st.integers(0, 99),
        told=st.booleans(),
        work=st.lists(st.integers(0, 99), max_size=3),
        seconds=st.sampled_from((0, 0.02, 0.06)),
    )
    def other_roots_for_a_while(self, which: int, *, told: bool, work: list[int], seconds: float) -> None:
        one, two = self._tops
        others: tuple[list[str], ...] = (
            [one],
            [two],
            [],
            [two, one],
            [one, two, f"{one}/f"],
            [two, f"{one}/f", f"{two}/f/g"],
        )
        self._story.append(f"for a while the roots are {others[which % len(others)]}")
        self._run(self.rig.manager.apply(others[which % len(others)], QUICK))
        self._pass(seconds)
        if told:
            self._tell_everything(random.Random(which))
        for chosen in work:
            self.rig.image_worker.work(chosen)
            self._call(self.rig.image_worker.tell, chosen)
        self._pass(0)
        self._run(self.rig.manager.apply(self._tops, QUICK))

    # --- what is told, and when -------------------------------------------------------------------------------

    @rule(chosen=st.lists(st.integers(0, 99), max_size=6), twice=st.booleans())
    def tell_some(self, chosen: list[int], *, twice: bool) -> None:
        for number in chosen:
            if self._mail:
                event = self._mail.pop(number % len(self._mail))
                self._deliver(event)
                if twice:
                    self._mail.append(event)
        self._pass(0)

    @rule()
    def tell_all(self) -> None:
        self._tell_everything(random.Random(0))

    @rule()
    def lose_what_was_not_told(self) -> None:
        lost = [event for event in self._mail if not isinstance(event, Overflowed | RootLost)]
        if lost:
            self._mail = [event for event in self._mail if isinstance(event, Overflowed | RootLost)]
            self._post(*(Overflowed(root) for root in self._tops))

    @rule(seconds=st.sampled_from((0, 0.005, 0.02, 0.06)))
    def time_passes(self, seconds: float) -> None:
        self._pass(seconds)

    @rule(work=st.lists(st.integers(0, 99), max_size=4), tell=st.lists(st.integers(0, 99), max_size=4))
    def the_worker_works(self, work: list[int], tell: list[int]) -> None:
        self._pass(0.005)
        self._story.append(f"the worker embeds {len(work)} and tells {len(tell)} of {self.rig.image_worker.paths}")
        for chosen in work:
            self.rig.image_worker.work(chosen)
        for chosen in tell:
            self._call(self.rig.image_worker.tell, chosen)
        self._pass(0)

    @rule(which=st.integers(0, 99))
    def rewrite_what_the_worker_has_read(self, which: int) -> None:
        self._tell_everything(random.Random(which))
        self._pass(0.03)
        held = sorted(path for path in self.rig.image_worker.paths if os.path.exists(path))
        if held:
            self.rig.image_worker.read_all()
            path = held[which % len(held)]
            self._write(path, self._content())
            self._deliver(Changed(path, closed=True))
            self._pass(0.03)

    @rule(flush=st.booleans())
    def the_daemon_starts_again(self, *, flush: bool) -> None:
        self._story.append("the daemon stops" if flush else "kill -9 of the daemon")
        self._run(self.rig.end(flush=flush))
        self._mail.clear()
        self._begin()
        # What was embedded and did not get as far as the store, or was forgotten since, may be embedded once more.
        kept = {photo.digest for photo in map(self.rig.library.get, self._known()) if photo is not None}
        for key, times in self._forward_passes.items():
            if key not in kept:
                self._allowed[key] = times

    @rule()
    def everything_is_right_once_all_is_told(self) -> None:
        try:
            self._compare()
        except AssertionError as error:
            # Threads and clocks are real, so that a failure need not come again: this tells how it came.
            error.add_note("\n".join(self._story).replace(f"{self._home}/", ""))
            raise

    def _compare(self) -> None:
        self._settle()
        disk = {path: self._state(path) for top in self._tops if top not in self._away for path in _files(top)}
        library = {}
        for path in self._known():
            photo = self.rig.library.get(path)
            assert photo is not None, f"failed: {self.rig.library.failure(path)}"
            library[path] = ((photo.fingerprint.size, photo.fingerprint.mtime_ns), photo.digest)
        gone = {path: known for path, known in library.items() if self._roots.root_of(path) in self._away}
        assert {path: known for path, known in library.items() if path not in gone} == disk
        for root, photos in self._away.items():
            assert photos <= gone.keys(), f"photos of the absent {root} were forgotten"
        self._compare_vectors(library)
        self._compare_store(library)
        for key, times in self._forward_passes.items():
            assert times <= 1 + self._allowed[key], f"embedded {times} times: {key.hex()}"

    def _compare_vectors(self, library: dict[str, Any]) -> None:
        assert len(self.rig.index) == len(library)
        for path, (_, key) in library.items():
            vector = self.rig.index.vector(path)
            assert vector is not None
            np.testing.assert_array_equal(vector, round_to_float16(self._vectors[key]), path)

    def _compare_store(self, library: dict[str, Any]) -> None:
        self._run(self.rig.writer.flush())
        photos, vectors = LanceStore(folder=self._home / "state", name="colour").load()
        stored = {photo.path: ((photo.fingerprint.size, photo.fingerprint.mtime_ns), photo.digest) for photo in photos}
        assert len(photos) == len(stored)
        assert stored == library
        for photo, vector in zip(photos, vectors, strict=True):
            np.testing.assert_array_equal(vector, round_to_float16(self._vectors[photo.digest]), photo.path)

    # --- the means --------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._story.append("the daemon starts")
        self.rig: IndexRig = self._call(IndexRig, self._home / "state", self._roots, self._forward_passes)

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    def _call(self, what: Callable[..., Any], *args: Any) -> Any:
        async def call() -> Any:
            return what(*args)

        return self._run(call())

    def _pass(self, seconds: float) -> None:
        if self._story[-1] != "time passes":
            self._story.append("time passes")
        self._run(asyncio.sleep(seconds))
        self.rig.check()

    def _settle(self) -> None:
        """Deliver all events and wait until nothing is under way."""
        rng = random.Random(1)
        self._tell_everything(rng)
        deadline = self._loop.time() + scaled(10)
        quiet_since = self._loop.time()
        while self._loop.time() - quiet_since < QUIET:
            assert self._loop.time() < deadline, f"it does not come to rest: {self._busy()}"
            self._pass(0.01)
            self._call(self.rig.image_worker.finish)
            self._run(self.rig.drain())
            if self._busy():
                quiet_since = self._loop.time()
        # On a busy machine what ended during the last turn may still be on its way to the vectors.
        self._run(self.rig.drain())

    def _busy(self) -> list[str]:
        """Return what is still under way."""
        wrong = [
            f"{root} is {monitor.state}: {monitor.detail}"
            for root, monitor in self.rig.monitors.items()
            if monitor.state == "offline" and root not in self._away
        ]
        return [*wrong, "work"] if self.rig.busy else wrong

    def _tell_everything(self, rng: random.Random) -> None:
        while self._mail:
            self._deliver(self._mail.pop(rng.randrange(len(self._mail))))
        self._pass(0)

    def _deliver(self, event: FsEvent) -> None:
        self._story.append(f"told: {event}")
        self._call(self.rig.dispatcher.dispatch, event)

    def _tell(self, path: str, event: FsEvent) -> None:
        if self._roots.root_of(path) in self.rig.watcher.watched:
            self._post(event)

    def _post(self, *events: FsEvent) -> None:
        self._story += [f"happened: {event}" for event in events]
        self._mail += events

    def _tell_moved(self, source: str, target: str) -> None:
        match self._is_watched(source), self._is_watched(target):
            case True, True:
                self._post(Moved(source, target))
            case True, False:
                self._post(Deleted(source))
            case False, True:
                self._post(Changed(target, closed=True))

    def _tell_folder_moved(self, source: str, target: str) -> None:
        match self._is_watched(source), self._is_watched(target):
            case True, True:
                self._post(FolderMoved(source, target), FolderAppeared(target))
            case True, False:
                self._post(Deleted(source))
            case False, True:
                self._post(FolderAppeared(target))

    def _is_watched(self, path: str) -> bool:
        return self._roots.root_of(path) in self.rig.watcher.watched

    def _present(self) -> list[str]:
        return [top for top in self._tops if top not in self._away]

    def _folder(self, where: int) -> str:
        """Choose a folder of a root that is there; it is made if it is not there."""
        present = self._present()
        folder = f"{present[where % len(present)]}/{FOLDERS[where % len(FOLDERS)]}".rstrip("/")
        missing = folder
        made = []
        while not os.path.exists(missing):
            made.append(missing)
            missing = os.path.dirname(missing)
        for each in reversed(made):
            os.mkdir(each)
            self._tell(each, FolderAppeared(each))
        return folder

    def _inner_folder(self, which: int) -> str | None:
        folders = sorted(
            f"{folder}/{name}" for top in self._present() for folder, names, _ in os.walk(top) for name in names
        )
        return folders[which % len(folders)] if folders else None

    def _file(self, which: int, *, anchors: bool = False) -> str:
        files = [path for top in self._present() for path in sorted(_files(top))]
        chosen = [path for path in files if anchors or not path.endswith("anchor.png")]
        # Every other time one that the worker has just now, if it has one.
        held = [path for path in chosen if path in self.rig.image_worker.paths]
        if which % 2 and held:
            return held[which // 2 % len(held)]
        if chosen:
            return chosen[which % len(chosen)]
        path = f"{self._present()[0]}/{NAMES[0]}"
        self._write(path, self._content())
        self._tell(path, Changed(path, closed=True))
        return path

    def _known(self) -> list[str]:
        return [path for top in self._tops for path in self.rig.library.under(top)]

    def _fresh(self) -> int:
        self._number += 1
        return self._number

    def _content(self) -> bytes:
        """Return a new photo of a unique size, since a fingerprint is only as fine as the disk's clock."""
        number = self._fresh()
        colour = (number * 37 % 256, number * 91 % 256, number * 151 % 256)
        file = self._home / "made.png"
        Image.new("RGB", (4, 4), colour).save(file)
        with file.open("ab") as end:
            end.write(bytes(number + 256 - file.stat().st_size % 256))
            end.write(bytes(256 * number))
        taken = digest_of(str(file))
        assert taken is not None
        self._vectors[taken.digest] = np.array(
            photo_vector(PillowDecoder(1_000_000).decode(str(file), PREPROCESS).pixels)
        )
        return file.read_bytes()

    def _write(self, path: str, data: bytes) -> None:
        self._story.append(f"written: {path}")
        _part_from_links(path)
        with open(path, "wb") as file:
            file.write(data)

    def _state(self, path: str) -> tuple[tuple[int, int], bytes]:
        taken = digest_of(path)
        assert taken is not None
        return (taken.fingerprint.size, taken.fingerprint.mtime_ns), taken.digest


def _files(top: str) -> Iterator[str]:
    for folder, _, names in os.walk(top):
        yield from (f"{folder}/{name}" for name in names if not name.startswith("."))


def _part_from_links(path: str) -> None:
    """Give a file its own inode: a write by one of its names is not reported for the others."""
    with contextlib.suppress(FileNotFoundError):
        if os.stat(path).st_nlink > 1:
            shutil.copy2(path, f"{path}.parted")
            os.rename(f"{path}.parted", path)


TestTheSameFilesGiveTheSameIndex = ReconcileMachine.TestCase
TestTheSameFilesGiveTheSameIndex.settings = settings(
    max_examples=30,
    stateful_step_count=20,
    deadline=None,
    # No shrinking, which would take minutes: the story is short enough.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
