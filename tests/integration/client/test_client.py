from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from phsearch.client import Client
from phsearch.errors import AnswerTimeoutError, DaemonUnreachableError, RemoteError
from phsearch.wire.framing import MAX_LINE
from support.fakes import HANG_UP, SILENCE, Refusal, ScriptedDaemon
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BRIEFLY = scaled(0.1)
WITHIN = re.escape(f"within {BRIEFLY:g} s")

NOT_READY = Refusal("NotReady", "the model is loading", "ask again in a moment", retryable=True)


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "s"


def asked(socket_path: Path, told: Any, timeout: float = 5) -> Any:
    """Return the result of one call to a daemon that answers with `told`."""
    with ScriptedDaemon(socket_path, {"status": told}), Client(socket_path, timeout) as client:
        return client.call("status")


def test_a_call_gives_the_result(socket_path: Path) -> None:
    with (
        ScriptedDaemon(socket_path, {"search": lambda params: {"echo": params}}) as daemon,
        Client(socket_path) as client,
    ):
        assert client.call("search", query="zoë \udcff", limit=3) == {"echo": {"query": "zoë \udcff", "limit": 3}}
    assert daemon.asked == [("search", {"query": "zoë \udcff", "limit": 3})]


def test_calls_share_one_connection(socket_path: Path) -> None:
    with ScriptedDaemon(socket_path, {"status": [1, 2, None]}) as daemon, Client(socket_path) as client:
        assert [client.call("status") for _ in range(3)] == [1, 2, None]
    assert daemon.connections == 1


def test_a_long_answer_arrives_whole(socket_path: Path) -> None:
    long = "x" * (MAX_LINE - 100)
    assert asked(socket_path, long) == long


def test_an_answer_in_pieces_is_put_together(socket_path: Path) -> None:
    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            for piece in (
                b'{"jsonrpc":"2.0","meth',
                b'od":"event","params":{}}\n{"jsonrpc":"2.0","id":1,',
                b'"result":7}\n',
            ):
                connection.sendall(piece)
                time.sleep(0.02)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with Client(socket_path, scaled(5)) as client:
            assert client.call("status") == 7
        thread.join()


def test_a_missing_socket_says_how_to_start_the_daemon(socket_path: Path) -> None:
    with pytest.raises(DaemonUnreachableError, match="there is no socket at") as problem:
        Client(socket_path).call("status")
    assert "phsearchd install --now" in problem.value.hint
    assert "phsearchd" in problem.value.hint


def test_a_stale_socket_says_so(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path))
    with pytest.raises(DaemonUnreachableError, match="nothing listens on"):
        Client(socket_path).call("status")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do anything")
def test_a_forbidden_socket_says_whose_it_is(socket_path: Path) -> None:
    with ScriptedDaemon(socket_path, {}):
        socket_path.chmod(0)
        with pytest.raises(DaemonUnreachableError, match="belongs to another user"):
            Client(socket_path).call("status")


def test_a_refused_permission_has_its_own_message(socket_path: Path) -> None:
    problem = Client(socket_path)._unreachable_error(str(socket_path), PermissionError(13, "Permission denied"))
    assert "belongs to another user" in str(problem)


def test_a_daemon_of_another_user_that_hangs_up_is_told_so(socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.getuid()
    with ScriptedDaemon(socket_path, {"status": HANG_UP}):
        with pytest.raises(DaemonUnreachableError, match="closed the connection before answering"):
            Client(socket_path).call("status")
        monkeypatch.setattr(os, "getuid", lambda: uid + 1)
        with pytest.raises(DaemonUnreachableError, match=rf"is that of another user \({uid}\)") as caught:
            Client(socket_path).call("status")
        assert "ask as the user whose daemon it is" in caught.value.hint


def test_a_path_no_socket_can_have_says_so(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachableError, match="too long"):
        Client(tmp_path / ("x" * 120)).call("status")


def test_a_file_that_is_no_socket_means_no_daemon(socket_path: Path) -> None:
    socket_path.write_text("hello")
    with pytest.raises(DaemonUnreachableError):
        Client(socket_path).call("status")


def test_a_folder_that_is_a_file_means_no_daemon(socket_path: Path) -> None:
    socket_path.write_text("hello")
    with pytest.raises(DaemonUnreachableError, match="Not a directory"):
        Client(socket_path / "s").call("status")


def test_a_silent_daemon_is_waited_for_no_longer_than_asked(socket_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(AnswerTimeoutError, match=r"did not answer within 0\.2 s"):
        asked(socket_path, SILENCE, timeout=0.2)
    assert 0.2 <= time.monotonic() - start < scaled(1)


def test_the_deadline_is_for_the_whole_answer_not_for_each_piece(socket_path: Path) -> None:
    done = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while not done.wait(0.05):
                connection.sendall(b" ")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path))
        listener.listen()
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        start = time.monotonic()
        with pytest.raises(AnswerTimeoutError), Client(socket_path, 0.3) as client:
            client.call("status")
        assert time.monotonic() - start < scaled(1)
        done.set()
        thread.join()


def test_a_full_queue_of_connections_is_waited_for(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path))
        listener.listen(0)
        waiting = []
        while True:
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
            if waiting[-1].connect_ex(str(socket_path)):
                break
        with pytest.raises(AnswerTimeoutError):
            Client(socket_path, 0.2).call("status")
        for each in waiting:
            each.close()


def test_not_ready_is_asked_again_until_it_is(socket_path: Path) -> None:
    assert asked(socket_path, [NOT_READY, NOT_READY, "ready"]) == "ready"


def test_not_ready_for_too_long_raises_the_daemons_message(socket_path: Path) -> None:
    with pytest.raises(RemoteError, match="the model is loading") as problem:
        asked(socket_path, NOT_READY, timeout=0.3)
    assert problem.value.kind == "NotReady"
    assert problem.value.retryable
    assert problem.value.hint == "ask again in a moment"


def test_other_errors_are_not_asked_again(socket_path: Path) -> None:
    script = {"status": Refusal("InvalidParams", '"limit" must be at least 1', "how many hits at most")}
    with ScriptedDaemon(socket_path, script) as daemon, Client(socket_path) as client:
        with pytest.raises(RemoteError) as problem:
            client.call("status")
        assert problem.value.sentence() == '"limit" must be at least 1: how many hits at most'
        assert problem.value.kind == "InvalidParams"
    assert len(daemon.asked) == 1


def test_a_daemon_that_hangs_up_is_gone(socket_path: Path) -> None:
    with pytest.raises(DaemonUnreachableError, match="before answering") as problem:
        asked(socket_path, HANG_UP)
    assert "journalctl --user -u phsearch" in problem.value.hint


def test_half_an_answer_is_waited_for(socket_path: Path) -> None:
    with pytest.raises(AnswerTimeoutError):
        asked(socket_path, b'{"jsonrpc": "2.0", "id": 1, "res', timeout=0.2)


def test_half_an_answer_before_a_hang_up_is_no_answer(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b'{"jsonrpc":"2.0","id":1,"result":')

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(DaemonUnreachableError, match="before answering"):
            Client(socket_path, scaled(5)).call("status")
        thread.join()


@pytest.mark.parametrize(
    "told",
    [
        b"220 mail.example.org ESMTP\r\n",
        b"\xff\xfe\n",
        b"[]\n",
        b"null\n",
        b"{}\n",
        b'{"jsonrpc":"2.0","id":1}\n',
        b'{"jsonrpc":"2.0","id":1,"error":7}\n',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1}}\n',
        b"x" * (MAX_LINE + 1),
    ],
    ids=lambda told: told[:16].decode("latin-1"),
)
def test_another_program_on_the_socket_is_recognised(socket_path: Path, told: bytes) -> None:
    with pytest.raises(RemoteError, match="what answers on") as problem:
        asked(socket_path, told)
    assert "check --socket" in problem.value.hint


def test_an_error_without_details_is_still_an_error(socket_path: Path) -> None:
    with pytest.raises(RemoteError, match="no such thing") as problem:
        asked(socket_path, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"no such thing"}}\n')
    assert problem.value.hint == ""


def test_after_a_timeout_the_late_answer_is_not_taken_for_the_next(socket_path: Path) -> None:
    with ScriptedDaemon(socket_path, {"status": [SILENCE, "second"]}) as daemon, Client(socket_path, BRIEFLY) as client:
        with pytest.raises(AnswerTimeoutError):
            client.call("status")
        assert client.call("status") == "second"
    assert daemon.connections == 2


def test_an_answer_to_another_request_is_skipped(socket_path: Path) -> None:
    strange = b'{"jsonrpc":"2.0","id":99,"result":"wrong"}\n{"jsonrpc":"2.0","id":1,"result":"right"}\n'
    assert asked(socket_path, strange) == "right"


def test_an_error_before_a_hang_up_is_read(socket_path: Path) -> None:
    # As one does that has too many clients: it answers before it has read, so that our request meets a closed pipe.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path))
        listener.listen()
        closed = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                body = b'{"code":-32001,"message":"too many clients","data":{"type":"Busy","retryable":false}}'
                connection.sendall(b'{"jsonrpc":"2.0","id":null,"error":' + body + b"}\n")
            closed.set()

        thread = threading.Thread(target=serve)
        thread.start()
        client = Client(socket_path, scaled(5))
        client._socket = client._connect(time.monotonic() + scaled(5))
        closed.wait(scaled(5))
        with pytest.raises(RemoteError, match="too many clients"):
            client.call("status")
        thread.join()


def test_events_arrive_until_the_daemon_goes(socket_path: Path) -> None:
    told = [{"type": "indexed", "path": f"/p/{n}.jpg"} for n in range(3)]
    script = {"events.subscribe": {"subscribed": True}}
    with ScriptedDaemon(socket_path, script, told), Client(socket_path).events() as events:
        assert [next(events).json_members() for _ in told] == told
        with pytest.raises(DaemonUnreachableError, match="closed the connection"):
            next(events)


def test_a_slow_stream_of_events_has_no_deadline(socket_path: Path) -> None:
    script = {"events.subscribe": {"subscribed": True}}
    daemon = ScriptedDaemon(socket_path, script, [], hangs_up=False)
    with daemon, Client(socket_path, BRIEFLY).events() as events:
        start = time.monotonic()
        threading.Timer(2.5 * BRIEFLY, daemon._connections[0].shutdown, [socket.SHUT_RDWR]).start()
        with pytest.raises(DaemonUnreachableError):
            next(events)
        assert time.monotonic() - start > 2 * BRIEFLY


# Listens as systemd does: the daemon takes the socket over later, if at all.
_LISTEN = """
import socket, sys
open("/proc/self/comm", "w").write(sys.argv[2])
socket.socket(fileno=int(sys.argv[1])).listen(8)
if sys.argv[2] != "gone":
    print("listening", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def listened_by(name: str, socket_path: Path) -> Iterator[socket.socket]:
    """Yield a socket on which a process of this name was the last to call listen()."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path))
        fd = listener.fileno()
        command = [sys.executable, "-c", _LISTEN, str(fd), name]
        with subprocess.Popen(command, pass_fds=(fd,), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            if not process.stdout.readline():
                process.wait()
            yield listener
            process.kill()


def hurried(socket_path: Path) -> Client:
    """Return a client with the default timeouts, much shorter."""
    client = Client(socket_path)
    client.timeout, client.starting = BRIEFLY, 10 * BRIEFLY
    return client


def answer_after(listener: socket.socket, seconds: float) -> None:
    def serve() -> None:
        time.sleep(seconds)
        with contextlib.suppress(OSError):  # nobody comes any more
            listener.settimeout(scaled(5))
            while True:  # those who gave up before are in the queue, too
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    id_ = json.loads(connection.recv(1000))["id"]
                    connection.sendall(json.dumps({"jsonrpc": "2.0", "id": id_, "result": "here"}).encode() + b"\n")

    threading.Thread(target=serve, daemon=True).start()


@pytest.mark.parametrize("listener", ["systemd", "gone"])
def test_while_systemd_holds_the_socket_a_daemon_has_time_to_start(socket_path: Path, listener: str) -> None:
    with listened_by(listener, socket_path) as held, hurried(socket_path) as client:
        answer_after(held, 3 * BRIEFLY)
        assert client.call("status") == "here"


def test_a_daemon_that_has_the_socket_and_is_silent_gets_no_more_time(socket_path: Path) -> None:
    within = pytest.raises(AnswerTimeoutError, match=WITHIN)
    with listened_by("phsearchd", socket_path), hurried(socket_path) as client, within:
        client.call("status")


def test_a_daemon_that_never_starts_is_given_up_when_the_longer_time_is_over(socket_path: Path) -> None:
    with listened_by("systemd", socket_path), hurried(socket_path) as client:
        client.starting = 2 * BRIEFLY
        with pytest.raises(AnswerTimeoutError, match=re.escape(f"within {2 * BRIEFLY:g} s")):
            client.call("status")


def test_a_time_out_that_was_asked_for_is_kept_also_at_a_start(socket_path: Path) -> None:
    within = pytest.raises(AnswerTimeoutError, match=WITHIN)
    with listened_by("systemd", socket_path), Client(socket_path, BRIEFLY) as client, within:
        client.call("status")


def test_a_daemon_that_says_it_is_not_ready_is_given_the_time_of_a_start(socket_path: Path) -> None:
    with ScriptedDaemon(socket_path, {"status": [*[NOT_READY] * 3, "ready"]}), hurried(socket_path) as client:
        assert client.call("status") == "ready"


def test_what_a_daemon_that_is_not_ready_says_is_the_error_also_where_the_last_try_had_no_time(
    socket_path: Path,
) -> None:
    script = {"status": [NOT_READY, SILENCE]}
    with ScriptedDaemon(socket_path, script), Client(socket_path, BRIEFLY) as client:
        with pytest.raises(RemoteError) as caught:
            client.call("status")
        assert caught.value.retryable
