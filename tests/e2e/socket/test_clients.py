"""Careless and hostile clients of the daemon's own user: other clients are answered all the same."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.daemons.short_timeouts import SECONDS
from support.harness import Daemon, daemon_program, photo, running, wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT_TIMEOUTS_DAEMON = daemon_program("short_timeouts")
QUICK = "[watch]\nsettle_seconds = 0.2\n"
STATUS = b'{"jsonrpc":"2.0","id":1,"method":"status"}\n'
MANY = b'{"jsonrpc":"2.0","id":1,"method":"search","params":{"query":"red","limit":1000}}\n'


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Serve at most 40 clients, each of which has SECONDS for everything."""
    with running(tmp_path_factory.mktemp("clients"), SHORT_TIMEOUTS_DAEMON, QUICK) as daemon:
        for number in range(300):
            photo(daemon.photos / ("a" * 150) / f"{'b' * 100}{number}.png", (number % 256, 0, number // 256))
        daemon.becomes(photos=300, pending=0)
        yield daemon
        assert daemon.status()["photos"] == 300, "it still answers after all that"
        log = daemon.log.read_text()
        assert "Traceback" not in log
        assert "exception" not in log.lower()


@contextlib.contextmanager
def clients(daemon: Daemon, number: int, said: bytes = b"") -> Iterator[list[socket.socket]]:
    """Connect many times, and send `said` each time."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(number):
            raw = stack.enter_context(socket.socket(socket.AF_UNIX))
            raw.settimeout(scaled(10))
            raw.connect(str(daemon.socket))
            with contextlib.suppress(BrokenPipeError):
                raw.sendall(said)
            sockets.append(raw)
        yield sockets


def answers(raw: socket.socket) -> list[dict[str, Any]]:
    """Return the answers until the daemon closes the connection."""
    lines = []
    with contextlib.suppress(ConnectionResetError):
        lines = list(raw.makefile("rb"))
    return [json.loads(line) for line in lines]


def descriptors(daemon: Daemon) -> int:
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


@pytest.mark.parametrize("said", [b"", b'{"jsonrpc":"2.0"', STATUS], ids=["silent", "half a request", "idle"])
def test_a_thousand_connections_lock_nobody_out_and_cost_no_more_than_forty(daemon: Daemon, said: bytes) -> None:
    before = descriptors(daemon)
    with clients(daemon, 1000, said) as sockets:
        start = time.monotonic()
        assert daemon.status()["photos"] == 300
        assert time.monotonic() - start < scaled(5)
        assert descriptors(daemon) < before + 60
        assert answers(sockets[0])[-1]["error"]["data"]["type"] == "Busy", "the first one made room"
    wait_until(lambda: descriptors(daemon) <= before + 2, "all are gone")


@pytest.mark.parametrize("said", [b"", b'{"jsonrpc":"2.0"', b"x" * (2 << 20)], ids=["nothing", "half", "no end"])
def test_who_does_not_finish_a_request_is_told_so_and_hung_up_on(daemon: Daemon, said: bytes) -> None:
    with clients(daemon, 1, said) as (raw,):
        said_last = answers(raw)[-1]["error"]
        assert said_last["data"]["type"] == "Busy"
        assert f"within {SECONDS:g} s" in said_last["message"]


def test_who_has_asked_may_be_silent_for_as_long_as_there_is_room(daemon: Daemon) -> None:
    with clients(daemon, 1, STATUS) as (raw,):
        lines = raw.makefile("rb")
        assert b'"photos":300' in lines.readline()
        time.sleep(1.5 * SECONDS)  # longer than anybody may take for anything
        raw.sendall(STATUS)
        assert b'"photos":300' in lines.readline()


def test_who_does_not_take_his_answers_is_hung_up_on_and_little_is_kept_for_him(daemon: Daemon) -> None:
    before = descriptors(daemon)
    with clients(daemon, 20, MANY * 50):
        assert daemon.status()["photos"] == 300
        wait_until(lambda: descriptors(daemon) <= before + 2, "all are gone")


def test_a_request_byte_by_byte_is_answered_and_so_is_one_before_a_half_close(daemon: Daemon) -> None:
    with clients(daemon, 1) as (raw,):
        for byte in STATUS:
            raw.sendall(bytes([byte]))
        assert b'"photos":300' in raw.makefile("rb").readline()
    with clients(daemon, 1, STATUS * 3) as (raw,):
        raw.shutdown(socket.SHUT_WR)
        assert [answer["result"]["photos"] for answer in answers(raw)] == [300, 300, 300]


def test_a_flood_of_requests_does_not_hold_up_who_asks_one(daemon: Daemon) -> None:
    def slowest() -> float:
        times = []
        for _ in range(40):
            start = time.monotonic()
            daemon.status()
            times.append(time.monotonic() - start)
        return sorted(times)[20]

    with clients(daemon, 8) as sockets:
        for raw in sockets:
            raw.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    raw.send(STATUS * 2000)
        assert slowest() < scaled(0.2)


def test_a_few_may_follow_events_and_the_next_is_told_to_wait(daemon: Daemon) -> None:
    subscribe = b'{"jsonrpc":"2.0","id":1,"method":"events.subscribe"}\n'
    with clients(daemon, 5, subscribe) as sockets:
        told = [json.loads(raw.makefile("rb").readline()) for raw in sockets]
        assert sorted("result" in each for each in told) == [False, True, True, True, True]
        (refused,) = [each for each in told if "error" in each]
        assert refused["error"]["data"]["retryable"] is True
        with clients(daemon, 100, STATUS):
            path = photo(daemon.photos / "event.png", "green")
            following = next(raw for raw, each in zip(sockets, told, strict=True) if "result" in each)
            assert json.loads(following.makefile("rb").readline())["params"]["path"] == str(path)
            path.unlink()
    daemon.becomes(photos=300, pending=0)


def test_running_out_of_descriptors_stops_neither_the_store_nor_the_loop(tmp_path: Path) -> None:
    limited = ("sh", "-c", 'ulimit -n 300; exec "$@"', "sh", *SHORT_TIMEOUTS_DAEMON)
    daemon = Daemon(tmp_path, limited, QUICK).start()
    try:
        with clients(daemon, 400, STATUS):
            photo(daemon.photos / "new.png", "green")
            daemon.becomes(photos=1, pending=0)
        daemon.becomes(photos=1, pending=0)
        assert daemon.found("green") == ["new.png"]
        assert "Traceback" not in daemon.log.read_text()
        assert len(Path(daemon.log).read_text()) < 1 << 20
    finally:
        assert daemon.stop() == 0
