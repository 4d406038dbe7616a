"""Notes beside the hits, on stderr: how the query was read, where a mistake in it is, and what is not shown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from phsearch.cli.render import table
from phsearch.cli.render.table import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.cli.terminal import Console

_INDENT = 4
_AROUND = 20


def caret_line(query: str, place: tuple[int, int], console: Console) -> str:
    """Return the query, and carets under the mistake: the characters from `place[0]` to before `place[1]`."""
    start, end = max(0, min(place[0], len(query))), max(0, min(place[1], len(query)))
    room = max(console.width - _INDENT - 2, 2 * _AROUND)
    # A long query is cut a little before the mistake.
    first = 0 if table.width(table.cell(query)) <= room else max(0, start - _AROUND)
    before, wrong, after = (table.cell(part) for part in (query[first:start], query[start:end], query[end:]))
    before = (table.ELLIPSIS if first else "") + before
    line = table.keep_start(before + wrong + after, room)
    column = min(table.width(before), room - 1)
    carets = min(max(table.width(wrong), 1), room - column)
    return f"{' ' * _INDENT}{line}\n{' ' * (_INDENT + column)}{console.bold('^' * carets)}\n"


def print_notes(query: str, answer: Mapping[str, Any], notes: Console, *, bounded: bool = False) -> None:
    """Print the notes on an answer. `bounded` means that a --min-score was given."""
    if notes.terminal and (echo := describe_query(answer.get("understood") or {})):
        notes.print_line(echo, dim=True)
    if not answer["hits"] and answer["photos"]:
        notes.print_line(_no_hits(query, answer, bounded=bounded))
    elif not answer["hits"]:
        notes.print_line("no photo is indexed yet: `phsearch-client status` says where the daemon looks")
    if offline := [hit for hit in answer["hits"] if hit.get("offline")]:
        notes.print_line(_offline(offline), dim=True)
    if notes.terminal and answer["hits"]:
        notes.print_line("; ".join([_summary(answer), *_pending(answer)]), dim=True)
    else:
        for line in _pending(answer):
            notes.print_line(line, dim=True)


def describe_query(understood: Mapping[str, Any]) -> str:
    """Return how the query was read, "" for plain words."""
    terms, filters = understood.get("aims") or [], understood.get("filters") or []
    parts = []
    if len(terms) > 1 or any("like" in term or term["weight"] != 1 for term in terms):
        parts += [_describe_term(term) for term in terms]
    parts += [f"{'not ' if each['negated'] else ''}{each['key']}: {each['value']}" for each in filters]
    return ", ".join(parts)


def _describe_term(term: Mapping[str, Any]) -> str:
    weight = term["weight"]
    key, value = ("like", term["like"]) if "like" in term else ("text", term["text"])
    if weight < 0:
        key = "not like" if key == "like" else "away from"
    return f"{key}: {value}" + (f" ^{abs(weight):g}" if abs(weight) != 1 else "")


def _no_hits(query: str, answer: Mapping[str, Any], *, bounded: bool) -> str:
    if not answer.get("matching", 1):
        return f"no photo passes the filters of {query}: leave one out"
    if answer.get("closest") is not None and not bounded:
        ones = "one is" if answer["hidden"] == 1 else "ones are"
        return f'no photo of "{query}": the closest {ones} shown with --all'
    return f'no photo matches "{query}": try other words, or a lower --min-score if you gave one'


def _summary(answer: Mapping[str, Any]) -> str:
    milliseconds = f"{max(answer['took_ms'], 1):.0f}"
    text = f"{plural(len(answer['hits']), 'photo')} in {milliseconds} ms, of {answer['photos']:,}"
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


def _offline(hits: list[dict[str, Any]]) -> str:
    seen = [hit["last_seen"] for hit in hits if hit["last_seen"] is not None]
    since = time.strftime(", last seen %Y-%m-%d %H:%M", time.localtime(max(seen))) if seen else ""
    return f"{plural(len(hits), 'photo')} offline{since}: `phsearch-client status` says why"
