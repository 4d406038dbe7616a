"""Lists cut to what one line of the protocol can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phsearch.wire import framing

if TYPE_CHECKING:
    from collections.abc import Iterable

_ENVELOPE = 4096


def fit_to_line(rows: Iterable[dict[str, Any]], spare: int = 0) -> list[dict[str, Any]]:
    """Give as many rows as one line of the protocol can hold with so many `spare` bytes around them."""
    values: list[dict[str, Any]] = []
    room = framing.MAX_LINE - _ENVELOPE - spare
    for row in rows:
        room -= len(framing.encode(row))
        if room < 0:
            break
        values.append(row)
    return values
