"""A mistake in a query, shown under its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.cli import output

if TYPE_CHECKING:
    from phsearch.cli.terminal import Screen

_INDENT = 4
_AROUND = 20


def pointed(query: str, place: tuple[int, int], screen: Screen) -> str:
    """Give the query and a line of carets under the characters from `place[0]` to before `place[1]`."""
    start, end = max(0, min(place[0], len(query))), max(0, min(place[1], len(query)))
    room = max(screen.width - _INDENT - 2, 2 * _AROUND)
    # A long query is shown from a little before the place on.
    first = 0 if output.width(output.cell(query)) <= room else max(0, start - _AROUND)
    before, wrong, after = (output.cell(part) for part in (query[first:start], query[start:end], query[end:]))
    before = (output.ELLIPSIS if first else "") + before
    line = output.keep_start(before + wrong + after, room)
    column = min(output.width(before), room - 1)
    carets = min(max(output.width(wrong), 1), room - column)
    return f"{' ' * _INDENT}{line}\n{' ' * (_INDENT + column)}{screen.bold('^' * carets)}\n"
