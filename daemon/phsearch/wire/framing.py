r"""One JSON object a line, and the lines of a stream that arrives in pieces. There is no I/O here.

Paths are `str` with surrogateescape. A name that is not UTF-8 travels as a lone `\udcXX` escape: that is legal
JSON, and exactly what `os.fsencode` needs at the other end. Everything else is plain UTF-8.
"""

from __future__ import annotations

import functools
import json
import operator
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeVar

    from phsearch.wire.record import Record

    _R = TypeVar("_R", bound=Record)

MAX_LINE = 1 << 20
"""The longest line that either side accepts, in bytes with the newline."""

TOO_LONG: Final = "too long"

_ENVELOPE = 4096
"""Bytes of an answer beside its list."""


def encode(message: Any) -> bytes:
    """Return `message`, in which records may stand for objects, as one line with its newline."""
    try:
        return _UTF_8.encode(message).encode() + b"\n"
    except UnicodeEncodeError:
        return _ASCII.encode(message).encode() + b"\n"


def decode(line: bytes) -> Any:
    """Parse one line. Raises ValueError if it is not one JSON value in UTF-8."""
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_reject_constant, parse_float=_finite_float)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def fit_to_line(rows: Iterable[_R], spare: int = 0) -> tuple[_R, ...]:
    """Return the first rows that fit into one line of the protocol beside `spare` other bytes."""
    room = MAX_LINE - _ENVELOPE - spare
    rows = tuple(rows)
    if len(encode(rows)) <= room:  # nearly always, and quicker than row by row
        return rows
    fitting: list[_R] = []
    for row in rows:
        room -= len(encode(row))
        if room < 0:
            break
        fitting.append(row)
    return tuple(fitting)


class LineBuffer:
    """The bytes of a stream that have arrived and are not popped yet: never much more than `max_line` and one chunk."""

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._buffer = bytearray()
        self._searched = 0  # bytes in which there is no newline
        self._skipping = False  # until the end of a line that is too long

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def has_line(self) -> bool:
        """Whether `pop_line` returns a line or TOO_LONG."""
        if self._skipping:
            return False
        at = self._buffer.find(b"\n", self._searched)
        self._searched = len(self._buffer) if at < 0 else at
        return at >= 0 or len(self._buffer) > self._max_line

    @property
    def has_partial_line(self) -> bool:
        """Whether a line has begun to arrive, and no complete one is before it."""
        return self._skipping or (bool(self._buffer) and not self.has_line)

    @property
    def is_skipping(self) -> bool:
        """Whether the rest of a line that is too long is being skipped."""
        return self._skipping

    def feed_bytes(self, data: bytes) -> None:
        """Add what has arrived."""
        if self._skipping:
            end = data.find(b"\n")
            if end < 0:
                return
            self._skipping = False
            data = data[end + 1 :]
        self._buffer += data

    def pop_line(self) -> bytes | Literal["too long"] | None:
        """Remove and return the oldest line, or None if there is no complete one.

        Return TOO_LONG once for a line over the limit. The rest of that line is skipped as it arrives.
        """
        if not self.has_line:
            return None
        end = self._buffer.find(b"\n", self._searched)
        if end < 0 or end >= self._max_line:
            self._skipping = end < 0
            del self._buffer[: end + 1 if end >= 0 else len(self._buffer)]
            self._searched = 0
            return TOO_LONG
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        self._searched = 0
        return line


_encoder = functools.partial(
    json.JSONEncoder,
    separators=(",", ":"),
    allow_nan=False,
    check_circular=False,
    default=operator.methodcaller("json_members"),
)
_UTF_8, _ASCII = _encoder(ensure_ascii=False), _encoder()


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite_float(digits: str) -> float:
    # 1e999 is legal JSON and becomes infinity, which `encode` refuses, so such an id could not be echoed.
    if (number := float(digits)) - number == 0:
        return number
    raise ValueError(f"{digits[:20]} is too large a number")
