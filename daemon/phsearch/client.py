"""A blocking client of the daemon's socket, on the standard library alone.

One deadline covers a whole call: connecting, asking, and asking again while the daemon says that it is not ready. Where
the caller has set none, a daemon that is starting gets more time than one that is silent: it says that it is not ready,
or systemd still holds its socket. Neither `wire.jsonrpc` nor `wire.methods` is imported: their dataclasses would cost a
query more than its round trip.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from phsearch.errors import AnswerTimeoutError, DaemonUnreachableError, RemoteError
from phsearch.text import escape_control_chars
from phsearch.wire import PROTOCOL, framing

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 10.0
"""Seconds a call may take, where nobody says otherwise."""

STARTING = 60.0
"""Seconds it may take, where nobody says otherwise, while the daemon starts: from a cold disk a model is slow."""

START_HINT = "start it with `phsearchd install --now`, or run phsearchd"

RESTART_HINT = "restart the daemon after an upgrade: `systemctl --user restart phsearch`"

_LONGEST_PATH = 107  # sun_path holds 108 bytes and the kernel wants the last one for its null
_UCRED_SIZE = 12  # three ints: pid, uid, gid
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5  # between two attempts


class Client:
    """One connection, made at the first call; a context manager that closes it.

    Raises DaemonUnreachableError, AnswerTimeoutError or RemoteError; after any of them the next call connects anew.
    """

    def __init__(self, socket_path: str | os.PathLike[str], timeout: float | None = None) -> None:
        self.path = os.fspath(socket_path)
        self.timeout = TIMEOUT if timeout is None else timeout
        self.starting = STARTING if timeout is None else 0.0
        self._allowed = self.timeout
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._last_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer.clear()

    def call(self, method: str, /, **params: Any) -> Any:
        """Give the result of one call; asks again while the answer is "not ready" and there is time."""
        begun, self._allowed = time.monotonic(), self.timeout
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._send_request(method, params, begun + self._allowed)
            except BaseException as problem:
                if self._is_starting(problem):
                    self._allowed = max(self.timeout, self.starting)
                # Half an answer may be on its way, which must not be taken for that of the next call; and a daemon
                # that is too busy hangs up after saying so.
                self.close()
                retryable = isinstance(problem, AnswerTimeoutError) or getattr(problem, "retryable", False)
                if not retryable or time.monotonic() + pause >= begun + self._allowed:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def forward(self, line: bytes) -> bytes:
        """Send one request as it is, and give the line that comes back, without its newline."""
        deadline = time.monotonic() + self.timeout
        try:
            if self._socket is None:
                self._socket = self._connect(deadline)
            self._send(line, deadline)
            return self._line(deadline)
        except BaseException:
            self.close()
            raise

    def events(self) -> Iterator[dict[str, Any]]:
        """Subscribe, then give each event as it happens; raises DaemonUnreachableError when the daemon goes."""
        self.call("events.subscribe")
        return self._notifications()

    def next_event(self, seconds: float | None) -> dict[str, Any] | None:
        """Give the next event after a subscription, None when none comes for `seconds`."""
        try:
            message = self._message(None if seconds is None else time.monotonic() + seconds)
        except AnswerTimeoutError:
            return None
        event = message.get("params")
        return event if isinstance(event, dict) and message.get("method") == "event" else {}

    def _is_starting(self, problem: BaseException) -> bool:
        """Tell whether the daemon that has not answered is only on its way up."""
        if isinstance(problem, RemoteError):
            return problem.kind == "NotReady"
        return (
            isinstance(problem, AnswerTimeoutError) and self._socket is not None and _only_systemd_listens(self._socket)
        )

    def _notifications(self) -> Iterator[dict[str, Any]]:
        while True:
            message = self._message(None)
            if isinstance(event := message.get("params"), dict) and message.get("method") == "event":
                yield event

    def _send_request(self, method: str, params: dict[str, Any], deadline: float) -> Any:
        if self._socket is None:
            self._socket = self._connect(deadline)
        self._last_id += 1
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        self._send(framing.encode(request), deadline)
        while True:
            message = self._message(deadline)
            # An error without an id is about a request the daemon could not even read, so it is ours.
            if message.get("id") == self._last_id or ("error" in message and message.get("id") is None):
                break
        if "result" in message:
            return self._check_protocol(method, message["result"])
        raise self._remote_error(message.get("error"))

    def _check_protocol(self, method: str, result: Any) -> Any:
        """Give the result, unless its words may mean something else in the protocol it is of; `status` says which."""
        spoken = result.get("protocol", 1) if isinstance(result, dict) else 1
        if spoken == PROTOCOL or method == "status":
            return result
        message = f"the daemon speaks protocol {escape_control_chars(str(spoken))}, and this client protocol {PROTOCOL}"
        raise RemoteError(message, RESTART_HINT, kind="Protocol")

    def _connect(self, deadline: float) -> socket.socket:
        if len(os.fsencode(self.path)) > _LONGEST_PATH:
            path = escape_control_chars(self.path)
            message = f"the socket path {path} is too long: a socket's may have {_LONGEST_PATH} bytes"
            raise DaemonUnreachableError(message, "give a shorter one to daemon and client with --socket")
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(self._remaining(deadline))
                connection.connect(self.path)
            except BlockingIOError:  # the queue of connections is full, and a socket with a timeout does not wait
                connection.close()
                time.sleep(min(_FIRST_PAUSE, self._remaining(deadline)))
            except OSError as problem:
                connection.close()
                raise self._unreachable_error(problem) from None
            except BaseException:
                connection.close()
                raise
            else:
                return connection

    def _send(self, line: bytes, deadline: float) -> None:
        assert self._socket is not None
        try:
            self._socket.settimeout(self._remaining(deadline))
            self._socket.sendall(line)
        except TimeoutError:
            raise self._timeout_error() from None
        except OSError:
            pass  # gone already: what it said before hanging up, if anything, is still to be read

    def _message(self, deadline: float | None) -> dict[str, Any]:
        line = self._line(deadline)
        try:
            message = framing.decode(line)
        except ValueError:
            raise self._protocol_error() from None
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            raise self._protocol_error()
        return message

    def _line(self, deadline: float | None) -> bytes:
        assert self._socket is not None
        seen = 0
        while (end := self._buffer.find(b"\n", seen)) < 0:
            seen = len(self._buffer)
            if seen >= framing.MAX_LINE:
                raise self._protocol_error(f"sent a line of more than {framing.MAX_LINE >> 20} MiB")
            try:
                self._socket.settimeout(None if deadline is None else self._remaining(deadline))
                chunk = self._socket.recv(1 << 16)
            except TimeoutError:
                raise self._timeout_error() from None
            except OSError:
                chunk = b""
            if not chunk:
                what = "closed the connection" if deadline is None else "closed the connection before answering"
                hint = f"look why with `journalctl --user -u phsearch`; {START_HINT}"
                raise DaemonUnreachableError(f"the daemon {what}", hint)
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _remaining(self, deadline: float) -> float:
        if (left := deadline - time.monotonic()) <= 0:
            raise self._timeout_error()
        return left

    def _timeout_error(self) -> AnswerTimeoutError:
        message = f"the daemon did not answer within {self._allowed:g} s"
        return AnswerTimeoutError(message, "it may be starting or busy: try again, or wait longer with --timeout")

    def _protocol_error(self, what: str = "does not speak phsearch's protocol") -> RemoteError:
        hint = "check --socket, and that daemon and client are of the same version"
        return RemoteError(f"what answers on {escape_control_chars(self.path)} {what}", hint, kind="Protocol")

    def _remote_error(self, error: Any) -> RemoteError:
        if not isinstance(error, dict) or not isinstance(error.get("message"), str):
            return self._protocol_error()
        data = error.get("data")
        if not isinstance(data, dict):
            data = {}
        hint, kind = str(data.get("hint") or ""), str(data.get("type") or "")
        return RemoteError(
            error["message"],
            hint,
            kind=kind,
            retryable=data.get("retryable") is True,
            place=_error_position(data.get("place")),
        )

    def _unreachable_error(self, problem: OSError) -> DaemonUnreachableError | AnswerTimeoutError:
        path = escape_control_chars(self.path)
        match problem:
            case TimeoutError():
                return self._timeout_error()
            case FileNotFoundError():
                return DaemonUnreachableError(f"phsearchd is not running (there is no socket at {path})", START_HINT)
            case ConnectionRefusedError():
                return DaemonUnreachableError(f"phsearchd is not running (nobody listens on {path})", START_HINT)
            case PermissionError():
                hint = "ask as the user whose daemon it is, or give your own with --socket"
                return DaemonUnreachableError(f"the socket {path} belongs to somebody else", hint)
            case _:
                return DaemonUnreachableError(f"cannot connect to {path}: {problem.strerror or problem}", START_HINT)


def _error_position(given: Any) -> tuple[int, int] | None:
    match given:
        case [int(start), int(end)]:
            return start, end
        case _:
            return None


def _only_systemd_listens(connection: socket.socket) -> bool:
    """Tell whether nobody but systemd listens yet.

    The peer's process is the last one that called listen(): systemd until the daemon takes the socket over, and still
    the daemon before, which is gone, when it has been stopped since.
    """
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED_SIZE)
    pid = int.from_bytes(peer[:4], sys.byteorder)
    try:
        with open(f"/proc/{pid}/comm", "rb") as name:  # noqa: PTH123 - pathlib costs a query more than its round trip
            return name.read() == b"systemd\n"
    except OSError:
        return pid != 0  # 0: it lives in a pid namespace that cannot be seen from here
