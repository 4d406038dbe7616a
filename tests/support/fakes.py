"""A fake daemon: a real socket with scripted answers, instead of mocks."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

HANG_UP = object()
"""Scripted instead of an answer: close the connection."""
SILENCE = object()
"""Scripted instead of an answer: send nothing and keep the connection."""


class Refusal(Exception):  # noqa: N818 - it is scripted, never raised
    """Scripted instead of an answer: an error as the daemon sends it."""

    def __init__(self, kind: str, message: str, hint: str = "", *, retryable: bool = False) -> None:
        super().__init__(message)
        data = {"type": kind, "hint": hint, "retryable": retryable}
        self.body = {"code": -32000, "message": message, "data": data}


class ScriptedDaemon:
    """A socket server in a thread that answers each method by a script and records the requests in `asked`.

    An entry of the script is a result, a Refusal, raw bytes to send as they are, HANG_UP, SILENCE, a list of these (one
    for each call, the last one repeated), or a function of the params that returns one. `events` are sent after a
    subscription, and then the connection is closed if `hangs_up`.
    """

    def __init__(
        self, path: Path, script: Mapping[str, Any], events: Iterable[Mapping[str, Any]] = (), *, hangs_up: bool = True
    ) -> None:
        self.path = path
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._script = {method: list(told) if isinstance(told, list) else [told] for method, told in script.items()}
        self._events = list(events)
        self._hangs_up = hangs_up
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for each in (self._listener, *self._connections):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(scaled(5))
        self._listener.close()
        self.path.unlink(missing_ok=True)

    @property
    def connections(self) -> int:
        """The number of connections so far."""
        return len(self._connections)

    def _spawn(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with self._lock:
                    self._connections.append(connection)
                    self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                request = json.loads(line)
                self.asked.append((request["method"], request["params"]))
                if not self._answer(connection, request):
                    return

    def _answer(self, connection: socket.socket, request: dict[str, Any]) -> bool:
        told = self._scripted(request)
        head = {"jsonrpc": "2.0", "id": request["id"]}
        match told:
            case _ if told is HANG_UP:
                return False
            case _ if told is SILENCE:
                return True
            case bytes():
                connection.sendall(told)
            case Refusal():
                connection.sendall(_line(head | {"error": told.body}))
            case _:
                connection.sendall(_line(head | {"result": told}))
        if request["method"] == "events.subscribe":
            for event in self._events:
                connection.sendall(_line({"jsonrpc": "2.0", "method": "event", "params": event}))
            return not self._hangs_up
        return True

    def _scripted(self, request: dict[str, Any]) -> Any:
        with self._lock:
            answers = self._script[request["method"]]
            told = answers.pop(0) if len(answers) > 1 else answers[0]
        return told(request["params"]) if callable(told) else told


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
