r"""One JSON object a line.

Paths are `str` with surrogateescape. A name that is not UTF-8 travels as a lone `\udcXX` escape: that is legal
JSON, and exactly what `os.fsencode` needs at the other end. Everything else is plain UTF-8.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LINE = 1 << 20
"""The longest line that either side accepts, in bytes with the newline."""

_ENVELOPE = 4096
"""Bytes of an answer beside its list."""


def encode(message: Any) -> bytes:
    """Return `message` as one line with its newline."""
    try:
        return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> Any:
    """Parse one line. Raises ValueError if it is not one JSON value in UTF-8."""
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_reject_constant, parse_float=_finite_float)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def fit_to_line(rows: Iterable[dict[str, Any]], spare: int = 0) -> list[dict[str, Any]]:
    """Return the first rows that fit into one line of the protocol beside `spare` other bytes."""
    fitting: list[dict[str, Any]] = []
    room = MAX_LINE - _ENVELOPE - spare
    for row in rows:
        room -= len(encode(row))
        if room < 0:
            break
        fitting.append(row)
    return fitting


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite_float(digits: str) -> float:
    # 1e999 is legal JSON and becomes infinity, which `encode` refuses, so such an id could not be echoed.
    if (number := float(digits)) - number == 0:
        return number
    raise ValueError(f"{digits[:20]} is too large a number")
