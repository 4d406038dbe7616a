"""Right and wrong use of the socket. One daemon serves all of these tests and must survive each."""

from __future__ import annotations

import concurrent.futures
import json
import os
import socket
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from phsearch.wire import PROTOCOL
from phsearch.wire.methods import METHODS
from support.harness import Daemon, photo, running
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("socket"), settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        for number in range(5):
            photo(daemon.photos / f"red{number}.png", (200 + number, 0, 0))
        photo(daemon.photos / "blue.png", "blue")
        daemon.becomes(photos=6, pending=0)
        yield daemon
        assert daemon.found("blue", limit=1) == ["blue.png"], "the daemon still answers after all that"


def ask(daemon: Daemon, line: bytes) -> dict[str, Any]:
    """Send one raw line and return the answer."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(scaled(20))
        raw.connect(str(daemon.socket))
        raw.sendall(line)
        answer: dict[str, Any] = json.loads(raw.makefile("rb").readline())
        return answer


def call(daemon: Daemon, method: str, params: Any = None, **more: Any) -> dict[str, Any]:
    request = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}} | more
    return ask(daemon, json.dumps(request).encode() + b"\n")


def test_socket_and_state_belong_to_the_user_alone(daemon: Daemon) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(daemon.socket) == 0o600
    assert mode(daemon.socket.parent) == 0o700
    assert mode(daemon.state) == 0o700
    assert all(mode(path) & 0o077 == 0 for path in daemon.state.rglob("*"))


def test_another_user_is_refused_by_the_peer_check_even_where_permissions_let_him_in(daemon: Daemon) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    script = (
        "import os, socket, sys\n"
        "raw = socket.socket(socket.AF_UNIX)\n"
        "os.chdir(os.path.dirname(sys.argv[1]))\n"
        "os.setuid(65534)\n"
        "raw.connect(os.path.basename(sys.argv[1]))\n"
        "raw.sendall(b'{}\\n')\n"
        "print(raw.recv(100))\n"
    )
    daemon.socket.chmod(0o666)
    daemon.socket.parent.chmod(0o711)
    try:
        done = subprocess.run(["python3", "-c", script, daemon.socket], capture_output=True, text=True, check=False)
    finally:
        daemon.socket.chmod(0o600)
        daemon.socket.parent.chmod(0o700)
    assert "b''" in done.stdout or "ConnectionResetError" in done.stderr or "BrokenPipe" in done.stderr, done


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"hello\n", "ParseError"),
        (b'{"jsonrpc":"2.0"\n', "ParseError"),
        (b"\xff\xfe\n", "ParseError"),
        (b"[" * 100_000 + b"\n", "ParseError"),
        (b"[]\n", "InvalidRequest"),
        (b"{}\n", "InvalidRequest"),
        (b'{"jsonrpc":"2.0","id":1,"method":5}\n', "InvalidRequest"),
        (b'{"jsonrpc":"2.0","id":{},"method":"status"}\n', "InvalidRequest"),
        (b'{"jsonrpc":"2.0","id":1,"method":"search","params":[1]}\n', "InvalidParams"),
        (b'{"jsonrpc":"2.0","id":1,"method":"reboot"}\n', "MethodNotFound"),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","params":{"x":1}}\n', "InvalidParams"),
        (b'{"jsonrpc":"2.0","id":1,"method":"search"}\n', "InvalidParams"),
        (b'{"jsonrpc":"2.0","id":1,"method":"search","params":{"query":""}}\n', "InvalidParams"),
        (b'{"jsonrpc":"2.0","id":1,"method":"search","params":{"query":"  "}}\n', "InvalidParams"),
        (b'{"jsonrpc":"2.0","id":1,"method":"search","params":{"query":"a","limit":0}}\n', "InvalidParams"),
        (b'{"jsonrpc":"2.0","id":1,"method":"search","params":{"query":"a","limit":1e3}}\n', "InvalidParams"),
        (b'{"jsonrpc":"2.0","id":1,"method":"search","params":{"query":"\\ud800"}}\n', "InvalidParams"),
        (b'{"jsonrpc":"2.0","id":1,"method":"library.rescan","params":{"path":"/elsewhere"}}\n', "OutsideLibrary"),
        (b"x" * (2 << 20) + b"\n", "ParseError"),
    ],
)
def test_a_wrong_request_gets_one_clear_error(daemon: Daemon, line: bytes, kind: str) -> None:
    error = ask(daemon, line)["error"]
    assert error["data"]["type"] == kind
    assert error["message"]
    assert "Traceback" not in json.dumps(error)


def test_a_query_of_ten_thousand_characters_is_refused_with_its_limit(daemon: Daemon) -> None:
    error = call(daemon, "search", {"query": "red " * 2500})["error"]
    assert error["message"] == '"query" has 10,000 characters, the limit is 1,000'


def test_a_query_in_chinese_is_answered_with_a_sentence_not_with_noise(daemon: Daemon) -> None:
    error = call(daemon, "search", {"query": "海滩日落"})["error"]
    assert error["data"]["type"] == "UnsupportedQuery"
    assert "English" in error["message"]
    assert "multilingual" in error["data"]["hint"]


def test_ids_are_echoed_and_notifications_get_no_answer(daemon: Daemon) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(daemon.socket))
        raw.sendall(b'{"jsonrpc":"2.0","method":"status"}\n{"jsonrpc":"2.0","method":"no.such.method"}\n')
        raw.sendall(b'{"jsonrpc":"2.0","id":"abc","method":"status"}\n')
        assert json.loads(raw.makefile("rb").readline())["id"] == "abc"


def test_discover_describes_exactly_the_methods_that_are_served(daemon: Daemon) -> None:
    document = call(daemon, "rpc.discover")["result"]
    assert [method["name"] for method in document["methods"]] == list(METHODS)
    for name in METHODS:
        assert call(daemon, name, {"query": "red"} if name == "search" else {})["id"] == 7


def test_limit_and_min_score_cut_the_list(daemon: Daemon) -> None:
    hits = call(daemon, "search", {"query": "red", "limit": 3})["result"]["hits"]
    assert len(hits) == 3
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    hits = call(daemon, "search", {"query": "red", "min_score": 0.5})["result"]["hits"]
    assert {os.path.basename(hit["path"])[:3] for hit in hits} == {"red"}


def test_a_hundred_clients_at_once_are_all_answered(daemon: Daemon) -> None:
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: call(daemon, "search", {"query": "blue", "limit": 1}), range(100)))
    assert all(os.path.basename(answer["result"]["hits"][0]["path"]) == "blue.png" for answer in answers)


def test_clients_that_leave_mid_way_or_never_finish_disturb_nobody(daemon: Daemon) -> None:
    idle = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for raw in idle:
        raw.connect(str(daemon.socket))
        raw.sendall(b'{"jsonrpc":"2.0","id":1,"meth')
    gone = socket.socket(socket.AF_UNIX)
    gone.connect(str(daemon.socket))
    gone.sendall(b'{"jsonrpc":"2.0","id":1,"method":"search","params":{"query":"red","limit":1000}}\n')
    gone.close()
    assert call(daemon, "status")["result"]["photos"] == 6
    for raw in idle:
        raw.close()


def test_events_tell_what_happens_as_it_happens(daemon: Daemon) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(scaled(20))
        raw.connect(str(daemon.socket))
        lines = raw.makefile("rb")
        raw.sendall(b'{"jsonrpc":"2.0","id":1,"method":"events.subscribe"}\n')
        assert json.loads(lines.readline())["result"]["subscribed"] is True
        path = photo(daemon.photos / "event.png", "green")
        event = json.loads(lines.readline())
        assert (event["method"], event["params"]) == ("event", {"type": "indexed", "path": str(path)})
        path.unlink()
        assert json.loads(lines.readline())["params"]["type"] == "removed"


def test_rescan_starts_a_scan_of_the_root_that_holds_the_path(daemon: Daemon) -> None:
    answer = call(daemon, "library.rescan", {"path": str(daemon.photos / "deep" / "down")})
    assert answer["result"] == {"roots": [str(daemon.photos)], "protocol": PROTOCOL}
    daemon.settled()


def test_a_second_daemon_on_the_same_state_refuses_with_a_clear_message(daemon: Daemon) -> None:
    done = daemon.run("--socket", str(daemon.home / "other.sock"))
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"phsearchd: another phsearchd (process {daemon.pid}, listening on {daemon.socket}) uses {daemon.state}: "
        f"stop it first with `kill {daemon.pid}`, or choose another place with --state-dir"
    )


def test_a_second_daemon_on_the_same_socket_refuses_and_leaves_the_socket_alone(daemon: Daemon) -> None:
    done = daemon.run("--state-dir", str(daemon.home / "other-state"))
    assert done.returncode == 1
    assert f"another phsearchd answers on {daemon.socket}" in done.stderr
    assert daemon.status()["photos"] == 6
