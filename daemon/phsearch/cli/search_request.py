"""One search: ask, print. Free of click, because plain words come here directly."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

from phsearch import paths
from phsearch.cli import exit_status
from phsearch.cli.compatibility import explain_mismatch
from phsearch.cli.render.hits import TABLE, hit_printer
from phsearch.cli.render.notes import print_notes
from phsearch.cli.terminal import Console
from phsearch.client import Client
from phsearch.errors import RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Form = str | Callable[[dict[str, Any]], bytes]

LIMIT = 20
CUTOFF_PARAMS = {"min_band": "weak"}
"""Shown by default is what has at least this band."""


def validate_query(query: str) -> str:
    """Say what is wrong with a query, in a sentence; nothing if it can be asked."""
    if not query.strip():
        return "The query is empty: say what the photo shows, as in: phsearch-client dog on a beach"
    try:
        query.encode()
    except UnicodeEncodeError:
        return "The query is not valid UTF-8 text: type it anew, or check the terminal's encoding."
    return ""


def find_words(query: str) -> int:
    """Search as most people do: with nothing but a query."""
    client = Client(paths.socket_path(os.environ))
    return explain_mismatch(client, lambda: run_search(search_params(query), client=client))


def search_params(
    query: str, limit: int = LIMIT, cut: Mapping[str, Any] = CUTOFF_PARAMS, *, collapse: bool = True
) -> dict[str, Any]:
    """Give the parameters of a search."""
    params: dict[str, Any] = {"query": query, "limit": limit, **cut, "collapse": collapse}
    with contextlib.suppress(OSError):  # a folder that was removed is no place to begin at
        params["cwd"] = os.getcwd()  # noqa: PTH109 - pathlib costs a query more than its round trip
    return params


def run_search(
    params: Mapping[str, Any],
    form: Form = TABLE,
    sync: float | None = None,
    *,
    client: Client,
    shares: bool = False,
    show: Callable[[list[dict[str, Any]], Console], None] | None = None,
) -> int:
    """Search and print the hits, best first, in the given form, or have them shown.

    With `sync` seconds the daemon first waits until the index has caught up; where it had not, the status says so.
    """
    with show_position(params["query"]):
        answer = request_hits(params, sync, client)
    screen = Console.of(sys.stdout, os.environ)
    if show is None:
        screen.write(hit_printer(answer["hits"], form, screen, shares=shares))
    else:
        show(answer["hits"], screen)
    print_notes(params["query"], answer, Console.of(sys.stderr, os.environ), bounded="min_score" in params)
    if sync is not None and not answer["synced"]:
        if held := answer.get("held"):
            exit_status.print_error(f"the index does not catch up: indexing is {held}; photos may be missing")
        else:
            late = f"the index had not caught up after {sync:g} s"
            exit_status.print_error(f"{late}: photos may be missing; wait longer with --sync=")
        return exit_status.NOT_READY
    return exit_status.DONE


def request_hits(params: Mapping[str, Any], sync: float | None, client: Client) -> dict[str, Any]:
    """Give the daemon's answer."""
    with client as asked:
        if sync is None:
            return dict(asked.call("search", **params))
        asked.timeout += sync
        return dict(asked.call("search", **params, sync=sync))


@contextlib.contextmanager
def show_position(query: str) -> Iterator[None]:
    """Show where in the query a mistake is, on a terminal, before it is told as every other."""
    try:
        yield
    except RemoteError as problem:
        notes = Console.of(sys.stderr, os.environ)
        if problem.place is not None and notes.terminal:
            from phsearch.cli.render.notes import caret_line  # noqa: PLC0415

            notes.write(caret_line(query, problem.place, notes))
        raise
