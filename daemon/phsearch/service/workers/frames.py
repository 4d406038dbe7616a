"""Messages between the daemon and its workers: frames of a JSON header and raw bytes, over a socket pair.

Not pickle: a worker decodes hostile photos, and its messages must stay data in the process that owns the index.
A frame is two lengths (little-endian u32), the header in JSON, and the payload, e.g. vectors as float32.
"""

from __future__ import annotations

import json
import struct
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

    from phsearch.domain.types import Vectors

_LENGTHS = struct.Struct("<II")
_MAX_BYTES = 64 << 20
"""The largest frame that a worker may send. Batches of vectors have some megabytes."""
Header = dict[str, Any]
"""What a frame says, as decoded JSON. Whoever reads it checks it: a worker may have been taken over."""

Frame = tuple[Header, bytes]


def encode(header: Header, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return encode_header(header, len(payload)) + payload


def encode_header(header: Header, size: int) -> bytes:
    """Return a frame without its payload of `size` bytes, so that a large payload need not be copied."""
    # ASCII, so that a path with undecodable bytes travels as an escape.
    text = json.dumps(header).encode("ascii")
    return _LENGTHS.pack(len(text), size) + text


def decode(buffer: bytearray) -> Frame | None:
    """Remove the first frame from `buffer` and return it; None while it is incomplete.

    Raises ValueError when the bytes are no frame.
    """
    if len(buffer) < _LENGTHS.size:
        return None
    header_size, payload_size = _LENGTHS.unpack_from(buffer)
    payload_start = _LENGTHS.size + header_size
    if header_size + payload_size > _MAX_BYTES:
        raise ValueError("larger than any answer")
    if len(buffer) < (end := payload_start + payload_size):
        return None
    text, payload = buffer[_LENGTHS.size : payload_start], bytes(buffer[payload_start:end])
    del buffer[:end]
    match json.loads(text):
        case dict(header):
            return header, payload
    raise ValueError("no header")


class WorkerChannel:
    """The worker's end of the socket pair. It blocks, and several threads may send."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")
        self._lock = threading.Lock()

    def send_message(self, header: Header, payload: bytes = b"") -> None:
        """Send one frame."""
        with self._lock:
            self._connection.sendall(encode(header, payload))

    def receive_message(self) -> Frame | None:
        """Wait for one frame and return it; None when the daemon is gone."""
        try:
            lengths = self._file.read(_LENGTHS.size)
            if len(lengths) < _LENGTHS.size:
                return None
            header_size, payload_size = _LENGTHS.unpack(lengths)
            rest = self._file.read(header_size + payload_size)
        except ConnectionError:  # killed before it had read all messages
            return None
        if len(rest) < header_size + payload_size:  # killed in the payload_start of a frame
            return None
        return json.loads(rest[:header_size]), rest[header_size:]


def vectors_to_bytes(vectors: Vectors) -> bytes:
    """Return [n, dim] float32 as raw bytes."""
    return vectors.astype("float32", copy=False).tobytes()


def vectors_from_bytes(payload: bytes, rows: int) -> Vectors:
    """Return raw bytes as [rows, dim] float32."""
    import numpy as np  # noqa: PLC0415 - the daemon has it; a worker that only sends may do without

    return np.frombuffer(payload, np.float32).reshape(rows, -1)
