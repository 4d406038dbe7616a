"""The watcher over a real inotify: events, moves, limits, overflows, lost and hung roots."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from watchdog.observers import inotify_c

from phsearch.adapters.files.scanner import FolderScanner
from phsearch.adapters.linux.mounts import MountPoints
from phsearch.adapters.watch import FolderWatcher, Inotify, IsolatingWatcher
from phsearch.domain.roots.ignore_rules import IgnoreRules
from phsearch.domain.roots.roots import Roots
from phsearch.domain.watch_events import (
    Changed,
    Deleted,
    FolderAppeared,
    FolderMoved,
    FsEvent,
    MountsChanged,
    Moved,
    Overflowed,
    RootLost,
    SyncMark,
    WatchDegraded,
)
from support.harness import wait_until
from support.machine import bind_mounts, hung_fs, namespaces
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RULES = IgnoreRules(("@eaDir/", "*.tmp"))
PATIENCE = scaled(10.0)


class Limited(Inotify):
    """An inotify that refuses some folders, as the kernel does when it is full or may not read."""

    refuse: dict[bytes, int]

    def add_callback(
        self, path: bytes, mask: inotify_c.Mask, callback: inotify_c.WatchCallback, id_: inotify_c.CallbackId
    ) -> inotify_c.WatchDescriptor:
        """Watch, or raise the error of `refuse`."""
        code = self.refuse.get(path.rpartition(b"/")[2])
        if code == errno.EACCES:  # what watchdog 7.1 makes of it
            return inotify_c.WatchDescriptor(-1)
        if code is not None:
            raise OSError(code, "refused by the test")
        return super().add_callback(path, mask, callback, id_)


class WatcherRecorder:
    """A watcher, and its events in order."""

    def __init__(
        self,
        *roots: Path,
        follow: bool = False,
        inotify: type[Inotify] = Inotify,
        remote_type: Callable[[str], str | None] = lambda _path: None,
        is_mount_point: Callable[[str], bool] = lambda _path: False,
        timeout: float = PATIENCE,
    ) -> None:
        self.root = roots[0]
        self.events: queue.Queue[FsEvent] = queue.Queue()
        self.seen_events: list[FsEvent] = []
        self.watcher = FolderWatcher(
            Roots([str(root) for root in roots]),
            RULES,
            follow_symlinks=follow,
            inotify=inotify,
            remote_type=remote_type,
            is_mount_point=is_mount_point,
            timeout=timeout,
        )
        self.watcher.start(self.events.put)
        for root in roots:
            self.watcher.add_root(str(root))

    def wait_for(self, *wanted: FsEvent) -> list[FsEvent]:
        """Wait until all of `wanted` are emitted; return all events since the last call."""
        missing, since = list(wanted), list[FsEvent]()
        deadline = time.monotonic() + PATIENCE
        while missing:
            try:
                event = self.events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"never told: {missing}\ntold: {since}")
            if not isinstance(event, MountsChanged):  # it may be about another program's mounts
                since.append(event)
            if event in missing:
                missing.remove(event)
        self.seen_events += since
        return since

    def drain(self) -> list[FsEvent]:
        """Return all events up to now: the event of a photo that is made as a marker comes after all others."""
        marker = self.root / f"marker{len(self.seen_events)}-{time.monotonic_ns()}.jpg"
        marker.touch()
        told = self.wait_for(Changed(str(marker), closed=True))
        return [event for event in told if not (isinstance(event, Changed) and event.path == str(marker))]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def recorders() -> Iterator[list[WatcherRecorder]]:
    """Close every watcher that a test appends, and check that no thread stays."""
    before = set(threading.enumerate())
    opened: list[WatcherRecorder] = []
    yield opened
    for recorder in opened:
        recorder.watcher.close()
    assert not set(threading.enumerate()) - before


@pytest.fixture
def recorder(root: Path, recorders: list[WatcherRecorder]) -> WatcherRecorder:
    recorders.append(WatcherRecorder(root))
    return recorders[0]


def watched(recorder: WatcherRecorder) -> set[str]:
    return {os.path.relpath(folder.path, recorder.root) for folder in recorder.watcher._tree._by_wd.values()}


# --- files ----------------------------------------------------------------------------------------------------------


def test_a_photo_written_is_touched_and_then_closed(root: Path, recorder: WatcherRecorder) -> None:
    path = str(root / "a.jpg")
    with (root / "a.jpg").open("wb") as file:
        recorder.wait_for(Changed(path, closed=False))
        file.write(b"x")
    assert recorder.wait_for(Changed(path, closed=True)) == [Changed(path, closed=True)]


def test_an_atomic_save_is_one_whole_photo(root: Path, recorder: WatcherRecorder) -> None:
    (root / ".a.jpg.part").write_bytes(b"x")
    (root / ".a.jpg.part").rename(root / "a.jpg")
    assert recorder.drain() == [Changed(str(root / "a.jpg"), closed=True)]


def test_a_rename_is_a_move(root: Path, recorder: WatcherRecorder) -> None:
    (root / "a.jpg").touch()
    recorder.drain()
    (root / "a.jpg").rename(root / "b.jpg")
    assert recorder.drain() == [Moved(str(root / "a.jpg"), str(root / "b.jpg"))]


def test_a_photo_renamed_to_something_else_is_gone(root: Path, recorder: WatcherRecorder) -> None:
    (root / "a.jpg").touch()
    recorder.drain()
    (root / "a.jpg").rename(root / "a.jpg.bak")
    assert recorder.drain() == [Deleted(str(root / "a.jpg"))]


def test_a_photo_deleted_or_moved_away_is_gone(root: Path, tmp_path: Path, recorder: WatcherRecorder) -> None:
    for name in ("a.jpg", "b.jpg"):
        (root / name).touch()
    recorder.drain()
    (root / "a.jpg").unlink()
    (root / "b.jpg").rename(tmp_path / "b.jpg")
    assert recorder.wait_for(Deleted(str(root / "b.jpg"))) == [
        Deleted(str(root / "a.jpg")),
        Deleted(str(root / "b.jpg")),
    ]


def test_a_photo_moved_in_is_whole(root: Path, tmp_path: Path, recorder: WatcherRecorder) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "a.jpg").rename(root / "a.jpg")
    assert recorder.drain() == [Changed(str(root / "a.jpg"), closed=True)]


def test_a_move_between_roots_is_a_move(root: Path, tmp_path: Path, recorders: list[WatcherRecorder]) -> None:
    other = tmp_path / "other"
    (other / "album").mkdir(parents=True)
    recorders.append(recorder := WatcherRecorder(root, other))
    (root / "a.jpg").touch()
    recorder.drain()
    (root / "a.jpg").rename(other / "b.jpg")
    (other / "album").rename(root / "album")
    assert recorder.drain() == [
        Moved(str(root / "a.jpg"), str(other / "b.jpg")),
        FolderMoved(str(other / "album"), str(root / "album")),
        FolderAppeared(str(root / "album")),
    ]
    (root / "album" / "x.jpg").touch()
    assert Changed(str(root / "album" / "x.jpg"), closed=True) in recorder.drain()


def test_what_is_no_photo_makes_no_events(root: Path, recorder: WatcherRecorder) -> None:
    (root / "notes.txt").write_text("x")
    (root / "notes.txt").rename(root / "n.txt")
    (root / "n.txt").unlink()
    (root / ".hidden.jpg").touch()
    assert recorder.drain() == []


def test_our_own_reading_makes_no_events(root: Path, recorders: list[WatcherRecorder]) -> None:
    raw: list[inotify_c.InotifyEvent] = []

    class Counting(Inotify):
        def handle_event(self, event: inotify_c.InotifyEvent) -> None:
            raw.append(event)
            super().handle_event(event)

    recorders.append(recorder := WatcherRecorder(root, inotify=Counting))
    (root / "d").mkdir()
    recorder.wait_for(FolderAppeared(str(root / "d")))
    (root / "d" / "a.jpg").write_bytes(b"x")
    recorder.wait_for(Changed(str(root / "d" / "a.jpg"), closed=True))
    raw.clear()
    for _ in range(3):
        assert (root / "d" / "a.jpg").read_bytes() == b"x"
        assert len(list(FolderScanner(Roots([str(root)]), RULES).scan(str(root), str(root)))) >= 1
    assert recorder.drain() == []
    assert len(raw) == 2  # the marker's


def test_a_name_that_is_not_utf8_comes_back_as_it_was(root: Path, recorder: WatcherRecorder) -> None:
    raw = os.fsencode(root) + b"/caf\xe9.jpg"
    os.close(os.open(raw, os.O_CREAT | os.O_WRONLY))
    assert [os.fsencode(event.path) for event in recorder.drain() if isinstance(event, Changed)] == [raw, raw]


def test_a_fifo_named_like_a_photo_is_told_and_blocks_nobody(root: Path, recorder: WatcherRecorder) -> None:
    os.mkfifo(root / "pipe.jpg")
    assert recorder.drain() == [Changed(str(root / "pipe.jpg"), closed=False)]


# --- folders --------------------------------------------------------------------------------------------------------


def test_a_folder_moved_in_is_told_once_and_watched_to_the_bottom(
    root: Path, tmp_path: Path, recorder: WatcherRecorder
) -> None:
    (tmp_path / "in" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.jpg").touch()
    (tmp_path / "in").rename(root / "in")
    assert recorder.drain() == [FolderAppeared(str(root / "in"))]
    (root / "in" / "deep" / "er" / "b.jpg").touch()
    recorder.wait_for(Changed(str(root / "in" / "deep" / "er" / "b.jpg"), closed=True))


def test_a_folder_renamed_keeps_its_watches_under_the_new_name(root: Path, recorder: WatcherRecorder) -> None:
    (root / "old" / "sub").mkdir(parents=True)
    recorder.wait_for(FolderAppeared(str(root / "old")))
    recorder.drain()
    (root / "old").rename(root / "new")
    assert recorder.drain() == [FolderMoved(str(root / "old"), str(root / "new")), FolderAppeared(str(root / "new"))]
    (root / "new" / "sub" / "a.jpg").touch()
    assert Changed(str(root / "new" / "sub" / "a.jpg"), closed=True) in recorder.drain()
    assert watched(recorder) == {".", "new", "new/sub"}


def test_times_and_permissions_of_folders_that_can_be_read_are_no_news(root: Path, recorder: WatcherRecorder) -> None:
    for number in range(5):
        (root / f"folder{number}").mkdir()
        recorder.wait_for(FolderAppeared(str(root / f"folder{number}")))
    recorder.drain()
    for folder in (root, *root.glob("folder*")):
        os.utime(folder)
        folder.chmod(0o750)
    assert recorder.drain() == []


def test_a_folder_moved_out_is_gone_and_leaves_no_ghosts(root: Path, tmp_path: Path, recorder: WatcherRecorder) -> None:
    (root / "a" / "b").mkdir(parents=True)
    recorder.wait_for(FolderAppeared(str(root / "a")))
    recorder.drain()
    (root / "a").rename(tmp_path / "away")
    (tmp_path / "away" / "b" / "ghost.jpg").touch()
    told = recorder.wait_for(Deleted(str(root / "a")))
    (tmp_path / "away" / "b" / "ghost2.jpg").touch()
    assert [*told, *recorder.drain()] == [Deleted(str(root / "a"))]
    assert watched(recorder) == {"."}


def test_a_folder_deleted_is_gone_with_all_its_photos(root: Path, recorder: WatcherRecorder) -> None:
    (root / "a" / "b").mkdir(parents=True)
    recorder.wait_for(FolderAppeared(str(root / "a")))
    (root / "a" / "b" / "x.jpg").touch()
    recorder.drain()
    shutil.rmtree(root / "a")
    assert recorder.drain() == [
        Deleted(str(root / "a" / "b" / "x.jpg")),
        Deleted(str(root / "a" / "b")),
        Deleted(str(root / "a")),
    ]
    assert watched(recorder) == {"."}


def test_a_folder_that_becomes_hidden_is_gone_and_one_that_shows_up_has_appeared(
    root: Path, recorder: WatcherRecorder
) -> None:
    (root / "a" / "sub").mkdir(parents=True)
    recorder.wait_for(FolderAppeared(str(root / "a")))
    recorder.drain()
    (root / "a").rename(root / ".a")
    assert recorder.drain() == [Deleted(str(root / "a"))]
    assert watched(recorder) == {"."}
    (root / ".a").rename(root / "b")
    assert recorder.drain() == [FolderAppeared(str(root / "b"))]
    assert watched(recorder) == {".", "b", "b/sub"}


def test_ignored_and_hidden_folders_and_inner_roots_are_not_watched(
    root: Path, recorders: list[WatcherRecorder]
) -> None:
    for name in (".git/objects", "@eaDir/x", "b.tmp", "c/@eaDir", "work/w"):
        (root / name).mkdir(parents=True)
    recorders.append(recorder := WatcherRecorder(root, root / "work"))
    (root / "c" / ".new").mkdir()
    (root / "c" / "@eaDir" / "new").mkdir()
    (root / "@eaDir" / "a.jpg").touch()
    assert recorder.drain() == []
    assert watched(recorder) == {".", "c", "work", "work/w"}
    (root / "work" / "a.jpg").touch()
    path = str(root / "work" / "a.jpg")
    assert recorder.drain() == [Changed(path, closed=False), Changed(path, closed=True)]


def test_an_inner_root_is_not_watched_by_the_outer_even_while_it_is_not_watched_itself(
    root: Path, recorders: list[WatcherRecorder]
) -> None:
    (root / "work" / "w").mkdir(parents=True)
    recorders.append(recorder := WatcherRecorder(root, root / "work"))
    recorder.watcher.remove_root(str(root / "work"))
    recorder.watcher.add_root(str(root))
    (root / "work" / "a.jpg").touch()
    assert recorder.drain() == []
    assert watched(recorder) == {"."}


def make_and_move(root: Path, numbers: range, made: set[str]) -> None:
    """Make folders with photos at once, and rename some while the watcher is still busy with them."""
    for number in numbers:
        folder = root / f"{number}" / "b"
        (folder / "c").mkdir(parents=True)
        (folder / "c" / "x.jpg").touch()
        (folder / "y.jpg").touch()
        if number % 3 == 0:
            folder = folder.rename(root / f"moved{number}")
        made.update({str(folder / "c" / "x.jpg"), str(folder / "y.jpg")})


def learn(seen: set[str], event: FsEvent, scanner: FolderScanner, root: Path) -> None:
    """Handle an event as the simplest indexer would."""
    match event:
        case Changed(path=path):
            seen.add(path)
        case FolderAppeared(path=path) if Path(path).is_dir():
            with contextlib.suppress(FileNotFoundError):
                seen.update(item.path for item in scanner.scan(str(root), path))
        case FolderMoved(source=source, target=target):
            seen.update([target + path[len(source) :] for path in seen if path.startswith(f"{source}/")])


def test_nothing_is_lost_when_folders_and_photos_are_made_and_moved_at_once(
    root: Path, recorder: WatcherRecorder
) -> None:
    made: set[str] = set()
    ranges = [range(start, start + 100) for start in (0, 100, 200)]
    writers = [threading.Thread(target=make_and_move, args=(root, numbers, made)) for numbers in ranges]
    for writer in writers:
        writer.start()
    scanner = FolderScanner(Roots([str(root)]), RULES)
    seen: set[str] = set()
    deadline = time.monotonic() + PATIENCE
    while any(writer.is_alive() for writer in writers) or not seen >= made:
        assert time.monotonic() < deadline, f"lost: {sorted(made - seen)[:5]} of {len(made)}"
        with contextlib.suppress(queue.Empty):
            learn(seen, recorder.events.get(timeout=0.2), scanner, root)
    assert {os.path.relpath(folder, root) for folder, _, _ in os.walk(root)} == watched(recorder)


# --- links ----------------------------------------------------------------------------------------------------------


def test_links_are_not_followed_unless_asked(root: Path, tmp_path: Path, recorder: WatcherRecorder) -> None:
    (tmp_path / "away").mkdir()
    (root / "link").symlink_to(tmp_path / "away")
    (tmp_path / "away" / "a.jpg").touch()
    assert recorder.drain() == []


def test_followed_links_are_watched_and_circles_end(
    root: Path, tmp_path: Path, recorders: list[WatcherRecorder]
) -> None:
    away = tmp_path / "away"
    (away / "deep").mkdir(parents=True)
    (away / "deep" / "up").symlink_to(root)
    (root / "zz").mkdir()
    (root / "aa").symlink_to(root / "zz")
    (root / "link").symlink_to(away)
    recorders.append(recorder := WatcherRecorder(root, follow=True))
    assert watched(recorder) == {".", "zz", "link", "link/deep"}
    (away / "deep" / "a.jpg").touch()
    assert Changed(str(root / "link" / "deep" / "a.jpg"), closed=True) in recorder.drain()
    (root / "link").unlink()
    assert recorder.drain() == [Deleted(str(root / "link"))]
    (root / "again").symlink_to(away)
    assert recorder.drain() == [FolderAppeared(str(root / "again"))]


# --- what is lost, and what cannot be watched -----------------------------------------------------------------------


def test_after_an_overflow_the_root_is_told_and_missed_folders_are_watched(
    root: Path, recorder: WatcherRecorder
) -> None:
    length = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if length > 1 << 15:
        pytest.skip(f"it would take {length} events")
    (root / "old" / "sub").mkdir(parents=True)
    (root / "stays" / "leaves").mkdir(parents=True)
    recorder.wait_for(FolderAppeared(str(root / "old")), FolderAppeared(str(root / "stays")))
    recorder.drain()
    with recorder.watcher._lock:  # the reader waits, and the kernel's queue runs full
        for number in range(length // 2):  # three events each, and one read of the reader's takes some thousands
            (root / f"{number}.txt").touch()
            (root / f"{number}.txt").unlink()
        (root / "new" / "deep").mkdir(parents=True)
        (root / "old").rename(root / "renamed")
        (root / "stays" / "leaves").rename(root / "left")  # is met at its new place before it is missed at the old
    recorder.wait_for(Overflowed(str(root)))
    assert watched(recorder) == {".", "new", "new/deep", "renamed", "renamed/sub", "stays", "left"}
    (root / "renamed" / "sub" / "a.jpg").touch()
    assert Changed(str(root / "renamed" / "sub" / "a.jpg"), closed=True) in recorder.drain()


def test_folders_beyond_the_watch_limit_are_counted_with_the_remedy_and_the_rest_goes_on(
    root: Path, recorders: list[WatcherRecorder]
) -> None:
    for name in ("a/full/x", "a/full/y", "b"):
        (root / name).mkdir(parents=True)

    class Full(Limited):
        refuse = dict.fromkeys((b"full", b"x", b"y", b"more"), errno.ENOSPC)

    recorders.append(recorder := WatcherRecorder(root, inotify=Full))
    (root / "b" / "a.jpg").touch()
    told = recorder.wait_for(Changed(str(root / "b" / "a.jpg"), closed=True))
    limit = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())
    blind = told[0]
    assert isinstance(blind, WatchDegraded)
    assert (blind.root, blind.folders) == (str(root), 3)
    assert f"sysctl fs.inotify.max_user_watches={limit * 2}" in blind.reason
    (root / "more").mkdir()
    recorder.wait_for(FolderAppeared(str(root / "more")), WatchDegraded(str(root), 4, blind.reason))
    shutil.rmtree(root / "a" / "full")
    recorder.wait_for(Deleted(str(root / "a" / "full")), WatchDegraded(str(root), 1, blind.reason))
    Full.refuse.clear()  # the owner did as told, and the timer adds the root again
    recorder.watcher.add_root(str(root))
    recorder.wait_for(WatchDegraded(str(root), 0, ""))
    assert watched(recorder) == {".", "a", "b", "more"}


def test_a_folder_that_may_not_be_read_is_counted(root: Path, recorders: list[WatcherRecorder]) -> None:
    (root / "locked").mkdir()

    class Locked(Limited):
        refuse = {b"locked": errno.EACCES}  # noqa: RUF012

    recorders.append(recorder := WatcherRecorder(root, inotify=Locked))
    recorder.wait_for(WatchDegraded(str(root), 1, f"permission denied: {root}/locked"))
    (root / "locked").rmdir()
    recorder.wait_for(WatchDegraded(str(root), 0, ""))


def _counted(recorder: WatcherRecorder, root: Path, folders: tuple[int, int]) -> None:
    # A call during a change returns None.
    wait_until(
        lambda: recorder.watcher.watch_counts(str(root)) == folders, f"{folders} are counted as watched and not watched"
    )


def test_a_root_beyond_a_limit_is_degraded_names_the_remedy_and_is_watched_once_there_is_room(
    root: Path, recorders: list[WatcherRecorder]
) -> None:
    (root / "a" / "b").mkdir(parents=True)
    full = [True]

    class NoInstance(Inotify):
        @classmethod
        def _create_inotify_fd(cls) -> int:
            if full[0]:
                raise OSError(errno.EMFILE, "inotify instance limit reached")
            return super()._create_inotify_fd()

    class FullAtOnce(Limited):
        refuse = dict.fromkeys((b"root", b"a", b"b"), errno.ENOSPC)

    for inotify, remedy in ((NoInstance, "fs.inotify.max_user_instances="), (FullAtOnce, "max_user_watches=")):
        recorders.append(recorder := WatcherRecorder(root, inotify=inotify))
        blind = recorder.events.get(timeout=PATIENCE)
        assert isinstance(blind, WatchDegraded)
        assert blind.folders == 3
        assert f"sudo sysctl fs.inotify.{remedy.rpartition('.')[2]}" in blind.reason
        _counted(recorder, root, (0, 3))
        full[0] = False
        FullAtOnce.refuse.clear()
        recorder.watcher.add_root(str(root))
        recorder.wait_for(WatchDegraded(str(root), 0, ""))
        _counted(recorder, root, (3, 0))
        (root / "a" / "b" / "x.jpg").touch()
        assert Changed(str(root / "a" / "b" / "x.jpg"), closed=True) in recorder.drain()
        (root / "a" / "b" / "x.jpg").unlink()
        FullAtOnce.refuse.update(dict.fromkeys((b"root", b"a", b"b"), errno.ENOSPC))


def test_a_root_that_cannot_be_watched_is_an_error(root: Path, recorder: WatcherRecorder) -> None:
    with pytest.raises(FileNotFoundError):
        recorder.watcher.add_root(str(root / "absent"))
    (root / "file").touch()
    with pytest.raises(NotADirectoryError):
        recorder.watcher.add_root(str(root / "file"))


def test_a_root_watched_again_reports_its_degraded_folders_again(root: Path, recorders: list[WatcherRecorder]) -> None:
    (root / "full").mkdir()

    class Full(Limited):
        refuse = {b"full": errno.ENOSPC}  # noqa: RUF012

    recorders.append(recorder := WatcherRecorder(root, inotify=Full))
    blind = recorder.events.get(timeout=PATIENCE)
    recorder.watcher.remove_root(str(root))
    recorder.watcher.add_root(str(root))
    assert recorder.events.get(timeout=PATIENCE) == blind
    recorder.watcher.remove_root(str(root))
    Full.refuse.clear()
    recorder.watcher.add_root(str(root))
    assert recorder.events.get(timeout=PATIENCE) == WatchDegraded(str(root), 0, ""), (
        "or it would be scanned on a timer for ever"
    )


def test_hiding_a_great_many_folders_at_once_overflows_nothing(root: Path, recorder: WatcherRecorder) -> None:
    length = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if length > 1 << 15:
        pytest.skip(f"it would take {length} folders")
    many = root / "many"
    for number in range(length // 250 + 1):
        for inner in range(250):
            (many / str(number) / str(inner)).mkdir(parents=True)
    recorder.watcher.add_root(str(root))
    many.rename(root / ".many")
    told = recorder.wait_for(Deleted(str(many)))
    (root / "a.jpg").touch()
    told += recorder.wait_for(Changed(str(root / "a.jpg"), closed=True))
    wait_until(lambda: not recorder.watcher._tree._pending_removal, "all watches are ended")
    assert Overflowed(str(root)) not in [*told, *recorder.drain()]
    assert watched(recorder) == {"."}


def test_a_mark_is_told_when_all_before_it_has_been(root: Path, tmp_path: Path, recorder: WatcherRecorder) -> None:
    (root / "leaves").mkdir()
    recorder.wait_for(FolderAppeared(str(root / "leaves")))
    for number in range(50):
        (root / f"{number}.jpg").touch()
    (root / "0.jpg").rename(root / "moved.jpg")
    (root / "leaves").rename(tmp_path / "left")  # half a move waits for its other half, but not beyond the mark
    assert recorder.watcher.send_mark(7) is True
    told = recorder.wait_for(SyncMark(7))
    assert told[-1] == SyncMark(7)
    assert {Changed(str(root / f"{number}.jpg"), closed=True) for number in range(50)} <= set(told)
    assert Moved(str(root / "0.jpg"), str(root / "moved.jpg")) in told
    assert Deleted(str(root / "leaves")) in told


def test_a_mark_lost_in_an_overflow_is_told_after_the_overflow(root: Path, recorder: WatcherRecorder) -> None:
    length = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if length > 1 << 15:
        pytest.skip(f"it would take {length} events")
    with recorder.watcher._lock:
        for number in range(length // 2):
            (root / f"{number}.txt").touch()
            (root / f"{number}.txt").unlink()
        assert recorder.watcher.send_mark(1) is True
    told = recorder.wait_for(SyncMark(1))
    assert told.index(Overflowed(str(root))) < told.index(SyncMark(1))


def test_no_mark_is_promised_where_nothing_is_watched(root: Path, recorders: list[WatcherRecorder]) -> None:
    recorders.append(recorder := WatcherRecorder(root))
    recorder.watcher.remove_root(str(root))
    assert recorder.watcher.send_mark(1) is True, "the reader still reads"
    recorder.wait_for(SyncMark(1))
    recorders.append(WatcherRecorder.__new__(WatcherRecorder))
    recorders[-1].watcher = FolderWatcher(Roots([str(root)]), RULES)
    recorders[-1].watcher.start(lambda _event: None)
    assert recorders[-1].watcher.send_mark(1) is False


# --- roots that go and come -----------------------------------------------------------------------------------------


def test_a_root_deleted_is_lost_and_can_be_added_when_it_is_back(root: Path, recorder: WatcherRecorder) -> None:
    (root / "a").mkdir()
    recorder.wait_for(FolderAppeared(str(root / "a")))
    shutil.rmtree(root)
    lost = [
        event
        for event in recorder.wait_for(RootLost(str(root), "its folder was deleted"))
        if isinstance(event, RootLost)
    ]
    assert len(lost) == 1
    with pytest.raises(FileNotFoundError):
        recorder.watcher.add_root(str(root))
    (root / "b").mkdir(parents=True)
    recorder.watcher.add_root(str(root))
    (root / "b" / "x.jpg").touch()
    assert Changed(str(root / "b" / "x.jpg"), closed=True) in recorder.drain()
    assert watched(recorder) == {".", "b"}


def test_a_root_renamed_is_lost_and_its_new_place_is_silent(
    root: Path, tmp_path: Path, recorder: WatcherRecorder
) -> None:
    root.rename(tmp_path / "elsewhere")
    recorder.wait_for(RootLost(str(root), "its folder was renamed"))
    (tmp_path / "elsewhere" / "a.jpg").touch()
    root.mkdir()
    recorder.watcher.add_root(str(root))
    assert recorder.drain() == []


def test_an_inner_root_is_lost_when_a_folder_above_it_moves(root: Path, recorders: list[WatcherRecorder]) -> None:
    inner = root / "above" / "inner"
    inner.mkdir(parents=True)
    recorders.append(recorder := WatcherRecorder(root, inner))
    (root / "above").rename(root / "other")
    recorder.wait_for(RootLost(str(inner), "its folder is gone"), FolderMoved(str(root / "above"), str(root / "other")))


def test_a_root_replaced_unseen_is_watched_anew_by_adding_it_again(
    root: Path, tmp_path: Path, recorders: list[WatcherRecorder]
) -> None:
    (root / "home" / "pics").mkdir(parents=True)
    recorders.append(recorder := WatcherRecorder(root / "home" / "pics"))
    (root / "home").rename(tmp_path / "away")
    (root / "home" / "pics").mkdir(parents=True)
    recorder.watcher.add_root(str(root / "home" / "pics"))
    assert recorder.drain() == [Overflowed(str(root / "home" / "pics"))]


def test_two_names_of_one_folder_are_not_both_watched(root: Path, tmp_path: Path, recorder: WatcherRecorder) -> None:
    (tmp_path / "alias").symlink_to(root)
    with pytest.raises(FileExistsError, match="the same folder as the root"):
        recorder.watcher.add_root(str(tmp_path / "alias"))
    recorder.drain()


def test_a_root_removed_is_silent_and_the_others_go_on(
    root: Path, tmp_path: Path, recorders: list[WatcherRecorder]
) -> None:
    other = tmp_path / "other"
    (other / "sub").mkdir(parents=True)
    recorders.append(recorder := WatcherRecorder(root, other))
    recorder.watcher.remove_root(str(other))
    recorder.watcher.remove_root(str(other))
    (other / "sub" / "a.jpg").touch()
    assert recorder.drain() == []
    assert watched(recorder) == {"."}


def test_a_root_that_is_added_while_the_daemon_stops_is_not_watched_and_no_error(root: Path) -> None:
    watcher = FolderWatcher(Roots([str(root)]), RULES)
    watcher.start(lambda _event: None)
    watcher.close()
    watcher.add_root(str(root))
    assert watcher.watch_counts(str(root)) == (0, 0)


def test_a_dead_reader_loses_all_roots_and_adding_them_starts_another(
    root: Path, tmp_path: Path, recorders: list[WatcherRecorder]
) -> None:
    revived = threading.Event()

    class Mortal(Inotify):
        """Fails at a file of that name; its last events (the ends of its watches) come when the next one runs."""

        def read_events(self, *, event_buffer_size: int = 4096) -> list[inotify_c.InotifyEvent]:
            events = super().read_events(event_buffer_size=event_buffer_size)
            if any(event.name == b"poison" for event in events):
                raise RuntimeError("poisoned")
            return events

        def stop(self) -> None:
            if threading.current_thread() is self:
                revived.wait(PATIENCE)
            super().stop()

    other = tmp_path / "other"
    other.mkdir()
    recorders.append(recorder := WatcherRecorder(root, other, inotify=Mortal))
    (root / "poison").touch()
    recorder.wait_for(RootLost(str(root), "its watch died: poisoned"), RootLost(str(other), "its watch died: poisoned"))
    recorder.watcher.add_root(str(root))
    revived.set()
    (stopping,) = recorder.watcher._stopping
    stopping.join(PATIENCE)
    assert recorder.drain() == []


MOUNTING = """
import queue, subprocess, sys
from phsearch.adapters.watch import FolderWatcher
from phsearch.domain.roots.ignore_rules import IgnoreRules
from phsearch.domain.roots.roots import Roots
from phsearch.domain.watch_events import RootLost
root, told = sys.argv[1], queue.Queue()
watcher = FolderWatcher(Roots([root]), IgnoreRules())
watcher.start(lambda event: isinstance(event, RootLost) and told.put(event))
watcher.add_root(root)
subprocess.run(["mount", "-t", "tmpfs", "none", root], check=True)
print(told.get(timeout=60).reason)
watcher.add_root(root)
subprocess.run(["umount", root], check=True)
print(told.get(timeout=60).reason)
watcher.close()
"""


@pytest.mark.skipif(bool(namespaces.why_no_mounts()), reason=namespaces.why_no_mounts())
def test_a_file_system_mounted_over_a_root_and_unmounted_again_loses_it(root: Path) -> None:
    program = [*namespaces.MOUNTING, sys.executable, "-c", MOUNTING, str(root)]
    done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=scaled(60))
    lines = done.stdout.splitlines()
    replaced = "another folder or file system has taken its place"
    assert lines[:1] == [replaced], done.stderr
    assert lines[1:] in ([replaced], ["its file system was unmounted"]), (
        "maintenance and reader notice; either may be first"
    )


# --- file systems that hang ------------------------------------------------------------------------------------------

hanging = pytest.mark.skipif(bool(hung_fs.why_not()), reason=hung_fs.why_not())


@hanging
def test_a_root_that_hangs_from_now_on_is_lost_and_the_others_go_on(
    root: Path, tmp_path: Path, recorders: list[WatcherRecorder]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    recorders.append(recorder := WatcherRecorder(root, other, timeout=scaled(0.2)))
    with hung_fs.hung(other):
        for number in range(5):
            (root / f"{number}.jpg").touch()
            recorder.wait_for(Changed(str(root / f"{number}.jpg"), closed=True))
        recorder.wait_for(RootLost(str(other), "it does not answer"))
        for _ in range(3):
            with pytest.raises(TimeoutError, match="does not answer"):
                recorder.watcher.add_root(str(other))
        assert sum(thread.name == f"stat of {other}" for thread in threading.enumerate()) == 1
        assert watched(recorder) == {"."}
    recorder.watcher.add_root(str(other))
    (other / "back.jpg").touch()
    recorder.wait_for(Changed(str(other / "back.jpg"), closed=True))


@hanging
def test_a_hung_network_mount_below_a_root_is_not_touched_and_counts_as_not_watched(
    root: Path, recorders: list[WatcherRecorder]
) -> None:
    (root / "nas").mkdir()
    with hung_fs.hung(root / "nas"), contextlib.closing(MountPoints()) as remote:
        recorders.append(recorder := WatcherRecorder(root, remote_type=remote))
        recorder.wait_for(WatchDegraded(str(root), 1, "fuse tells of no changes made elsewhere"))
        (root / "new").mkdir()
        recorder.wait_for(FolderAppeared(str(root / "new")))
        recorder.watcher.add_root(str(root))
        assert watched(recorder) == {".", "new"}
        assert recorder.watcher.watch_counts(str(root)) == (2, 1)
    recorders.append(recorder := WatcherRecorder(root))
    assert watched(recorder) == {".", "nas", "new"}


@pytest.mark.skipif(bool(bind_mounts.why_not()), reason=bind_mounts.why_not())
def test_a_folder_mounted_again_in_its_root_is_watched_in_its_own_place(
    root: Path, recorders: list[WatcherRecorder]
) -> None:
    (root / "trip" / "deep").mkdir(parents=True)
    with contextlib.ExitStack() as mounts:
        for name in ("a", "b", "y", "z", "0", "trip2"):
            mounts.enter_context(bind_mounts.bound(root / "trip", root / name))
        points = mounts.enter_context(contextlib.closing(MountPoints()))
        recorders.append(recorder := WatcherRecorder(root, is_mount_point=points.holds))
        assert watched(recorder) == {".", "trip", "trip/deep"}
        (root / "z" / "deep" / "new.jpg").touch()
        recorder.wait_for(Changed(str(root / "trip" / "deep" / "new.jpg"), closed=True))


@hanging
def test_a_root_that_may_hang_has_its_own_watcher_which_is_abandoned_when_it_hangs(root: Path, tmp_path: Path) -> None:
    share = tmp_path / "share"
    (share / "slow").mkdir(parents=True)
    stuck = threading.Event()

    class Sticky(Inotify):
        """Hangs in a folder, as in a file system that answered a moment ago."""

        def add_callback(
            self, path: bytes, mask: inotify_c.Mask, callback: inotify_c.WatchCallback, id_: inotify_c.CallbackId
        ) -> inotify_c.WatchDescriptor:
            if path.endswith(b"slow"):
                stuck.set()
                os.stat(path)
            return super().add_callback(path, mask, callback, id_)

    told: queue.Queue[FsEvent] = queue.Queue()

    def hears(wanted: FsEvent) -> None:
        while told.get(timeout=PATIENCE) != wanted:
            pass

    both = Roots([str(root), str(share)])
    watchers = IsolatingWatcher(
        lambda: FolderWatcher(both, RULES, inotify=Sticky, timeout=scaled(0.2)),
        remote_type=lambda path: "fuse" if path == str(share) else None,
        timeout=scaled(0.2),
    )
    watchers.start(told.put)
    watchers.add_root(str(root))
    watchers.add_root(str(share))
    assert stuck.is_set()
    assert watchers.watch_counts(str(share)) == (2, 0)
    (share / "slow" / "a.jpg").touch()
    hears(Changed(str(share / "slow" / "a.jpg"), closed=True))
    with hung_fs.hung(share / "slow") as mount:
        again = threading.Thread(target=watchers.add_root, args=(str(share),), daemon=True)
        again.start()
        again.join(1)
        assert again.is_alive(), "the share itself answers, so it is waited for"
        assert watchers.watch_counts(str(share)) is None
        (root / "b.jpg").touch()
        hears(Changed(str(root / "b.jpg"), closed=True))
        assert watchers.send_mark(1) is True
        hears(SyncMark(1))
        watchers.remove_root(str(share))  # does not wait
        start = time.monotonic()
        watchers.close()
        assert time.monotonic() - start < scaled(6)
        mount.end()
        again.join(PATIENCE)


# --- what we rely on in watchdog ------------------------------------------------------------------------------------


def test_watchdog_still_has_what_the_watcher_is_built_on(root: Path) -> None:
    """A list of what we use: if an update of watchdog changes it, read inotify_c.py again."""
    assert issubclass(Inotify, inotify_c.InotifyFD)
    for method in ("add_callback", "remove_callbacks", "handle_event", "read_events", "run", "stop", "start", "join"):
        assert callable(getattr(inotify_c.InotifyFD, method))
    for method in ("on_event", "on_watch_deleted", "on_queue_overflow"):
        assert hasattr(inotify_c.WatchCallback, method)
        assert hasattr(FolderWatcher, method)

    told: list[tuple[int, int]] = []
    arrived = threading.Event()

    class Recorder:
        def __init__(self, number: int) -> None:
            self.number = number

        def on_event(self, event: inotify_c.InotifyEvent) -> None:
            told.append((self.number, event.wd))
            arrived.set()

        def on_watch_deleted(self, wd: int) -> None: ...

        def on_queue_overflow(self) -> None: ...

    reader = Inotify(lambda _error: None)
    reader.start()
    mask = inotify_c.InotifyConstants.IN_CREATE
    one, two = inotify_c.CallbackId(1), inotify_c.CallbackId(2)
    wd = reader.add_callback(os.fsencode(root), mask, Recorder(1), one)
    assert reader.add_callback(os.fsencode(root), mask, Recorder(2), two) == wd  # one inode, one number
    reader.remove_callbacks([(wd, one)])  # and the other goes on
    reader.remove_callbacks([(inotify_c.WatchDescriptor(-1), one)])  # no error for what is not there
    (root / "x").touch()
    assert arrived.wait(PATIENCE)
    reader.stop()
    reader.join(PATIENCE)
    assert not reader.is_alive()
    assert told == [(2, wd)]


def test_watchdog_still_passes_over_a_permission_error() -> None:
    """If this changes, `FolderTree._add_watch` may lose its line about -1."""
    import ctypes  # noqa: PLC0415

    ctypes.set_errno(errno.EACCES)
    inotify_c.InotifyFD._raise_error()
