"""`why`: where a photo is, and why it is or is not found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from phsearch.cli import exit_status
from phsearch.cli.completion.suggestions import complete_term
from phsearch.cli.names import PROGRAM
from phsearch.cli.options import QueryCommand, json_option, with_client
from phsearch.cli.program import PathName
from phsearch.cli.render import table
from phsearch.cli.search_request import validate_query
from phsearch.cli.terminal import Console
from phsearch.client import parse_answer
from phsearch.paths import absolute_path
from phsearch.wire.results.why import Explanation

if TYPE_CHECKING:
    from phsearch.client import Client


@click.command(cls=QueryCommand, short_help="Say where a photo is, and why a search finds it or not.")
@click.argument("path", type=PathName())
@click.argument("query", nargs=-1, shell_complete=complete_term)
@json_option
@with_client
def why(client: Client, path: str, query: tuple[str, ...], *, as_json: bool) -> int:
    """Say how far the photo at PATH is on its way into the index, and with a QUERY how well it matches.

    The exit status is 0 if a search can find the photo, and 1 if not. For a folder it says how many of its photos can
    be found.
    """
    params = {"path": absolute_path(path, os.environ)}
    if query:
        params["query"] = " ".join(query)
        if wrong := validate_query(params["query"]):
            raise click.UsageError(wrong)
    answer = client.call("library.why", **params)
    found = parse_answer(Explanation, answer)
    console = Console.stdout()
    if as_json:
        console.write(table.json_line(answer))
    else:
        console.print_line(f"{found.path}: {found.text}")
        if found.match:
            console.print_line(found.match.text)
    if found.verdict in {"missing", "outside"} and os.sep not in path:
        words = " ".join(("why", path, *query))
        Console.stderr().print_line(f"to search for these words: {PROGRAM} search {words}", dim=True)
    return exit_status.DONE if found.findable else exit_status.FAILED
