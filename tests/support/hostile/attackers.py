"""Clients that misbehave until killed: `python .../hostile/attackers.py KIND SOCKET`; they print "ready" first."""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SEARCH = b'{"jsonrpc":"2.0","id":1,"method":"search","params":{"query":"a cat %d","limit":1000}}\n'
STATUS = b'{"jsonrpc":"2.0","id":1,"method":"status"}\n'
_WAIT = 0.05


def connected(path: str, said: bytes = b"") -> socket.socket:
    """Connect, send `said`, and do not wait for an answer."""
    raw = socket.socket(socket.AF_UNIX)
    raw.settimeout(10)
    with contextlib.suppress(OSError):
        raw.connect(path)
        raw.setblocking(False)
        raw.send(said)
    return raw


def idle(path: str) -> None:
    """Hold a thousand silent connections, and replace each one that is lost."""
    _hold(path, 1000, b"")


def asked(path: str) -> None:
    """Hold a thousand connections that have sent a request."""
    _hold(path, 1000, STATUS)


def half(path: str) -> None:
    """Hold a thousand connections with half a request."""
    _hold(path, 1000, b'{"jsonrpc":"2.0","id":1,"met')


def _hold(path: str, number: int, said: bytes) -> None:
    held = [connected(path, said) for _ in range(number)]
    _ready()
    while True:
        time.sleep(_WAIT)
        for at in range(0, number, 50):  # twenty new ones each time, in place of the oldest
            held[at].close()
            held[at] = connected(path, said)
        held.append(held.pop(0))


def slow_writers(path: str) -> None:
    """Send requests a byte at a time over three hundred connections."""
    line = STATUS * 1000
    writers = [connected(path) for _ in range(300)]
    _ready()
    for byte in line:
        for at, raw in enumerate(writers):
            try:
                raw.send(bytes([byte]))
            except BlockingIOError:
                continue
            except OSError:
                raw.close()
                writers[at] = connected(path)
        time.sleep(_WAIT)


def slow_readers(path: str) -> None:
    """Request large answers over a hundred connections and never read them."""
    readers = [connected(path, SEARCH % number * 100) for number in range(100)]
    _ready()
    while True:
        time.sleep(_WAIT)
        for at, raw in enumerate(readers):
            with contextlib.suppress(BlockingIOError):
                try:
                    raw.send(b"\n")
                except OSError:
                    raw.close()
                    readers[at] = connected(path, SEARCH % at * 100)


def big_halves(path: str) -> None:
    """Send almost a mebibyte of a request over two hundred connections, and no end."""
    data = b"x" * ((1 << 20) - 10)
    writers: list[tuple[socket.socket, int]] = [(connected(path), 0) for _ in range(200)]
    _ready()
    while True:
        for at, (raw, sent) in enumerate(writers):
            try:
                writers[at] = raw, sent + raw.send(data[sent : sent + 65536] or b"")
            except BlockingIOError:
                continue
            except OSError:
                raw.close()
                writers[at] = connected(path), 0
        time.sleep(_WAIT)


def flood(path: str) -> None:
    """Send status requests over eight connections as fast as they are accepted, and read the answers."""
    _flood(path, 8, STATUS * 200)


def query_flood(path: str) -> None:
    """Send searches in the same way."""
    _flood(path, 8, b"".join(SEARCH.replace(b"1000", b"10") % number for number in range(200)))


def _flood(path: str, number: int, data: bytes) -> None:
    chosen = selectors.DefaultSelector()
    for _ in range(number):
        chosen.register(connected(path), selectors.EVENT_READ | selectors.EVENT_WRITE)
    _ready()
    unsent: dict[int, bytes] = {}
    while True:
        for key, events in chosen.select():
            raw = key.fileobj
            assert isinstance(raw, socket.socket)
            with contextlib.suppress(BlockingIOError):
                if events & selectors.EVENT_READ:
                    raw.recv(1 << 20)
                if events & selectors.EVENT_WRITE:
                    left = unsent.get(key.fd) or data
                    unsent[key.fd] = left[raw.send(left) :]
        time.sleep(0.001)  # a flood, not a test of who gets the processor


def storm(path: str) -> None:
    """Connect and disconnect, about two thousand times a second."""
    _ready()
    while True:
        connected(path, STATUS[:10]).close()
        time.sleep(0.0003)


ATTACKS: dict[str, Callable[[str], None]] = {
    "1,000 silent": idle,
    "1,000 that asked": asked,
    "1,000 half requests": half,
    "300 slow writers": slow_writers,
    "100 slow readers": slow_readers,
    "200 endless lines": big_halves,
    "flood of 8": flood,
    "query flood of 8": query_flood,
    "storm": storm,
}


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        ATTACKS[sys.argv[1]](sys.argv[2])
