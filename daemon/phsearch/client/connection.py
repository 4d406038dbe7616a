"""The connection to the daemon's socket: blocking, with the standard library only. Answers are JSON as it came.

One deadline covers a whole call: the connection, the request, and its repetition while the daemon is not ready. Without
a timeout of the caller, a daemon that is starting gets more time than a silent one. A starting daemon answers that it
is not ready, or systemd still holds its socket. `wire.jsonrpc` and `wire.methods` are not imported: their dataclasses
would cost a query more than its round trip.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from phsearch import paths
from phsearch.errors import AnswerTimeoutError, DaemonUnreachableError, MalformedAnswerError, RemoteError
from phsearch.text import escape_control_chars
from phsearch.wire import PROTOCOL, framing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeVar

    from phsearch.wire.record import Record

    _R = TypeVar("_R", bound=Record)

TIMEOUT = 10.0
"""Seconds that a call may take by default."""

STARTING = 60.0
"""Seconds that it may take by default while the daemon starts: a model loads slowly from a cold disk."""

START_HINT = "start it with `phsearchd install --now`, or run phsearchd"

RESTART_HINT = "restart the daemon after an upgrade: `systemctl --user restart phsearch`"

_LONGEST_PATH = 107  # sun_path holds 108 bytes, and the last one is the null
_UCRED_SIZE = 12  # three ints: pid, uid, gid
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5  # between two attempts


class Connection:
    """One connection, made at the first call. A context manager that closes it. The usual socket is the default.

    Its methods raise DaemonUnreachableError, AnswerTimeoutError or RemoteError. After an error the next call makes a
    new connection.
    """

    def __init__(self, socket_path: str | os.PathLike[str] | None = None, timeout: float | None = None) -> None:
        self.socket_path = None if socket_path is None else os.fspath(socket_path)
        self.timeout = TIMEOUT if timeout is None else timeout
        self.starting = STARTING if timeout is None else 0.0
        self._allowed = self.timeout
        self._path = ""
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._last_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer.clear()

    def call(self, method: str, /, **params: Any) -> Any:
        """Return the result of one call. It is repeated while the answer is "not ready" and there is time."""
        start, self._allowed = time.monotonic(), self.timeout
        pause, answer = _FIRST_PAUSE, None
        while True:
            try:
                return self._send_request(method, params, start + self._allowed)
            except BaseException as problem:
                if self._is_starting(problem):
                    self._allowed = max(self.timeout, self.starting)
                # The rest of this answer must not be taken for the next one. And a daemon that is too busy closes the
                # connection after its error.
                self.close()
                retryable = isinstance(problem, AnswerTimeoutError) or getattr(problem, "retryable", False)
                if not retryable or time.monotonic() + pause >= start + self._allowed:
                    # The last attempt may have had a moment only: what the daemon answered before says more.
                    if answer is not None and isinstance(problem, AnswerTimeoutError):
                        raise answer from None
                    raise
                answer = problem if isinstance(problem, RemoteError) else answer
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def next_notification(self, seconds: float | None = None) -> Any:
        """Return the parameters of the next event after `events.subscribe`; None when none comes within `seconds`.

        Raise DaemonUnreachableError when the daemon ends.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            try:
                message = self._read_message(deadline)
            except AnswerTimeoutError:
                return None
            if message.get("method") == "event" and "params" in message:
                return message["params"]

    def _is_starting(self, problem: BaseException) -> bool:
        """Whether the daemon that did not answer is only starting."""
        if isinstance(problem, RemoteError):
            return problem.kind == "NotReady"
        return (
            isinstance(problem, AnswerTimeoutError) and self._socket is not None and _only_systemd_listens(self._socket)
        )

    def _send_request(self, method: str, params: dict[str, Any], deadline: float) -> Any:
        if self._socket is None:
            self._socket = self._connect(deadline)
        self._last_id += 1
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        self._send(framing.encode(request), deadline)
        while True:
            message = self._read_message(deadline)
            # An error without an id answers a request that the daemon could not read: ours.
            if message.get("id") == self._last_id or ("error" in message and message.get("id") is None):
                break
        if "result" in message:
            return self._check_protocol(method, message["result"])
        raise self._remote_error(message.get("error"))

    def _check_protocol(self, method: str, result: Any) -> Any:
        """Return the result. Raise RemoteError for another protocol, except for `status`: it names the protocol."""
        spoken = result.get("protocol", 1) if isinstance(result, dict) else 1
        if spoken == PROTOCOL or method == "status":
            return result
        message = f"the daemon speaks protocol {escape_control_chars(str(spoken))}, and this client protocol {PROTOCOL}"
        raise RemoteError(message, RESTART_HINT, kind="Protocol")

    def find_socket(self) -> str:
        """Return the socket that is used: that of the caller, or the first usual one that exists."""
        found = [path for path in self._paths() if os.path.exists(path)]  # noqa: PTH110 - see _only_systemd_listens
        return found[0] if found else next(self._paths())

    def _paths(self) -> Iterator[str]:
        if self.socket_path is not None:
            yield self.socket_path
        else:
            yield from map(str, paths.usual_sockets(os.environ))

    def _connect(self, deadline: float) -> socket.socket:
        first: DaemonUnreachableError | None = None
        for path in self._paths():
            try:
                connection = self._connect_to(path, deadline)
            except DaemonUnreachableError as problem:
                first = first or problem
            else:
                self._path = path
                return connection
        assert first is not None
        raise first if self.socket_path is not None else _named_holder(first)

    def _connect_to(self, path: str, deadline: float) -> socket.socket:
        if len(os.fsencode(path)) > _LONGEST_PATH:
            message = f"the socket path {escape_control_chars(path)} is too long: it may have {_LONGEST_PATH} bytes"
            raise DaemonUnreachableError(message, "give a shorter one to daemon and client with --socket")
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(self._remaining(deadline))
                connection.connect(path)
            except BlockingIOError:  # the queue of connections is full: a socket with a timeout does not wait
                connection.close()
                time.sleep(min(_FIRST_PAUSE, self._remaining(deadline)))
            except OSError as problem:
                connection.close()
                raise self._unreachable_error(path, problem) from None
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
            pass  # closed already: an answer that was sent before can still be read

    def _read_message(self, deadline: float | None) -> dict[str, Any]:
        line = self._read_line(deadline)
        try:
            message = framing.decode(line)
        except ValueError:
            raise self._protocol_error() from None
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            raise self._protocol_error()
        return message

    def _read_line(self, deadline: float | None) -> bytes:
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
                self._check_owner()
                what = "closed the connection" if deadline is None else "closed the connection before answering"
                hint = f"look why with `journalctl --user -u phsearch`; {START_HINT}"
                raise DaemonUnreachableError(f"the daemon {what}", hint)
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _check_owner(self) -> None:
        """Raise DaemonUnreachableError if the daemon runs as another user: it closes our connection at once."""
        assert self._socket is not None
        _pid, uid = _peer(self._socket)
        if uid != os.getuid():
            raise _other_user_error(f"the daemon at {escape_control_chars(self._path)} is that of another user ({uid})")

    def _remaining(self, deadline: float) -> float:
        if (left := deadline - time.monotonic()) <= 0:
            raise self._timeout_error()
        return left

    def _timeout_error(self) -> AnswerTimeoutError:
        message = f"the daemon did not answer within {self._allowed:g} s"
        return AnswerTimeoutError(message, "it may be starting or busy: try again, or wait longer with --timeout")

    def _protocol_error(self, what: str = "does not speak phsearch's protocol") -> RemoteError:
        hint = "check --socket, and that daemon and client are of the same version"
        return RemoteError(f"what answers on {escape_control_chars(self._path)} {what}", hint, kind="Protocol")

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

    def _unreachable_error(self, path: str, problem: OSError) -> DaemonUnreachableError | AnswerTimeoutError:
        path = escape_control_chars(path)
        match problem:
            case TimeoutError():
                return self._timeout_error()
            case FileNotFoundError():
                return DaemonUnreachableError(f"phsearchd is not running (there is no socket at {path})", START_HINT)
            case ConnectionRefusedError():
                return DaemonUnreachableError(f"phsearchd is not running (nothing listens on {path})", START_HINT)
            case PermissionError():
                return _other_user_error(f"the socket {path} belongs to another user")
            case _:
                return DaemonUnreachableError(f"cannot connect to {path}: {problem.strerror or problem}", START_HINT)


def _named_holder(problem: DaemonUnreachableError) -> DaemonUnreachableError:
    """Return the error if a daemon runs that cannot be reached, else `problem`."""
    from phsearch.state_lock import locking_process  # noqa: PLC0415 - only after an error

    state = paths.StateFolder(paths.state_dir(os.environ))
    try:
        pid = locking_process(state.lock)
    except (OSError, ValueError):
        pid = None
    if pid is None:
        return problem
    hint = (
        f"it is starting or stopping, or has another --socket: try again in a few seconds, or end it with `kill {pid}`"
    )
    return DaemonUnreachableError(f"phsearchd runs (process {pid}), but cannot be reached", hint)


def parse_answer(kind: type[_R], answer: Any) -> _R:
    """Return an answer of `Connection.call` as a record. Raise MalformedAnswerError."""
    try:
        return kind.parse_json(answer)
    except ValueError as problem:
        hint = "compare the versions with `phsearch-client --version`; PHSEARCH_DEBUG=1 shows where it happened"
        raise MalformedAnswerError(f"cannot make sense of the answer ({problem})", hint, kind="Protocol") from problem


def _error_position(given: Any) -> tuple[int, int] | None:
    match given:
        case [int(start), int(end)]:
            return start, end
        case _:
            return None


def _other_user_error(message: str) -> DaemonUnreachableError:
    return DaemonUnreachableError(message, "ask as the user whose daemon it is, or give your own with --socket")


def _peer(connection: socket.socket) -> tuple[int, int]:
    """Return pid and uid of the process at the other end."""
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED_SIZE)
    return int.from_bytes(peer[:4], sys.byteorder), int.from_bytes(peer[4:8], sys.byteorder)


def _only_systemd_listens(connection: socket.socket) -> bool:
    """Whether only systemd listens yet.

    The peer's process is the last one that called listen(): systemd until the daemon takes over the socket. After a
    daemon was stopped it is still that daemon, which no longer runs.
    """
    pid, _uid = _peer(connection)
    try:
        with open(f"/proc/{pid}/comm", "rb") as name:  # noqa: PTH123 - pathlib costs a query more than its round trip
            return name.read() == b"systemd\n"
    except OSError:
        return pid != 0  # 0: a process of a pid namespace that is not visible here
