r"""One JSON object a line.

Paths are `str` with surrogateescape, so a name that is not UTF-8 travels as a lone `\udcXX` escape: legal JSON text,
and exactly what `os.fsencode` needs at the other end. Everything else is written as plain UTF-8.
"""

from __future__ import annotations

import json
from typing import Any

MAX_LINE = 1 << 20
"""Longest line either side accepts, in bytes, the newline included."""


def encode(message: Any) -> bytes:
    """Give `message` as one line with its newline."""
    try:
        return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> Any:
    """Parse one line; raises ValueError for anything that is not one JSON value in UTF-8."""
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    # 1e999 is legal JSON and becomes infinity, which `encode` refuses: an id like that could not be echoed.
    if (number := float(digits)) - number == 0:
        return number
    raise ValueError(f"{digits[:20]} is too large a number")
