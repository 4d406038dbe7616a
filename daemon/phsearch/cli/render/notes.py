"""What is said beside the hits, on stderr: how the query was read, how long it took, and what is not shown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from phsearch.cli.render import table
from phsearch.cli.render.table import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.cli.terminal import Console

# A mistake in a query, shown under its place.


_INDENT = 4
_AROUND = 20


def caret_line(query: str, place: tuple[int, int], screen: Console) -> str:
    """Give the query and a line of carets under the characters from `place[0]` to before `place[1]`."""
    start, end = max(0, min(place[0], len(query))), max(0, min(place[1], len(query)))
    room = max(screen.width - _INDENT - 2, 2 * _AROUND)
    # A long query is shown from a little before the place on.
    first = 0 if table.width(table.cell(query)) <= room else max(0, start - _AROUND)
    before, wrong, after = (table.cell(part) for part in (query[first:start], query[start:end], query[end:]))
    before = (table.ELLIPSIS if first else "") + before
    line = table.keep_start(before + wrong + after, room)
    column = min(table.width(before), room - 1)
    carets = min(max(table.width(wrong), 1), room - column)
    return f"{' ' * _INDENT}{line}\n{' ' * (_INDENT + column)}{screen.bold('^' * carets)}\n"


def print_notes(query: str, answer: Mapping[str, Any], notes: Console, *, bounded: bool = False) -> None:
    """Say it; `bounded` where a --min-score was given."""
    if notes.terminal and (echo := understood(answer.get("understood") or {})):
        notes.print_line(echo, dim=True)
    if not answer["hits"] and answer["photos"]:
        notes.print_line(_nothing(query, answer, bounded=bounded))
    elif not answer["hits"]:
        notes.print_line("no photo is indexed yet: `phsearch-client status` says where the daemon looks")
    if offline := [hit for hit in answer["hits"] if hit.get("offline")]:
        notes.print_line(_away(offline), dim=True)
    if notes.terminal and answer["hits"]:
        notes.print_line("; ".join([_measure(answer), *_pending(answer)]), dim=True)
    else:
        for line in _pending(answer):
            notes.print_line(line, dim=True)


def understood(said: Mapping[str, Any]) -> str:
    """Say how the query was read; nothing of one that is plain words."""
    aims, filters = said.get("aims") or [], said.get("filters") or []
    parts = []
    if len(aims) > 1 or any("like" in aim or aim["weight"] != 1 for aim in aims):
        parts += [_aim(aim) for aim in aims]
    parts += [f"{'not ' if term['negated'] else ''}{term['key']}: {term['value']}" for term in filters]
    return ", ".join(parts)


def _aim(aim: Mapping[str, Any]) -> str:
    weight = aim["weight"]
    key, value = ("like", aim["like"]) if "like" in aim else ("text", aim["text"])
    if weight < 0:
        key = "not like" if key == "like" else "away from"
    return f"{key}: {value}" + (f" ^{abs(weight):g}" if abs(weight) != 1 else "")


def _nothing(query: str, answer: Mapping[str, Any], *, bounded: bool) -> str:
    if not answer.get("matching", 1):
        return f"no photo passes the filters of {query}: leave one out"
    if answer.get("closest") is not None and not bounded:
        return f'no photo of "{query}": the closest {_of(answer["hidden"])} shown with --all'
    return f'no photo matches "{query}": try other words, or a lower --min-score if you gave one'


def _of(hidden: int) -> str:
    return "one is" if hidden == 1 else "ones are"


def _measure(answer: Mapping[str, Any]) -> str:
    took = answer["took_ms"]
    text = (
        f"{plural(len(answer['hits']), 'photo')} in {took:.0f} ms"
        if took >= 1
        else f"{plural(len(answer['hits']), 'photo')} in 1 ms"
    )
    text += f", of {answer['photos']:,}"
    matching, hidden = answer.get("matching"), answer.get("hidden") or 0
    if matching is not None and matching < answer["photos"]:
        text += f" ({matching:,} pass the filters)"
    beyond = (matching or 0) - hidden - len(answer["hits"]) - sum(hit.get("more") or 0 for hit in answer["hits"])
    if beyond > 0:
        text += f"; {beyond:,} more with --limit"
    if hidden:
        text += f"; {hidden:,} less probable {'one' if hidden == 1 else 'ones'} with --all"
    return text


def _pending(answer: Mapping[str, Any]) -> list[str]:
    photos, held = answer["pending"], answer.get("held")
    if not photos:
        return []
    if held:
        return [f"{plural(photos, 'photo')} {'waits' if photos == 1 else 'wait'}: indexing is {held}"]
    return [f"{plural(photos, 'photo')} {'is' if photos == 1 else 'are'} still being indexed"]


def _away(hits: list[dict[str, Any]]) -> str:
    seen = [hit["last_seen"] for hit in hits if hit["last_seen"] is not None]
    since = time.strftime(", last seen %Y-%m-%d %H:%M", time.localtime(max(seen))) if seen else ""
    return f"{plural(len(hits), 'photo')} offline{since}: `phsearch-client status` says why"
