"""The daemon under a watchdog, played by the test: heartbeats come only while every part makes progress."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from support.harness import Daemon, daemon_program, photo, wait_until
from support.machine import hung_fs
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHORT_STORE_TIMEOUT_DAEMON = daemon_program("short_store_timeout")
INTERVAL = scaled(0.4)

needs_fuse = pytest.mark.skipif(bool(hung_fs.why_not()), reason=hung_fs.why_not() or "-")


class Systemd:
    """The other end of $NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.env = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(int(INTERVAL * 1_000_000))}

    def hears(self, message: bytes, seconds: float) -> bool:
        """Wait for one message and drop what else comes."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                if self._socket.recv(4096) == message:
                    return True
        return False

    def beats(self, seconds: float) -> int:
        """Count the heartbeats of the next seconds."""
        self.forget()
        deadline, count = time.monotonic() + seconds, 0
        while (left := deadline - time.monotonic()) > 0:
            count += self.hears(b"WATCHDOG=1", left)
        return count

    def forget(self) -> None:
        """Drop what has come so far."""
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(4096):
                pass

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    watching = Systemd(tmp_path / "notify")
    yield watching
    watching.close()


@pytest.fixture
def daemon(tmp_path: Path, systemd: Systemd) -> Iterator[Daemon]:
    watched = Daemon(
        tmp_path / "home", SHORT_STORE_TIMEOUT_DAEMON, f"[watch]\nsettle_seconds = 0.2\ndisk_seconds = {scaled(0.4)}\n"
    )
    watched.env |= systemd.env
    watched.start()
    try:
        yield watched
    finally:
        watched.stop()


def test_heartbeats_go_on_while_the_disk_of_a_root_hangs(daemon: Daemon, systemd: Systemd) -> None:
    assert systemd.hears(b"READY=1", scaled(30))
    photo(daemon.photos / "red.png", "red")
    daemon.becomes(photos=1, pending=0)
    assert systemd.beats(2 * INTERVAL) >= 4
    if hung_fs.why_not():
        pytest.skip(hung_fs.why_not())
    with hung_fs.hung(daemon.photos):
        wait_until(lambda: daemon.status()["roots"][0]["state"] == "offline", "the hung root is offline")
        assert systemd.beats(2 * INTERVAL) >= 4
    assert "no more heartbeats" not in daemon.log.read_text()


@needs_fuse
def test_a_store_that_hangs_ends_the_heartbeats_and_the_log_names_it(daemon: Daemon, systemd: Systemd) -> None:
    photo(daemon.photos / "red.png", "red")
    daemon.becomes(photos=1, pending=0)
    with hung_fs.hung(daemon.state / "index"):
        photo(daemon.photos / "blue.png", "blue")
        assert wait_until(lambda: "no more heartbeats" in daemon.log.read_text(), "the log says what hangs")
        assert systemd.beats(1.5 * INTERVAL) == 0
        assert daemon.found("blue", limit=1) == ["blue.png"], "what is in memory is found all the same"
    wait_until(
        lambda: "the store thread has been busy with StoreWriter._write for " in daemon.log.read_text(),
        "the log says so",
    )
    assert systemd.hears(b"WATCHDOG=1", scaled(20)), "the disk answers again, and so does the daemon"


def test_what_aborts_the_daemon_leaves_the_stacks_of_its_threads_in_the_log(daemon: Daemon) -> None:
    assert daemon._end(signal.SIGABRT) == -signal.SIGABRT
    log = daemon.log.read_text()
    assert "Fatal Python error: Aborted" in log
    assert "in _run_once" in log, "the stack of the event loop"


def test_a_query_worker_that_hangs_is_replaced_and_its_query_may_be_asked_again(daemon: Daemon) -> None:
    photo(daemon.photos / "red.png", "red")
    daemon.becomes(photos=1, pending=0)
    assert daemon.found("red") == ["red.png"]
    before = set(daemon.workers())
    query_worker = min(before)  # the first that is started
    os.kill(query_worker, signal.SIGSTOP)
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(scaled(40))
        raw.connect(str(daemon.socket))
        raw.sendall(b'{"jsonrpc":"2.0","id":1,"method":"search","params":{"query":"green"}}\n')
        error = json.loads(raw.makefile("rb").readline())["error"]
    assert (error["data"]["type"], error["data"]["retryable"]) == ("NotReady", True)
    assert daemon.found("green") == ["red.png"], "asked again, it is answered"
    assert query_worker not in daemon.workers()
    wait_until(
        lambda: "the query worker is ended: it has done nothing for" in daemon.log.read_text(), "the log says so"
    )
