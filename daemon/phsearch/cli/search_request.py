"""One search: ask the daemon and print the hits. It does without click, because plain words come here directly."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from phsearch.cli import exit_status
from phsearch.cli.render.hits import JSON, TABLE, format_hits
from phsearch.cli.render.notes import print_notes
from phsearch.cli.render.table import json_line
from phsearch.cli.terminal import Console
from phsearch.client import Client, parse_answer
from phsearch.errors import RemoteError
from phsearch.paths import working_folder
from phsearch.wire.results.search import SearchResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from phsearch.cli.render.hits import Form
    from phsearch.wire.results.search import Hit

LIMIT = 20
CUTOFF_PARAMS = {"min_band": "weak"}
"""By default a hit is shown if it has at least this band."""


def validate_query(query: str) -> str:
    """Return the mistake in a query as a sentence; "" for a query that can be sent."""
    if not query.strip():
        return "The query is empty: say what the photo shows, as in: phsearch-client dog on a beach"
    try:
        query.encode()
    except UnicodeEncodeError:
        return "The query is not valid UTF-8 text: type it again, or check the terminal's encoding."
    return ""


def find_words(query: str) -> int:
    """Search for plain words, without any option."""
    client = Client()
    try:
        return run_search(search_params(query), client=client)
    except Exception as problem:
        from phsearch.cli.compatibility import raise_mismatch  # noqa: PLC0415 - only after an error

        raise_mismatch(client, problem)
        raise


def search_params(
    query: str, limit: int = LIMIT, cut: Mapping[str, Any] = CUTOFF_PARAMS, *, collapse: bool = True
) -> dict[str, Any]:
    """Return the parameters of a search."""
    params: dict[str, Any] = {"query": query, "limit": limit, **cut, "collapse": collapse}
    with contextlib.suppress(OSError):  # the working folder was removed
        params["cwd"] = working_folder(os.environ)
    return params


def run_search(
    params: Mapping[str, Any],
    form: Form = TABLE,
    sync: float | None = None,
    *,
    client: Client,
    shares: bool = False,
    show: Callable[[Sequence[Hit], Console], None] | None = None,
    opened: int = 0,
    strict: bool = False,
) -> int:
    """Search, and print the hits in `form`, best first, or pass them to `show`. Return the exit status.

    Where no photo is good enough, a terminal gets the nearest ones below a line that says so, but with `strict`.
    The first `opened` photos are opened in a viewer. With `sync` seconds the daemon first waits until the index has
    caught up. The exit status says if it did not.
    """
    with show_position(params["query"]):
        answer = _request(params, sync, client)
    found = parse_answer(SearchResult, answer)
    console = Console.stdout()
    nearest = () if strict or form != TABLE or not console.terminal else found.nearest or ()
    notes, bounded = Console.stderr(), "min_score" in params
    if nearest:
        print_notes(params["query"], found, notes, bounded=bounded, nearest=True)
    if show is not None:
        show(found.hits or nearest, console)
    elif form == JSON:
        console.write(b"".join(map(json_line, answer["hits"])))
    else:
        console.write(format_hits(found.hits or nearest, form, console, shares=shares))
    if not nearest:
        print_notes(params["query"], found, notes, bounded=bounded)
    if opened and found.hits:
        from phsearch.cli.render.viewer import open_photos  # noqa: PLC0415 - only here

        open_photos(hit.path for hit in found.hits[:opened])
    if sync is not None and not found.synced:
        if found.held:
            exit_status.print_error(f"the index does not catch up: indexing is {found.held}; photos may be missing")
        else:
            late = f"the index had not caught up after {sync:g} s"
            exit_status.print_error(f"{late}: photos may be missing; wait longer with --sync=")
        return exit_status.NOT_READY
    return exit_status.DONE


def _request(params: Mapping[str, Any], sync: float | None, client: Client) -> Any:
    """Return the daemon's answer as it came: --json shows members that this client does not know, too."""
    with client:
        if sync is None:
            return client.call("search", **params)
        client.timeout += sync
        return client.call("search", **params, sync=sync)


@contextlib.contextmanager
def show_position(query: str) -> Iterator[None]:
    """On a terminal, show where in the query a mistake is, before its message is printed."""
    try:
        yield
    except RemoteError as problem:
        notes = Console.stderr()
        if problem.place is not None and notes.terminal:
            from phsearch.cli.render.notes import caret_line  # noqa: PLC0415

            notes.write(caret_line(query, problem.place, notes))
        raise
