"""Programs that should read what the daemon says, and do not, hold nothing up: stderr, and systemd's socket."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from support.harness import COLOUR_DAEMON, Daemon, photo, wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PHOTOS = 2_000
LONG = "a name as long as names can be " * 6


class UnreadLog:
    """A FIFO in place of the log file, which is read when the test likes."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, 4096)
        self._seen = b""

    def read(self) -> str:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._fd, 1 << 16):
                self._seen += chunk
        return self._seen.decode()

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon(tmp_path)


@pytest.fixture
def log(daemon: Daemon) -> Iterator[UnreadLog]:
    unread = UnreadLog(daemon.log)
    yield unread
    unread.close()


def test_two_thousand_broken_photos_and_a_log_that_nobody_reads(daemon: Daemon, log: UnreadLog) -> None:
    folder = daemon.photos / LONG / LONG / LONG
    folder.mkdir(parents=True)
    for number in range(PHOTOS):
        (folder / f"{LONG}{number}.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken %d" % number)
    daemon.start()
    photo(daemon.photos / "red.png", "red")
    wait_until(lambda: daemon.status()["errors"] == PHOTOS, "every broken photo is noted", 60)
    wait_until(lambda: daemon.found("red", 1) == ["red.png"], "a photo is found")
    wait_until(lambda: "lines lost here" in log.read(), "somebody reads, and is told what is lost")
    lines = log.read().splitlines()
    assert all(line[2] == line[5] == ":" for line in lines), "no line is cut"
    stopped = threading.Thread(target=daemon.stop)
    stopped.start()
    wait_until(lambda: "INFO    phsearch: stopping\n" in log.read(), "the line of its end comes")
    stopped.join()


def test_a_daemon_whose_log_nobody_reads_ends_within_seconds(daemon: Daemon, log: UnreadLog) -> None:
    for number in range(50):
        (daemon.photos / f"{LONG}{number}.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken %d" % number)
    daemon.start()
    wait_until(lambda: daemon.status()["errors"] == 50, "every broken photo is noted")
    start = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - start < scaled(10)
    assert "stopping" not in log.read(), "the pipe was full"


def test_a_start_that_fails_says_so_in_its_last_line_and_waits_for_no_reader(daemon: Daemon, log: UnreadLog) -> None:
    command = [*COLOUR_DAEMON, "--root", str(daemon.photos), "--state-dir", "/proc/phsearch"]
    for full in (False, True):
        if full:
            writer = os.open(daemon.log, os.O_WRONLY | os.O_NONBLOCK)
            with contextlib.suppress(BlockingIOError):
                while os.write(writer, b"x"):
                    pass
            os.close(writer)
        with daemon.log.open("wb", buffering=0) as stderr:
            assert (
                subprocess.run(command, env=daemon.env, stderr=stderr, check=False, timeout=scaled(20)).returncode == 1
            )
        if not full:
            assert log.read().splitlines()[-1].startswith("phsearchd: cannot use the state directory /proc/phsearch")


class BusySystemd:
    """A socket at $NOTIFY_SOCKET whose queue is full until `read`."""

    def __init__(self, daemon: Daemon) -> None:
        self._address = str(daemon.home / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._address)
        daemon.env["NOTIFY_SOCKET"] = self._address
        self.fill()

    def fill(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while sender.sendto(b"full", self._address):
                    pass

    def read_until(self, message: bytes) -> None:
        self._socket.settimeout(scaled(20))
        while not self._socket.recv(4096).startswith(message):
            pass

    def close(self) -> None:
        self._socket.close()


def test_systemd_that_does_not_read_holds_no_query_up_and_hears_all_of_a_reload_later(daemon: Daemon) -> None:
    systemd = BusySystemd(daemon)
    reader = threading.Thread(target=systemd.read_until, args=(b"READY=1",))
    reader.start()
    daemon.start()
    reader.join()
    systemd.fill()
    os.kill(daemon.pid, signal.SIGHUP)
    longest = 0.0
    for _ in range(20):
        start = time.monotonic()
        daemon.status()
        longest = max(longest, time.monotonic() - start)
        time.sleep(0.05)
    assert longest < 1.5, "systemd is waited for, but not by the event loop"
    systemd.read_until(b"RELOADING=1")
    systemd.read_until(b"READY=1")
    daemon.stop()
    systemd.close()
