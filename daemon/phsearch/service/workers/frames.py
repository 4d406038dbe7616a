"""Messages between the daemon and its tower workers: a JSON header and raw bytes, over a socket pair.

Not pickle: a worker decodes hostile pictures, and what it says must stay data in the process that owns the index.
A frame is two lengths (little-endian u32), the header in JSON, and the payload, e.g. vectors as float32.
"""

from __future__ import annotations

import json
import struct
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import socket

    from phsearch.domain.types import Vectors

_LENGTHS = struct.Struct("<II")
_LARGEST = 64 << 20
"""Bytes of a frame that a worker may send; batches of vectors have some megabytes."""
Frame = tuple[dict[str, Any], bytes]


def encode(header: dict[str, Any], payload: bytes = b"") -> bytes:
    """Give one frame."""
    return encode_header(header, len(payload)) + payload


def encode_header(header: dict[str, Any], size: int) -> bytes:
    """Give a frame without its payload of `size` bytes, which may be too large to be copied for nothing."""
    # ASCII, so that a path with undecodable bytes travels as an escape.
    text = json.dumps(header).encode("ascii")
    return _LENGTHS.pack(len(text), size) + text


def decode(buffer: bytearray) -> Frame | None:
    """Take the first frame out of what has arrived; None while it is not whole. Raises ValueError for what is none."""
    if len(buffer) < _LENGTHS.size:
        return None
    header_size, payload_size = _LENGTHS.unpack_from(buffer)
    middle = _LENGTHS.size + header_size
    if header_size + payload_size > _LARGEST:
        raise ValueError("larger than any answer")
    if len(buffer) < (end := middle + payload_size):
        return None
    text, payload = buffer[_LENGTHS.size : middle], bytes(buffer[middle:end])
    del buffer[:end]
    match json.loads(text):
        case dict(header):
            return header, payload
    raise ValueError("no header")


class WorkerChannel:
    """The worker's end: blocking, and safe to send on from several threads."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")
        self._lock = threading.Lock()

    def send_message(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Send one frame."""
        with self._lock:
            self._connection.sendall(encode(header, payload))

    def receive_message(self) -> Frame | None:
        """Wait for one frame; None when the daemon is gone."""
        try:
            lengths = self._file.read(_LENGTHS.size)
            if len(lengths) < _LENGTHS.size:
                return None
            header_size, payload_size = _LENGTHS.unpack(lengths)
            rest = self._file.read(header_size + payload_size)
        except ConnectionError:  # killed before it had read all we sent
            return None
        if len(rest) < header_size + payload_size:  # killed in the middle of a frame
            return None
        return json.loads(rest[:header_size]), rest[header_size:]


def vectors_to_bytes(vectors: Vectors) -> bytes:
    """Give [n, dim] float32 as raw bytes."""
    return np.ascontiguousarray(vectors, np.float32).tobytes()


def vectors_from_bytes(payload: bytes, rows: int) -> Vectors:
    """Give the [rows, dim] float32 of raw bytes."""
    return np.frombuffer(payload, np.float32).reshape(rows, -1)
