"""Notes beside the hits, on stderr: how the query was read, where a mistake in it is, and what is not shown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from phsearch.cli.names import COMMANDS, PROGRAM
from phsearch.cli.render import table
from phsearch.cli.render.table import plural

if TYPE_CHECKING:
    from phsearch.cli.terminal import Console
    from phsearch.wire.results.search import Aim, Hit, SearchResult, UnderstoodQuery

_INDENT = 4
_AROUND = 20
_SHORTEST_COMMAND = 4


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


def print_notes(
    query: str, found: SearchResult, notes: Console, *, bounded: bool = False, nearest: bool = False
) -> None:
    """Print the notes on an answer. `bounded`: a --min-score was given. `nearest`: the nearest photos follow."""
    if notes.terminal and (echo := describe_query(found.understood)):
        notes.print_line(echo, dim=True)
    if not found.hits and found.photos:
        notes.print_line(_no_hits(query, found, bounded=bounded, nearest=nearest))
    elif not found.hits:
        notes.print_line("no photo is indexed yet: `phsearch-client status` says where the daemon looks")
    for line in _remarks(query, found):
        notes.print_line(line)
    if offline := [hit for hit in found.hits if hit.offline]:
        notes.print_line(_offline(offline), dim=True)
    if notes.terminal and found.hits:
        notes.print_line("; ".join([_summary(found), *_pending(found)]), dim=True)
    else:
        for line in _pending(found):
            notes.print_line(line, dim=True)


def _remarks(query: str, found: SearchResult) -> list[str]:
    command = near_command(query)
    if command is not None and (not found.hits or sorted(command) == sorted(query)):
        return [f"{query} is no command, so it was searched for: did you mean `{PROGRAM} {command}`?"]
    if found.did_you_mean:
        return [f'did you mean "{found.did_you_mean}"?']
    if found.language:
        other = "ask in English, or take another one with `phsearch-client model use multilingual`"
        return [f'"{query}" seems to be {found.language}, and the model understands English only: {other}']
    return []


def near_command(word: str) -> str | None:
    """Return the command that may be meant by a word: one letter is missing, too many, wrong, or in another place."""
    return next((command for command in COMMANDS if command != word and _is_near(word, command)), None)


def _is_near(word: str, command: str) -> bool:
    if min(len(word), len(command)) < _SHORTEST_COMMAND:
        return False
    start = 0
    while word[start : start + 1] == command[start : start + 1] and start < len(command):
        start += 1
    rest, other = word[start:], command[start:]
    return other in (rest[1:], rest[1:2] + rest[:1] + rest[2:]) or other[1:] in (rest, rest[1:])


def describe_query(understood: UnderstoodQuery) -> str:
    """Return how the query was read, "" for plain words."""
    aims = understood.aims
    parts: list[str] = []
    if len(aims) > 1 or any(aim.like is not None or aim.weight != 1 for aim in aims):
        parts += map(_describe_aim, aims)
    parts += [f"{'not ' if each.negated else ''}{each.key}: {each.value}" for each in understood.filters]
    return ", ".join(parts)


def _describe_aim(aim: Aim) -> str:
    key, value = ("text", aim.text) if aim.like is None else ("like", aim.like)
    if aim.weight < 0:
        key = "not like" if key == "like" else "away from"
    return f"{key}: {value}" + (f" ^{abs(aim.weight):g}" if abs(aim.weight) != 1 else "")


def _no_hits(query: str, found: SearchResult, *, bounded: bool, nearest: bool) -> str:
    if found.understood.filters and not found.matching:
        return f"no photo passes the filters of {query}: leave one out"
    if nearest:
        return f'no photo surely shows "{query}"; the nearest of {found.hidden:,}:'
    if found.closest is not None and not bounded:
        ones = "one is" if found.hidden == 1 else "ones are"
        return f'no photo of "{query}": the closest {ones} shown with --all'
    return f'no photo matches "{query}": try other words, or a lower --min-score if you gave one'


def _summary(found: SearchResult) -> str:
    text = f"{plural(len(found.hits), 'photo')} in {max(found.took_ms, 1):.0f} ms, of {found.photos:,}"
    if found.understood.filters and found.matching < found.photos:
        text += f" ({found.matching:,} pass the filters)"
    beyond = found.matching - found.hidden - len(found.hits) - sum(hit.more for hit in found.hits)
    if beyond > 0:
        text += f"; {beyond:,} more with --limit"
    if found.hidden:
        text += f"; {found.hidden:,} less probable {'one' if found.hidden == 1 else 'ones'} with --all"
    return text


def _pending(found: SearchResult) -> list[str]:
    photos, held = found.pending, found.held
    if not photos:
        return []
    if held:
        return [f"{plural(photos, 'photo')} {'waits' if photos == 1 else 'wait'}: indexing is {held}"]
    return [f"{plural(photos, 'photo')} {'is' if photos == 1 else 'are'} still being indexed"]


def _offline(hits: list[Hit]) -> str:
    seen = [hit.last_seen for hit in hits if hit.last_seen is not None]
    since = time.strftime(", last seen %Y-%m-%d %H:%M", time.localtime(max(seen))) if seen else ""
    return f"{plural(len(hits), 'photo')} offline{since}: `phsearch-client status` says why"
