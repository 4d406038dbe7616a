"""What clients are told when systemd holds the socket and the daemon they woke cannot start.

Without this their connections would stay in the queue, wake the next start at once, and the one after, until systemd
gives up; and nobody would learn why.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from phsearch.wire import framing, jsonrpc
from phsearch.wire.jsonrpc import RpcError

if TYPE_CHECKING:
    import socket

    from phsearch.errors import PhsearchError

_PATIENCE = 0.5
_REQUEST = 1 << 16


def refuse(listener: socket.socket, problem: PhsearchError) -> int:
    """Tell everyone who waits what is wrong, and hang up; gives their number."""
    refused = 0
    with contextlib.suppress(OSError):  # BlockingIOError, in the end: nobody waits any more
        while True:
            connection, _ = listener.accept()
            refused += 1
            with connection, contextlib.suppress(OSError):
                connection.settimeout(_PATIENCE)
                connection.sendall(framing.encode(_answer(connection.recv(_REQUEST), problem)))
    return refused


def _answer(line: bytes, problem: PhsearchError) -> dict[str, object]:
    try:
        message = framing.decode(line)
    except ValueError:
        message = None
    error = RpcError("CannotStart", f"phsearchd cannot start: {problem}", problem.hint)
    return jsonrpc.error(error, jsonrpc.request_id(message))
