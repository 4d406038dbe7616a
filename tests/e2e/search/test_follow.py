"""--follow prints new matches as photos arrive, whatever happens to the daemon."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.harness import PHSEARCH_CLIENT, Daemon, photo, running, wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = "[watch]\nsettle_seconds = 0.2\n"


class Follower:
    """A client that follows a query, and what it has written."""

    def __init__(self, daemon: Daemon, *words: str | bytes) -> None:
        self._files = [daemon.home / "followed", daemon.home / "said"]
        with self._files[0].open("wb") as out, self._files[1].open("wb") as err:
            self.process = subprocess.Popen([*PHSEARCH_CLIENT, *words], env=daemon.env, stdout=out, stderr=err)

    @property
    def out(self) -> bytes:
        return self._files[0].read_bytes()

    @property
    def err(self) -> str:
        return self._files[1].read_text()

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(scaled(20))


def has_begun(daemon: Daemon) -> bool:
    text = daemon.call("metrics")["text"]
    searched = re.search(r"\nphsearch_query_duration_seconds_count ([\d.]+)", text)
    return "\nphsearch_connections 2" in text and searched is not None and float(searched[1]) > 0


@contextlib.contextmanager
def following(daemon: Daemon, *words: str | bytes) -> Iterator[Follower]:
    follower = Follower(daemon, *words)
    try:
        wait_until(lambda: has_begun(daemon), "it is connected, and has made its first search")
        yield follower
    finally:
        follower.end()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    home = tmp_path / "home"
    photo(home / "photos" / "before.png", "red")
    with running(home, settings=QUICK) as daemon:
        daemon.becomes(photos=1, pending=0, scanning=False)
        yield daemon


def test_new_matches_are_printed_once_each_and_old_ones_are_not(daemon: Daemon) -> None:
    with following(daemon, "red", "--min-score", "0.9", "--follow", "--format", "{name}") as follower:
        photo(daemon.photos / "one.png", "red")
        photo(daemon.photos / "other.png", "blue")
        wait_until(lambda: follower.out == b"one.png\n", "the new photo is printed")
        (daemon.photos / "one.png").rename(daemon.photos / "renamed.png")
        daemon.becomes(photos=3, pending=0)
        photo(daemon.photos / "two.png", "red")
        wait_until(lambda: b"two.png\n" in follower.out, "the next is, too")
        assert follower.out == b"one.png\ntwo.png\n", "a new name is no new photo"
        photo(daemon.photos / "other.png", "red")
        wait_until(lambda: b"other.png\n" in follower.out, "a photo that shows something else now is new")
        assert follower.end() == 130


def test_following_survives_a_restart_of_the_daemon_and_nothing_is_lost(daemon: Daemon) -> None:
    with following(daemon, "red", "--min-score", "0.9", "--follow", "-0") as follower:
        daemon.kill()
        wait_until(lambda: "waiting for it to come back" in follower.err, "it says so")
        photo(daemon.photos / "meanwhile.png", "red")
        daemon.start()
        wait_until(lambda: follower.out.endswith(b"meanwhile.png\0"), "what came meanwhile is printed")
        assert follower.out.count(b"\0") == 1
        assert follower.err.count("waiting for it") == 1


def test_old_photos_that_are_touched_or_renamed_are_not_new_after_a_restart_either(daemon: Daemon) -> None:
    other = photo(daemon.photos / "other.png", "red")
    daemon.becomes(photos=2, pending=0)
    with following(daemon, "red", "--min-score", "0.9", "--follow", "--format", "{name}") as follower:
        os.utime(other, (1, 1))
        (daemon.photos / "before.png").rename(daemon.photos / "renamed.png")
        photo(daemon.photos / "one.png", "red")
        wait_until(lambda: b"one.png" in follower.out, "the new photo is printed")
        daemon.becomes(photos=3, pending=0)
        daemon.stop()
        daemon.start()
        photo(daemon.photos / "two.png", "red")
        wait_until(lambda: b"two.png" in follower.out, "the next is printed, too")
        assert follower.out.split() == [b"one.png", b"two.png"]


def test_a_crash_before_the_index_is_written_prints_nothing_twice(daemon: Daemon) -> None:
    names = [os.fsencode(f"{number}.png") for number in range(30)]
    with following(daemon, "red", "--min-score", "0.9", "--follow", "--format", "{name}") as follower:
        for name in names:
            photo(daemon.photos / os.fsdecode(name), "red")
        wait_until(lambda: follower.out, "the first are printed")
        daemon.kill()
        daemon.start()
        photo(daemon.photos / "last.png", "red")
        wait_until(lambda: {*names, b"last.png"} <= set(follower.out.split()), "all are printed")
        assert len(follower.out.split()) == len(names) + 1


def test_a_command_is_run_for_each_with_the_path_as_one_argument(daemon: Daemon) -> None:
    names = ["a b.png", "quote'\".png", "$(touch x).png", "new\nline.png", os.fsdecode(b"\xff.png")]
    script = daemon.home / "note.py"
    script.write_text("import os, sys; open(sys.argv[1], 'ab').write(os.fsencode(sys.argv[2]) + b'\\0'); sys.exit(3)")
    noted = daemon.home / "noted"
    command = f"{sys.executable} {script} {noted} {{}}"
    with following(daemon, "red", "--min-score", "0.9", "--follow", "--exec", command) as follower:
        for name in names:
            photo(daemon.photos / name, "red")
        wait_until(lambda: noted.exists() and noted.read_bytes().count(b"\0") == len(names), "all are run")
        paths = set(noted.read_bytes().split(b"\0")[:-1])
        assert paths == {os.fsencode(daemon.photos / name) for name in names}
        assert "ended with status 3" in follower.err
        assert follower.process.poll() is None, "a command that fails ends nothing"


def test_a_wrong_query_is_reported_at_once(daemon: Daemon) -> None:
    done = daemon.cli("--follow", "date:2023-13", check=False)
    assert done.returncode == 2
    assert "months go from 01 to 12" in done.stderr


def test_a_missing_command_is_reported(daemon: Daemon) -> None:
    with following(daemon, "red", "--follow", "--exec", "no-such-program") as follower:
        photo(daemon.photos / "new.png", "red")
        wait_until(lambda: "cannot run no-such-program: No such file or directory" in follower.err, "it is said")


def test_a_clock_that_is_set_back_hides_no_new_photo(daemon: Daemon) -> None:
    newest = daemon.status()["sequence"]
    (known,) = daemon.call("search", query="red")["hits"]
    assert (known["sequence"], newest) == (newest, newest)
    photo(daemon.photos / "after.png", "red")
    daemon.becomes(photos=2, pending=0)
    # What the clock says of it does not matter.
    found = daemon.call("search", query="red", after_sequence=newest, indexed_after=0)["hits"]
    assert [os.path.basename(hit["path"]) for hit in found] == ["after.png"]
    before = daemon.call("search", query="red", until_sequence=newest)["hits"]
    assert [os.path.basename(hit["path"]) for hit in before] == ["before.png"]
    assert daemon.stop() == 0
    daemon.start()
    photo(daemon.photos / "restarted.png", "red")
    daemon.becomes(photos=3, pending=0)
    last = daemon.call("search", query="red", after_sequence=found[0]["sequence"])["hits"]
    assert [os.path.basename(hit["path"]) for hit in last] == ["restarted.png"]
