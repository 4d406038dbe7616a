"""One search: ask, print. Free of click, because plain words come here directly."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from phsearch import paths
from phsearch.cli import exits, output
from phsearch.cli.terminal import Screen
from phsearch.cli.versions import understood
from phsearch.cli.words import counted
from phsearch.client import Client

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 20
TABLE, JSON, NULL = "table", "json", "null"


def objection(query: str) -> str:
    """Say what is wrong with a query, in a sentence; nothing if it can be asked."""
    if not query.strip():
        return "The query is empty: say what the photo shows, as in: phsearch-client dog on a beach"
    try:
        query.encode()
    except UnicodeEncodeError:
        return "The query is not valid UTF-8 text: type it anew, or check the terminal's encoding."
    return ""


def find_words(query: str) -> int:
    """Search for plain words, as most people do."""
    client = Client(paths.socket_path(os.environ))
    return understood(client, lambda: find(query, client=client))


def find(
    query: str,
    limit: int = LIMIT,
    min_score: float | None = None,
    form: str = TABLE,
    sync: float | None = None,
    *,
    client: Client,
) -> int:
    """Search and print the hits, best first, in the given form; a table becomes TSV where nobody looks.

    With `sync` seconds the daemon first waits until the index has caught up; where it had not, the status says so.
    """
    params: dict[str, Any] = {"query": query, "limit": limit}
    if min_score is not None:
        params["min_score"] = min_score
    with client as asked:
        if sync is not None:
            params["sync"] = sync
            asked.timeout += sync
        answer = asked.call("search", **params)
    screen = Screen.of(sys.stdout, os.environ)
    screen.write(_shown(answer["hits"], form, screen))
    _remark(query, answer, Screen.of(sys.stderr, os.environ))
    if sync is not None and not answer["synced"]:
        if held := answer.get("held"):
            exits.complain(f"the index does not catch up: indexing is {held}; photos may be missing")
        else:
            late = f"the index had not caught up after {sync:g} s"
            exits.complain(f"{late}: photos may be missing; wait longer with --sync=")
        return exits.NOT_READY
    return exits.DONE


def _shown(hits: list[dict[str, Any]], form: str, screen: Screen) -> str | bytes:
    if form == JSON:
        return b"".join(map(output.json_line, hits))
    if form == NULL:
        if screen.terminal:
            return "".join(f"{output.cell(hit['path'])}\0" for hit in hits)
        return b"".join(output.null(hit["path"]) for hit in hits)
    if not screen.terminal:
        return b"".join(output.tsv((f"{hit['score']:.4f}", hit["taken_at"] or "", hit["path"])) for hit in hits)
    return output.table([(_fields(hit), hit["path"]) for hit in hits], screen)


def _fields(hit: dict[str, Any]) -> tuple[str, ...]:
    # A date is the first ten characters of ISO 8601; the time of day is in --json for who wants it.
    return f"{hit['score']:.3f}", (hit["taken_at"] or "")[:10], "offline" if hit.get("offline") else ""


def _remark(query: str, answer: Mapping[str, Any], notes: Screen) -> None:
    if not answer["hits"] and answer["photos"]:
        notes.say(f'no photo matches "{query}": try other words, or a lower --min-score if you gave one')
    elif not answer["hits"]:
        notes.say("no photo is indexed yet: `phsearch-client status` says where the daemon looks")
    if offline := [hit for hit in answer["hits"] if hit.get("offline")]:
        notes.say(_away(offline), dim=True)
    if pending := answer["pending"]:
        notes.say(_pending(pending, answer.get("held")), dim=True)


def _pending(photos: int, held: str | None) -> str:
    if held:
        return f"{counted(photos, 'photo')} {'waits' if photos == 1 else 'wait'}: indexing is {held}"
    return f"{counted(photos, 'photo')} {'is' if photos == 1 else 'are'} still being indexed"


def _away(hits: list[dict[str, Any]]) -> str:
    seen = [hit["last_seen"] for hit in hits if hit["last_seen"] is not None]
    since = time.strftime(", last seen %Y-%m-%d %H:%M", time.localtime(max(seen))) if seen else ""
    return f"{counted(len(hits), 'photo')} offline{since}: `phsearch-client status` says why"
