"""Lists that are cut to fit into one line of the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phsearch.wire import framing

if TYPE_CHECKING:
    from collections.abc import Iterable

_ENVELOPE = 4096
"""Bytes for the rest of the answer."""


def fit_to_line(rows: Iterable[dict[str, Any]], spare: int = 0) -> list[dict[str, Any]]:
    """Return the first rows that fit into one line of the protocol beside `spare` other bytes."""
    fitting: list[dict[str, Any]] = []
    room = framing.MAX_LINE - _ENVELOPE - spare
    for row in rows:
        room -= len(framing.encode(row))
        if room < 0:
            break
        fitting.append(row)
    return fitting
