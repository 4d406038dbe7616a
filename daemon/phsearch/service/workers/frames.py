"""Messages between the daemon and its workers: frames of a JSON header and raw bytes, over a socket pair.

Not pickle: a worker decodes hostile photos, and its messages must stay data in the process that owns the index.
A frame is two lengths (little-endian u32), the header in JSON, and the payload, e.g. vectors as float32.

A photo may have taken the index worker over. So nothing that it sends is believed before it is what a sound worker
sends: known operations, finite unit vectors of the model's size, whole numbers in their range, printable texts.
"""

from __future__ import annotations

import json
import math
import re
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, get_args

from phsearch.domain.indexing.failure_kind import FailureScope
from phsearch.domain.types import DateSource, PhotoInfo

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

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


# --- what the index worker may say --------------------------------------------------------------------------------


_MAX_SIDE = 2**31 - 1
_MAX_TEXT = 500
_MAX_SECONDS = 1e7
_UNIT = (0.9, 1.1)
"""Lengths of a vector that is normalised, also in half precision."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[+-]\d\d:\d\d)?)?")
_SOURCES = frozenset(get_args(DateSource))
_SCOPES = frozenset(get_args(FailureScope))


class NonsenseError(Exception):
    """A worker sent what no sound worker sends. The text says what, for the log."""


@dataclass(frozen=True, slots=True)
class DecodeStarted:
    """The decoding of a photo begins."""

    path: str


@dataclass(frozen=True, slots=True)
class DecodeFinished:
    """A photo is decoded."""

    path: str


@dataclass(frozen=True, slots=True)
class PhotosEmbedded:
    """Photos with what is known of them, and their vectors, [n, dim]."""

    photos: tuple[tuple[str, PhotoInfo], ...]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class PhotoFailed:
    """A photo cannot be had."""

    path: str
    reason: str
    scope: FailureScope


@dataclass(frozen=True, slots=True)
class PhotoChanged:
    """A photo is another than was asked for."""

    path: str


@dataclass(frozen=True, slots=True)
class SandboxOutdated:
    """A disk was mounted that the sandbox does not allow."""


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A batch is done, with the seconds and counts of its stages."""

    number: int
    times: Mapping[str, float]


IndexMessage = (
    DecodeStarted | DecodeFinished | PhotosEmbedded | PhotoFailed | PhotoChanged | SandboxOutdated | BatchDone
)


def parse_message(header: Header, payload: bytes, dim: int) -> IndexMessage:
    """Return the message of a frame. Raise NonsenseError for what no sound worker sends."""
    found: IndexMessage | None = None
    match header:
        case {"op": "begun", "path": str(path)}:
            found = DecodeStarted(path)
        case {"op": "decoded", "path": str(path)}:
            found = DecodeFinished(path)
        case {"op": "embedded", "photos": list(rows)}:
            found = PhotosEmbedded(tuple(map(_photo, rows)), _vectors(payload, len(rows), dim))
        case {"op": "failed", "path": str(path), "reason": str(reason), "scope": str(scope)} if (
            _shown(reason) and scope in _SCOPES
        ):
            found = PhotoFailed(path, reason, cast("FailureScope", scope))
        case {"op": "changed", "path": str(path)}:
            found = PhotoChanged(path)
        case {"op": "outdated"}:
            found = SandboxOutdated()
        case {"op": "done", "batch": int(number), "times": dict(times)} if all(map(_amount, times.values())):
            found = BatchDone(number, times)
    if found is None:
        raise NonsenseError(f"a message of a kind that there is not: {str(header)[:80]!r}")
    return found


def _photo(row: Any) -> tuple[str, PhotoInfo]:
    match row:
        case {"path": str(path), "info": [width, height, str(kind), taken_at, camera, lens, lat, lon, source]} if (
            _side(width)
            and _side(height)
            and _shown(kind)
            and (taken_at is None or (isinstance(taken_at, str) and _DATE.fullmatch(taken_at) is not None))
            and all(name is None or _shown(name) for name in (camera, lens))
            and _position(lat, lon)
            and (source is None or (isinstance(source, str) and source in _SOURCES))
        ):
            place = cast("DateSource | None", source)
            return path, PhotoInfo(width, height, kind, taken_at, camera, lens, lat, lon, place)
    raise NonsenseError(f"facts of a photo that cannot be: {str(row)[:120]!r}")


def _vectors(payload: bytes, rows: int, dim: int) -> Vectors:
    import numpy as np  # noqa: PLC0415 - as in vectors_from_bytes

    if len(payload) != rows * dim * 4:
        raise NonsenseError(f"{len(payload):,} bytes for {rows} vectors of {dim}")
    vectors = vectors_from_bytes(payload, rows) if rows else np.empty((0, dim), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors, axis=1)
    if not ((lengths > _UNIT[0]) & (lengths < _UNIT[1])).all():
        raise NonsenseError("vectors that are not normalised")
    return vectors


def _side(value: Any) -> bool:
    return type(value) is int and 0 < value <= _MAX_SIDE


def _shown(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_TEXT and value.isprintable()


def _amount(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= _MAX_SECONDS


def _position(lat: Any, lon: Any) -> bool:
    if lat is None and lon is None:
        return True
    return all(type(each) in (int, float) and math.isfinite(each) for each in (lat, lon)) and (
        abs(lat) <= 90 and abs(lon) <= 180  # noqa: PLR2004 - degrees
    )
